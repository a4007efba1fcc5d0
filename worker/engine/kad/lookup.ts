import type { ConnectionFailure } from '../connections/contract.ts'
import { limits } from '../limits.ts'
import { earlier, type Machine, type Millis } from '../machine.ts'
import { type Address, dialKindOf, type Key, type Peer, type PeerInfo } from '../peer.ts'
import type { LookupStats } from '../query.ts'
import { retryDelayMs, type TransientFailure } from '../resilience/retry-delay.ts'
import { hasDialable, mergeAddresses } from '../addresses.ts'
import {
  type Candidate,
  CandidateList,
  type CandidateState,
  infoOf,
  isInFlight,
  isPromptDial,
  isPromising,
  isTopical,
  learnAddresses,
  noteTried,
  type LookupCost,
  outcomeOf,
} from './candidates.ts'
import type { ConnectionFailed, KadOptions, RequestFailure } from './contract.ts'
import { freePlaces, type Places } from './lookup-places.ts'
import type { LookupEffect, LookupEvent, LookupPeer, LookupPhase } from './lookup-contract.ts'
import { Outbox } from './outbox.ts'
import { type Patience, paceOf, stateDeadline, stateInTime } from './patience.ts'

/**
 * One iterative lookup: asks ever nearer peers until the nearest have answered.
 *
 *   starved ──candidates──▶ converging ──β nearest answered──▶ following up ──k nearest answered──▶ ended
 *      ▲                        │                                                              ▲
 *      └──nobody is left,───────┘              attempts used up, nobody has more candidates ───┘
 *         nobody has answered
 *
 * and of each candidate
 *
 *   heard ──▶ dialing ──▶ ready ──▶ waiting ──▶ slow ──▶ responded
 *    ▲ │         │ └──overloaded──▶ resting ◀──reset──┘       └────▶ failed
 *    │ │         └──▶ failed, undialable └──in a moment──▶ heard
 *    ├─┼──other addresses came, once──┘
 *    │ └──no dialable address──▶ undialable
 *    └────addresses came────────────┘
 *
 * Whom it asks: among the k nearest that may still answer, nearest first, and those last that were useless of late. Dials and requests
 * have places of their own. A request that is slow and a dial that takes long give their places free, and soon hold nothing up once β
 * others have answered (`patience.ts`); if their answers still come, they are used. Undialable peers keep their rank in the result and
 * no more.
 *
 * It does not know messages, orders and what the peers are asked for: the parent sends, and tells who answered.
 */
export class Lookup implements Machine<LookupEvent, LookupEffect> {
  readonly target: Key
  readonly #options: KadOptions
  readonly #isBarred: (peer: Peer) => boolean
  readonly #provenAddresses: (peer: Peer) => readonly Address[]
  readonly #patience: Patience
  readonly #candidates: CandidateList
  readonly #outbox = new Outbox<LookupEffect>()
  /** Candidates with something pending, in the order in which it began. */
  readonly #inFlight = new Set<Candidate>()
  readonly #stats = { requests: 0, responses: 0, dials: 0, failures: 0, undialable: 0 }
  readonly #startedAt: Millis
  #endedAt: Millis | undefined
  #attempts = 0
  #phase: LookupPhase = 'starved'

  /**
   * `isBarred`: peers that are never candidates, such as ourselves and denied ones. `isDoubtful`: peers that are asked
   * after others. `provenAddresses`: where a peer was reached before; dialed before those that others name. `patience` is learned
   * by all lookups together, and `cost` counted for all of them.
   */
  constructor(init: {
    target: Key
    options: KadOptions
    isBarred: (peer: Peer) => boolean
    isDoubtful?: (peer: Peer) => boolean
    provenAddresses?: (peer: Peer) => readonly Address[]
    patience: Patience
    cost: LookupCost
    now: Millis
  }) {
    this.target = init.target
    this.#options = init.options
    this.#isBarred = init.isBarred
    this.#provenAddresses = init.provenAddresses ?? (() => [])
    this.#patience = init.patience
    this.#candidates = new CandidateList(init)
    this.#startedAt = init.now
    this.#outbox.push({ type: 'starved' })
  }

  get phase(): LookupPhase {
    return this.#phase
  }

  handle(event: LookupEvent, now: Millis): void {
    if (this.#phase === 'ended') return
    switch (event.type) {
      case 'tick':
        break
      case 'candidates-found':
        this.#addAll(event.candidates, 0)
        if (this.#phase === 'starved') this.#phase = 'converging'
        break
      case 'candidates-exhausted':
        if (this.#phase === 'starved') this.#end(now)
        break
      case 'dial-queued':
      case 'dial-begun':
      case 'dial-opened':
        this.#dialMoved(event, now)
        break
      case 'connection-ready':
        this.#connectionReady(event.peer, now)
        break
      case 'connection-failed':
        this.#connectionFailed(event, now)
        break
      case 'peer-responded':
        this.#responded(event.peer, event.closer, now)
        break
      case 'request-failed':
        this.#requestFailed(event.peer, event.reason, now)
        break
      case 'stop':
        return this.#end(now)
    }
    this.#advance(now)
  }

  poll(): LookupEffect | undefined {
    return this.#outbox.poll()
  }

  nextDeadline(): Millis | undefined {
    let deadline: Millis | undefined
    for (const { state } of this.#inFlight) deadline = earlier(deadline, stateDeadline(state, this.#patience))
    return deadline
  }

  /**
   * The `count` nearest peers, nearest first, as far as the lookup knows. Left out are peers that turned out dead;
   * in are undialable ones, and those that were reached but had not answered at the end (as `failed`). Nobody has
   * ever spoken with an undialable peer, so one that a single answer named may be a lie and is left out, too, unless
   * there were hardly any answers.
   */
  nearest(count: number): LookupPeer[] {
    const found: LookupPeer[] = []
    for (const candidate of this.#candidates.nearestFirst()) {
      if (found.length === count) break
      const outcome = outcomeOf(candidate.state)
      const isHearsay = outcome === 'undialable' && candidate.namings < 2 && this.#stats.responses >= this.#options.beta
      if (outcome !== undefined && !isHearsay) found.push({ info: infoOf(candidate), outcome })
    }
    return found
  }

  stats(now: Millis): LookupStats {
    return { ...this.#stats, durationMs: (this.#endedAt ?? now) - this.#startedAt }
  }

  /** A candidate with all addresses that were heard of it. */
  infoOf(peer: Peer): PeerInfo | undefined {
    const candidate = this.#candidates.get(peer)
    return candidate && infoOf(candidate)
  }

  /** For tests and the inspector. */
  stateOf(peer: Peer): CandidateState['type'] | undefined {
    return this.#candidates.get(peer)?.state.type
  }

  /** For tests of the bounds. */
  counts(): { candidates: number; inFlight: number } {
    return { candidates: this.#candidates.size, inFlight: this.#inFlight.size }
  }

  /** `answer`: serial number of the answer that named them; 0 for seeds. */
  #addAll(infos: readonly PeerInfo[], answer: number): void {
    for (const info of infos) {
      if (this.#isBarred(info.peer)) continue
      const candidate = this.#meet(info)
      if (candidate === undefined || (answer > 0 && candidate.namedIn === answer)) continue
      candidate.namings++
      candidate.namedIn = answer
    }
  }

  /** The candidate, new or with what is new of it; `undefined` if there is no place for it. */
  #meet(info: PeerInfo): Candidate | undefined {
    const known = this.#candidates.get(info.peer)
    if (known === undefined) {
      const addresses = mergeAddresses(this.#provenAddresses(info.peer), mergeAddresses([], info.addresses))
      const isDialable = hasDialable(addresses)
      const added = this.#candidates.add(info.peer, addresses, { type: isDialable ? 'heard' : 'undialable' })
      if (added !== undefined && !isDialable) this.#stats.undialable++
      return added
    }
    learnAddresses(known, info.addresses)
    this.#candidates.tryElsewhere(known)
    if (known.state.type === 'undialable' && hasDialable(known.addresses)) {
      this.#stats.undialable--
      this.#candidates.setState(known, { type: 'heard' })
    }
    return known
  }

  #dialMoved(event: Extract<LookupEvent, { type: 'dial-queued' | 'dial-begun' | 'dial-opened' }>, now: Millis): void {
    const candidate = this.#candidates.get(event.peer)
    if (candidate?.state.type !== 'dialing') return
    const { type, kind } = candidate.state
    if (event.type === 'dial-queued') return this.#setState(candidate, { type, since: now, pace: 'queued', kind })
    if (event.type === 'dial-opened') return this.#setState(candidate, { type, since: now, pace: 'opened', kind })
    const since = now - event.agoMs
    this.#setState(candidate, { type, since, pace: paceOf({ since, kind }, now, this.#patience), kind })
  }

  #connectionReady(peer: Peer, now: Millis): void {
    const candidate = this.#candidates.get(peer)
    if (candidate?.state.type !== 'dialing') return
    // A peer that is connected already is ready in the very moment it is needed.
    if (now > candidate.state.since) this.#stats.dials++
    candidate.tried = undefined
    this.#setState(candidate, { type: 'ready' })
  }

  #connectionFailed({ peer, reason, tried }: ConnectionFailed, now: Millis): void {
    const candidate = this.#candidates.get(peer)
    if (candidate?.state.type !== 'dialing') return
    switch (reason) {
      case 'no-dialable-address':
        this.#stats.undialable++
        return this.#setState(candidate, { type: 'undialable' })
      case 'overloaded':
        return this.#retryOrFail(candidate, 'congestion', reason, now)
      case 'refused':
      case 'timeout':
        this.#stats.dials++
        if (tried !== undefined) noteTried(candidate, tried)
        break
      case 'backoff':
      case 'denied':
        break
    }
    this.#fail(candidate, reason)
    this.#candidates.tryElsewhere(candidate)
  }

  #responded(peer: Peer, closer: readonly PeerInfo[], now: Millis): void {
    const candidate = this.#candidates.get(peer)
    if (candidate?.state.type !== 'waiting' && candidate?.state.type !== 'slow') return
    this.#stats.responses++
    const rttMs = now - candidate.state.since
    this.#patience.noteAnswer(rttMs)
    this.#setState(candidate, { type: 'responded', rttMs })
    this.#addAll(closer, this.#stats.responses)
  }

  #requestFailed(peer: Peer, reason: RequestFailure, now: Millis): void {
    const candidate = this.#candidates.get(peer)
    if (candidate?.state.type !== 'waiting' && candidate?.state.type !== 'slow') return
    if (reason === 'reset') this.#retryOrFail(candidate, 'stream', reason, now)
    else if (reason === 'disconnected') this.#retryOrFail(candidate, 'connection', reason, now)
    else this.#fail(candidate, reason)
  }

  #retryOrFail(candidate: Candidate, failure: TransientFailure, reason: ConnectionFailure | RequestFailure, now: Millis): void {
    const delay = retryDelayMs(failure, candidate.retries++)
    if (delay === undefined) this.#fail(candidate, reason)
    else this.#setState(candidate, { type: 'resting', until: now + delay })
  }

  #fail(candidate: Candidate, reason: ConnectionFailure | RequestFailure): void {
    this.#stats.failures++
    this.#setState(candidate, { type: 'failed', reason })
  }

  #setState(candidate: Candidate, state: CandidateState): void {
    this.#inFlight.delete(candidate)
    this.#candidates.setState(candidate, state)
    if (isInFlight(state)) this.#inFlight.add(candidate)
  }

  #advance(now: Millis): void {
    if (this.#phase === 'starved' || this.#phase === 'ended') return
    this.#letTimePass(now)
    if (this.#phase === 'converging' && this.#haveAnswered(this.#options.beta)) this.#phase = 'following-up'
    if (this.#phase === 'following-up' && this.#haveAnswered(this.#options.k)) return this.#settle(now)
    this.#usePlaces(now)
    if (!this.#awaitsAnything()) this.#settle(now)
  }

  /** A peer that is ready, and was not asked when places were given out, will never be. */
  #awaitsAnything(): boolean {
    for (const { state } of this.#inFlight) if (state.type !== 'ready') return true
    return false
  }

  #letTimePass(now: Millis): void {
    for (const candidate of [...this.#inFlight]) {
      const state = stateInTime(candidate.state, now, this.#patience)
      if (state !== candidate.state) this.#setState(candidate, state)
    }
  }

  #nearestThat(matches: (state: CandidateState) => boolean, count: number): Candidate[] {
    const found: Candidate[] = []
    for (const candidate of this.#candidates.nearestFirst()) {
      if (found.length === count) break
      if (matches(candidate.state)) found.push(candidate)
    }
    return found
  }

  /** Late ones are waited for only as long as fewer than β have answered: then there is no better source. */
  #haveAnswered(count: number): boolean {
    if (this.#nearestThat(isPromising, count).some(({ state }) => state.type !== 'responded')) return false
    return this.#stats.responses >= this.#options.beta || this.#inFlight.size === 0
  }

  /** Dials that nearer peers have pushed out of the k nearest give their places to those, the farthest first. */
  #dropDisplaced(topical: readonly Candidate[]): void {
    const wanted = topical.filter(({ state }) => state.type === 'heard').length - this.#places(topical).dials
    if (wanted <= 0 || topical.length < this.#options.k) return
    const isDisplaced = (candidate: Candidate) => isPromptDial(candidate.state) && !topical.includes(candidate)
    const displaced = this.#candidates.nearestFirst().filter(isDisplaced)
    for (const candidate of displaced.slice(-wanted)) {
      this.#outbox.push({ type: 'drop-connect', peer: candidate.peer })
      this.#setState(candidate, { type: 'heard' })
    }
  }

  /**
   * How many of the next nearest are dialed beside the k nearest when following up: twice as many as will be needed because of
   * silent ones, for bad luck. Dialed only when they are needed, each would cost the end another dial's time.
   */
  #spares(): number {
    if (this.#phase !== 'following-up') return 0
    const isOpen = ({ state }: Candidate) => state.type === 'heard' || isPromptDial(state)
    const open = this.#nearestThat(isTopical, this.#options.k).filter(isOpen)
    return Math.round(2 * this.#patience.silentAmong(open.map((candidate) => dialKindOf(infoOf(candidate)))))
  }

  #usePlaces(now: Millis): void {
    const topical = this.#nearestThat(isTopical, this.#options.k + this.#spares())
    this.#dropDisplaced(topical)
    const places = this.#places(topical)
    // Whoever gave nothing lately comes last; but all of them come.
    const inOrder = [
      ...topical.filter((candidate) => !candidate.isDoubtful),
      ...topical.filter((candidate) => candidate.isDoubtful),
    ]
    for (const candidate of inOrder) {
      if (candidate.state.type === 'ready' && places.requests > 0) {
        places.requests--
        this.#stats.requests++
        this.#setState(candidate, { type: 'waiting', since: now })
        this.#outbox.push({ type: 'ask', peer: candidate.peer })
      } else if (candidate.state.type === 'heard' && places.dials > 0 && this.#attempts < limits.lookupAttemptsMax.value) {
        places.dials--
        this.#attempts++
        const info = infoOf(candidate)
        candidate.tried = info.addresses
        candidate.untried = []
        this.#setState(candidate, { type: 'dialing', since: now, pace: 'prompt', kind: dialKindOf(info) })
        this.#outbox.push({ type: 'connect', info })
      }
    }
  }

  #places(topical: readonly Candidate[]): Places {
    // When following up, no answer decides any more whom to ask next: all of them at once.
    const requestsMax = this.#phase === 'following-up' ? this.#options.k : this.#options.alpha
    return freePlaces(topical, this.#inFlight, requestsMax)
  }

  /** Everything that could answer in time has, or has failed. */
  #settle(now: Millis): void {
    const isUsedUp = this.#attempts >= limits.lookupAttemptsMax.value
    if (this.#stats.responses > 0 || isUsedUp) return this.#end(now)
    this.#phase = 'starved'
    this.#outbox.push({ type: 'starved' })
  }

  #end(now: Millis): void {
    this.#phase = 'ended'
    this.#endedAt = now
    for (const { peer, state } of this.#inFlight) {
      if (state.type === 'dialing') this.#outbox.push({ type: 'drop-connect', peer })
      else if (state.type === 'waiting' || state.type === 'slow') this.#outbox.push({ type: 'stop-asking', peer })
    }
    this.#inFlight.clear()
    this.#outbox.push({ type: 'ended' })
  }
}
