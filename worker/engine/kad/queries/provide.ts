import { assert } from '../../assert.ts'
import { limits } from '../../limits.ts'
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
 * Tells the k peers nearest to a multihash that we provide it, and counts who was told.
 *
 *   gated ──own address──▶ walking ──lookup ended──▶ storing ──all settled, expired──▶ ended
 *     └──no address in time──▶ ended  └──nobody answered, expired──▶ ended
 *
 * A provider record without an address that others can dial is useless, hence the gate. The addresses are taken when
 * the record is stored, as they are then.
 */
export class Provide implements Query {
  readonly target: Key
  readonly #query: QueryId
  readonly #context: QueryContext
  readonly #multihash: Uint8Array
  readonly #outbox = new Outbox<QueryOutput>()
  #state: ProvideState

  constructor(init: { context: QueryContext; query: QueryId; multihash: Uint8Array; now: Millis }) {
    const { context, multihash, now } = init
    this.target = context.peers.keyOf(multihash)
    this.#query = init.query
    this.#context = context
    this.#multihash = multihash
    this.#state = { type: 'gated', until: now + limits.provideAddressWaitMs.value }
    this.#passGate(now)
  }

  get stage(): QueryStage {
    return this.#state.type
  }

  handle(event: QueryEvent, now: Millis): void {
    const state = this.#state
    switch (state.type) {
      case 'gated':
        if (event.type === 'own-addresses-changed') this.#passGate(now)
        else if (now >= state.until || event.type === 'expired') this.#failWithoutAddress()
        break
      case 'walking':
        state.walk.handle(event, now)
        state.walk.proceed()
        if (event.type === 'expired') this.#fail(state.walk, true, now)
        else if (state.walk.hasEnded) this.#store(state.walk, now)
        break
      case 'storing':
        state.round.handle(event)
        if (state.round.hasEnded || event.type === 'expired') this.#end(state.walk, state.round, now)
        break
      case 'ended':
        break
    }
  }

  poll(): QueryOutput | undefined {
    return this.#outbox.poll()
  }

  nextDeadline(): Millis | undefined {
    if (this.#state.type === 'gated') return this.#state.until
    return this.#state.type === 'walking' ? this.#state.walk.nextDeadline() : undefined
  }

  #passGate(now: Millis): void {
    if (this.#context.world.ownAddresses.length === 0) return
    const request = { type: 'find-node', key: this.#multihash } as const
    const walk = new Walk({ context: this.#context, outbox: this.#outbox, target: this.target, request, now })
    this.#state = { type: 'walking', walk }
    walk.proceed()
  }

  #store(walk: Walk, now: Millis): void {
    const { self, ownAddresses } = this.#context.world
    if (walk.stats(now).responses === 0) return this.#fail(walk, false, now)
    assert(self !== undefined, 'nobody answers before the start')
    if (ownAddresses.length === 0) return this.#failWithoutAddress()
    const provider = { id: self.id, addresses: ownAddresses }
    const request = { type: 'add-provider', key: this.#multihash, provider } as const
    const peers = walk.nearest(this.#context.options.k)
    const round = new StoreRound({ context: this.#context, outbox: this.#outbox, request, peers })
    this.#state = { type: 'storing', walk, round }
    if (round.hasEnded) this.#end(walk, round, now)
  }

  #end(walk: Walk, round: StoreRound, now: Millis): void {
    this.#state = { type: 'ended' }
    const result = { type: 'provide', counts: round.counts(), stats: walk.stats(now) } as const
    this.#outbox.push({ type: 'query-ended', query: this.#query, result })
  }

  #fail(walk: Walk, hasExpired: boolean, now: Millis): void {
    this.#state = { type: 'ended' }
    const failure = hasExpired ? timedOut('The search for peers that should hold the record') : noPeers
    this.#outbox.push({ type: 'query-failed', query: this.#query, failure, stats: walk.stats(now) })
  }

  #failWithoutAddress(): void {
    this.#state = { type: 'ended' }
    const message =
      'This client has no address at which others can reach it, so a provider record would be of no use. ' +
      'Connect to a relay, or announce an address.'
    const failure = { code: 'no-address', message } as const
    this.#outbox.push({ type: 'query-failed', query: this.#query, failure, stats: undefined })
  }
}

type ProvideState =
  | { readonly type: 'gated'; readonly until: Millis }
  | { readonly type: 'walking'; readonly walk: Walk }
  | { readonly type: 'storing'; readonly walk: Walk; readonly round: StoreRound }
  | { readonly type: 'ended' }
