import { equalBytes } from '../../bytes-map.ts'
import { limits } from '../../limits.ts'
import type { OrderId } from '../../machine.ts'
import type { Key, PeerInfo } from '../../peer.ts'
import type { QueryId } from '../../query.ts'
import { Outbox } from '../outbox.ts'
import type { Query, QueryContext, QueryEvent, QueryOutput, QueryStage } from './contract.ts'

/**
 * Asks one certain peer whom it knows near a key. Crowds of one network are not left out (K18): the sweep draws conclusions from who is
 * named and who is not.
 *
 *   walking (connecting, asking) ──answered──▶ ended
 *      └──no connection, no answer, expired──▶ ended, with nothing
 */
export class AskPeer implements Query {
  readonly target: Key
  readonly #context: QueryContext
  readonly #query: QueryId
  readonly #info: PeerInfo
  readonly #key: Uint8Array
  readonly #outbox = new Outbox<QueryOutput>()
  #order: OrderId | undefined
  /** For a place to dial. */
  #isQueued = false
  #hasEnded = false

  constructor(init: { context: QueryContext; query: QueryId; info: PeerInfo; key: Uint8Array }) {
    this.target = init.context.peers.keyOf(init.key)
    this.#context = init.context
    this.#query = init.query
    this.#info = init.info
    this.#key = init.key
    this.#outbox.push({ type: 'need-connection', info: init.info })
  }

  get stage(): QueryStage {
    return this.#hasEnded ? 'ended' : 'walking'
  }

  handle(event: QueryEvent): void {
    if (this.#hasEnded) return
    switch (event.type) {
      case 'connection-ready':
        if (this.#order === undefined) this.#ask()
        break
      case 'response-received':
        if (event.order === this.#order) this.#answered(event)
        break
      case 'dial-queued':
        this.#isQueued = true
        break
      case 'dial-begun':
        this.#isQueued = false
        break
      case 'connection-failed':
        this.#end(undefined, event.reason === 'overloaded')
        break
      case 'request-failed':
        this.#end(undefined)
        break
      case 'expired':
        this.#end(undefined, this.#isQueued)
        break
      default:
    }
  }

  poll(): QueryOutput | undefined {
    return this.#outbox.poll()
  }

  nextDeadline(): undefined {
    return undefined
  }

  #ask(): void {
    this.#order = this.#context.orders.next()
    const request = { type: 'find-node', key: this.#key } as const
    this.#outbox.push({ type: 'send-request', order: this.#order, peer: this.#info.peer, request })
  }

  #answered({ response }: Extract<QueryEvent, { type: 'response-received' }>): void {
    const { options, peers, world } = this.#context
    const closer = response.closer
      .slice(0, options.k * limits.closerPeersPerBucket.value)
      .map(({ id, addresses }): PeerInfo => ({ peer: peers.intern(id), addresses }))
      .filter(({ peer: { id } }) => !world.denied.has(id) && !(world.self !== undefined && equalBytes(world.self.id, id)))
    this.#end(closer)
  }

  #end(closer: readonly PeerInfo[] | undefined, wasNotTried = false): void {
    this.#hasEnded = true
    this.#outbox.push({ type: 'query-ended', query: this.#query, result: { type: 'ask-peer', closer, wasNotTried } })
  }
}
