import { BytesMap, equalBytes } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis, OrderId } from '../machine.ts'
import type { Key, Peer, PeerInfo } from '../peer.ts'
import type { LookupStats, QueryProgress } from '../query.ts'
import { commonPrefixLength } from './distance.ts'
import { withoutCrowds } from './diversity.ts'
import { Lookup } from './lookup.ts'
import type { LookupPeer } from './lookup-contract.ts'
import type { KadPeer, KadRequest, KadResponse } from './message.ts'
import { normedDistance } from './network-size.ts'
import type { Outbox } from './outbox.ts'
import type { QueryContext, QueryEvent, QueryOutput } from './queries/contract.ts'

/** A usable answer, with the peers it named as the engine knows peers. */
export interface Answer {
  readonly peer: Peer
  readonly info: PeerInfo
  readonly response: KadResponse
  readonly closer: readonly PeerInfo[]
}

/**
 * The part that all queries share: a lookup together with its requests. It sends one and the same request to every
 * peer the lookup wants to ask, feeds the answers back, counts, and tells progress. Effects go to the query's outbox.
 *
 * It does not know what the answers mean to the query: `handle` returns each usable one.
 */
export class Walk {
  readonly #context: QueryContext
  readonly #request: KadRequest
  readonly #outbox: Outbox<QueryOutput>
  readonly #lookup: Lookup
  readonly #orderOf = new BytesMap<OrderId>()
  #requestsSent = 0
  #now: Millis

  constructor(init: { context: QueryContext; outbox: Outbox<QueryOutput>; target: Key; request: KadRequest; now: Millis }) {
    const { context } = init
    this.#context = context
    this.#request = init.request
    this.#now = init.now
    this.#outbox = init.outbox
    this.#lookup = new Lookup({
      target: init.target,
      options: context.options,
      isBarred: (peer) => this.#isBarred(peer),
      isDoubtful: (peer) => context.world.usefulness.isDoubtful(peer, this.#now),
      provenAddresses: (peer) => context.world.table?.get(peer)?.addresses ?? [],
      patience: context.world.patience,
      cost: context.world.counters,
      now: init.now,
    })
  }

  get hasEnded(): boolean {
    return this.#lookup.phase === 'ended'
  }

  /**
   * Takes an event in and returns the answer in it, if it is one. What the lookup decided to do next is held back
   * until `proceed` (which is due after the constructor too): a query that has enough ends instead, and nothing is
   * sent in vain.
   */
  handle(event: QueryEvent, now: Millis): Answer | undefined {
    this.#now = now
    switch (event.type) {
      case 'tick':
      case 'dial-queued':
      case 'dial-begun':
      case 'dial-opened':
      case 'connection-ready':
        this.#lookup.handle(event, now)
        return undefined
      case 'connection-failed':
        this.#lookup.handle(event, now)
        this.#tell({ type: 'failed', peer: event.peer, reason: event.reason })
        return undefined
      case 'seeds-found':
        this.#lookup.handle({ type: 'candidates-found', candidates: event.seeds }, now)
        return undefined
      case 'seeds-missing':
        this.#lookup.handle({ type: 'candidates-exhausted' }, now)
        return undefined
      case 'response-received':
        return this.#responseReceived(event, now)
      case 'request-failed':
        if (this.#orderOf.get(event.peer.id) !== event.order) return undefined
        this.#requestFailed(event.peer, event.reason, now)
        return undefined
      case 'expired':
      case 'notice-sent':
      case 'record-judged':
      case 'own-addresses-changed':
        return undefined
    }
  }

  proceed(): void {
    for (let effect = this.#lookup.poll(); effect !== undefined; effect = this.#lookup.poll()) {
      switch (effect.type) {
        case 'starved':
          this.#outbox.push({ type: 'need-seeds' })
          break
        case 'connect':
          this.#tell({ type: 'dialing', peer: effect.info.peer })
          this.#outbox.push({ type: 'need-connection', info: effect.info })
          break
        case 'drop-connect':
          this.#outbox.push({ type: 'drop-connection-need', peer: effect.peer })
          break
        case 'ask':
          this.#ask(effect.peer)
          break
        case 'stop-asking':
          this.#stopAsking(effect.peer)
          break
        case 'ended':
          break
      }
    }
  }

  /** Ends the lookup with what it has; `proceed` is due. */
  stop(now: Millis): void {
    this.#lookup.handle({ type: 'stop' }, now)
  }

  /**
   * To be called when the lookup has ended by itself: what it says of the size of the network. It counts the less, the
   * emptier the bucket of the target is, as then others near it may have been missed, too. (go-libp2p-kad-dht)
   */
  noteNetworkSize(now: Millis): void {
    const { options, world } = this.#context
    const { self, table, networkSize } = world
    if (self === undefined || table === undefined) return
    const { target } = this.#lookup
    const keys = this.nearest(options.k).map(({ info }) => info.peer.key)
    const cpl = commonPrefixLength(self.key, target)
    const alike = keys.filter((key) => commonPrefixLength(self.key, key) === cpl).length
    const level = Math.min(options.k, Math.max(alike, table.bucketSize(cpl)))
    networkSize.note(
      keys.map((key) => normedDistance(target, key)),
      2 ** (level - options.k),
      now,
    )
  }

  nextDeadline(): Millis | undefined {
    return this.#lookup.nextDeadline()
  }

  nearest(count: number): LookupPeer[] {
    return this.#lookup.nearest(count)
  }

  stats(now: Millis): LookupStats {
    return { ...this.#lookup.stats(now), requests: this.#requestsSent }
  }

  #responseReceived(event: Extract<QueryEvent, { type: 'response-received' }>, now: Millis): Answer | undefined {
    const { peer, response, rttMs } = event
    if (this.#orderOf.get(peer.id) !== event.order) return undefined
    this.#orderOf.delete(peer.id)
    const closer = this.#read(response.closer)
    this.#lookup.handle({ type: 'peer-responded', peer, closer }, now)
    const providers = response.providers.length
    this.#tell({ type: 'responded', peer, closerPeers: closer.length, providers, rttMs })
    return { peer, info: this.#lookup.infoOf(peer) ?? { peer, addresses: [] }, response, closer }
  }

  #requestFailed(peer: Peer, reason: Extract<QueryEvent, { type: 'request-failed' }>['reason'], now: Millis): void {
    this.#orderOf.delete(peer.id)
    this.#lookup.handle({ type: 'request-failed', peer, reason }, now)
    this.#tell({ type: 'failed', peer, reason })
  }

  /** Closer peers as candidates: cut at a multiple of k, without ourselves, denied peers and crowds of one network. */
  #read(peers: readonly KadPeer[]): readonly PeerInfo[] {
    const { counters } = this.#context.world
    const max = this.#context.options.k * limits.closerPeersPerBucket.value
    const infos: PeerInfo[] = []
    for (const { id, addresses } of peers.slice(0, max)) {
      const peer = this.#context.peers.intern(id)
      if (this.#isBarred(peer)) counters.rejectedCloserPeers++
      else infos.push({ peer, addresses })
    }
    const kept = withoutCrowds(infos, limits.replyGroupMax.value)
    counters.rejectedCloserPeers += Math.max(0, peers.length - max) + infos.length - kept.length
    return kept
  }

  #isBarred(peer: Peer): boolean {
    const { self, denied } = this.#context.world
    return (self !== undefined && equalBytes(self.id, peer.id)) || denied.has(peer.id)
  }

  #ask(peer: Peer): void {
    const order = this.#context.orders.next()
    this.#orderOf.set(peer.id, order)
    this.#requestsSent++
    this.#tell({ type: 'asking', peer })
    this.#outbox.push({ type: 'send-request', order, peer, request: this.#request })
  }

  #stopAsking(peer: Peer): void {
    const order = this.#orderOf.get(peer.id)
    if (order === undefined) return
    this.#orderOf.delete(peer.id)
    this.#outbox.push({ type: 'cancel-request', order })
  }

  #tell(progress: QueryProgress): void {
    const { query } = this.#context
    if (query !== undefined) this.#outbox.push({ type: 'query-progress', query, progress })
  }
}
