import { assert } from '../assert.ts'
import { type BytesMap, equalBytes } from '../bytes-map.ts'
import type { Fill } from '../limits.ts'
import { earlier, type Machine, type Millis, type OrderId, type OrderIds } from '../machine.ts'
import type { Peer, PeerCache, PeerIdBytes, PeerInfo } from '../peer.ts'
import type { DialTimesByKind } from '../resilience/dial-times.ts'
import type { Rng } from '../rng.ts'
import type { KadEffect, KadEvent, KadOptions, KadStatus, RequestFailure } from './contract.ts'
import { Maintenance, type MaintenanceEffect } from './maintenance.ts'
import type { KadResponse } from './message.ts'
import { Outbox } from './outbox.ts'
import { PeerBook } from './peer-book.ts'
import type { QueryEvent } from './queries/contract.ts'
import { commandFault, createQuery, isDirect, type QueryCommand } from './queries/create.ts'
import { TableLookup } from './queries/table-lookup.ts'
import { QueryRuns } from './query-runs.ts'
import { type Request, RequestDesk } from './request-desk.ts'
import { Responder } from './responder.ts'
import { RoutingTable } from './routing-table.ts'
import type { Run } from './run.ts'
import { ServerChecks } from './server-checks.ts'
import { type KadWorld, newWorld } from './world.ts'

/**
 * The Kademlia client. Owns the routing table and runs queries on it.
 *
 *   (not started) ──start──▶ running
 *
 * It routes answers to the query whose order they are, and moves peers in and out of the table by what they did. A query
 * begins with the nearest table entries; with few of them the bootstrap peers are candidates too, and they are the
 * second try when a table from an earlier visit turns out dead. So nothing waits for bootstrapping as such.
 *
 * It does not know bytes, sockets, or who is connected: each need is told, and answered at once where a connection
 * exists. How lookups go on is in `lookup.ts`, what queries do with the answers
 * in `queries/`, who of them is under way in `query-runs.ts`.
 */
export class Kad implements Machine<KadEvent, KadEffect> {
  readonly #rng: Rng
  readonly #options: KadOptions
  readonly #peers: PeerCache
  readonly #outbox = new Outbox<KadEffect>()
  readonly #world: KadWorld
  readonly #desk: RequestDesk
  readonly #runs: QueryRuns
  readonly #checks: ServerChecks
  readonly #orders: OrderIds
  readonly #isServer: boolean
  /** Of a server, once it has been started. */
  #responder: Responder | undefined
  #persistedSize = 0
  #now: Millis = 0
  #started: { readonly table: RoutingTable; readonly book: PeerBook; readonly maintenance: Maintenance } | undefined

  /**
   * `denied`: peers that are never dialed, asked or passed on, keyed by id. `server`: answers what others ask, too. `dialTimes`: see
   * `newWorld`.
   */
  constructor(init: {
    options: KadOptions
    rng: Rng
    peers: PeerCache
    orders: OrderIds
    denied?: BytesMap<true>
    server?: boolean
    dialTimes?: DialTimesByKind
  }) {
    const { k, alpha, beta } = init.options
    assert(k >= 1 && alpha >= 1 && beta >= 1 && beta <= k, 'k, alpha and beta are positive, beta at most k')
    this.#rng = init.rng
    this.#world = newWorld(k, init.denied, init.dialTimes)
    this.#options = init.options
    this.#peers = init.peers
    this.#orders = init.orders
    this.#isServer = init.server === true
    this.#desk = new RequestDesk({ outbox: this.#outbox, counters: this.#world.counters })
    this.#runs = new QueryRuns({
      shared: { options: init.options, orders: init.orders, peers: init.peers, world: this.#world },
      outbox: this.#outbox,
      desk: this.#desk,
      surroundings: { seeds: (run) => this.#seedsFor(run), ended: (run, now) => this.#runEnded(run, now) },
    })
    this.#checks = new ServerChecks({ orders: init.orders })
  }

  handle(event: KadEvent, now: Millis): void {
    this.#now = now
    this.#route(event, now)
    do this.#runs.startQueued(now)
    while (this.#drainParts(now) || (this.#started !== undefined && this.#runs.releaseHeld(now)))
    this.#desk.release(now)
    this.#drainResponder()
  }

  poll(): KadEffect | undefined {
    return this.#outbox.poll()
  }

  nextDeadline(): Millis | undefined {
    const ownDeadline = earlier(this.#desk.nextDeadline(), this.#started?.maintenance.nextDeadline())
    return earlier(earlier(ownDeadline, this.#responder?.nextDeadline()), this.#runs.nextDeadline())
  }

  status(): KadStatus {
    const table = this.#started?.table
    return {
      tableSize: table?.size ?? 0,
      buckets: table?.bucketSizes() ?? [],
      activeQueries: this.#runs.commands,
      queuedQueries: this.#runs.queued,
      runningQueries: this.#runs.running,
      requestsInFlight: this.#desk.inFlight,
      networkSize: this.#world.networkSize.estimate(this.#now),
      counters: { ...this.#world.counters, keysHashed: this.#peers.hashed },
    }
  }

  /** For tests of the bounds. */
  counts(): { runs: number; held: number; needs: number; requests: number; judgements: number } {
    return { ...this.#runs.counts(), requests: this.#desk.size }
  }

  fill(): Fill {
    const { usefulness, providers, networkSize } = this.#world
    return {
      kadQueriesMax: this.#runs.commands,
      kadRunningQueriesMax: this.#runs.running,
      kadInternalQueriesMax: this.#runs.internal,
      kadRequestsMax: this.#desk.inFlight,
      kadClosedOrdersMax: this.#desk.closed,
      uselessPeersMax: usefulness.size,
      providerCacheMax: providers.size,
      networkSizeSamplesMax: networkSize.samples,
      ...this.#checks.fill(),
      ...this.#responder?.fill(),
    }
  }

  #route(event: KadEvent, now: Millis): void {
    switch (event.type) {
      case 'tick':
        return this.#tick(now)
      case 'start':
        return this.#start(event, now)
      case 'find-providers':
      case 'closest-peers':
      case 'find-peer':
      case 'get-value':
      case 'put-value':
      case 'provide':
      case 'ask-peer':
      case 'tell-peer':
        return this.#command(event, now)
      case 'cancel':
        return this.#runs.cancel(event.query, now)
      case 'own-addresses-changed':
        this.#world.ownAddresses = event.addresses
        return this.#runs.tellAll({ type: 'own-addresses-changed' }, now)
      case 'network-changed':
        return this.#started?.maintenance.handle({ type: 'network-changed' }, now)
      case 'dial-queued':
      case 'dial-begun':
      case 'dial-opened':
        return this.#runs.dialMoved(event, now)
      case 'connection-ready':
      case 'connection-failed':
        return this.#connectionSettled(event, now)
      case 'dht-server-seen':
        return this.#started?.book.serverSeen(event.info, now)
      case 'dht-server-gone':
        return this.#started?.book.serverGone(event.peer)
      case 'dht-servers-named':
        return this.#serversNamed(event.infos, now)
      case 'response-received':
        return this.#responseReceived(event.order, event.response, now)
      case 'request-failed':
        return this.#requestFailed(event.order, event.reason, now)
      case 'notice-sent': {
        const request = this.#desk.close(event.order)
        if (request === undefined || request.user === 'server-check') return
        return this.#runs.feed(request.user, { type: 'notice-sent', order: event.order, peer: request.peer }, now)
      }
      case 'request-received':
        return this.#requestReceived(event, now)
      case 'record-judged':
        if (this.#responder?.isJudging(event.order) === true) return this.#responder.handle(event, now)
        if (!this.#runs.judged(event.order, event.verdict, now)) this.#world.counters.unknownOrders++
        return
    }
  }

  #start(event: Extract<KadEvent, { type: 'start' }>, now: Millis): void {
    assert(this.#started === undefined, 'a machine is started once')
    const { self } = event
    this.#world.self = self
    const isWelcome = (id: PeerIdBytes) => !equalBytes(id, self.id) && !this.#world.denied.has(id)
    const bootstrapPeers = event.bootstrapPeers.filter(({ peer }) => isWelcome(peer.id))
    const table = new RoutingTable({ self, k: this.#options.k, outbox: this.#outbox })
    const entries = event.tableEntries.filter(({ id }) => isWelcome(id))
    const kept = entries.map(({ id, addresses, lastUsefulAt }) => {
      return { info: { peer: this.#peers.intern(id), addresses }, lastUsefulAt }
    })
    table.restore(kept, now)
    if (event.networkSize !== undefined) {
      this.#world.networkSize.restore(event.networkSize)
      this.#persistedSize = event.networkSize
    }
    const rng = this.#rng.child()
    const maintenance = new Maintenance({ self, rng, peers: this.#peers, tableSize: table.size, now })
    const book = new PeerBook({ table, checks: this.#checks, denied: this.#world.denied, bootstrapPeers })
    this.#world.table = table
    if (this.#isServer) {
      const known = (peer: Peer) => book.known(peer)
      const own = () => ({ peer: self, addresses: this.#world.ownAddresses })
      const nearest: RoutingTable['nearest'] = (target, count) => table.nearest(target, count)
      const surroundings = { k: this.#options.k, rng: this.#rng.child(), peers: this.#peers, orders: this.#orders }
      this.#responder = new Responder({ ...surroundings, self: own, nearest, known }, now)
      this.#world.records = this.#responder.records
    }
    this.#started = { table, book, maintenance }
  }

  #command(command: QueryCommand, now: Millis): void {
    const { query } = command
    const lane = 'lane' in command ? command.lane : undefined
    const purpose = { type: 'command', query, lane, isDirect: isDirect(command) } as const
    const failure = commandFault(command, this.#runs.commands)
    if (failure !== undefined) {
      this.#outbox.push({ type: 'query-failed', query, failure, stats: undefined })
      return
    }
    this.#runs.begin((context) => createQuery(command, context, now), purpose, now)
  }

  /** For a query that knows nobody to ask: see the header for who comes when. */
  #seedsFor(run: Run): Extract<QueryEvent, { type: 'seeds-found' | 'seeds-missing' }> | undefined {
    const seeds = this.#started?.book.seeds(run.machine.target, this.#options.k, run.seedsTaken) ?? []
    if (seeds.length > 0) return { type: 'seeds-found', seeds }
    return this.#hasProspects(run) ? undefined : { type: 'seeds-missing' }
  }

  /** Whether peers may still turn up without this query: it is worth holding. */
  #hasProspects(run: Run): boolean {
    if (this.#started === undefined) return true
    if (run.purpose.type === 'table-lookup') return false
    return this.#started.maintenance.isBootstrapping || !this.#checks.isIdle
  }

  #serversNamed(infos: readonly PeerInfo[], now: Millis): void {
    for (const info of infos) if (this.#started?.book.wouldTake(info, now) === true) this.#runs.check(info, now)
  }

  #connectionSettled(event: Extract<KadEvent, { type: 'connection-ready' | 'connection-failed' }>, now: Millis): void {
    if (event.type === 'connection-failed') this.#started?.book.dialFailed(event, now)
    if (!this.#runs.connectionSettled(event, now)) this.#world.counters.unknownOrders++
  }

  #responseReceived(order: OrderId, response: KadResponse, now: Millis): void {
    const request = this.#desk.close(order)
    if (request === undefined) return
    // Before anything is made of it: that would renew the peer's place in the table, and clear all doubts.
    if (response.type !== request.type) return this.#noteRequestFailure(request, 'malformed', now)
    this.#world.counters.responsesReceived++
    const { user, peer, sentAt } = request
    if (user === 'server-check') {
      const info = this.#checks.settle(order)
      if (info !== undefined) this.#started?.book.checkAnswered(info, response, now)
      return
    }
    this.#noteUse(peer, response, now)
    this.#started?.book.answered(user.infos.get(peer.id) ?? { peer, addresses: [] }, response, now)
    this.#runs.feed(user, { type: 'response-received', order, peer, response, rttMs: now - sentAt }, now)
  }

  #noteUse(peer: Peer, { type, closer, providers, record }: KadResponse, now: Millis): void {
    const isUseful = type === 'put-value' || closer.length > 0 || providers.length > 0 || record !== undefined
    if (isUseful) this.#world.usefulness.useful(peer)
    else this.#world.usefulness.useless(peer, now)
  }

  #requestReceived(event: Extract<KadEvent, { type: 'request-received' }>, now: Millis): void {
    if (this.#responder !== undefined && !this.#world.denied.has(event.from.id)) return this.#responder.handle(event, now)
    this.#world.counters.requestsRefused++
    this.#outbox.push({ type: 'refuse-request', exchange: event.exchange })
  }

  #drainResponder(): void {
    const { counters } = this.#world
    for (let effect = this.#responder?.poll(); effect !== undefined; effect = this.#responder?.poll()) {
      if (effect.type === 'send-response') counters.requestsServed++
      else if (effect.type === 'refuse-request') counters.requestsRefused++
      this.#outbox.push(effect)
    }
  }

  #requestFailed(order: OrderId, reason: RequestFailure, now: Millis): void {
    const request = this.#desk.close(order)
    if (request !== undefined) this.#noteRequestFailure(request, reason, now)
  }

  #noteRequestFailure({ order, peer, user }: Request, reason: RequestFailure, now: Millis): void {
    this.#world.counters.requestsFailed++
    this.#started?.book.requestFailed(peer, reason, now)
    this.#world.usefulness.useless(peer, now)
    if (user === 'server-check') this.#checks.settle(order)
    else this.#runs.feed(user, { type: 'request-failed', order, peer, reason }, now)
  }

  #tick(now: Millis): void {
    for (let late = this.#desk.closeExpired(now); late !== undefined; late = this.#desk.closeExpired(now)) {
      this.#noteRequestFailure(late, 'timeout', now)
    }
    this.#runs.tick(now)
    this.#responder?.handle({ type: 'tick' }, now)
    this.#started?.maintenance.handle({ type: 'tick' }, now)
  }

  #runEnded({ purpose }: Run, now: Millis): void {
    this.#persistNetworkSize(now)
    if (purpose.type !== 'table-lookup' || this.#started === undefined) return
    const { table, maintenance } = this.#started
    maintenance.handle({ type: 'table-size', size: table.size }, now)
    maintenance.handle({ type: 'lookup-ended', buckets: table.bucketSizes() }, now)
  }

  /** Each lookup moves it a little: only what makes a difference is worth a write. */
  #persistNetworkSize(now: Millis): void {
    const size = this.#world.networkSize.estimate(now)
    if (size === undefined || Math.abs(size - this.#persistedSize) <= 0.1 * this.#persistedSize) return
    this.#persistedSize = size
    this.#outbox.push({ type: 'persist-network-size', size })
  }

  /** Returns whether there are new queries. */
  #drainParts(now: Millis): boolean {
    for (let effect = this.#checks.poll(); effect !== undefined; effect = this.#checks.poll()) {
      if (effect.type === 'send-request') this.#desk.send(effect, 'server-check', now)
      else this.#desk.cancel(effect.order)
    }
    if (this.#started === undefined) return false
    const { table, maintenance } = this.#started
    maintenance.handle({ type: 'table-size', size: table.size }, now)
    const due = maintenance.poll()
    if (due !== undefined) this.#lookUp(due, now)
    return due !== undefined
  }

  #lookUp({ key, target, isRepair }: MaintenanceEffect, now: Millis): void {
    this.#runs.begin((context) => new TableLookup({ context, key, target, now }), { type: 'table-lookup', isRepair }, now)
  }
}
