import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { OrderId, OrderIds } from '../machine.ts'
import type { Key, Peer, PeerInfo } from '../peer.ts'
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
  /** Gaps that stay: how often they were searched in vain, by their bits. */
  readonly #vainGaps = new Map<string, number>()
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

  /** Returns whether it was an answer to one of its orders. */
  handle(event: ProvideEvent): boolean {
    const search = this.#search
    if (search === undefined) return false
    if (event.type === 'closest-found' && event.order === search.lookup) {
      this.#lookedUp(search, event.peers)
      return true
    }
    const peer = event.type === 'peer-asked' ? search.asking.get(event.order) : undefined
    if (event.type !== 'peer-asked' || peer === undefined) return false
    search.asking.delete(event.order)
    search.answered.set(peer.id, true)
    if (event.closer === undefined) this.#hood.fail(peer, event.wasNotTried)
    else this.#hood.answered(peer, search.target.key, event.closer)
    this.#proceed(search)
    return true
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
      const { key } = this.#keys[this.#position]!
      const gap = this.#hood.gapFor(key)
      // In vain for one key, in vain for the next: they go to the nearest that are known.
      if (gap === undefined || this.#isHopeless(gap)) continue
      if (this.#searches >= limits.exploredSearchesMax.value) break
      this.#searches++
      const search: Search = {
        gap,
        target: this.#targetIn(gap),
        asking: new Map(),
        begun: new BytesMap(),
        answered: new BytesMap(),
        lookup: undefined,
        isLookedUp: false,
      }
      this.#search = search
      return this.#proceed(search)
    }
    this.#ended = this.#hood.size === 0 ? 'no-peers' : 'explored'
  }

  /** Something in the gap whose preimage we know: the key itself, another one of ours, a peer; failing that, the nearest peer. */
  #targetIn(gap: Gap): Target {
    const own = this.#keys[this.#position]!
    if (placeBeside(gap, own.key) === 0) return { place: own.key, key: own.key, bytes: own.multihash }
    const first = this.#firstAtOrAfter(gap, 0)
    const behind = this.#firstAtOrAfter(gap, 1)
    const other = first < behind ? this.#keys[(first + behind) >> 1] : undefined
    if (other !== undefined) return { place: other.key, key: other.key, bytes: other.multihash }
    const place = keyIn(gap, own.key)
    const peer = this.#hood.namedNear(place)
    if (peer === undefined || this.#vainGaps.has(gap.bits.join(''))) return { place, key: own.key, bytes: own.multihash }
    return { place: placeBeside(gap, peer.key) === 0 ? peer.key : place, key: peer.key, bytes: peer.id }
  }

  /** The index of the first key that is not before the gap, or of the first behind it. */
  #firstAtOrAfter(gap: Gap, side: 0 | 1): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (placeBeside(gap, this.#keys[middle]!.key) < side) low = middle + 1
      else high = middle
    }
    return low
  }

  #proceed(search: Search): void {
    if (search.lookup !== undefined) return
    const { target, begun, answered, asking } = search
    if (this.#hood.isCertain(target.place)) return this.#settle(search)
    const nearest = this.#hood.askable(target.place, limits.exploredAnswersMin.value)
    if (nearest.length === 0 || begun.size >= limits.exploredAsksMax.value) return this.#lookUp(search)
    const open = nearest.filter(({ peer }) => !answered.has(peer.id))
    if (open.length === 0) {
      this.#accept(search)
      return this.#settle(search)
    }
    const width = limits.exploredWitnessesMin.value - this.#hood.witnessesOf(target.place)
    for (const info of open) {
      if (asking.size >= width) return
      if (!begun.has(info.peer.id)) this.#ask(search, info)
    }
  }

  #ask(search: Search, info: PeerInfo): void {
    if (search.begun.size === 0) this.#counts.searches++
    const order = this.#orders.next()
    search.asking.set(order, info.peer)
    search.begun.set(info.peer.id, true)
    this.#counts.requests++
    this.#effects.push({ type: 'ask-peer', order, info, key: search.target.bytes, lane: 'background' })
  }

  #lookUp(search: Search): void {
    if (search.isLookedUp) {
      this.#accept(search)
      return this.#settle(search)
    }
    for (const order of search.asking.keys()) this.#effects.push({ type: 'drop-order', order })
    search.asking.clear()
    search.lookup = this.#orders.next()
    search.isLookedUp = true
    this.#counts.lookups++
    this.#effects.push({ type: 'find-closest', order: search.lookup, key: search.target.bytes })
  }

  #lookedUp(search: Search, peers: readonly PeerInfo[] | undefined): void {
    search.lookup = undefined
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
    }
    this.#proceed(search)
  }

  /** Nobody is left to ask. Who was asked for something else has said nothing of the place. */
  #accept({ target, gap }: Search): void {
    if (target.place === target.key || this.#hood.witnessesOf(target.place) > 0) this.#hood.accept(target.place, gap)
  }

  #settle({ asking, target, gap }: Search): void {
    for (const order of asking.keys()) this.#effects.push({ type: 'drop-order', order })
    if (!this.#hood.isCertain(target.place)) {
      const name = gap.bits.join('')
      this.#vainGaps.set(name, (this.#vainGaps.get(name) ?? 0) + 1)
    }
    this.#next()
  }

  /** Once by a peer's id and once by a key of ours: there is no other way to ask. */
  #isHopeless({ bits }: Gap): boolean {
    return this.#vainGaps.size > 0 && (this.#vainGaps.get(bits.join('')) ?? 0) > 1
  }
}

export interface ExplorationCounts {
  lookups: number
  searches: number
  requests: number
}

type ExplorationEffect = Extract<ProvideEffect, { type: 'ask-peer' | 'find-closest' | 'drop-order' }>

interface Search {
  readonly gap: Gap
  readonly target: Target
  readonly asking: Map<OrderId, Peer>
  readonly begun: BytesMap<true>
  /** Or failed to. */
  readonly answered: BytesMap<true>
  lookup: OrderId | undefined
  isLookedUp: boolean
}

interface Target {
  /** That is to become certain. */
  readonly place: Key
  /** That is asked for, with bytes that hash to it. */
  readonly key: Key
  readonly bytes: Uint8Array
}

/** The place in the gap that is nearest to the key. */
function keyIn({ bits }: Gap, key: Key): Key {
  const place = key.slice() as Key
  for (const [position, bit] of bits.entries()) {
    if (bitAt(key, position) !== bit) place[position >> 5] = (place[position >> 5]! ^ (1 << (31 - (position & 31)))) >>> 0
  }
  return place
}

/** -1 before the gap, 0 inside, 1 behind it. */
function placeBeside({ bits }: Gap, key: Key): number {
  for (let position = 0; position < bits.length; position++) {
    const difference = bitAt(key, position) - bits[position]!
    if (difference !== 0) return difference
  }
  return 0
}
