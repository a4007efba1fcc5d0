import { limits } from '../../limits.ts'
import type { OrderId } from '../../machine.ts'
import type { Key, PeerInfo } from '../../peer.ts'
import type { QueryId } from '../../query.ts'
import { Outbox } from '../outbox.ts'
import type { Query, QueryContext, QueryEvent, QueryOutput, QueryStage } from './contract.ts'

/**
 * Tells one certain peer that we provide these multihashes: single ADD_PROVIDERs, one after the other, over one connection.
 *
 *   storing (connecting, sending) ──all have left──▶ ended
 *      └──no connection, failures in a row, expired──▶ ended with what has left
 *
 * Only so many wait to leave at a time. What failed is sent again, as long as others succeed: a stream that a server closed
 * costs nothing. `sent` counts from the beginning of the list without a gap.
 */
export class TellPeer implements Query {
  readonly target: Key
  readonly #context: QueryContext
  readonly #query: QueryId
  readonly #info: PeerInfo
  readonly #multihashes: readonly Uint8Array[]
  readonly #outbox = new Outbox<QueryOutput>()
  readonly #sending = new Map<OrderId, number>()
  readonly #again: number[] = []
  readonly #left: boolean[] = []
  #next = 0
  #failures = 0
  #isConnected = false
  #hasEnded = false

  constructor(init: { context: QueryContext; query: QueryId; info: PeerInfo; multihashes: readonly Uint8Array[] }) {
    this.target = init.info.peer.key
    this.#context = init.context
    this.#query = init.query
    this.#info = init.info
    this.#multihashes = init.multihashes
    this.#outbox.push({ type: 'need-connection', info: init.info })
  }

  get stage(): QueryStage {
    return this.#hasEnded ? 'ended' : 'storing'
  }

  handle(event: QueryEvent): void {
    if (this.#hasEnded) return
    switch (event.type) {
      case 'connection-ready':
        this.#isConnected = true
        break
      case 'notice-sent':
        this.#settle(event.order, true)
        break
      case 'request-failed':
        this.#settle(event.order, false)
        break
      case 'connection-failed':
      case 'expired':
        return this.#end()
      default:
    }
    this.#fill()
  }

  poll(): QueryOutput | undefined {
    return this.#outbox.poll()
  }

  nextDeadline(): undefined {
    return undefined
  }

  #settle(order: OrderId, hasLeft: boolean): void {
    const index = this.#sending.get(order)
    if (index === undefined) return
    this.#sending.delete(order)
    if (hasLeft) {
      this.#left[index] = true
      this.#failures = 0
    } else {
      this.#failures++
      this.#again.push(index)
    }
  }

  #fill(): void {
    const { self, ownAddresses } = this.#context.world
    if (!this.#isConnected || self === undefined) return
    if (this.#failures > limits.tellFailuresMax.value) return this.#end()
    while (this.#sending.size < limits.tellingMax.value) {
      const index = this.#again.shift() ?? (this.#next < this.#multihashes.length ? this.#next++ : undefined)
      if (index === undefined) break
      const order = this.#context.orders.next()
      this.#sending.set(order, index)
      const provider = { id: self.id, addresses: ownAddresses }
      const request = { type: 'add-provider', key: this.#multihashes[index]!, provider } as const
      this.#outbox.push({ type: 'send-request', order, peer: this.#info.peer, request })
    }
    if (this.#sending.size === 0) this.#end()
  }

  #end(): void {
    this.#hasEnded = true
    const gap = this.#multihashes.findIndex((_, index) => this.#left[index] !== true)
    const sent = gap < 0 ? this.#multihashes.length : gap
    this.#outbox.push({ type: 'query-ended', query: this.#query, result: { type: 'tell-peer', sent } })
  }
}
