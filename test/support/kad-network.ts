import { BytesMap, equalBytes } from '../../worker/engine/bytes-map.ts'
import type { KadEffect, KadEvent, KadOptions, RecordVerdict, StoredTableEntry } from '../../worker/engine/kad/contract.ts'
import { commonPrefixLength, comparePeersTo } from '../../worker/engine/kad/distance.ts'
import { Kad } from '../../worker/engine/kad/kad.ts'
import type { KadPeer, KadRecord, KadRequest, KadResponse } from '../../worker/engine/kad/message.ts'
import { type Millis, type OrderId, OrderIds } from '../../worker/engine/machine.ts'
import { type Address, type Key, type Peer, PeerCache, type PeerIdBytes, type PeerInfo } from '../../worker/engine/peer.ts'
import type { Failure, QueryId, QueryItem, QueryResult } from '../../worker/engine/query.ts'
import { Rng } from '../../worker/engine/rng.ts'

/**
 * A network of peers in virtual time that drives one `Kad` and nothing else: it dials, answers and judges. All chance
 * comes from the seed. Each peer answers from buckets of its own, filled from the true network, dead ones included.
 */

export interface NetworkOptions {
  readonly seed: number
  readonly peers: number
  readonly kad?: KadOptions
  /** Shares of all peers. Dead: dials time out. */
  readonly dead?: number
  readonly undialable?: number
  /** Connected, but never answer. */
  readonly mute?: number
  /** Answer after three seconds. */
  readonly slow?: number
  /** Name invented peers, dialable ones and others. */
  readonly lying?: number
  /** Chances per answer. */
  readonly faults?: { readonly drop?: number; readonly late?: number; readonly twice?: number; readonly fail?: number }
  /** Number of bootstrap peers; they are alive unless `deadBootstrap`. */
  readonly bootstrap?: number
  readonly deadBootstrap?: boolean
  /** For other orders of arrival in the same world. */
  readonly arrivalSeed?: number
  readonly keyOf?: (bytes: Uint8Array) => Key
  readonly denied?: BytesMap<true>
}

export interface SimulatedPeer {
  readonly peer: Peer
  readonly addresses: readonly Address[]
  readonly kind: 'good' | 'dead' | 'undialable' | 'mute' | 'slow' | 'lying'
  readonly records: BytesMap<KadRecord>
  readonly providers: BytesMap<KadPeer[]>
  known: SimulatedPeer[] | undefined
}

export class KadNetwork {
  readonly kad: Kad
  readonly peers: readonly SimulatedPeer[]
  readonly self: Peer
  readonly cache: PeerCache
  readonly effects: KadEffect[] = []
  readonly bootstrapPeers: readonly PeerInfo[]
  now: Millis = 0
  readonly #options: NetworkOptions
  readonly #arrivals: Rng
  readonly #k: number
  readonly #byId = new BytesMap<SimulatedPeer>()
  readonly #connected = new BytesMap<true>()
  readonly #dialing = new BytesMap<true>()
  readonly #cancelled = new Set<OrderId>()
  #agenda: { readonly at: Millis; readonly turn: number; readonly event: () => KadEvent | undefined }[] = []
  #turns = 0
  #nextQuery = 1

  constructor(options: NetworkOptions) {
    this.#options = options
    const rng = new Rng(options.seed)
    this.cache = new PeerCache(options.keyOf)
    const kadOptions = options.kad ?? { k: 20, alpha: 10, beta: 3 }
    this.#k = kadOptions.k
    this.self = this.cache.intern(rng.bytes(34) as PeerIdBytes)
    this.peers = Array.from({ length: options.peers }, (_, index) => this.#newPeer(index, rng))
    for (const peer of this.peers) this.#byId.set(peer.peer.id, peer)
    const isBootstrap = (peer: SimulatedPeer) => peer.kind === (options.deadBootstrap ? 'dead' : 'good')
    this.bootstrapPeers = this.peers.filter(isBootstrap).slice(0, options.bootstrap ?? 2)
    this.#arrivals = new Rng(options.arrivalSeed ?? options.seed + 1)
    const denied = options.denied === undefined ? {} : { denied: options.denied }
    this.kad = new Kad({ options: kadOptions, rng: rng.child(), peers: this.cache, orders: new OrderIds(), ...denied })
  }

  start(tableEntries: readonly StoredTableEntry[] = []): void {
    this.handle({ type: 'start', self: this.self, bootstrapPeers: this.bootstrapPeers, tableEntries })
  }

  queryId(): QueryId {
    return this.#nextQuery++ as QueryId
  }

  handle(event: KadEvent): void {
    this.kad.handle(event, this.now)
    for (let effect = this.kad.poll(); effect !== undefined; effect = this.kad.poll()) {
      this.effects.push(effect)
      this.#perform(effect)
    }
  }

  /** Lets time pass until `isDone`, or until `until`. */
  run(until: Millis, isDone: () => boolean = () => false): void {
    while (!isDone()) {
      const next = this.#agenda[0]
      const deadline = this.kad.nextDeadline()
      const at = Math.min(next?.at ?? Number.POSITIVE_INFINITY, Math.max(deadline ?? Number.POSITIVE_INFINITY, this.now))
      if (at > until) {
        this.now = until
        return
      }
      this.now = at
      if (next !== undefined && next.at <= at) {
        this.#agenda.shift()
        const event = next.event()
        if (event !== undefined) this.handle(event)
      } else {
        this.handle({ type: 'tick' })
      }
    }
  }

  /** Runs until the query has ended, at most two minutes. */
  finish(query: QueryId): Ending {
    this.run(this.now + 120_000, () => this.ending(query) !== undefined)
    const ending = this.ending(query)
    if (ending === undefined) throw new Error(`query ${query} has not ended (seed ${this.#options.seed})`)
    return ending
  }

  ending(query: QueryId): Ending | undefined {
    for (const effect of this.effects) {
      if (effect.type === 'query-ended' && effect.query === query) return { result: effect.result, failure: undefined }
      if (effect.type === 'query-failed' && effect.query === query) return { result: undefined, failure: effect.failure }
    }
    return undefined
  }

  items(query: QueryId): QueryItem[] {
    return this.effects.flatMap((effect) => (effect.type === 'query-item' && effect.query === query ? [effect.item] : []))
  }

  /** The `count` peers nearest to `target` among those that `matches`, from full knowledge. */
  nearest(target: Key, count: number, matches: (peer: SimulatedPeer) => boolean = () => true): SimulatedPeer[] {
    return this.peers
      .filter(matches)
      .sort((a, b) => comparePeersTo(target, a.peer, b.peer))
      .slice(0, count)
  }

  find(peer: Peer): SimulatedPeer | undefined {
    return this.#byId.get(peer.id)
  }

  storedEntries(count: number, matches: (peer: SimulatedPeer) => boolean = () => true): StoredTableEntry[] {
    const chosen = this.peers.filter(matches).slice(0, count)
    return chosen.map(({ peer, addresses }, index) => ({ id: peer.id, addresses, lastUsefulAt: 1_000_000 - index }))
  }

  #newPeer(index: number, rng: Rng): SimulatedPeer {
    const kind = this.#kindOf(index, rng.unit())
    const peer = this.cache.intern(rng.bytes(34) as PeerIdBytes)
    const addresses = [{ bytes: rng.bytes(8), dialable: kind !== 'undialable' }]
    return { peer, addresses, kind, records: new BytesMap(), providers: new BytesMap(), known: undefined }
  }

  /** The first peers are good, so that there is always a way in. */
  #kindOf(index: number, draw: number): SimulatedPeer['kind'] {
    const { dead = 0, undialable = 0, mute = 0, slow = 0, lying = 0, deadBootstrap } = this.#options
    if (index < 2) return deadBootstrap ? 'dead' : 'good'
    let share = draw
    for (const [kind, part] of Object.entries({ dead, undialable, mute, slow, lying }) as [SimulatedPeer['kind'], number][]) {
      if (share < part) return kind
      share -= part
    }
    return 'good'
  }

  #plan(delay: Millis, event: () => KadEvent | undefined): void {
    const item = { at: this.now + delay, turn: this.#turns++, event }
    const after = this.#agenda.findIndex((other) => other.at > item.at)
    this.#agenda.splice(after === -1 ? this.#agenda.length : after, 0, item)
  }

  #perform(effect: KadEffect): void {
    switch (effect.type) {
      case 'need-connection':
        return this.#dial(effect.info)
      case 'drop-connection-need':
        this.#dialing.delete(effect.peer.id)
        return
      case 'send-request':
        return this.#answer(effect.order, effect.peer, effect.request)
      case 'cancel-request':
        this.#cancelled.add(effect.order)
        return
      case 'judge-record': {
        const { order, value } = effect
        return this.#plan(this.#arrivals.below(3), () => ({ type: 'record-judged', order, verdict: judge(value) }))
      }
      default:
        return
    }
  }

  #dial({ peer }: PeerInfo): void {
    if (this.#dialing.has(peer.id)) return
    this.#dialing.set(peer.id, true)
    const kind = this.find(peer)?.kind ?? 'dead'
    if (this.#connected.has(peer.id)) return this.#settleDial(0, { type: 'connection-ready', peer })
    if (kind === 'dead') return this.#settleDial(5_000, { type: 'connection-failed', peer, reason: 'timeout' })
    this.#settleDial(50 + this.#arrivals.below(300), { type: 'connection-ready', peer })
  }

  #settleDial(delay: Millis, event: Extract<KadEvent, { type: 'connection-ready' | 'connection-failed' }>): void {
    this.#plan(delay, () => {
      if (!this.#dialing.delete(event.peer.id)) return undefined
      if (event.type === 'connection-ready') this.#connected.set(event.peer.id, true)
      return event
    })
  }

  #answer(order: OrderId, to: Peer, request: KadRequest): void {
    const server = this.find(to)
    const { drop = 0, late = 0, twice = 0, fail = 0 } = this.#options.faults ?? {}
    if (server === undefined || server.kind === 'mute' || this.#arrivals.unit() < drop) return
    const delay = 20 + this.#arrivals.below(200) + (server.kind === 'slow' ? 3_000 : 0)
    if (this.#arrivals.unit() < fail) return this.#plan(delay, () => ({ type: 'request-failed', order, reason: 'reset' }))
    if (request.type === 'add-provider') {
      const entries = server.providers.get(request.key) ?? []
      server.providers.set(request.key, [...entries, request.provider])
      return this.#plan(1, () => ({ type: 'notice-sent', order }))
    }
    const isLate = this.#arrivals.unit() < late
    const response = this.#respond(server, request)
    // Late ones come even if they were cancelled, as real ones do.
    this.#plan(isLate ? delay + 12_000 : delay, () => {
      return this.#cancelled.has(order) && !isLate ? undefined : { type: 'response-received', order, response }
    })
    if (this.#arrivals.unit() < twice) this.#plan(delay + 30, () => ({ type: 'response-received', order, response }))
  }

  #respond(server: SimulatedPeer, request: Exclude<KadRequest, { type: 'add-provider' }>): KadResponse {
    if (request.type === 'put-value') {
      const { record } = request
      server.records.set(record.key, record)
      return { type: 'put-value', key: record.key, closer: [], providers: [], record }
    }
    const target = this.cache.keyOf(request.key)
    const closer = server.kind === 'lying' ? this.#inventions() : this.#closerTo(server, target)
    const isItself = request.type === 'find-node' && equalBytes(request.key, server.peer.id)
    return {
      type: request.type,
      key: request.key,
      closer: isItself ? [...closer, kadPeer(server)] : closer,
      providers: request.type === 'get-providers' ? (server.providers.get(request.key) ?? []) : [],
      record: request.type === 'get-value' ? server.records.get(request.key) : undefined,
    }
  }

  #closerTo(server: SimulatedPeer, target: Key): KadPeer[] {
    server.known ??= this.#bucketsOf(server)
    return server.known
      .toSorted((a, b) => comparePeersTo(target, a.peer, b.peer))
      .slice(0, this.#k)
      .map(kadPeer)
  }

  /** Up to k peers of each common prefix length, chosen by the server's own chance; no other order decides. */
  #bucketsOf(server: SimulatedPeer): SimulatedPeer[] {
    const rng = new Rng(server.peer.key[0]!)
    const sizes = new Map<number, number>()
    return rng.shuffle(this.peers.filter((other) => other !== server)).filter((other) => {
      const cpl = commonPrefixLength(server.peer.key, other.peer.key)
      const size = sizes.get(cpl) ?? 0
      sizes.set(cpl, size + 1)
      return size < this.#k
    })
  }

  #inventions(): KadPeer[] {
    return Array.from({ length: 60 }, (_, index) => {
      const id = this.#arrivals.bytes(34) as PeerIdBytes
      return { id, addresses: [{ bytes: this.#arrivals.bytes(8), dialable: index % 2 === 0 }] }
    })
  }
}

export interface Ending {
  readonly result: QueryResult | undefined
  readonly failure: Failure | undefined
}

export function kadPeer({ peer, addresses }: SimulatedPeer): KadPeer {
  return { id: peer.id, addresses }
}

/** Values in tests: the first byte is the rank, 255 is invalid. */
function judge(value: Uint8Array): RecordVerdict {
  const rank = value[0] ?? 255
  return rank === 255 ? { valid: false, reason: 'invalid' } : { valid: true, rank: [BigInt(rank)] }
}

/** Any effect or event as a line of text, the same for the same content. */
export function serialize(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (part instanceof Uint8Array) return Array.from(part, (byte) => byte.toString(16).padStart(2, '0')).join('')
    if (part instanceof Uint32Array) return Array.from(part, (word) => word.toString(16).padStart(8, '0')).join('')
    return typeof part === 'bigint' ? part.toString() : part
  })
}
