import { unreachable } from '../assert.ts'
import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Machine, Millis, OrderId, OrderIds } from '../machine.ts'
import type { Peer, PeerCache } from '../peer.ts'
import type { Rng } from '../rng.ts'
import { multihashOf } from './cid-key.ts'
import { zeroCounters, type BitswapContext } from './context.ts'
import type { BitswapEffect, BitswapEvent, BitswapStatus, DiscoveryOptions } from './contract.ts'
import { ConnectionNeeds } from './connection-needs.ts'
import { Deadlines } from './deadlines.ts'
import { Discovery } from './discovery.ts'
import { Link, Pace } from './link.ts'
import type { BitswapBlock, BitswapMessage } from './message.ts'
import type { Flight } from './outbox.ts'
import { Probe, Probes } from './probes.ts'
import type { Hearing } from './registry.ts'
import { Responder } from './responder.ts'
import type { Delivery } from './want-order.ts'
import { Want } from './want.ts'
import { Wants } from './wants.ts'

/**
 * Bitswap: gets blocks for the page and gives blocks to others.
 *
 *   want-block ───────▶ Wants ──▶ Want (one per CID) ──▶ search-providers, need-connection
 *                         ▲         └──want-have, want-block, cancel──▶ Outbox ──▶ send-message
 *   message-received ─────┴──▶ Responder ──block, have, dont-have─────▶  (one per peer)
 *
 * The machine itself carries messages: what comes in goes to the wants and to the responder; at the end of each
 * `handle` one message goes to each peer that has none in flight and to which there is something to say. It does not
 * know how providers are found, peers dialed, blocks hashed or stored.
 */
export class Bitswap implements Machine<BitswapEvent, BitswapEffect> {
  readonly #context: BitswapContext
  readonly #wants: Wants
  readonly #responder: Responder
  readonly #probes: Probes
  readonly #needs: ConnectionNeeds
  readonly #links = new BytesMap<Link>()
  readonly #flights = new Map<OrderId, Link>()
  readonly #stores = new Map<OrderId, Uint8Array>()
  readonly #pace = new Pace()
  /** Of the last event. */
  #now: Millis = 0
  /** Connected peers that took no messages. */
  readonly #deaf = new BytesMap<true>()
  /** Of peers that are gone: who comes back is not listened to anew. */
  readonly #hearings = new BytesMap<Hearing>()
  /** Multihashes of the blocks that came last. */
  readonly #recentBlocks = new BytesMap<Delivery>()

  constructor(init: BitswapInit) {
    this.#context = {
      orders: init.orders,
      effects: [],
      counters: zeroCounters(),
      touched: new Set(),
      deadlines: new Deadlines(),
      discovery: new Discovery({ ...defaultDiscoveryOptions, ...init.discovery }, init.peers),
      isWantAsking: (key, peer) => this.#wants.isAsking(key, peer),
      isProbeAsking: (key, peer) => this.#probes.isAsking(key, peer),
    }
    this.#needs = new ConnectionNeeds(this.#context)
    this.#wants = new Wants(this.#context, this.#links, this.#needs, init.rng)
    this.#probes = new Probes(this.#context, this.#links, this.#needs)
    this.#responder = new Responder(this.#context)
  }

  handle(event: BitswapEvent, now: Millis): void {
    this.#now = now
    this.#route(event, now)
    this.#probes.settle(now)
    this.#wants.settle(now)
    this.#responder.pump(now)
    for (const link of this.#context.touched) this.#flush(link, now)
    this.#context.touched.clear()
    this.#context.deadlines.set(this.#context.discovery, this.#context.discovery.deadline)
  }

  poll(): BitswapEffect | undefined {
    return this.#context.effects.shift()
  }

  nextDeadline(): Millis | undefined {
    return this.#context.deadlines.next()
  }

  status(): BitswapStatus {
    const { discovery } = this.#context
    return {
      rankedPeers: discovery.ranking.size,
      registryCids: discovery.registry.size,
      searchDelayMs: discovery.searchDelay.ms(this.#now),
      peers: this.#links.size,
      wants: this.#wants.size + this.#probes.size,
      sessions: this.#wants.sessions,
      counters: { ...this.#context.counters },
    }
  }

  #route(event: BitswapEvent, now: Millis): void {
    switch (event.type) {
      case 'tick':
        return this.#tick(now)
      case 'want-block':
        return this.#wants.want(event, now)
      case 'cancel-want':
        if (!this.#probes.cancel(event.want, now)) this.#wants.cancel(event.want, now)
        return
      case 'probe':
        return this.#probes.start(event.want, event.cid, multihashOf(event.cid), event.provider, now)
      case 'open-session':
        return this.#wants.openSession(event)
      case 'close-session':
        return this.#wants.closeSession(event.session, now)
      case 'bitswap-peer-connected':
        this.#introduced(event, now)
        return
      case 'bitswap-peer-disconnected':
        this.#deaf.delete(event.peer.id)
        return this.#lost(event.peer, now)
      case 'connection-ready':
      case 'connection-failed':
        return this.#connectionAnswered(event.peer, event.type, now)
      case 'message-received':
        return this.#received(event.peer, event.message, now)
      case 'message-arriving': {
        const link = this.#links.get(event.peer.id)
        if (link !== undefined) link.lastHeardAt = now
        return
      }
      case 'message-sent':
        return this.#sent(event.order, now)
      case 'message-failed':
        return this.#failed(event.order, now)
      case 'providers-found':
        return this.#wants.providersFound(event.search, event.providers, now)
      case 'provider-search-ended':
        return this.#wants.searchEnded(event.search, event.failure, now)
      case 'block-loaded':
        if (!this.#wants.blockLoaded(event.order, event.bytes, now)) this.#responder.blockLoaded(event.order, event)
        return
      case 'block-stored':
        return this.#stored(event.order)
      case 'block-store-failed':
        this.#stores.delete(event.order)
        return
      case 'block-added':
        this.#wants.blockAdded(event.cid, event.bytes, now)
        return this.#responder.blockAdded(event.cid)
      case 'block-removed':
        return this.#responder.blockRemoved(event.cid)
      case 'discovery-restored':
        return this.#context.discovery.restore(event.memory, event.agoMs, now)
      case 'stopping':
        return this.#persist(undefined, now)
      default:
        unreachable(event)
    }
  }

  #tick(now: Millis): void {
    const { deadlines } = this.#context
    for (let item = deadlines.takeDue(now); item !== undefined; item = deadlines.takeDue(now)) {
      if (item instanceof Probe) this.#probes.timeCame(item, now)
      else if (item instanceof Discovery) this.#persist(now, now)
      else if (!(item instanceof Link)) this.#wants.timeCame(item)
      else if (item.outbox.isOverdue(now)) this.#failed(item.outbox.flight!.order, now)
      else this.#context.touched.add(item)
    }
  }

  #persist(due: Millis | undefined, now: Millis): void {
    for (const memory of this.#context.discovery.takeDue(due, now))
      this.#context.effects.push({ type: 'persist-discovery', memory })
  }

  /**
   * Who was dialed for a block is taken to speak Bitswap, and asked before it has identified itself: that would cost a
   * round trip or two, and where it is wrong the message fails. Probes and wants wait for the others for the same time.
   */
  #connectionAnswered(peer: Peer, type: 'connection-ready' | 'connection-failed', now: Millis): void {
    const owners = this.#needs.settle(peer)
    if (type === 'connection-ready' && owners.size > 0 && !this.#deaf.has(peer.id)) {
      if (this.#connected(peer, now) !== undefined) return
    }
    for (const owner of owners) {
      if (owner instanceof Want) this.#wants.apply(owner, peer, type, now)
      else if (owner instanceof Probe && type === 'connection-failed') this.#probes.connectionFailed(owner, now)
    }
  }

  #introduced(event: Extract<BitswapEvent, { type: 'bitswap-peer-connected' }>, now: Millis): void {
    const link = this.#connected(event.peer, now, event)
    if (link !== undefined && event.hasPresences !== undefined) link.hasPresences = event.hasPresences
  }

  /** Undefined when there are too many peers already. */
  #connected(peer: Peer, now: Millis, { addresses = [], hasPresences = true }: Introduction = {}): Link | undefined {
    const known = this.#links.get(peer.id)
    if (known !== undefined) {
      if (addresses.length > 0) known.info = { peer, addresses }
      return known
    }
    if (this.#links.size >= limits.bitswapPeersMax.value) return undefined
    const link = new Link(peer, this.#pace, this.#deaf.delete(peer.id), this.#hearings.get(peer.id))
    this.#hearings.delete(peer.id)
    if (addresses.length > 0) link.info = { peer, addresses }
    link.hasPresences = hasPresences
    this.#links.set(peer.id, link)
    this.#needs.connected(peer)
    this.#wants.peerConnected(link, now)
    this.#probes.peerConnected(link, now)
    return link
  }

  #lost(peer: Peer, now: Millis): void {
    const link = this.#links.get(peer.id)
    if (link === undefined) return
    this.#links.delete(peer.id)
    this.#hearings.set(peer.id, link.hearing)
    if (this.#hearings.size > limits.bitswapPeersMax.value) this.#hearings.shift()
    this.#context.deadlines.set(link, undefined)
    if (link.outbox.flight !== undefined) this.#flights.delete(link.outbox.flight.order)
    this.#responder.disconnected(link)
    this.#wants.peerDisconnected(link, now)
    this.#probes.peerDisconnected(peer, now)
  }

  /** Whoever sends us a message speaks Bitswap, whether or not the host has said so yet. */
  #received(peer: Peer, message: BitswapMessage, now: Millis): void {
    const link = this.#connected(peer, now)
    if (link === undefined) return
    this.#takeBlocks(link, message.blocks, now)
    for (const presence of message.presences) {
      if (presence.type === 'have') this.#context.counters.havesReceived++
      else this.#context.counters.dontHavesReceived++
      if (presence.type === 'dont-have') this.#probes.denied(multihashOf(presence.cid), peer, now)
      this.#wants.presenceReceived(presence, link, now)
    }
    this.#responder.receive(link, message, now)
  }

  /** `blocksReceived` counts all of them; those that nobody wants are dropped here. */
  #takeBlocks(link: Link, blocks: readonly BitswapBlock[], now: Millis): void {
    let wanted = 0
    let wantedBytes = 0
    let firstAskedAt = now
    for (const { cid, bytes } of blocks) {
      const key = multihashOf(cid)
      this.#context.counters.blocksReceived++
      this.#context.counters.bytesReceived += bytes.length
      if (link.outbox.settled(key)) this.#wants.roomFreed(link, now)
      const delivery = this.#wants.blockReceived(key, bytes, link, now)
      const isProbed = this.#probes.blockReceived(key, bytes, link.peer, now)
      if (delivery === undefined) {
        if (isProbed) continue
        const before = this.#recentBlocks.get(key)
        if (before?.takenOver === 'in-time') link.pace.cameTwice()
        if (before !== undefined) this.#context.counters.duplicateBlocksReceived++
        else this.#context.counters.unwantedBlocksReceived++
        continue
      }
      wanted++
      wantedBytes += bytes.length
      const { askedAt, takenOver } = delivery
      // Who is asked later for an earlier want may send that first.
      if (askedAt !== undefined && takenOver === undefined) link.latestAnsweredAsk = Math.max(link.latestAnsweredAsk, askedAt)
      firstAskedAt = Math.min(firstAskedAt, askedAt ?? now)
      this.#store(key, delivery, bytes)
    }
    if (wanted > 0) link.delivered(wanted, wantedBytes, firstAskedAt, now)
  }

  /** The page has its block already, whatever becomes of this order. */
  #store(key: Uint8Array, delivery: Delivery, bytes: Uint8Array): void {
    const { cid } = delivery
    const order = this.#context.orders.next()
    this.#stores.set(order, cid)
    this.#context.effects.push({ type: 'store-block', order, cid, bytes })
    this.#recentBlocks.delete(key)
    this.#recentBlocks.set(key, delivery)
    if (this.#recentBlocks.size > limits.recentBlocksMax.value) this.#recentBlocks.shift()
  }

  /** Only what is really stored is offered to others. */
  #stored(order: OrderId): void {
    const cid = this.#stores.get(order)
    if (cid === undefined) return
    this.#stores.delete(order)
    this.#responder.blockAdded(cid)
  }

  #flush(link: Link, now: Millis): void {
    if (this.#links.get(link.peer.id) !== link) return
    const flight = link.outbox.assemble(this.#context.orders, now)
    if (flight !== undefined) {
      this.#flights.set(flight.order, link)
      this.#context.effects.push({ type: 'send-message', order: flight.order, peer: link.peer, message: flight.message })
    }
    this.#context.deadlines.set(link, link.outbox.deadline)
  }

  #sent(order: OrderId, now: Millis): void {
    const link = this.#flights.get(order)
    const flight = link?.outbox.flight
    if (link === undefined || flight === undefined) return
    this.#flights.delete(order)
    link.outbox.sent()
    this.#count(flight)
    for (const [key, { entry }] of flight.wants.entries()) {
      if (entry.cancel) this.#wants.roomFreed(link, now)
      else this.#wants.messageLeft(key, entry.wantType, 'message-sent', link, now)
    }
    for (const _ of flight.whole?.ended.keys() ?? []) this.#wants.roomFreed(link, now)
    this.#responder.messageSent(link, flight, now)
    this.#context.touched.add(link)
  }

  /** A peer that takes no messages is as good as gone, until it connects again or says something. */
  #failed(order: OrderId, now: Millis): void {
    const link = this.#flights.get(order)
    const flight = link?.outbox.flight
    if (link === undefined || flight === undefined) return
    this.#flights.delete(order)
    link.outbox.failed(now)
    if (link.outbox.failures >= limits.messageFailuresMax.value) {
      this.#deaf.set(link.peer.id, true)
      if (this.#deaf.size > limits.bitswapPeersMax.value) this.#deaf.shift()
      return this.#lost(link.peer, now)
    }
    for (const [key, { entry }] of flight.wants.entries()) {
      if (entry.cancel) continue
      this.#wants.messageLeft(key, entry.wantType, 'message-failed', link, now)
      this.#probes.messageFailed(key, link, now)
      this.#wants.roomFreed(link, now)
    }
    this.#responder.messageFailed(link, flight, now)
    this.#context.touched.add(link)
  }

  #count(flight: Flight): void {
    const { counters } = this.#context
    for (const entry of flight.message.wantlist) {
      if (entry.cancel) counters.cancelsSent++
      else if (entry.wantType === 'block') counters.wantBlocksSent++
      else counters.wantHavesSent++
    }
    counters.blocksSent += flight.message.blocks.length
    counters.bytesSent += flight.blockBytes
    counters.presencesSent += flight.message.presences.length
  }
}

/** What a peer has said of itself, if it has. */
type Introduction = Omit<Extract<BitswapEvent, { type: 'bitswap-peer-connected' }>, 'type' | 'peer'>

export interface BitswapInit {
  readonly rng: Rng
  readonly peers: PeerCache
  readonly orders: OrderIds
  /** Beside the defaults. */
  readonly discovery?: Partial<DiscoveryOptions> | undefined
}

export const defaultDiscoveryOptions: DiscoveryOptions = {
  broadcast: 'steps',
  coldStart: 'steps',
  leaders: { type: 'dynamic' },
  peersPerSecond: limits.peersPerSecond.value,
  rankingWindowMs: limits.rankingWindowMs.value,
  latencyWindowMs: limits.latencyWindowMs.value,
  searchDelay: 0,
  guesses: 'dynamic',
  listenToWants: true,
}
