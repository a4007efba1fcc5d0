import type { Millis } from '../../machine.ts'
import type { Key, PeerInfo } from '../../peer.ts'
import type { KadRecord } from '../message.ts'
import { Outbox } from '../outbox.ts'
import { StoreRound } from '../store-round.ts'
import type { Query, QueryContext, QueryEvent, QueryOutput, QueryStage } from './contract.ts'

/**
 * Gives the current record to peers that hold an old or invalid one. Of our own: nobody waits for it.
 *
 *   storing ──all settled, expired──▶ ended
 */
export class Correction implements Query {
  readonly target: Key
  readonly #round: StoreRound
  readonly #outbox = new Outbox<QueryOutput>()
  #hasEnded = false

  constructor(init: { context: QueryContext; record: KadRecord; holders: readonly PeerInfo[] }) {
    const { context, record, holders } = init
    this.target = context.peers.keyOf(record.key)
    const peers = holders.map((info) => ({ info, outcome: 'responded' as const }))
    this.#round = new StoreRound({ context, outbox: this.#outbox, request: { type: 'put-value', record }, peers })
  }

  get stage(): QueryStage {
    return this.#hasEnded ? 'ended' : 'storing'
  }

  handle(event: QueryEvent): void {
    if (this.#hasEnded) return
    this.#round.handle(event)
    if (!this.#round.hasEnded && event.type !== 'expired') return
    this.#hasEnded = true
    this.#outbox.push({ type: 'internal-query-ended', responses: this.#round.counts().stored })
  }

  poll(): QueryOutput | undefined {
    return this.#outbox.poll()
  }

  nextDeadline(): Millis | undefined {
    return undefined
  }
}
