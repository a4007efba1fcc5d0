import { offeredBlockTimeoutMs } from '../contract/limits.ts'
import { limits } from '../engine/limits.ts'

/**
 * Blocks that the page offers from a store of its own. The Worker asks by number, a bounded number at once; further reads wait
 * their turn, and each takes a bounded time with the waiting: a page that answers late, never, or with an error costs a
 * block that is not found, and nothing else.
 */
export class OfferedBlocks {
  readonly #ask: (request: number, cid: Uint8Array) => void
  readonly #timeoutMs: number
  readonly #pending = new Map<number, Read>()
  /** In the order of their coming; of those in `#pending`. */
  readonly #waiting = new Set<number>()
  #next = 1

  constructor(ask: (request: number, cid: Uint8Array) => void, timeoutMs: number = offeredBlockTimeoutMs) {
    this.#ask = ask
    this.#timeoutMs = timeoutMs
  }

  get size(): number {
    return this.#pending.size
  }

  read(cid: Uint8Array): Promise<Uint8Array | undefined> {
    if (this.#waiting.size >= limits.offeredBlocksWaitingMax.value) return Promise.resolve(undefined)
    const request = this.#next++
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#expire(request), this.#timeoutMs)
      this.#pending.set(request, { cid, resolve, timer })
      this.#waiting.add(request)
      this.#askNext()
    })
  }

  /** Late and unknown answers are ignored. */
  answer(request: number, bytes: Uint8Array | undefined): void {
    this.#settle(request, bytes)
    this.#askNext()
  }

  end(): void {
    for (const request of [...this.#pending.keys()]) this.#settle(request, undefined)
  }

  #settle(request: number, bytes: Uint8Array | undefined): void {
    const read = this.#pending.get(request)
    if (read === undefined) return
    this.#pending.delete(request)
    this.#waiting.delete(request)
    clearTimeout(read.timer)
    read.resolve(bytes instanceof Uint8Array ? bytes : undefined)
  }

  /** Those that came in the same moment are out of time, too, and are not asked for any more. */
  #expire(request: number): void {
    this.#settle(request, undefined)
    setTimeout(() => this.#askNext(), 0)
  }

  #askNext(): void {
    for (const request of this.#waiting) {
      if (this.#pending.size - this.#waiting.size >= limits.offeredBlocksMax.value) return
      this.#waiting.delete(request)
      this.#ask(request, this.#pending.get(request)!.cid)
    }
  }
}

interface Read {
  readonly cid: Uint8Array
  readonly resolve: (bytes: Uint8Array | undefined) => void
  readonly timer: ReturnType<typeof setTimeout>
}
