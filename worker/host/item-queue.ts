/**
 * A stream with one writer and one reader. `onReturn` runs once when the reader leaves early. The writer is bounded by
 * what it writes (a search has a limit of results), so the queue needs no bound of its own.
 */
export class ItemQueue<T> implements AsyncIterableIterator<T> {
  readonly #items: T[] = []
  readonly #onReturn: () => void
  #end: { readonly error: unknown } | 'end' | undefined
  #reader: { resolve: (result: IteratorResult<T>) => void; reject: (error: unknown) => void } | undefined

  constructor(onReturn: () => void) {
    this.#onReturn = onReturn
  }

  push(item: T): void {
    if (this.#end !== undefined) return
    if (this.#reader === undefined) {
      this.#items.push(item)
      return
    }
    this.#reader.resolve({ value: item, done: false })
    this.#reader = undefined
  }

  end(): void {
    this.#finish('end')
  }

  fail(error: unknown): void {
    this.#finish({ error })
  }

  async next(): Promise<IteratorResult<T>> {
    const item = this.#items.shift()
    if (item !== undefined) return { value: item, done: false }
    if (this.#end === 'end') return { value: undefined, done: true }
    if (this.#end !== undefined) {
      const { error } = this.#end
      this.#end = 'end'
      throw error
    }
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject }
    })
  }

  async return(): Promise<IteratorResult<T>> {
    if (this.#end === undefined) this.#onReturn()
    this.#items.length = 0
    this.#finish('end')
    this.#end = 'end'
    return { value: undefined, done: true }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #finish(end: { readonly error: unknown } | 'end'): void {
    if (this.#end !== undefined) return
    this.#end = end
    const reader = this.#reader
    this.#reader = undefined
    if (reader === undefined) return
    if (end === 'end') reader.resolve({ value: undefined, done: true })
    else {
      this.#end = 'end'
      reader.reject(end.error)
    }
  }
}
