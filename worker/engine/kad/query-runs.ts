import { assert } from '../assert.ts'
import { equalBytes } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import { earlier, isDue, type Millis, type OrderId } from '../machine.ts'
import type { Peer, PeerInfo } from '../peer.ts'
import type { QueryId } from '../query.ts'
import { ConnectionNeeds } from './connection-needs.ts'
import type { KadEffect, RecordVerdict } from './contract.ts'
import type { Outbox } from './outbox.ts'
import type { Query, QueryContext, QueryEvent, QueryOutput } from './queries/contract.ts'
import { Correction } from './queries/correction.ts'
import { tooMany } from './queries/create.ts'
import { ServerCheck } from './queries/server-check.ts'
import type { RequestDesk } from './request-desk.ts'
import { needPriorityOf, newRun, type Run, type RunPurpose, runDeadline, timeEvent } from './run.ts'
import { Turns } from './turns.ts'

/** What the queries need of the machine around them. */
export interface QuerySurroundings {
  /** For a query that knows nobody to ask; `undefined` while peers may still turn up for it. */
  seeds(run: Run): Extract<QueryEvent, { type: 'seeds-found' | 'seeds-missing' }> | undefined
  ended(run: Run, now: Millis): void
}

/**
 * The queries under way.
 *
 *   queued ──place free, nobody more urgent waits──▶ begun
 *   begun ──peers to begin with──▶ running ──ended, failed, expired, cancelled──▶ (gone)
 *     └──▶ held ──first peers, or nobody left to hope for──▶ running
 *
 * So many run at once, and in which order, is up to `turns.ts`. The time of a query begins with its turn; its waiting is bounded apart.
 * It performs what they decide: shares one connection need among them, remembers whose orders there are, and when a
 * query ends undoes whatever it left open. It does not know the routing table, nor why a query was begun.
 */
export class QueryRuns {
  readonly #shared: Omit<QueryContext, 'query'>
  readonly #outbox: Outbox<KadEffect>
  readonly #desk: RequestDesk
  readonly #surroundings: QuerySurroundings
  readonly #runs = new Set<Run>()
  readonly #turns = new Turns()
  readonly #commands = new Map<QueryId, Run>()
  readonly #held = new Set<Run>()
  readonly #needs = new ConnectionNeeds<Run>()
  readonly #judgements = new Map<OrderId, Run>()

  constructor(init: {
    shared: Omit<QueryContext, 'query'>
    outbox: Outbox<KadEffect>
    desk: RequestDesk
    surroundings: QuerySurroundings
  }) {
    this.#shared = init.shared
    this.#outbox = init.outbox
    this.#desk = init.desk
    this.#surroundings = init.surroundings
  }

  /** Queries that were commanded. */
  get commands(): number {
    return this.#commands.size
  }

  get queued(): number {
    return this.#turns.queued
  }

  get running(): number {
    return this.#turns.running
  }

  /** Our own. */
  get internal(): number {
    return this.#runs.size - this.#commands.size
  }

  /** For tests of the bounds. */
  counts(): { runs: number; held: number; needs: number; judgements: number } {
    return { runs: this.#runs.size, held: this.#held.size, needs: this.#needs.size, judgements: this.#judgements.size }
  }

  nextDeadline(): Millis | undefined {
    let deadline: Millis | undefined
    for (const run of this.#runs) deadline = earlier(deadline, runDeadline(run))
    return deadline
  }

  /** A search of the page that would have to wait too long is refused, unless its answer is at hand. */
  begin(create: (context: QueryContext) => Query, purpose: RunPurpose, now: Millis): void {
    const query = purpose.type === 'command' ? purpose.query : undefined
    const run = newRun(create({ ...this.#shared, query }), purpose, now)
    const isAtHand = run.machine.stage === 'ended'
    if (query !== undefined && !isAtHand && this.#turns.expectedWaitMs(purpose) > limits.kadQueueWaitMs.value) {
      this.#outbox.push({ type: 'query-failed', query, failure: tooMany(this.commands), stats: undefined })
      return
    }
    this.#runs.add(run)
    if (query !== undefined) {
      assert(!this.#commands.has(query), 'ids of queries under way are unique')
      this.#commands.set(query, run)
    }
    this.#turns.wait(run)
    if (isAtHand) this.#start(run, now)
  }

  /** Starts what there are places for; due after anything that may have freed one. */
  startQueued(now: Millis): void {
    for (let next = this.#turns.next(); next !== undefined; next = this.#turns.next()) this.#start(next, now)
  }

  #start(run: Run, now: Millis): void {
    if (run.begunAt === undefined) {
      run.begunAt = now
      run.expiresAt = now + limits.kadQueryTimeoutMs.value
      this.#turns.begin(run)
    }
    run.isQueued = false
    this.#drain(run, now)
  }

  cancel(query: QueryId, now: Millis): void {
    const run = this.#commands.get(query)
    if (run !== undefined) this.#end(run, now)
  }

  tick(now: Millis): void {
    for (const run of this.#runs) {
      const event = timeEvent(run, now)
      if (event === undefined) continue
      if (event.type === 'expired' && run.isQueued) run.hasWaitedInVain = true
      this.feed(run, event, now)
      assert(event.type !== 'expired' || run.hasEnded, 'a query ends when its time is over')
    }
  }

  tellAll(event: QueryEvent, now: Millis): void {
    for (const run of this.#runs) this.feed(run, event, now)
  }

  feed(run: Run, event: QueryEvent, now: Millis): void {
    if (run.hasEnded) return
    run.machine.handle(event, now)
    if (!run.isQueued || run.machine.stage === 'ended') this.#start(run, now)
  }

  dialMoved(event: Extract<QueryEvent, { type: 'dial-queued' | 'dial-begun' | 'dial-opened' }>, now: Millis): void {
    const dialedAt = event.type === 'dial-queued' ? undefined : event.type === 'dial-begun' ? now - event.agoMs : now
    for (const run of this.#needs.dialMoved(event.peer, dialedAt)) this.feed(run, event, now)
  }

  /** Returns whether anybody waited for it. */
  connectionSettled(event: Extract<QueryEvent, { type: 'connection-ready' | 'connection-failed' }>, now: Millis): boolean {
    const runs = this.#needs.settle(event.peer)
    for (const run of runs ?? []) {
      run.waitingFor.delete(event.peer.id)
      this.feed(run, event, now)
    }
    return runs !== undefined
  }

  /** Returns whether anybody waited for it. */
  judged(order: OrderId, verdict: RecordVerdict, now: Millis): boolean {
    const run = this.#judgements.get(order)
    if (run === undefined) return false
    this.#judgements.delete(order)
    run.judgements.delete(order)
    this.feed(run, { type: 'record-judged', order, verdict }, now)
    return true
  }

  /** Gives those that are held what has turned up for them in the meantime. Returns whether some are no longer held. */
  releaseHeld(now: Millis): boolean {
    const before = this.#held.size
    for (const run of [...this.#held]) {
      this.#supplySeeds(run, now)
      this.#drain(run, now)
    }
    return this.#held.size < before
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
        const priority = needPriorityOf(run.purpose, this.#shared.world.table?.size ?? 0)
        run.infos.set(info.peer.id, info)
        run.waitingFor.set(info.peer.id, info.peer)
        if (this.#needs.add(run, info, priority, now)) this.#outbox.push({ type: 'need-connection', info, priority })
        return this.#tellDial(run, info.peer, now)
      }
      case 'drop-connection-need':
        return this.#dropNeed(run, output.peer)
      case 'send-request':
        return this.#desk.send(output, run, now)
      case 'cancel-request':
        return this.#cancelRequest(output.order, now)
      case 'judge-record':
        run.judgements.add(output.order)
        this.#judgements.set(output.order, run)
        this.#outbox.push(output)
        return
      case 'query-item':
      case 'query-progress':
        if (run.purpose.type === 'command') this.#outbox.push(output)
        return
      case 'query-answered':
        return this.#answered(run, output, now)
      case 'query-ended':
      case 'query-failed':
        if (output.type === 'query-failed' && run.hasWaitedInVain)
          this.#outbox.push({ ...output, failure: tooMany(this.commands) })
        else this.#outbox.push(output)
        return this.#end(run, now)
      case 'internal-query-ended':
        return this.#end(run, now)
      case 'correct-holders':
        return this.#correct(output, now)
    }
  }

  /** For a query that knows nobody to ask: at once, or it is held until there is an answer. */
  #supplySeeds(run: Run, now: Millis): void {
    const answer = this.#surroundings.seeds(run)
    if (answer === undefined) {
      this.#held.add(run)
      return
    }
    this.#held.delete(run)
    run.machine.handle(answer, now)
  }

  /** Long before a request times out nobody waits for it any more: by then its peer has been of no use. */
  #cancelRequest(order: OrderId, now: Millis): void {
    const request = this.#desk.cancel(order)
    if (request === undefined || !isDue(request.sentAt, limits.lookupSlowAfterMs.value, now)) return
    this.#shared.world.usefulness.useless(request.peer, now)
  }

  /** A dial that others needed before may wait for its place still, or have begun long ago. */
  #tellDial(run: Run, peer: Peer, now: Millis): void {
    const dialedAt = this.#needs.dialedAt(peer)
    if (dialedAt === undefined) run.machine.handle({ type: 'dial-queued', peer }, now)
    else if (dialedAt < now) run.machine.handle({ type: 'dial-begun', peer, agoMs: now - dialedAt }, now)
  }

  #answered(run: Run, { query, result }: Extract<QueryOutput, { type: 'query-answered' }>, now: Millis): void {
    this.#outbox.push({ type: 'query-ended', query, result })
    this.#commands.delete(query)
    run.purpose = { type: 'remainder' }
    if (this.#runs.size - this.#commands.size > limits.kadInternalQueriesMax.value) this.#end(run, now)
  }

  #dropNeed(run: Run, peer: Peer): void {
    run.waitingFor.delete(peer.id)
    if (this.#needs.drop(run, peer)) this.#outbox.push({ type: 'drop-connection-need', peer })
  }

  /** Undoes whatever the query left open. */
  #end(run: Run, now: Millis): void {
    if (run.hasEnded) return
    run.hasEnded = true
    this.#runs.delete(run)
    this.#held.delete(run)
    this.#turns.end(run, now)
    if (run.purpose.type === 'command') this.#commands.delete(run.purpose.query)
    for (const order of [...run.orders]) this.#cancelRequest(order, now)
    for (const order of run.judgements) this.#judgements.delete(order)
    for (const peer of [...run.waitingFor.values()]) this.#dropNeed(run, peer)
    this.#surroundings.ended(run, now)
  }

  /** Of a peer that is not connected. Beyond the bound, or under way already: forgotten. */
  check(info: PeerInfo, now: Millis): void {
    if (this.#runs.size - this.#commands.size >= limits.kadInternalQueriesMax.value) return
    const { peer } = info
    for (const { purpose } of this.#runs) {
      if (purpose.type === 'server-check' && equalBytes(purpose.peer.id, peer.id)) return
    }
    this.begin((context) => new ServerCheck({ context, info }), { type: 'server-check', peer }, now)
  }

  #correct({ record, holders }: Extract<QueryOutput, { type: 'correct-holders' }>, now: Millis): void {
    if (this.#runs.size - this.#commands.size >= limits.kadInternalQueriesMax.value) return
    this.begin((context) => new Correction({ context, record, holders }), { type: 'correction' }, now)
  }
}
