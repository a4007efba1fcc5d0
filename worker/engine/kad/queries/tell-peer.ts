import { limits } from '../../limits.ts'
import type { OrderId } from '../../machine.ts'
import type { Key, PeerInfo } from '../../peer.ts'
import type { QueryId } from '../../query.ts'
import { Outbox } from '../outbox.ts'
import type { Query, QueryContext, QueryEvent, QueryOutput, QueryStage } from './contract.ts'

/**
 * Tells one certain peer that we provide these multihashes: single ADD_PROVIDERs, one after the other, over one connection.
 *
 *   storing (connecting, sending) ──all have left──▶ storing (confirming) ──answer──▶ ended
 *      │           ▲                                      └──no answer──▶ once more, then ended with nothing
 *      │           └──────────────────────────────────────────┘
 *      └──no connection, failures in a row, expired──▶ ended with nothing
 *
 * Only so many wait to leave at a time. What failed is sent again, as long as others succeed: a stream that a server closed
 * costs nothing. ADD_PROVIDER is never answered, and what has left us may lie in buffers that a closed tab takes along. So
 * the last message is one that is answered, on the same stream, where requests are served in their order: FIND_NODE for the peer
 * itself, whose answer is short. `sent` is what is known to have arrived: all or nothing.
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
  #next = 0
  #failures = 0
  #confirming: OrderId | undefined
  #unconfirmed = 0
  #isConnected = false
  /** For a place to dial. */
  #isQueued = false
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
      case 'dial-queued':
        this.#isQueued = true
        break
      case 'dial-begun':
        this.#isQueued = false
        break
      case 'connection-ready':
        this.#isConnected = true
        break
      case 'notice-sent':
        this.#settle(event.order, true)
        break
      case 'response-received':
        if (event.order === this.#confirming) return this.#end(this.#multihashes.length)
        break
      case 'request-failed':
        if (event.order === this.#confirming) this.#startAgain()
        else this.#settle(event.order, false)
        break
      case 'connection-failed':
        return this.#end(0, event.reason === 'overloaded')
      case 'expired':
        return this.#end(0, this.#isQueued && !this.#isConnected)
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
    if (hasLeft) this.#failures = 0
    else {
      this.#failures++
      this.#again.push(index)
    }
  }

  #fill(): void {
    const { self, ownAddresses } = this.#context.world
    if (!this.#isConnected || self === undefined) return
    if (this.#failures > limits.tellFailuresMax.value || this.#unconfirmed > 1) return this.#end(0)
    while (this.#sending.size < limits.tellingMax.value) {
      const index = this.#again.shift() ?? (this.#next < this.#multihashes.length ? this.#next++ : undefined)
      if (index === undefined) break
      const order = this.#context.orders.next()
      this.#sending.set(order, index)
      const provider = { id: self.id, addresses: ownAddresses }
      const request = { type: 'add-provider', key: this.#multihashes[index]!, provider } as const
      this.#outbox.push({ type: 'send-request', order, peer: this.#info.peer, request })
    }
    if (this.#sending.size === 0 && this.#confirming === undefined) this.#confirm()
  }

  #confirm(): void {
    const { peer } = this.#info
    this.#confirming = this.#context.orders.next()
    const request = { type: 'find-node', key: peer.id } as const
    this.#outbox.push({ type: 'send-request', order: this.#confirming, peer, request })
  }

  /** The stream has ended before the answer: what of it has arrived, nobody knows. */
  #startAgain(): void {
    this.#unconfirmed++
    this.#confirming = undefined
    this.#next = 0
  }

  #end(sent: number, wasNotTried = false): void {
    this.#hasEnded = true
    this.#outbox.push({ type: 'query-ended', query: this.#query, result: { type: 'tell-peer', sent, wasNotTried } })
  }
}
