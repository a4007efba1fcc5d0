import { BytesMap } from '../bytes-map.ts'
import type { ConnectionFailure } from '../connections/contract.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import type { Address, Key, Peer, PeerInfo } from '../peer.ts'
import type { PeerOutcome } from '../query.ts'
import type { RequestFailure } from './contract.ts'
import { compareBytes, compareDistances, type Distance, distanceBetween } from './distance.ts'

/** The peers a lookup has heard of, by distance from its target, and what became of each. */

export type CandidateState =
  | { readonly type: 'heard' }
  | { readonly type: 'dialing'; readonly since: Millis; readonly pace: DialPace }
  /** Something passing went wrong; heard again in a moment. */
  | { readonly type: 'resting'; readonly until: Millis }
  /** Connected; waits for a place to be asked. */
  | { readonly type: 'ready' }
  | { readonly type: 'waiting'; readonly since: Millis }
  | { readonly type: 'slow'; readonly since: Millis }
  | { readonly type: 'responded'; readonly rttMs: number }
  | { readonly type: 'failed'; readonly reason: ConnectionFailure | RequestFailure }
  | { readonly type: 'undialable' }

/**
 * `queued`: waits for a place, which is nobody's fault. `overdue`: others are asked in its place, but it still holds the
 * end up. `late`: it holds nothing up.
 */
export type DialPace = 'queued' | 'prompt' | 'overdue' | 'late'

export interface Candidate {
  readonly peer: Peer
  /** From the target; computed once. */
  readonly distance: Distance
  addresses: readonly Address[]
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
    case 'failed':
    case 'undialable':
      return false
  }
}

/** Has answered, or has a claim to be asked now: the k nearest of these are what a lookup works on. */
export function isTopical(state: CandidateState): boolean {
  return isPromising(state) && !(state.type === 'dialing' && state.pace === 'overdue')
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

/**
 * Bounded: of those that were only heard of, and of those that cannot be dialed, the nearest are kept; each kind has
 * places of its own, so that a liar's undialable inventions displace nobody. Those with a history stay: their number
 * is bounded by the attempts of the lookup.
 */
export class CandidateList {
  readonly #target: Key
  readonly #byId = new BytesMap<Candidate>()
  readonly #nearestFirst: Candidate[] = []
  #heard = 0
  #undialable = 0

  constructor(target: Key) {
    this.#target = target
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
    const candidate: Candidate = {
      peer,
      addresses,
      state,
      retries: 0,
      namings: 0,
      namedIn: 0,
      distance: distanceBetween(this.#target, peer.key),
    }
    const [taken, max] =
      state.type === 'heard' ? [this.#heard, limits.lookupHeardMax.value] : [this.#undialable, limits.lookupUndialableMax.value]
    if (taken >= max && !this.#evictFarther(candidate)) return undefined
    this.#nearestFirst.splice(this.#positionOf(candidate), 0, candidate)
    this.#byId.set(peer.id, candidate)
    this.#count(state, 1)
    return candidate
  }

  setState(candidate: Candidate, state: CandidateState): void {
    this.#count(candidate.state, -1)
    candidate.state = state
    this.#count(state, 1)
  }

  #count(state: CandidateState, by: number): void {
    if (state.type === 'heard') this.#heard += by
    else if (state.type === 'undialable') this.#undialable += by
  }

  /** Makes room in the state of `candidate` if the farthest of that state is farther than it. */
  #evictFarther(candidate: Candidate): boolean {
    const index = this.#nearestFirst.findLastIndex((other) => other.state.type === candidate.state.type)
    const farthest = this.#nearestFirst[index]
    if (farthest === undefined || compareCandidates(farthest, candidate) < 0) return false
    this.#nearestFirst.splice(index, 1)
    this.#byId.delete(farthest.peer.id)
    this.#count(farthest.state, -1)
    return true
  }

  #positionOf(candidate: Candidate): number {
    let [from, to] = [0, this.#nearestFirst.length]
    while (from < to) {
      const middle = (from + to) >> 1
      if (compareCandidates(this.#nearestFirst[middle]!, candidate) < 0) from = middle + 1
      else to = middle
    }
    return from
  }
}

function compareCandidates(a: Candidate, b: Candidate): number {
  return compareDistances(a.distance, b.distance) || compareBytes(a.peer.id, b.peer.id)
}
