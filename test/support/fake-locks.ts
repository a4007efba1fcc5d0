import type { LockPort } from '../../worker/host/store/storage-name.ts'

/** Web Locks of one origin, as far as the store uses them. */
export class FakeLocks implements LockPort {
  readonly #held = new Set<string>()
  readonly #waiting: (() => void)[] = []

  async request(
    name: string,
    options: { readonly mode: 'exclusive'; readonly signal: AbortSignal },
    callback: () => Promise<void>,
  ): Promise<void> {
    while (this.#held.has(name)) await this.#turn(options.signal)
    options.signal.throwIfAborted()
    this.#held.add(name)
    try {
      await callback()
    } finally {
      this.#held.delete(name)
      for (const wake of this.#waiting.splice(0)) wake()
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    return new Promise((resolve, reject) => {
      this.#waiting.push(resolve)
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
  }
}
