import { assert } from '../assert.ts'
import { equalBytes } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import { earlier, type Machine, type Millis, type OrderId, type OrderIds } from '../machine.ts'
import type { Peer, PeerCache } from '../peer.ts'
import type { QueryId } from '../query.ts'
import type { Rng } from '../rng.ts'
import { ConnectionNeeds } from './connection-needs.ts'
import type { KadEffect, KadEvent, KadOptions, KadStatus, RequestFailure } from './contract.ts'
import { Maintenance, type MaintenanceEffect } from './maintenance.ts'
import type { KadResponse } from './message.ts'
import { Outbox } from './outbox.ts'
import { PeerBook } from './peer-book.ts'
import type { QueryContext, QueryEvent, QueryOutput } from './queries/contract.ts'
import { Correction } from './queries/correction.ts'
import { commandFault, createQuery, type QueryCommand } from './queries/create.ts'
import { TableLookup } from './queries/table-lookup.ts'
import { type PendingRequest, Requests } from './requests.ts'
import { RoutingTable } from './routing-table.ts'
import { newRun, priorityOf, type Run, type RunPurpose, runDeadline, timeEvent } from './run.ts'
import { ServerChecks } from './server-checks.ts'
import { newWorld } from './world.ts'

/**
 * The Kademlia client. Owns the routing table and runs queries on it.
 *
 *   (not started) ──start──▶ running
 *
 * and of each query
 *
 *   given ──peers to begin with──▶ running ──ended, failed, expired, cancelled──▶ (gone)
 *     └──▶ held ──first peers, or nobody left to hope for──▶ running
 *
 * It routes answers to the query whose order they are, shares one connection need among the queries, moves peers
 * in and out of the table by what they did, and when a query ends undoes whatever it left open. A query begins
 * with the nearest table entries; with few of them the bootstrap peers are candidates too, and they are the second try
 * when a table from an earlier visit turns out dead. So nothing waits for bootstrapping as such.
 *
 * It does not know bytes, sockets, or who is connected: each need is told, and answered at once where a connection
 * exists. How lookups go on is in `lookup.ts`, what queries do with the answers in `queries/`.
 */
export class Kad implements Machine<KadEvent, KadEffect> {
  readonly #rng: Rng
  readonly #shared: Omit<QueryContext, 'query'>
  readonly #outbox = new Outbox<KadEffect>()
  readonly #world = newWorld()
  readonly #runs = new Set<Run>()
  readonly #commands = new Map<QueryId, Run>()
  readonly #held = new Set<Run>()
  readonly #needs = new ConnectionNeeds<Run>()
  readonly #requests = new Requests<User>()
  readonly #judgements = new Map<OrderId, Run>()
  readonly #checks: ServerChecks
  #started: { readonly table: RoutingTable; readonly book: PeerBook; readonly maintenance: Maintenance } | undefined

  constructor(init: { options: KadOptions; rng: Rng; peers: PeerCache; orders: OrderIds }) {
    const { k, alpha, beta } = init.options
    assert(k >= 1 && alpha >= 1 && beta >= 1 && beta <= k, 'k, alpha and beta are positive, beta at most k')
    this.#rng = init.rng
    this.#shared = { options: init.options, orders: init.orders, peers: init.peers, world: this.#world }
    this.#checks = new ServerChecks({ orders: init.orders })
  }

  handle(event: KadEvent, now: Millis): void {
    this.#route(event, now)
    this.#drainParts(now)
    this.#releaseHeld(now)
  }

  poll(): KadEffect | undefined {
    return this.#outbox.poll()
  }

  nextDeadline(): Millis | undefined {
    let deadline = earlier(this.#requests.nextDeadline(), this.#started?.maintenance.nextDeadline())
    for (const run of this.#runs) deadline = earlier(deadline, runDeadline(run))
    return deadline
  }

  status(): KadStatus {
    const table = this.#started?.table
    return {
      tableSize: table?.size ?? 0,
      buckets: table?.bucketSizes() ?? [],
      activeQueries: this.#commands.size,
      counters: { ...this.#world.counters },
    }
  }

  /** For tests of the bounds. */
  counts(): { runs: number; held: number; needs: number; requests: number; judgements: number } {
    return {
      runs: this.#runs.size,
      held: this.#held.size,
      needs: this.#needs.size,
      requests: this.#requests.size,
      judgements: this.#judgements.size,
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
        return this.#command(event, now)
      case 'cancel': {
        const run = this.#commands.get(event.query)
        if (run !== undefined) this.#end(run, now)
        return
      }
      case 'own-addresses-changed':
        this.#world.ownAddresses = event.addresses
        for (const run of this.#runs) this.#feed(run, { type: 'own-addresses-changed' }, now)
        return
      case 'connection-ready':
      case 'connection-failed':
        return this.#connectionSettled(event, now)
      case 'dht-server-seen':
        return this.#started?.book.serverSeen(event.info, now)
      case 'dht-server-gone':
        return this.#started?.book.serverGone(event.peer)
      case 'response-received':
        return this.#responseReceived(event.order, event.response, now)
      case 'request-failed':
        return this.#requestFailed(event.order, event.reason, now)
      case 'notice-sent': {
        const request = this.#closeRequest(event.order)
        if (request === undefined || request.user === 'server-check') return
        return this.#feed(request.user, { type: 'notice-sent', order: event.order, peer: request.peer }, now)
      }
      case 'record-judged': {
        const run = this.#judgements.get(event.order)
        if (run === undefined) {
          this.#world.counters.unknownOrders++
          return
        }
        this.#judgements.delete(event.order)
        run.judgements.delete(event.order)
        return this.#feed(run, event, now)
      }
    }
  }

  #start(event: Extract<KadEvent, { type: 'start' }>, now: Millis): void {
    assert(this.#started === undefined, 'a machine is started once')
    const { self } = event
    this.#world.self = self
    const bootstrapPeers = event.bootstrapPeers.filter(({ peer }) => !equalBytes(peer.id, self.id))
    const table = new RoutingTable({ self, k: this.#shared.options.k, outbox: this.#outbox })
    const kept = event.tableEntries.map(({ id, addresses, lastUsefulAt }) => {
      return { info: { peer: this.#shared.peers.intern(id), addresses }, lastUsefulAt }
    })
    table.restore(kept, now)
    const rng = this.#rng.child()
    const maintenance = new Maintenance({ self, rng, peers: this.#shared.peers, tableSize: table.size, now })
    const book = new PeerBook({ table, checks: this.#checks, denied: this.#world.denied, bootstrapPeers })
    this.#world.table = table
    this.#started = { table, book, maintenance }
  }

  #command(command: QueryCommand, now: Millis): void {
    const { query } = command
    assert(!this.#commands.has(query), 'ids of queries under way are unique')
    const failure = commandFault(command, this.#commands.size)
    if (failure !== undefined) {
      this.#outbox.push({ type: 'query-failed', query, failure, stats: undefined })
      return
    }
    const purpose: RunPurpose = { type: 'command', query }
    this.#begin(newRun(createQuery(command, this.#contextFor(purpose), now), purpose, now), now)
  }

  #contextFor(purpose: RunPurpose): QueryContext {
    return { ...this.#shared, query: purpose.type === 'command' ? purpose.query : undefined }
  }

  #begin(run: Run, now: Millis): void {
    this.#runs.add(run)
    if (run.purpose.type === 'command') this.#commands.set(run.purpose.query, run)
    this.#drain(run, now)
  }

  #feed(run: Run, event: QueryEvent, now: Millis): void {
    if (run.hasEnded) return
    run.machine.handle(event, now)
    this.#drain(run, now)
  }

  #drain(run: Run, now: Millis): void {
    for (let output = run.machine.poll(); output !== undefined; output = run.machine.poll()) this.#perform(run, output, now)
    run.deadline = run.machine.nextDeadline()
  }

  #perform(run: Run, output: QueryOutput, now: Millis): void {
    switch (output.type) {
      case 'need-seeds':
        return this.#supplySeeds(run, now)
      case 'need-connection': {
        const { info } = output
        const priority = priorityOf(run.purpose)
        run.infos.set(info.peer.id, info)
        run.waitingFor.set(info.peer.id, info.peer)
        if (this.#needs.add(run, info, priority)) this.#outbox.push({ type: 'need-connection', info, priority })
        return
      }
      case 'drop-connection-need':
        return this.#dropNeed(run, output.peer)
      case 'send-request':
        run.orders.add(output.order)
        return this.#send(output, run, now)
      case 'cancel-request':
        return this.#cancelRequest(run, output.order)
      case 'judge-record':
        run.judgements.add(output.order)
        this.#judgements.set(output.order, run)
        this.#outbox.push(output)
        return
      case 'query-item':
      case 'query-progress':
        this.#outbox.push(output)
        return
      case 'query-ended':
      case 'query-failed':
        this.#outbox.push(output)
        return this.#end(run, now)
      case 'internal-query-ended':
        return this.#end(run, now)
      case 'correct-holders':
        return this.#correct(output, now)
    }
  }

  /** Called when a query knows nobody to ask: see the header for who comes when. */
  #supplySeeds(run: Run, now: Millis): void {
    const seeds = this.#started?.book.seeds(run.machine.target, this.#shared.options.k, run.seedsTaken) ?? []
    if (seeds.length > 0) {
      this.#held.delete(run)
      run.machine.handle({ type: 'seeds-found', seeds }, now)
    } else if (this.#hasProspects(run)) {
      this.#held.add(run)
    } else {
      this.#held.delete(run)
      run.machine.handle({ type: 'seeds-missing' }, now)
    }
  }

  /** Whether peers may still turn up without this query: it is worth holding. */
  #hasProspects(run: Run): boolean {
    if (this.#started === undefined) return true
    if (run.purpose.type === 'table-lookup') return false
    return this.#started.maintenance.isBootstrapping || !this.#checks.isIdle
  }

  #releaseHeld(now: Millis): void {
    if (this.#started === undefined) return
    for (const run of [...this.#held]) {
      if (!this.#started.book.hasNewSeeds(run.seedsTaken) && this.#hasProspects(run)) continue
      this.#supplySeeds(run, now)
      this.#drain(run, now)
    }
  }

  #send(effect: SendRequest, user: User, now: Millis): void {
    const { order, peer } = effect
    this.#requests.add({ order, peer, user, sentAt: now })
    this.#world.counters.requestsSent++
    this.#outbox.push(effect)
  }

  #cancelRequest(run: Run | undefined, order: OrderId): void {
    run?.orders.delete(order)
    if (this.#requests.close(order) !== undefined) this.#outbox.push({ type: 'cancel-request', order })
  }

  #dropNeed(run: Run, peer: Peer): void {
    run.waitingFor.delete(peer.id)
    if (this.#needs.drop(run, peer)) this.#outbox.push({ type: 'drop-connection-need', peer })
  }

  #connectionSettled(event: Extract<QueryEvent, { type: 'connection-ready' | 'connection-failed' }>, now: Millis): void {
    const runs = this.#needs.settle(event.peer)
    if (runs === undefined) {
      this.#world.counters.unknownOrders++
      return
    }
    if (event.type === 'connection-failed') this.#started?.book.dialFailed(event.peer, event.reason, now)
    for (const run of runs) {
      run.waitingFor.delete(event.peer.id)
      this.#feed(run, event, now)
    }
  }

  /** A request whose answer came; `undefined`, and counted, when nobody waits for it. */
  #closeRequest(order: OrderId): Request | undefined {
    const request = this.#requests.close(order)
    const { counters } = this.#world
    if (request === undefined) {
      if (this.#requests.wasClosed(order)) counters.lateResponses++
      else counters.unknownOrders++
    } else if (request.user !== 'server-check') {
      request.user.orders.delete(order)
    }
    return request
  }

  #responseReceived(order: OrderId, response: KadResponse, now: Millis): void {
    const request = this.#closeRequest(order)
    if (request === undefined) return
    this.#world.counters.responsesReceived++
    const { user, peer, sentAt } = request
    if (user === 'server-check') {
      const info = this.#checks.settle(order)
      if (info !== undefined) this.#started?.book.checkAnswered(info, response, now)
      return
    }
    this.#started?.book.answered(user.infos.get(peer.id) ?? { peer, addresses: [] }, response, now)
    this.#feed(user, { type: 'response-received', order, peer, response, rttMs: now - sentAt }, now)
  }

  #requestFailed(order: OrderId, reason: RequestFailure, now: Millis): void {
    const request = this.#closeRequest(order)
    if (request !== undefined) this.#noteRequestFailure(request, reason, now)
  }

  #noteRequestFailure({ order, peer, user }: Request, reason: RequestFailure, now: Millis): void {
    this.#world.counters.requestsFailed++
    this.#started?.book.requestFailed(peer, reason, now)
    if (user === 'server-check') this.#checks.settle(order)
    else this.#feed(user, { type: 'request-failed', order, peer, reason }, now)
  }

  #tick(now: Millis): void {
    for (let late = this.#requests.closeExpired(now); late !== undefined; late = this.#requests.closeExpired(now)) {
      if (late.user !== 'server-check') late.user.orders.delete(late.order)
      this.#outbox.push({ type: 'cancel-request', order: late.order })
      this.#noteRequestFailure(late, 'timeout', now)
    }
    for (const run of this.#runs) {
      const event = timeEvent(run, now)
      if (event === undefined) continue
      this.#feed(run, event, now)
      assert(event.type !== 'expired' || run.hasEnded, 'a query ends when its time is over')
    }
    this.#started?.maintenance.handle({ type: 'tick' }, now)
  }

  /** Undoes whatever the query left open. */
  #end(run: Run, now: Millis): void {
    if (run.hasEnded) return
    run.hasEnded = true
    this.#runs.delete(run)
    this.#held.delete(run)
    if (run.purpose.type === 'command') this.#commands.delete(run.purpose.query)
    for (const order of [...run.orders]) this.#cancelRequest(run, order)
    for (const order of run.judgements) this.#judgements.delete(order)
    for (const peer of [...run.waitingFor.values()]) this.#dropNeed(run, peer)
    if (run.purpose.type === 'table-lookup' && this.#started !== undefined) {
      const { table, maintenance } = this.#started
      maintenance.handle({ type: 'table-size', size: table.size }, now)
      maintenance.handle({ type: 'lookup-ended', buckets: table.bucketSizes() }, now)
    }
  }

  #correct(output: Extract<QueryOutput, { type: 'correct-holders' }>, now: Millis): void {
    if (this.#runs.size - this.#commands.size >= limits.kadInternalQueriesMax.value) return
    const purpose: RunPurpose = { type: 'correction' }
    const { record, holders } = output
    this.#begin(newRun(new Correction({ context: this.#contextFor(purpose), record, holders }), purpose, now), now)
  }

  #drainParts(now: Millis): void {
    for (let effect = this.#checks.poll(); effect !== undefined; effect = this.#checks.poll()) {
      if (effect.type === 'send-request') this.#send(effect, 'server-check', now)
      else this.#cancelRequest(undefined, effect.order)
    }
    if (this.#started === undefined) return
    const { table, maintenance } = this.#started
    maintenance.handle({ type: 'table-size', size: table.size }, now)
    for (let effect = maintenance.poll(); effect !== undefined; effect = maintenance.poll()) this.#lookUp(effect, now)
  }

  #lookUp({ key, target, isRepair }: MaintenanceEffect, now: Millis): void {
    const purpose: RunPurpose = { type: 'table-lookup', isRepair }
    this.#begin(newRun(new TableLookup({ context: this.#contextFor(purpose), key, target, now }), purpose, now), now)
  }
}

/** Whose requests there are. */
type User = Run | 'server-check'
type Request = PendingRequest<User>
type SendRequest = Extract<KadEffect, { type: 'send-request' }>
