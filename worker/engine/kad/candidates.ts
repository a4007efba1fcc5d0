import { BytesMap } from '../bytes-map.ts'
import { addressesBesides, hasDialable, mergeAddresses } from '../addresses.ts'
import type { ConnectionFailure } from '../connections/contract.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import type { Address, DialKind, Key, Peer, PeerInfo } from '../peer.ts'
import type { PeerOutcome } from '../query.ts'
import type { RequestFailure } from './contract.ts'
import { compareBytes, compareDistances, type Distance, distanceBetween } from './distance.ts'
import { MaxHeap } from './top-k.ts'

/** The peers a lookup has heard of, by distance from its target, and what became of each. */

export type CandidateState =
  | { readonly type: 'heard' }
  | { readonly type: 'dialing'; readonly since: Millis; readonly pace: DialPace; readonly kind: DialKind }
  /** Something passing went wrong; heard again in a moment. */
  | { readonly type: 'resting'; readonly until: Millis }
  /** Connected; waits for a place to be asked. */
  | { readonly type: 'ready' }
  | { readonly type: 'waiting'; readonly since: Millis }
  /** `isLate`: it holds nothing up any more. */
  | { readonly type: 'slow'; readonly since: Millis; readonly isLate: boolean }
  | { readonly type: 'responded'; readonly rttMs: number }
  | { readonly type: 'failed'; readonly reason: ConnectionFailure | RequestFailure }
  | { readonly type: 'undialable' }

/**
 * `queued`: waits for a place, which is nobody's fault. `opened`: the peer has answered the dial, and is connected soon. `overdue`:
 * others are asked in its place, but it still holds the end up. `late`: it holds nothing up.
 */
export type DialPace = 'queued' | 'prompt' | 'opened' | 'overdue' | 'late'

export interface Candidate {
  readonly peer: Peer
  /** From the target; computed once. */
  readonly distance: Distance
  /** Has not been useful lately: asked after the others. */
  readonly isDoubtful: boolean
  addresses: readonly Address[]
  /** Where it was dialed, until it is reached; and what was heard since then beside that. */
  tried: readonly Address[] | undefined
  untried: readonly Address[]
  /** It failed where it was first dialed, and was given up for other addresses. */
  isSecondTry: boolean
  /** Changed only through `CandidateList.setState`. */
  state: CandidateState
  /** How often something passing went wrong. */
  retries: number
  /** How many answers named it, and the last of them. */
  namings: number
  namedIn: number
}

export function infoOf(candidate: Candidate): PeerInfo {
  return { peer: candidate.peer, addresses: candidate.addresses }
}

/** Takes in addresses that somebody names. */
export function learnAddresses(candidate: Candidate, addresses: readonly Address[]): void {
  candidate.addresses = mergeAddresses(candidate.addresses, addresses)
  // The list may be full of lies: what may have to replace them needs places of its own.
  if (candidate.tried !== undefined) {
    candidate.untried = mergeAddresses(candidate.untried, addressesBesides(addresses, candidate.tried))
  }
}

/** It was dialed there, for whoever that was. */
export function noteTried(candidate: Candidate, tried: readonly Address[]): void {
  candidate.tried = tried
  learnAddresses(candidate, candidate.addresses)
}

export function isInFlight(state: CandidateState): boolean {
  switch (state.type) {
    case 'dialing':
    case 'resting':
    case 'ready':
    case 'waiting':
    case 'slow':
      return true
    case 'heard':
    case 'responded':
    case 'failed':
    case 'undialable':
      return false
  }
}

/** Has answered, or is still expected to in time. */
export function isPromising(state: CandidateState): boolean {
  switch (state.type) {
    case 'heard':
    case 'resting':
    case 'ready':
    case 'waiting':
    case 'responded':
      return true
    case 'dialing':
      return state.pace !== 'late'
    case 'slow':
      return !state.isLate
    case 'failed':
    case 'undialable':
      return false
  }
}

/** Has answered, or has a claim to be asked now: the k nearest of these are what a lookup works on. */
export function isTopical(state: CandidateState): boolean {
  return isPromising(state) && state.type !== 'slow' && !(state.type === 'dialing' && state.pace === 'overdue')
}

/** Takes one of the places for dials. */
export function isPromptDial(state: CandidateState): boolean {
  return state.type === 'dialing' && (state.pace === 'queued' || state.pace === 'prompt')
}

/** What a result says of the peer; `undefined` for one that is taken for dead and left out. */
export function outcomeOf(state: CandidateState): PeerOutcome | undefined {
  switch (state.type) {
    case 'heard':
    case 'resting':
    case 'ready':
      return 'unasked'
    case 'dialing':
      return state.pace === 'late' ? undefined : 'unasked'
    case 'waiting':
    case 'slow':
      return 'failed'
    case 'responded':
      return 'responded'
    case 'undialable':
      return 'undialable'
    case 'failed':
      return undefined
  }
}

/** What choosing among candidates costs; counted for `status()` and the experiments. */
export interface LookupCost {
  distancesComputed: number
  distancesCompared: number
}

/**
 * Bounded: of those that were only heard of, and of those that cannot be dialed, the nearest are kept; each kind has
 * places of its own, so that a liar's undialable inventions displace nobody. Those with a history stay: their number
 * is bounded by the attempts of the lookup.
 *
 * Each kind has a heap with its farthest on top, so that one of n peers that is too far away costs one comparison and
 * any other O(log places), whatever n is.
 */
export class CandidateList {
  readonly #target: Key
  readonly #isDoubtful: (peer: Peer) => boolean
  readonly #cost: LookupCost
  readonly #byId = new BytesMap<Candidate>()
  readonly #nearestFirst: Candidate[] = []
  readonly #heard: Kind
  readonly #undialable: Kind

  constructor(init: { target: Key; isDoubtful?: (peer: Peer) => boolean; cost: LookupCost }) {
    this.#target = init.target
    this.#isDoubtful = init.isDoubtful ?? (() => false)
    this.#cost = init.cost
    const kind = (max: number): Kind => ({ count: 0, max, farthest: new MaxHeap((a, b) => this.#compare(a, b)) })
    this.#heard = kind(limits.lookupHeardMax.value)
    this.#undialable = kind(limits.lookupUndialableMax.value)
  }

  get size(): number {
    return this.#nearestFirst.length
  }

  get(peer: Peer): Candidate | undefined {
    return this.#byId.get(peer.id)
  }

  /** A view, valid until the next change. */
  nearestFirst(): readonly Candidate[] {
    return this.#nearestFirst
  }

  /** For peers that are not in the list. Returns nothing when all places are taken by nearer ones. */
  add(
    peer: Peer,
    addresses: readonly Address[],
    state: Extract<CandidateState, { type: 'heard' | 'undialable' }>,
  ): Candidate | undefined {
    this.#cost.distancesComputed++
    const candidate: Candidate = {
      peer,
      addresses,
      tried: undefined,
      untried: [],
      isSecondTry: false,
      state,
      retries: 0,
      namings: 0,
      namedIn: 0,
      distance: distanceBetween(this.#target, peer.key),
      isDoubtful: this.#isDoubtful(peer),
    }
    if (!this.#makeRoom(candidate)) return undefined
    this.#nearestFirst.splice(this.#positionOf(candidate), 0, candidate)
    this.#byId.set(peer.id, candidate)
    this.#enter(candidate)
    return candidate
  }

  setState(candidate: Candidate, state: CandidateState): void {
    const before = this.#kindOf(candidate.state)
    if (before !== undefined) before.count--
    candidate.state = state
    this.#enter(candidate)
  }

  /**
   * One that could not be reached is heard of again, once, with the addresses that were not tried, if there are any: whoever named it
   * first may have lied about them.
   */
  tryElsewhere(candidate: Candidate): void {
    const { state, tried, untried, isSecondTry } = candidate
    if (state.type !== 'failed' || tried === undefined || isSecondTry || !hasDialable(untried)) return
    if (state.reason === 'denied' || state.reason === 'overloaded') return
    candidate.isSecondTry = true
    candidate.addresses = untried
    this.setState(candidate, { type: 'heard' })
  }

  #kindOf(state: CandidateState): Kind | undefined {
    if (state.type === 'heard') return this.#heard
    return state.type === 'undialable' ? this.#undialable : undefined
  }

  #enter(candidate: Candidate): void {
    const kind = this.#kindOf(candidate.state)
    if (kind === undefined) return
    kind.count++
    kind.farthest.push(candidate)
  }

  /** Evicts the farthest of the same kind if all places are taken and it is farther; otherwise there is no room. */
  #makeRoom(candidate: Candidate): boolean {
    const kind = this.#kindOf(candidate.state)
    if (kind === undefined || kind.count < kind.max) return true
    // Those that are of another kind by now, or evicted, are still in the heap until they come to its top.
    const isStale = (other: Candidate) => this.#kindOf(other.state) !== kind || this.get(other.peer) !== other
    while (kind.farthest.largest !== undefined && isStale(kind.farthest.largest)) kind.farthest.pop()
    const { largest } = kind.farthest
    if (largest === undefined || this.#compare(largest, candidate) < 0) return false
    kind.farthest.pop()
    kind.count--
    this.#nearestFirst.splice(this.#positionOf(largest), 1)
    this.#byId.delete(largest.peer.id)
    return true
  }

  #positionOf(candidate: Candidate): number {
    let [from, to] = [0, this.#nearestFirst.length]
    while (from < to) {
      const middle = (from + to) >> 1
      if (this.#compare(this.#nearestFirst[middle]!, candidate) < 0) from = middle + 1
      else to = middle
    }
    return from
  }

  #compare(a: Candidate, b: Candidate): number {
    this.#cost.distancesCompared++
    return compareDistances(a.distance, b.distance) || compareBytes(a.peer.id, b.peer.id)
  }
}

interface Kind {
  count: number
  readonly max: number
  readonly farthest: MaxHeap<Candidate>
}
