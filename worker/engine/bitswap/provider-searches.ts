import { limits } from '../limits.ts'
import type { OrderId } from '../machine.ts'
import type { BitswapContext } from './context.ts'
import type { Want } from './want.ts'

/** DHT searches for wants: one per want at a time, a bounded number at once, the rest waiting in order of arrival. */
export class ProviderSearches {
  readonly #context: BitswapContext
  readonly #running = new Map<OrderId, Want>()
  readonly #orders = new Map<Want, OrderId>()
  readonly #waiting = new Set<Want>()

  constructor(context: BitswapContext) {
    this.#context = context
  }

  request(want: Want): void {
    this.#waiting.add(want)
    this.#fill()
  }

  /** The want needs no more providers. */
  stop(want: Want): void {
    this.#waiting.delete(want)
    want.search.stop()
    const search = this.#orders.get(want)
    if (search === undefined) return
    this.#forget(search, want)
    this.#context.effects.push({ type: 'stop-provider-search', search })
    this.#fill()
  }

  /** Undefined for searches that were stopped. */
  wantOf(search: OrderId): Want | undefined {
    return this.#running.get(search)
  }

  ended(search: OrderId): Want | undefined {
    const want = this.#running.get(search)
    if (want === undefined) return undefined
    this.#forget(search, want)
    this.#fill()
    return want
  }

  #forget(search: OrderId, want: Want): void {
    this.#running.delete(search)
    this.#orders.delete(want)
  }

  #fill(): void {
    for (const want of this.#waiting) {
      if (this.#running.size >= limits.providerSearchesMax.value) return
      this.#waiting.delete(want)
      const search = this.#context.orders.next()
      this.#running.set(search, want)
      this.#orders.set(want, search)
      this.#context.effects.push({ type: 'search-providers', search, cid: want.search.aim() })
      for (const id of want.waiters.keys()) {
        this.#context.effects.push({ type: 'want-progress', want: id, progress: { type: 'searching-providers' } })
      }
    }
  }
}
