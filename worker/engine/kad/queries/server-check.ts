import type { Key, PeerInfo } from '../../peer.ts'
import { Outbox } from '../outbox.ts'
import type { Query, QueryContext, QueryEvent, QueryOutput, QueryStage } from './contract.ts'

/**
 * The lookup check of a peer that is not connected, and that somebody else calls a server: FIND_NODE for its own id. Of our
 * own: if it answers it enters the routing table, which is the whole use.
 *
 *   walking (connecting, asking) ──answered, failed, expired──▶ ended
 */
export class ServerCheck implements Query {
  readonly target: Key
  readonly #context: QueryContext
  readonly #info: PeerInfo
  readonly #outbox = new Outbox<QueryOutput>()
  #asked = false
  #hasEnded = false

  constructor(init: { context: QueryContext; info: PeerInfo }) {
    this.target = init.info.peer.key
    this.#context = init.context
    this.#info = init.info
    this.#outbox.push({ type: 'need-connection', info: init.info })
  }

  get stage(): QueryStage {
    return this.#hasEnded ? 'ended' : 'walking'
  }

  handle(event: QueryEvent): void {
    if (this.#hasEnded) return
    switch (event.type) {
      case 'connection-ready':
        if (!this.#asked) this.#ask()
        break
      case 'response-received':
      case 'connection-failed':
      case 'request-failed':
      case 'expired':
        this.#hasEnded = true
        this.#outbox.push({ type: 'internal-query-ended', responses: event.type === 'response-received' ? 1 : 0 })
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
    this.#asked = true
    const { peer } = this.#info
    const request = { type: 'find-node', key: peer.id } as const
    this.#outbox.push({ type: 'send-request', order: this.#context.orders.next(), peer, request })
  }
}
