import { CID } from 'multiformats/cid'
import { Bitswap } from './bitswap/bitswap.ts'
import type { BitswapEffect, BitswapEvent, DiscoveryOptions } from './bitswap/contract.ts'
import type { BytesMap } from './bytes-map.ts'
import { Connections } from './connections/connections.ts'
import type { ConnectionsEffect } from './connections/contract.ts'
import type { EngineEffect, EngineEvent, EngineStatus } from './contract.ts'
import type { KadEffect, KadOptions } from './kad/contract.ts'
import { Kad } from './kad/kad.ts'
import { type Fill, limits } from './limits.ts'
import { earlier, OrderIds, type Machine, type Millis, type OrderId } from './machine.ts'
import { PeerCache, type PeerInfo } from './peer.ts'
import type { ProvideEffect, ProvideEvent, ProvideOptions } from './provide/contract.ts'
import { Provide } from './provide/provide.ts'
import type { QueryId } from './query.ts'
import { newDialTimesByKind } from './resilience/dial-times.ts'
import { Rng } from './rng.ts'

/**
 * The whole engine: the parent of the parts, which do not know each other.
 *
 *              ┌──────────── need-connection ────────────┐
 *   event ──▶ kad ◀── find-providers ── bitswap ──▶ connections ──▶ dial
 *              │  └── ready, failed ◀─────────────────────┘
 *              └◀── closest peers, ask, tell ── provide
 *
 * It only routes: events go down to the part they concern, effects come up; a connection need becomes an event for
 * `connections`, a provider search of Bitswap becomes a query of Kademlia. Everything else leaves through `poll`.
 */
export class Engine implements Machine<EngineEvent, EngineEffect> {
  /** Ids given to the engine from outside are made peers here, so that each is hashed once. */
  readonly peers: PeerCache
  readonly #kad: Kad
  readonly #bitswap: Bitswap
  readonly #connections: Connections
  readonly #provide: Provide
  readonly #effects: EngineEffect[] = []
  #handledAt: Millis = 0
  /** What lookups of the sweep have found so far. */
  readonly #found = new Map<QueryId, PeerInfo[]>()
  /** What searches for Bitswap have named, and Bitswap has not been told. */
  readonly #named = new Map<OrderId, PeerInfo[]>()

  constructor(init: EngineInit) {
    const rng = new Rng(init.seed)
    const orders = new OrderIds()
    this.peers = init.peers ?? new PeerCache()
    const dialTimes = newDialTimesByKind()
    const options = init.kad ?? defaultKadOptions
    const denied = init.denied === undefined ? {} : { denied: init.denied }
    const server = init.server === true
    this.#kad = new Kad({ options, rng: rng.child(), peers: this.peers, orders, server, dialTimes, ...denied })
    this.#bitswap = new Bitswap({ rng: rng.child(), peers: this.peers, orders, discovery: init.discovery })
    this.#provide = new Provide({ orders, options: { ...defaultProvideOptions, ...init.provide, k: options.k } })
    this.#connections = new Connections({ orders, dialTimes, ...denied })
  }

  handle(event: EngineEvent, now: Millis): void {
    this.#handledAt = now
    this.#route(event, now)
    this.#settle(now)
  }

  poll(): EngineEffect | undefined {
    return this.#effects.shift()
  }

  nextDeadline(): Millis | undefined {
    return [this.#kad, this.#bitswap, this.#connections, this.#provide].reduce<Millis | undefined>(
      (deadline, part) => earlier(deadline, part.nextDeadline()),
      undefined,
    )
  }

  /** `now`: if time has passed since the last event. */
  status(now: Millis = this.#handledAt): EngineStatus {
    return { kad: this.#kad.status(), bitswap: this.#bitswap.status(), provide: this.#provide.status(now) }
  }

  /** For tests of the bounds, and to see what an engine holds. */
  fill(): Fill {
    const { queued, dialing, opening, failures } = this.#connections.counts()
    const { peers, wants, sessions, rankedPeers, registryCids } = this.#bitswap.status()
    return {
      ...this.#kad.fill(),
      cachedPeersMax: this.peers.size,
      pendingDialsMax: opening,
      dialsMax: dialing,
      queuedDialsMax: queued,
      failedPeersMax: failures,
      bitswapPeersMax: peers,
      wantsMax: wants,
      sessionsMax: sessions,
      rankedPeersMax: rankedPeers,
      registryCidsMax: registryCids,
    }
  }

  #route(event: EngineEvent, now: Millis): void {
    switch (event.type) {
      case 'tick':
        this.#connections.handle(event, now)
        this.#kad.handle(event, now)
        this.#bitswap.handle(event, now)
        this.#provide.handle(event, now)
        break
      case 'own-addresses-changed':
        this.#kad.handle(event, now)
        this.#provide.handle(event, now)
        break
      case 'network-changed':
        this.#connections.handle(event, now)
        this.#kad.handle(event, now)
        break
      case 'dial-opened':
      case 'dial-succeeded':
      case 'dial-failed':
        this.#connections.handle(event, now)
        break
      case 'peer-connected':
        this.#connections.handle(event, now)
        this.#provide.handle(event, now)
        break
      case 'peer-disconnected':
        this.#connections.handle(event, now)
        this.#bitswap.handle({ type: 'bitswap-peer-disconnected', peer: event.peer }, now)
        break
      default:
        if (isForProvide(event)) this.#provide.handle(event, now)
        else if (isForBitswap(event)) this.#bitswap.handle(event, now)
        else this.#kad.handle(event, now)
    }
  }

  /** Lets the parts answer each other until nothing moves; each answer is final, so this ends. */
  #settle(now: Millis): void {
    for (;;) {
      const fromKad = this.#kad.poll()
      if (fromKad !== undefined) {
        this.#takeKadEffect(fromKad, now)
        continue
      }
      for (const search of this.#named.keys()) this.#tellNamed(search, now)
      const fromBitswap = this.#bitswap.poll()
      if (fromBitswap !== undefined) {
        this.#takeBitswapEffect(fromBitswap, now)
        continue
      }
      const fromConnections = this.#connections.poll()
      if (fromConnections !== undefined) {
        this.#takeConnectionsEffect(fromConnections, now)
        continue
      }
      const fromProvide = this.#provide.poll()
      if (fromProvide === undefined) return
      this.#takeProvideEffect(fromProvide, now)
    }
  }

  #takeKadEffect(effect: KadEffect, now: Millis): void {
    switch (effect.type) {
      case 'need-connection':
        this.#connections.handle({ type: 'need', user: 'kad', info: effect.info, priority: effect.priority }, now)
        break
      case 'drop-connection-need':
        this.#connections.handle({ type: 'drop-need', user: 'kad', peer: effect.peer }, now)
        break
      case 'query-item':
      case 'query-progress':
      case 'query-ended':
      case 'query-failed':
        if (isOfProvide(effect.query)) this.#tellProvide(effect, now)
        else if (effect.query < 0) this.#tellSearch(effect, now)
        else this.#effects.push(effect)
        break
      default:
        this.#effects.push(effect)
    }
  }

  #takeBitswapEffect(effect: BitswapEffect, now: Millis): void {
    switch (effect.type) {
      case 'need-connection':
        this.#connections.handle({ type: 'need', user: 'bitswap', info: effect.info, priority: effect.priority }, now)
        break
      case 'drop-connection-need':
        this.#connections.handle({ type: 'drop-need', user: 'bitswap', peer: effect.peer }, now)
        break
      case 'search-providers':
        this.#kad.handle(
          {
            type: 'find-providers',
            query: searchQuery(effect.search),
            multihash: CID.decode(effect.cid).multihash.bytes,
            limit: limits.searchedProvidersMax.value,
            countsDialable: true,
          },
          now,
        )
        break
      case 'stop-provider-search':
        this.#kad.handle({ type: 'cancel', query: searchQuery(effect.search) }, now)
        break
      default:
        this.#effects.push(effect)
    }
  }

  #takeProvideEffect(effect: ProvideEffect, now: Millis): void {
    switch (effect.type) {
      case 'find-closest':
        this.#found.set(provideQuery(effect.order), [])
        this.#kad.handle({ type: 'closest-peers', query: provideQuery(effect.order), key: effect.key, lane: 'background' }, now)
        break
      case 'ask-peer':
      case 'tell-peer':
        this.#kad.handle({ ...effect, query: provideQuery(effect.order) }, now)
        break
      case 'drop-order':
        this.#found.delete(provideQuery(effect.order))
        this.#kad.handle({ type: 'cancel', query: provideQuery(effect.order) }, now)
        break
      default:
        this.#effects.push(effect)
    }
  }

  #takeConnectionsEffect(effect: ConnectionsEffect, now: Millis): void {
    switch (effect.type) {
      case 'dial':
      case 'cancel-dial':
        this.#effects.push(effect)
        break
      // Bitswap's patience begins with the connection.
      case 'queued':
        if (effect.user === 'kad') this.#kad.handle({ type: 'dial-queued', peer: effect.peer }, now)
        break
      case 'begun':
        if (effect.user === 'kad') this.#kad.handle({ type: 'dial-begun', peer: effect.peer, agoMs: effect.agoMs }, now)
        break
      case 'opened':
        if (effect.user === 'kad') this.#kad.handle({ type: 'dial-opened', peer: effect.peer }, now)
        break
      case 'ready':
        this.#partOf(effect.user).handle({ type: 'connection-ready', peer: effect.peer }, now)
        break
      case 'failed':
        this.#partOf(effect.user).handle({ ...effect, type: 'connection-failed' }, now)
        break
    }
  }

  #partOf(user: 'kad' | 'bitswap'): Kad | Bitswap {
    return user === 'kad' ? this.#kad : this.#bitswap
  }

  #tellProvide(effect: Extract<KadEffect, { query: QueryId }>, now: Millis): void {
    const { query } = effect
    const order = ((-query - 1) / 2) as OrderId
    const found = this.#found.get(query)
    if (effect.type === 'query-item') {
      if (effect.item.type === 'peer' && effect.item.outcome !== 'failed') found?.push(effect.item.info)
    } else if (effect.type === 'query-ended' && effect.result.type === 'ask-peer') {
      const { closer, wasNotTried } = effect.result
      this.#provide.handle({ type: 'peer-asked', order, closer, wasNotTried }, now)
    } else if (effect.type === 'query-ended' && effect.result.type === 'tell-peer') {
      const { sent, wasNotTried } = effect.result
      this.#provide.handle({ type: 'peer-told', order, sent, wasNotTried }, now)
    } else if (effect.type !== 'query-progress') {
      this.#found.delete(query)
      const peers = effect.type === 'query-ended' ? found : undefined
      // A query that was refused ends the order of whatever kind it was.
      if (found !== undefined) this.#provide.handle({ type: 'closest-found', order, peers }, now)
      else {
        this.#provide.handle({ type: 'peer-asked', order, closer: undefined, wasNotTried: true }, now)
        this.#provide.handle({ type: 'peer-told', order, sent: 0, wasNotTried: true }, now)
      }
    }
  }

  /** A query with a negative id is a provider search that Bitswap started. */
  #tellSearch(effect: Extract<KadEffect, { query: QueryId }>, now: Millis): void {
    const search = (-effect.query / 2) as OrderId
    if (effect.type === 'query-item' && effect.item.type === 'provider') {
      const named = this.#named.get(search)
      if (named === undefined) this.#named.set(search, [effect.item.provider])
      else named.push(effect.item.provider)
    } else if (effect.type === 'query-ended' || effect.type === 'query-failed') {
      this.#tellNamed(search, now)
      const failure = effect.type === 'query-failed' ? effect.failure : undefined
      this.#bitswap.handle({ type: 'provider-search-ended', search, failure }, now)
    }
  }

  /** Of the providers in one answer the nearest is asked first, which is known when all of them are. */
  #tellNamed(search: OrderId, now: Millis): void {
    const providers = this.#named.get(search)
    if (providers === undefined) return
    this.#named.delete(search)
    this.#bitswap.handle({ type: 'providers-found', search, providers }, now)
  }
}

const defaultProvideOptions = { intervalMs: limits.provideIntervalMs.value, withoutAddress: false }

export interface EngineInit {
  /** The same seed and the same events give the same effects. */
  readonly seed: number
  readonly kad?: KadOptions
  readonly discovery?: Partial<DiscoveryOptions> | undefined
  readonly provide?: Partial<Omit<ProvideOptions, 'k'>> | undefined
  /** Peers that are never dialed, asked or told of, keyed by id. */
  readonly denied?: BytesMap<true>
  /** Whether the DHT requests of others are answered. */
  readonly server?: boolean
  /** Shared by engines that run in one thread (the simulator): it decides nothing, and each peer is hashed once for all. */
  readonly peers?: PeerCache
}

/** Amino's constants (go-libp2p-kad-dht). */
export const defaultKadOptions: KadOptions = { k: 20, alpha: 10, beta: 3 }

type PartEvent = Exclude<
  EngineEvent,
  {
    type:
      | 'tick'
      | 'own-addresses-changed'
      | 'dial-opened'
      | 'dial-succeeded'
      | 'dial-failed'
      | 'peer-connected'
      | 'peer-disconnected'
  }
>

function isForBitswap(event: PartEvent): event is Extract<PartEvent, BitswapEvent> {
  switch (event.type) {
    case 'want-block':
    case 'probe':
    case 'cancel-want':
    case 'open-session':
    case 'close-session':
    case 'bitswap-peer-connected':
    case 'message-received':
    case 'message-arriving':
    case 'message-sent':
    case 'message-failed':
    case 'block-loaded':
    case 'block-stored':
    case 'block-store-failed':
    case 'block-added':
    case 'block-removed':
    case 'discovery-restored':
    case 'stopping':
      return true
    default:
      return false
  }
}

function isForProvide(event: PartEvent): event is Extract<PartEvent, ProvideEvent> {
  switch (event.type) {
    case 'provide-start':
    case 'provide-cells':
    case 'keys-loaded':
    case 'keys-not-loaded':
    case 'online-changed':
    case 'provide-paused':
    case 'page-hidden':
    case 'time-told':
      return true
    default:
      return false
  }
}

/** Queries of our own have negative ids: odd those of the sweep, even those of Bitswap. */
function provideQuery(order: OrderId): QueryId {
  return (-2 * order - 1) as QueryId
}

function isOfProvide(query: QueryId): boolean {
  return query < 0 && query % 2 !== 0
}

function searchQuery(search: OrderId): QueryId {
  return (-2 * search) as QueryId
}
