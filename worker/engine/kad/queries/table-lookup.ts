import type { Millis } from '../../machine.ts'
import type { Key } from '../../peer.ts'
import { Outbox } from '../outbox.ts'
import { Walk } from '../walk.ts'
import type { Query, QueryContext, QueryEvent, QueryOutput, QueryStage } from './contract.ts'

/**
 * A lookup of our own, for bootstrap and refresh: whoever answers enters the routing table, which is its whole use.
 *
 *   walking ──lookup ended, expired──▶ ended
 */
export class TableLookup implements Query {
  readonly target: Key
  readonly #walk: Walk
  readonly #outbox = new Outbox<QueryOutput>()
  #hasEnded = false

  /** `target`: the key of `key`. */
  constructor(init: { context: QueryContext; key: Uint8Array; target: Key; now: Millis }) {
    const { context, key, now } = init
    this.target = init.target
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
    if (!this.#walk.hasEnded && event.type !== 'expired') return
    this.#hasEnded = true
    if (this.#walk.hasEnded) this.#walk.noteNetworkSize(now)
    this.#outbox.push({ type: 'internal-query-ended', responses: this.#walk.stats(now).responses })
  }

  poll(): QueryOutput | undefined {
    return this.#outbox.poll()
  }

  nextDeadline(): Millis | undefined {
    return this.#hasEnded ? undefined : this.#walk.nextDeadline()
  }
}
