import { BytesMap, equalBytes } from '../../bytes-map.ts'
import { limits } from '../../limits.ts'
import type { Millis } from '../../machine.ts'
import type { Key, Peer, PeerIdBytes, PeerInfo } from '../../peer.ts'
import type { QueryId } from '../../query.ts'
import { hasDialable, mergeAddresses } from '../../addresses.ts'
import { Outbox } from '../outbox.ts'
import { type Answer, Walk } from '../walk.ts'
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
 * Distinct providers of a multihash, told as they come in.
 *
 *   walking ──limit reached, lookup ended, expired──▶ ended
 *
 * What searches found lately is told at once (and, on a server, what others have stored with us), and the network is asked for more
 * unless that reaches the limit.
 *
 * A provider without addresses waits for an answer that has some, as provider or as closer peer: told at once it
 * would cost its user a lookup of its own. What still waits when the lookup ends is told without.
 */
export class FindProviders implements Query {
  readonly target: Key
  readonly #query: QueryId
  readonly #limit: number
  readonly #countsDialable: boolean
  readonly #context: QueryContext
  readonly #multihash: Uint8Array
  readonly #walk: Walk
  readonly #outbox = new Outbox<QueryOutput>()
  /** With whether it counts. */
  readonly #told = new BytesMap<boolean>()
  #counted = 0
  /** Providers without addresses, with whoever named them first. */
  readonly #addressless = new BytesMap<{ readonly peer: Peer; readonly from: Peer }>()
  #hasEnded = false

  constructor(init: FindProvidersInit) {
    const { context, multihash, now } = init
    this.target = context.peers.keyOf(multihash)
    this.#query = init.query
    this.#limit = Math.min(init.limit, limits.findProvidersMax.value)
    this.#countsDialable = init.countsDialable === true
    this.#context = context
    this.#multihash = multihash
    const request = { type: 'get-providers', key: multihash } as const
    this.#walk = new Walk({ context, outbox: this.#outbox, target: this.target, request, now })
    this.#useCache(now)
    if (!this.#hasEnded) this.#walk.proceed()
  }

  get stage(): QueryStage {
    return this.#hasEnded ? 'ended' : 'walking'
  }

  handle(event: QueryEvent, now: Millis): void {
    if (this.#hasEnded) return
    const answer = this.#walk.handle(event, now)
    if (answer !== undefined) this.#use(answer, now)
    const isOver = this.#walk.hasEnded || event.type === 'expired' || this.#counted >= this.#limit
    if (this.#walk.hasEnded) this.#walk.noteNetworkSize(now)
    if (isOver) this.#end(event.type === 'expired', now)
    else this.#walk.proceed()
  }

  poll(): QueryOutput | undefined {
    return this.#outbox.poll()
  }

  nextDeadline(): Millis | undefined {
    return this.#hasEnded ? undefined : this.#walk.nextDeadline()
  }

  #useCache(now: Millis): void {
    const { providers, records, self } = this.#context.world
    for (const provider of records?.providersOf(this.#multihash, now) ?? []) {
      const isOther = self !== undefined && !equalBytes(provider.peer.id, self.id)
      if (isOther && provider.addresses.length > 0) this.#tell(provider, self)
    }
    for (const { provider, from } of providers.find(this.#multihash, now)) {
      if (!this.#isBarred(provider.peer.id)) this.#tell(provider, from)
    }
    if (this.#counted < this.#limit) return
    providers.sufficed(this.#multihash, now)
    this.#end(false, now)
  }

  #use({ peer: from, response, closer }: Answer, now: Millis): void {
    for (const { id, addresses } of response.providers) {
      const peer = this.#context.peers.intern(id)
      if (this.#isBarred(id)) continue
      if (addresses.length > 0) this.#found({ peer, addresses: mergeAddresses([], addresses) }, from, now)
      else if (this.#told.has(id) || this.#addressless.has(id)) continue
      else if (this.#addressless.size < limits.addresslessProvidersMax.value) this.#addressless.set(id, { peer, from })
    }
    for (const info of closer) {
      const waiting = this.#addressless.get(info.peer.id)
      if (waiting !== undefined && info.addresses.length > 0) this.#found(info, waiting.from, now)
    }
  }

  /** The page may hear that we provide it ourselves; who looks for somebody to dial need not. */
  #isBarred(id: PeerIdBytes): boolean {
    const { self, denied } = this.#context.world
    return denied.has(id) || (this.#countsDialable && self !== undefined && equalBytes(id, self.id))
  }

  #found(provider: PeerInfo, from: Peer, now: Millis): void {
    this.#context.world.providers.add(this.#multihash, provider, from, now)
    this.#tell(provider, from)
  }

  #tell(provider: PeerInfo, from: Peer): void {
    const { peer, addresses } = provider
    const counts = !this.#countsDialable || addresses.length === 0 || hasDialable(addresses)
    const told = this.#told.get(peer.id)
    if (told === true || told === counts) return
    if ((counts ? this.#counted : this.#told.size - this.#counted) >= this.#limit) return
    if (counts) this.#counted++
    this.#addressless.delete(peer.id)
    this.#told.set(peer.id, counts)
    this.#outbox.push({ type: 'query-item', query: this.#query, item: { type: 'provider', provider, from } })
  }

  #end(hasExpired: boolean, now: Millis): void {
    this.#hasEnded = true
    for (const { peer, from } of [...this.#addressless.values()]) this.#tell({ peer, addresses: [] }, from)
    const query = this.#query
    const stats = this.#walk.stats(now)
    if (this.#told.size === 0 && (hasExpired || stats.responses === 0)) {
      const failure = hasExpired ? timedOut('The search for providers') : noPeers
      this.#outbox.push({ type: 'query-failed', query, failure, stats })
      return
    }
    const result = { type: 'find-providers', providers: this.#told.size, stats } as const
    this.#outbox.push({ type: 'query-ended', query, result })
  }
}

interface FindProvidersInit {
  readonly context: QueryContext
  readonly query: QueryId
  readonly multihash: Uint8Array
  readonly limit: number
  readonly countsDialable?: boolean
  readonly now: Millis
}
