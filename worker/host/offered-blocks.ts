import { limits } from '../engine/limits.ts'

/**
 * Blocks that the page offers from a store of its own. The Worker asks by number and waits a bounded time, a bounded number
 * of times at once: a page that answers late, never, or with an error costs a block that is not found, and nothing else.
 */
export class OfferedBlocks {
  readonly #ask: (request: number, cid: Uint8Array) => void
  readonly #timeoutMs: number
  readonly #pending = new Map<number, (bytes: Uint8Array | undefined) => void>()
  #next = 1

  constructor(ask: (request: number, cid: Uint8Array) => void, timeoutMs: number = limits.offeredBlockTimeoutMs.value) {
    this.#ask = ask
    this.#timeoutMs = timeoutMs
  }

  get size(): number {
    return this.#pending.size
  }

  read(cid: Uint8Array): Promise<Uint8Array | undefined> {
    if (this.#pending.size >= limits.offeredBlocksMax.value) return Promise.resolve(undefined)
    const request = this.#next++
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.answer(request, undefined), this.#timeoutMs)
      this.#pending.set(request, (bytes) => {
        clearTimeout(timer)
        resolve(bytes)
      })
      this.#ask(request, cid)
    })
  }

  /** Late and unknown answers are ignored. */
  answer(request: number, bytes: Uint8Array | undefined): void {
    const settle = this.#pending.get(request)
    this.#pending.delete(request)
    settle?.(bytes instanceof Uint8Array ? bytes : undefined)
  }

  end(): void {
    for (const request of [...this.#pending.keys()]) this.answer(request, undefined)
  }
}
