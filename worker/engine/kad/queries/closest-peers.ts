import type { Millis } from '../../machine.ts'
import type { Key } from '../../peer.ts'
import type { QueryId } from '../../query.ts'
import { Outbox } from '../outbox.ts'
import { Walk } from '../walk.ts'
import {
  noPeers,
  type Query,
  type QueryContext,
  type QueryEvent,
  type QueryOutput,
  type QueryStage,
  timedOut,
} from './contract.ts'

/**
 * The k peers nearest to a key, told in order of distance when the lookup has ended, with how each took part.
 *
 *   walking ──lookup ended, expired──▶ ended
 */
export class ClosestPeers implements Query {
  readonly target: Key
  readonly #query: QueryId
  readonly #k: number
  readonly #walk: Walk
  readonly #outbox = new Outbox<QueryOutput>()
  #hasEnded = false

  constructor(init: { context: QueryContext; query: QueryId; key: Uint8Array; now: Millis }) {
    const { context, key, now } = init
    this.target = context.peers.keyOf(key)
    this.#query = init.query
    this.#k = context.options.k
    this.#walk = new Walk({ context, outbox: this.#outbox, target: this.target, request: { type: 'find-node', key }, now })
    this.#walk.proceed()
  }

  get stage(): QueryStage {
    return this.#hasEnded ? 'ended' : 'walking'
  }

  handle(event: QueryEvent, now: Millis): void {
    if (this.#hasEnded) return
    this.#walk.handle(event, now)
    this.#walk.proceed()
    if (this.#walk.hasEnded || event.type === 'expired') this.#end(event.type === 'expired', now)
  }

  poll(): QueryOutput | undefined {
    return this.#outbox.poll()
  }

  nextDeadline(): Millis | undefined {
    return this.#hasEnded ? undefined : this.#walk.nextDeadline()
  }

  #end(hasExpired: boolean, now: Millis): void {
    this.#hasEnded = true
    const query = this.#query
    const stats = this.#walk.stats(now)
    if (stats.responses === 0) {
      const failure = hasExpired ? timedOut('The lookup') : noPeers
      this.#outbox.push({ type: 'query-failed', query, failure, stats })
      return
    }
    if (!hasExpired) this.#walk.noteNetworkSize(now)
    const peers = this.#walk.nearest(this.#k)
    for (const { info, outcome } of peers) {
      this.#outbox.push({ type: 'query-item', query, item: { type: 'peer', info, outcome } })
    }
    this.#outbox.push({ type: 'query-ended', query, result: { type: 'closest-peers', peers: peers.length, stats } })
  }
}
