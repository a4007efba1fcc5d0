/**
 * One search with any number of readers: each gets all items, those found before it came too. It ends with its last
 * reader, unless it has ended by itself; then it is a list, and can be kept.
 */
export class SharedSearch<Item> {
  readonly #items: Item[] = []
  readonly #abort = new AbortController()
  #readers = 0
  #changed = Promise.withResolvers<void>()
  #state: 'running' | 'ended' | 'left' = 'running'

  /** `search` gives each item to `found`; when it settles, the search has ended. */
  constructor(
    search: (signal: AbortSignal, found: (item: Item) => void) => Promise<void>,
    onEnd: (items: readonly Item[]) => void,
  ) {
    const found = (item: Item): void => {
      this.#items.push(item)
      this.#wake()
    }
    search(this.#abort.signal, found)
      .catch(() => {})
      .finally(() => {
        if (this.#state === 'running') {
          this.#state = 'ended'
          onEnd(this.#items)
        }
        this.#wake()
      })
  }

  /** Nobody reads it any more, and it has been broken off. */
  get isLeft(): boolean {
    return this.#state === 'left'
  }

  /** Ends where the signal does. */
  async *read(signal: AbortSignal): AsyncGenerator<Item> {
    this.#readers++
    const onAbort = (): void => this.#wake()
    signal.addEventListener('abort', onAbort)
    try {
      for (let index = 0; !signal.aborted; index++) {
        while (index >= this.#items.length && this.#state === 'running' && !signal.aborted) await this.#changed.promise
        if (signal.aborted || index >= this.#items.length) return
        yield this.#items[index]!
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
      if (--this.#readers === 0 && this.#state === 'running') {
        this.#state = 'left'
        this.#abort.abort()
      }
    }
  }

  #wake(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers<void>()
  }
}
