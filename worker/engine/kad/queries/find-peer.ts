import { equalBytes } from '../../bytes-map.ts'
import type { Millis } from '../../machine.ts'
import type { Key, Peer, PeerInfo } from '../../peer.ts'
import type { QueryId } from '../../query.ts'
import { mergeAddresses } from '../../addresses.ts'
import { Outbox } from '../outbox.ts'
import { type Answer, Walk } from '../walk.ts'
import type { KadWorld } from '../world.ts'
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
 * The addresses of one peer. It ends on the first that anybody tells, ourselves (the routing table) included;
 * whether they can be dialed is for the caller to see.
 *
 *   walking ──an answer has addresses, lookup ended, expired──▶ ended
 */
export class FindPeer implements Query {
  readonly target: Key
  readonly #query: QueryId
  readonly #wanted: Peer
  readonly #world: KadWorld
  readonly #walk: Walk
  readonly #outbox = new Outbox<QueryOutput>()
  #hasEnded = false

  constructor(init: { context: QueryContext; query: QueryId; peer: Peer; now: Millis }) {
    const { context, peer, now } = init
    this.target = peer.key
    this.#query = init.query
    this.#wanted = peer
    const request = { type: 'find-node', key: peer.id } as const
    this.#world = context.world
    this.#walk = new Walk({ context, outbox: this.#outbox, target: this.target, request, now })
    this.#answerFromHere(now)
    if (!this.#hasEnded) this.#walk.proceed()
  }

  get stage(): QueryStage {
    return this.#hasEnded ? 'ended' : 'walking'
  }

  handle(event: QueryEvent, now: Millis): void {
    if (this.#hasEnded) return
    const answer = this.#walk.handle(event, now)
    const found = event.type === 'seeds-found' ? this.#amongst(event.seeds) : answer && this.#inAnswer(answer)
    if (found !== undefined) {
      const result = { type: 'find-peer', info: found, stats: this.#walk.stats(now) } as const
      this.#end({ type: 'query-ended', query: this.#query, result })
    } else if (this.#walk.hasEnded || event.type === 'expired') {
      this.#fail(event.type === 'expired', now)
    } else {
      this.#walk.proceed()
    }
  }

  poll(): QueryOutput | undefined {
    return this.#outbox.poll()
  }

  nextDeadline(): Millis | undefined {
    return this.#hasEnded ? undefined : this.#walk.nextDeadline()
  }

  /** For ourselves and for peers of the table no lookup is needed. */
  #answerFromHere(now: Millis): void {
    const { self, ownAddresses, table } = this.#world
    const isSelf = self !== undefined && equalBytes(self.id, this.#wanted.id)
    const known = isSelf ? { peer: this.#wanted, addresses: ownAddresses } : table?.get(this.#wanted)
    const query = this.#query
    const stats = this.#walk.stats(now)
    if (known !== undefined && known.addresses.length > 0) {
      this.#end({ type: 'query-ended', query, result: { type: 'find-peer', info: known, stats } })
    } else if (isSelf) {
      this.#end({ type: 'query-failed', query, failure: notFound('That is this client itself, and it has no address.'), stats })
    }
  }

  #inAnswer({ closer, response }: Answer): PeerInfo | undefined {
    // Some servers name a client among the providers only.
    const provider = response.providers.find(({ id, addresses }) => addresses.length > 0 && equalBytes(id, this.#wanted.id))
    return this.#amongst(closer) ?? (provider && { peer: this.#wanted, addresses: mergeAddresses([], provider.addresses) })
  }

  #amongst(infos: readonly PeerInfo[]): PeerInfo | undefined {
    const found = infos.find(({ peer, addresses }) => addresses.length > 0 && equalBytes(peer.id, this.#wanted.id))
    return found && { peer: this.#wanted, addresses: mergeAddresses([], found.addresses) }
  }

  #fail(hasExpired: boolean, now: Millis): void {
    const stats = this.#walk.stats(now)
    const nobody = stats.responses === 0 ? noPeers : notFound('No peer of the DHT knows an address of that peer.')
    const failure = hasExpired ? timedOut('The search for the peer') : nobody
    this.#end({ type: 'query-failed', query: this.#query, failure, stats })
  }

  #end(output: QueryOutput): void {
    this.#hasEnded = true
    this.#outbox.push(output)
  }
}
