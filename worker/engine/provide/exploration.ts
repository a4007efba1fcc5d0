import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { OrderId, OrderIds } from '../machine.ts'
import type { Peer, PeerInfo } from '../peer.ts'
import { bitAt } from './bits.ts'
import type { ProvideEffect, ProvideEvent, ProvidedKey } from './contract.ts'
import type { Gap } from './coverage.ts'
import type { Neighbourhood } from './neighbourhood.ts'

/**
 * Finds the k nearest peers of each of a list of keys, with few requests.
 *
 *   next uncertain key ──a key of ours in its gap──▶ asking the nearest known ──β nearest answered──▶ certain, next
 *                                                        └──nobody known, none answers──▶ looking up ──▶ certain, next
 *   all certain, too many searches, two lookups in vain ──▶ ended
 *
 * A search goes to peers that the last one named and that are needed for sending anyway; a lookup from the routing table
 * is the way in, and the way out when all of them fail. What we ask for are keys of our own: their nearest are what we
 * want to know, and no preimage has to be searched. It does not know regions.
 */
export class Exploration {
  readonly #orders: OrderIds
  readonly #hood: Neighbourhood
  readonly #keys: readonly ProvidedKey[]
  readonly #effects: ExplorationEffect[] = []
  readonly #counts: ExplorationCounts
  #position = 0
  #search: Search | undefined
  #searches = 0
  #vain = 0
  #ended: 'explored' | 'no-peers' | undefined

  /** `keys`: in order. */
  constructor(init: { orders: OrderIds; hood: Neighbourhood; keys: readonly ProvidedKey[]; counts: ExplorationCounts }) {
    this.#orders = init.orders
    this.#hood = init.hood
    this.#keys = init.keys
    this.#counts = init.counts
    this.#next()
  }

  get ended(): 'explored' | 'no-peers' | undefined {
    return this.#ended
  }

  handle(event: ProvideEvent): void {
    const search = this.#search
    if (search === undefined) return
    if (event.type === 'peer-asked') {
      const peer = search.asking.get(event.order)
      if (peer === undefined) return
      search.asking.delete(event.order)
      search.answered.set(peer.id, true)
      if (event.closer === undefined) this.#hood.fail(peer)
      else this.#hood.learn(event.closer)
      this.#proceed(search)
    } else if (event.type === 'closest-found' && event.order === search.lookup) {
      this.#lookedUp(search, event.peers)
    }
  }

  poll(): ExplorationEffect | undefined {
    return this.#effects.shift()
  }

  /** Nobody waits for the answers any more. */
  drop(): void {
    const { asking, lookup } = this.#search ?? {}
    for (const order of asking?.keys() ?? []) this.#effects.push({ type: 'drop-order', order })
    if (lookup !== undefined) this.#effects.push({ type: 'drop-order', order: lookup })
    this.#search = undefined
  }

  #next(): void {
    this.#search = undefined
    for (; this.#position < this.#keys.length; this.#position++) {
      const key = this.#keys[this.#position]!
      const gap = this.#hood.gapFor(key.key)
      if (gap === undefined) continue
      if (this.#searches >= limits.exploredSearchesMax.value) break
      const target = this.#targetIn(gap, key)
      this.#searches++
      this.#counts.searches++
      const search: Search = {
        key,
        target,
        asking: new Map(),
        begun: new BytesMap(),
        answered: new BytesMap(),
        lookup: undefined,
      }
      this.#search = search
      return this.#proceed(search)
    }
    this.#ended = 'explored'
  }

  /** A key of ours in the middle of the gap teaches most; the second time for a key, it is the key itself. */
  #targetIn(gap: Gap, key: ProvidedKey): ProvidedKey {
    if (this.#lastKey === key) return key
    this.#lastKey = key
    const first = this.#firstAtOrAfter(gap, 0)
    const behind = this.#firstAtOrAfter(gap, 1)
    return first < behind ? this.#keys[(first + behind) >> 1]! : key
  }

  #lastKey: ProvidedKey | undefined

  /** The index of the first key that is not before the gap, or of the first behind it. */
  #firstAtOrAfter(gap: Gap, side: 0 | 1): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >> 1
      const place = placeBeside(gap, this.#keys[middle]!)
      if (place < side) low = middle + 1
      else high = middle
    }
    return low
  }

  #proceed(search: Search): void {
    const { target } = search
    if (search.lookup !== undefined) return
    const nearest = this.#hood.askable(target.key, limits.exploredAnswersMin.value)
    const open = nearest.filter(({ peer }) => !search.answered.has(peer.id))
    if (nearest.length === 0 || search.begun.size >= limits.exploredAsksMax.value) return this.#lookUp(search)
    if (open.length === 0) return this.#settle(search)
    for (const info of open) {
      if (search.asking.size >= limits.exploredAnswersMin.value) return
      if (!search.begun.has(info.peer.id)) this.#ask(search, info)
    }
  }

  #ask(search: Search, info: PeerInfo): void {
    const order = this.#orders.next()
    search.asking.set(order, info.peer)
    search.begun.set(info.peer.id, true)
    this.#counts.requests++
    this.#effects.push({ type: 'ask-peer', order, info, key: search.target.multihash, lane: 'background' })
  }

  #lookUp(search: Search): void {
    for (const order of search.asking.keys()) this.#effects.push({ type: 'drop-order', order })
    search.asking.clear()
    search.lookup = this.#orders.next()
    this.#counts.lookups++
    this.#effects.push({ type: 'find-closest', order: search.lookup, key: search.target.multihash })
  }

  #lookedUp(search: Search, peers: readonly PeerInfo[] | undefined): void {
    if (peers === undefined || peers.length === 0) {
      this.#vain++
      if (this.#hood.size === 0 || this.#vain >= limits.exploredVainMax.value) {
        this.#search = undefined
        this.#ended = this.#hood.size === 0 ? 'no-peers' : 'explored'
        return
      }
    } else {
      this.#vain = 0
      this.#hood.learn(peers)
      this.#hood.mark(search.target.key)
    }
    this.#skipIfInVain(search)
    this.#next()
  }

  #settle(search: Search): void {
    for (const order of search.asking.keys()) this.#effects.push({ type: 'drop-order', order })
    this.#hood.mark(search.target.key)
    this.#skipIfInVain(search)
    this.#next()
  }

  /** A key that was itself looked for, and still is not certain, goes to the nearest that are known. */
  #skipIfInVain({ key, target }: Search): void {
    if (target === key && this.#hood.gapFor(key.key) !== undefined) this.#position++
  }
}

export interface ExplorationCounts {
  lookups: number
  searches: number
  requests: number
}

type ExplorationEffect = Extract<ProvideEffect, { type: 'ask-peer' | 'find-closest' | 'drop-order' }>

interface Search {
  /** That is uncertain. */
  readonly key: ProvidedKey
  /** That is looked for. */
  readonly target: ProvidedKey
  readonly asking: Map<OrderId, Peer>
  readonly begun: BytesMap<true>
  /** Or failed to. */
  readonly answered: BytesMap<true>
  lookup: OrderId | undefined
}

/** -1 before the gap, 0 inside, 1 behind it. */
function placeBeside({ bits }: Gap, { key }: ProvidedKey): number {
  for (let position = 0; position < bits.length; position++) {
    const difference = bitAt(key, position) - bits[position]!
    if (difference !== 0) return difference
  }
  return 0
}
