import { assert } from '../../assert.ts'
import { limits } from '../../limits.ts'
import type { Millis } from '../../machine.ts'
import type { Key } from '../../peer.ts'
import type { QueryId } from '../../query.ts'
import type { ProvideMode } from '../contract.ts'
import { normedDistance } from '../network-size.ts'
import { Outbox } from '../outbox.ts'
import { StoreRound } from '../store-round.ts'
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
 * Tells the k peers nearest to a multihash that we provide it, and counts who was told.
 *
 *   gated ──own address──▶ walking ──lookup ended──▶ storing ──all settled, expired──▶ ended
 *     └──no address in time──▶ ended  └──nobody answered, expired──▶ ended
 *
 * and in optimistic mode, where the size of the network says how near the k nearest are,
 *
 *   walking (and storing with whoever is near enough) ──near enough on average──▶ storing ──most settled──▶ answered ──▶ ended
 *
 * A provider record without an address that others can dial is useless, hence the gate. The addresses are taken when
 * the record is stored, as they are then.
 */
export class Provide implements Query {
  readonly target: Key
  readonly #query: QueryId
  readonly #context: QueryContext
  readonly #multihash: Uint8Array
  readonly #mode: ProvideMode
  readonly #outbox = new Outbox<QueryOutput>()
  readonly #withoutAddress: boolean
  #state: ProvideState

  constructor(init: {
    context: QueryContext
    query: QueryId
    multihash: Uint8Array
    mode?: ProvideMode
    withoutAddress?: boolean
    now: Millis
  }) {
    const { context, multihash, now } = init
    this.target = context.peers.keyOf(multihash)
    this.#query = init.query
    this.#context = context
    this.#multihash = multihash
    this.#mode = init.mode ?? 'classic'
    this.#withoutAddress = init.withoutAddress === true
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
        this.#walkOn(state, event, now)
        break
      case 'storing':
        state.round.handle(event)
        this.#storeOn(state, event.type === 'expired', now)
        break
      case 'answered':
        state.round.handle(event)
        if (state.round.hasEnded || event.type === 'expired') this.#endRemainder(state.round)
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
    const { world, options } = this.#context
    if (world.ownAddresses.length === 0 && !this.#withoutAddress) return
    const request = { type: 'find-node', key: this.#multihash } as const
    const walk = new Walk({ context: this.#context, outbox: this.#outbox, target: this.target, request, now })
    const size = this.#mode === 'optimistic' ? world.networkSize.estimate(now) : undefined
    const thresholds = size === undefined ? undefined : thresholdsFor(size, options.k)
    this.#state = { type: 'walking', walk, thresholds, early: undefined }
    walk.proceed()
  }

  #walkOn(state: Walking, event: QueryEvent, now: Millis): void {
    const { walk, thresholds } = state
    const answer = walk.handle(event, now)
    state.early?.handle(event)
    if (walk.hasEnded) walk.noteNetworkSize(now)
    if (answer !== undefined && thresholds !== undefined) {
      this.#storeEarly(state, thresholds, answer, now)
      if (this.#isNearEnough(walk, thresholds) || (state.early?.targets ?? 0) >= this.#context.options.k) walk.stop(now)
    }
    walk.proceed()
    if (event.type === 'expired') this.#expireWalk(state, now)
    else if (walk.hasEnded) this.#store(state, now)
  }

  #expireWalk({ walk, early }: Walking, now: Millis): void {
    const hasStored = early !== undefined && early.counts().stored > 0
    if (hasStored) this.#storeOn({ type: 'storing', walk, round: early, isOptimistic: true }, true, now)
    else this.#fail(walk, true, now)
  }

  /** Only with peers that have answered: whoever was merely heard of may be invented. */
  #storeEarly(state: Walking, { near }: Thresholds, { info }: Answer, now: Millis): void {
    if (normedDistance(this.target, info.peer.key) > near) return
    state.early ??= this.#newRound(now)
    state.early?.add([{ info, outcome: 'responded' }])
  }

  #isNearEnough(walk: Walk, { mean }: Thresholds): boolean {
    const { k } = this.#context.options
    const nearest = walk.nearest(k)
    const sum = nearest.reduce((total, { info }) => total + normedDistance(this.target, info.peer.key), 0)
    // go-libp2p-kad-dht asks no more than the mean; in networks of a few hundred, a third of the k nearest was missed so.
    const first = nearest.find(({ outcome }) => outcome !== 'undialable')
    return nearest.length === k && sum / k < mean && first?.outcome === 'responded'
  }

  #store({ walk, thresholds, early }: Walking, now: Millis): void {
    if (walk.stats(now).responses === 0) return this.#fail(walk, false, now)
    const round = early ?? this.#newRound(now)
    if (round === undefined) return this.#failWithoutAddress()
    round.add(walk.nearest(this.#context.options.k))
    const state: Storing = { type: 'storing', walk, round, isOptimistic: thresholds !== undefined }
    this.#state = state
    this.#storeOn(state, false, now)
  }

  /** Undefined when we have lost our addresses. */
  #newRound(now: Millis): StoreRound | undefined {
    const { self, ownAddresses, records } = this.#context.world
    assert(self !== undefined, 'nobody answers before the start')
    if (ownAddresses.length === 0 && !this.#withoutAddress) return undefined
    records?.addProvider(this.#multihash, self, ownAddresses, now)
    const provider = { id: self.id, addresses: ownAddresses }
    const request = { type: 'add-provider', key: this.#multihash, provider } as const
    return new StoreRound({ context: this.#context, outbox: this.#outbox, request, peers: [] })
  }

  #storeOn({ walk, round, isOptimistic }: Storing, hasExpired: boolean, now: Millis): void {
    const stats = walk.stats(now)
    if (round.hasEnded || hasExpired) {
      this.#state = { type: 'ended' }
      const result = { type: 'provide', counts: round.finalCounts(), stats } as const
      this.#outbox.push({ type: 'query-ended', query: this.#query, result })
    } else if (isOptimistic && isMostlyDone(round)) {
      this.#state = { type: 'answered', round }
      const result = { type: 'provide', counts: round.counts(), stats } as const
      this.#outbox.push({ type: 'query-answered', query: this.#query, result })
    }
  }

  #endRemainder(round: StoreRound): void {
    this.#state = { type: 'ended' }
    this.#outbox.push({ type: 'internal-query-ended', responses: round.counts().stored })
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
    const failure = { code: 'not-dialable', message } as const
    this.#outbox.push({ type: 'query-failed', query: this.#query, failure, stats: undefined })
  }
}

interface Walking {
  readonly type: 'walking'
  readonly walk: Walk
  /** Undefined for classic. */
  readonly thresholds: Thresholds | undefined
  early: StoreRound | undefined
}

interface Storing {
  readonly type: 'storing'
  readonly walk: Walk
  readonly round: StoreRound
  readonly isOptimistic: boolean
}

type ProvideState =
  | { readonly type: 'gated'; readonly until: Millis }
  | Walking
  | Storing
  /** The caller has gone; the rest is stored. */
  | { readonly type: 'answered'; readonly round: StoreRound }
  | { readonly type: 'ended' }

/** Distances as shares of the key space. */
interface Thresholds {
  /** With a certainty of 90 % a peer as near as that is among the k nearest. */
  readonly near: number
  /** With a probability of 90 % the k nearest are as near on average. */
  readonly mean: number
}

/**
 * For k = 20 the quantiles of the gamma distributions are 14.53 (shape k, 10 %) and 15.41 (shape k/2 + 1, 90 %), as
 * go-libp2p-kad-dht has them; other k only occur in tests and are scaled.
 */
function thresholdsFor(networkSize: number, k: number): Thresholds {
  return { near: (14.53 * k) / (20 * networkSize), mean: (15.41 * k) / (20 * networkSize) }
}

/** Three quarters of those that can be reached (15 of 20): the rest would only add the tail of the slowest. */
function isMostlyDone(round: StoreRound): boolean {
  const { targeted, undialable, pending } = round.counts()
  const reachable = targeted - undialable
  return reachable - pending >= Math.ceil(0.75 * reachable)
}
