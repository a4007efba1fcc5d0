import type { Millis } from '../../machine.ts'
import type { Key } from '../../peer.ts'
import type { QueryId } from '../../query.ts'
import { Outbox } from '../outbox.ts'
import { StoreRound } from '../store-round.ts'
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
 * Stores a value with the k peers nearest to its key, and counts who holds it.
 *
 *   walking ──lookup ended──▶ storing ──all settled, expired──▶ ended
 *      └──nobody answered, expired──▶ ended
 *
 * The value is not checked here: the caller has validated it, and each holder does.
 */
export class PutValue implements Query {
  readonly target: Key
  readonly #query: QueryId
  readonly #context: QueryContext
  readonly #record: { readonly key: Uint8Array; readonly value: Uint8Array }
  readonly #walk: Walk
  readonly #outbox = new Outbox<QueryOutput>()
  #state: { readonly type: 'walking' | 'ended' } | { readonly type: 'storing'; readonly round: StoreRound } = { type: 'walking' }

  constructor(init: { context: QueryContext; query: QueryId; key: Uint8Array; value: Uint8Array; now: Millis }) {
    const { context, key, now } = init
    this.target = context.peers.keyOf(key)
    this.#query = init.query
    this.#context = context
    this.#record = { key, value: init.value }
    this.#walk = new Walk({ context, outbox: this.#outbox, target: this.target, request: { type: 'find-node', key }, now })
    this.#walk.proceed()
  }

  get stage(): QueryStage {
    return this.#state.type
  }

  handle(event: QueryEvent, now: Millis): void {
    switch (this.#state.type) {
      case 'walking':
        this.#walk.handle(event, now)
        this.#walk.proceed()
        if (event.type === 'expired') this.#fail(true, now)
        else if (this.#walk.hasEnded) this.#store(now)
        break
      case 'storing':
        this.#state.round.handle(event)
        if (this.#state.round.hasEnded || event.type === 'expired') this.#end(this.#state.round, now)
        break
      case 'ended':
        break
    }
  }

  poll(): QueryOutput | undefined {
    return this.#outbox.poll()
  }

  nextDeadline(): Millis | undefined {
    return this.#state.type === 'walking' ? this.#walk.nextDeadline() : undefined
  }

  #store(now: Millis): void {
    if (this.#walk.stats(now).responses === 0) return this.#fail(false, now)
    this.#walk.noteNetworkSize(now)
    const peers = this.#walk.nearest(this.#context.options.k)
    const request = { type: 'put-value', record: this.#record } as const
    const round = new StoreRound({ context: this.#context, outbox: this.#outbox, request, peers })
    this.#state = { type: 'storing', round }
    if (round.hasEnded) this.#end(round, now)
  }

  #end(round: StoreRound, now: Millis): void {
    this.#state = { type: 'ended' }
    const result = { type: 'put-value', counts: round.finalCounts(), stats: this.#walk.stats(now) } as const
    this.#outbox.push({ type: 'query-ended', query: this.#query, result })
  }

  #fail(hasExpired: boolean, now: Millis): void {
    this.#state = { type: 'ended' }
    const failure = hasExpired ? timedOut('The search for peers that should store the value') : noPeers
    this.#outbox.push({ type: 'query-failed', query: this.#query, failure, stats: this.#walk.stats(now) })
  }
}
