import { equalBytes } from '../../bytes-map.ts'
import { limits } from '../../limits.ts'
import type { Millis, OrderId } from '../../machine.ts'
import type { Key, PeerInfo } from '../../peer.ts'
import type { Failure, QueryId } from '../../query.ts'
import type { RecordVerdict } from '../contract.ts'
import { compareBytes } from '../distance.ts'
import { Outbox } from '../outbox.ts'
import { compareRanks } from '../ranks.ts'
import { type Answer, Walk } from '../walk.ts'
import {
  noPeers,
  notFound,
  type Query,
  type QueryContext,
  type QueryEvent,
  type QueryOutput,
  type QueryStage,
  timedOut,
} from './contract.ts'

/**
 * The current value of a key: collects records, has each distinct value judged, and takes the valid one of the
 * highest rank.
 *
 *   walking ──quorum of valid records──▶ ended
 *      ├──lookup ended──▶ judging ──all judged──▶ ended
 *      └──expired──▶ ended (with the best so far)
 *
 * A record under another key than the one asked for is a lie and counted. Peers that hold an old or invalid record
 * are corrected afterwards by a query of our own, so that the caller need not wait. It does not know what a value means.
 */
export class GetValue implements Query {
  readonly target: Key
  readonly #query: QueryId
  readonly #key: Uint8Array
  readonly #quorum: number
  readonly #context: QueryContext
  readonly #walk: Walk
  readonly #outbox = new Outbox<QueryOutput>()
  /** In order of arrival. */
  readonly #values: FoundValue[] = []
  readonly #unjudged = new Map<OrderId, FoundValue>()
  #state: 'walking' | 'judging' | 'ended' = 'walking'

  constructor(init: { context: QueryContext; query: QueryId; key: Uint8Array; quorum: number; now: Millis }) {
    const { context, key, now } = init
    this.target = context.peers.keyOf(key)
    this.#query = init.query
    this.#key = key
    this.#quorum = init.quorum
    this.#context = context
    this.#walk = new Walk({ context, outbox: this.#outbox, target: this.target, request: { type: 'get-value', key }, now })
    const held = context.world.records?.value(key, now)
    if (held !== undefined) this.#note(held.value, [])
    this.#walk.proceed()
  }

  get stage(): QueryStage {
    return this.#state
  }

  handle(event: QueryEvent, now: Millis): void {
    switch (this.#state) {
      case 'walking': {
        const answer = this.#walk.handle(event, now)
        if (answer !== undefined) this.#use(answer)
        if (event.type === 'record-judged') this.#judged(event.order, event.verdict)
        if (this.#walk.hasEnded) {
          this.#walk.noteNetworkSize(now)
          this.#state = 'judging'
        }
        break
      }
      case 'judging':
        if (event.type === 'record-judged') this.#judged(event.order, event.verdict)
        break
      case 'ended':
        return
    }
    const hasExpired = event.type === 'expired'
    const isComplete = this.#state === 'judging' || this.#validRecords() >= this.#quorum
    if (hasExpired || (isComplete && this.#unjudged.size === 0)) this.#end(hasExpired, now)
    else this.#walk.proceed()
  }

  poll(): QueryOutput | undefined {
    return this.#outbox.poll()
  }

  nextDeadline(): Millis | undefined {
    return this.#state === 'walking' ? this.#walk.nextDeadline() : undefined
  }

  #use({ info, response: { record } }: Answer): void {
    if (record === undefined) return
    const { counters } = this.#context.world
    if (!equalBytes(record.key, this.#key)) {
      counters.invalidRecords++
      return
    }
    const known = this.#values.find(({ value }) => equalBytes(value, record.value))
    if (known === undefined) return this.#note(record.value, [info])
    known.holders.push(info)
    if (known.verdict?.valid === false) counters.invalidRecords++
  }

  /** A value that nobody has told of yet. */
  #note(value: Uint8Array, holders: PeerInfo[]): void {
    if (this.#values.length >= limits.valuesPerQueryMax.value) return
    const found: FoundValue = { value, holders, verdict: undefined }
    const order = this.#context.orders.next()
    this.#values.push(found)
    this.#unjudged.set(order, found)
    this.#outbox.push({ type: 'judge-record', order, key: this.#key, value })
  }

  #judged(order: OrderId, verdict: RecordVerdict): void {
    const found = this.#unjudged.get(order)
    if (found === undefined) return
    this.#unjudged.delete(order)
    found.verdict = verdict
    if (!verdict.valid) this.#context.world.counters.invalidRecords += found.holders.length
  }

  #validRecords(): number {
    let count = 0
    for (const { verdict, holders } of this.#values) {
      if (verdict?.valid === true) count += holders.length
    }
    return count
  }

  #end(hasExpired: boolean, now: Millis): void {
    this.#state = 'ended'
    const query = this.#query
    const stats = this.#walk.stats(now)
    const best = this.#best()
    if (best === undefined) {
      const failure = hasExpired ? timedOut('The search for the value') : this.#failure(stats.responses)
      this.#outbox.push({ type: 'query-failed', query, failure, stats })
      return
    }
    const result = { type: 'get-value', value: best.value, confirmations: best.holders.length, stats } as const
    this.#outbox.push({ type: 'query-ended', query, result })
    const holders = this.#values
      .filter((found) => found !== best && found.verdict !== undefined)
      .flatMap((found) => found.holders)
      .slice(0, limits.correctedHoldersMax.value)
    const record = { key: this.#key, value: best.value }
    if (holders.length > 0) this.#outbox.push({ type: 'correct-holders', record, holders })
  }

  #failure(responses: number): Failure {
    if (responses === 0) return noPeers
    if (this.#values.length === 0) return notFound('No peer of the DHT has a value for this key.')
    return { code: 'invalid-record', message: 'Values were found for this key, but none of them is valid.' }
  }

  #best(): FoundValue | undefined {
    let best: FoundValue | undefined
    for (const found of this.#values) {
      if (found.verdict?.valid !== true) continue
      if (best === undefined || compareValues(found, best) > 0) best = found
    }
    return best
  }
}

interface FoundValue {
  readonly value: Uint8Array
  readonly holders: PeerInfo[]
  verdict: RecordVerdict | undefined
}

/** By rank, word by word; equal ranks by the bytes, so that the order is total. */
function compareValues(a: FoundValue, b: FoundValue): number {
  return compareRanks(rankOf(a), rankOf(b)) || compareBytes(a.value, b.value)
}

function rankOf({ verdict }: FoundValue): readonly bigint[] {
  return verdict?.valid === true ? verdict.rank : []
}
