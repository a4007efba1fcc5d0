import { unreachable } from '../assert.ts'
import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import { betterInfo, type Peer, type PeerInfo } from '../peer.ts'
import type { Want } from './want.ts'

/**
 * Wants that share peers, for the blocks of one DAG are usually in the same places.
 *
 *   member ──block──▶ good ──timed-out──▶ member
 *      └──── 16 misses in a row ──▶ pruned ──have, block──▶ member, good
 *
 * Good peers get the want-blocks of later wants directly. Until there is one, only the first few wants look for it, the
 * scouts. The session does not know who is connected, nor what is asked of whom; each want decides that for itself.
 */
export class Session {
  /** With their places in the order of joining. */
  readonly #wants = new Map<Want, number>()
  #joined = 0
  #joinedAt: Millis = 0
  lastBlockAt: Millis | undefined
  /** When somebody last said to have what a scout looks for. */
  #lastFoundAt: Millis | undefined
  readonly context: string | undefined
  /** Of one that the page knows nothing of (`sessions.ts`). */
  readonly #burst: Burst | undefined
  /** Until a search for it has come to its end. */
  root: SessionRoot | undefined
  readonly #peers = new BytesMap<SessionPeer>()
  /** How often a shared session has begun anew after all its wants had ended. */
  #round = 0
  readonly #scouts = new Set<Want>()

  constructor({ root, context, burst }: SessionInit) {
    this.root = root === undefined ? undefined : { cid: root, isNext: true }
    this.context = context
    this.#burst = burst
  }

  get wants(): Iterable<Want> {
    return this.#wants.keys()
  }

  /** When a want last joined, or a block came. */
  get latestAt(): Millis {
    return Math.max(this.#joinedAt, this.lastBlockAt ?? 0)
  }

  get size(): number {
    return this.#wants.size
  }

  get isIdle(): boolean {
    return this.#wants.size === 0
  }

  /** Returns the peers that the want had better ask: none for one that goes ahead in a session nobody asked for. */
  join(want: Want, now: Millis): Iterable<SessionPeer> {
    this.#joinedAt = now
    if (this.#burst !== undefined && this.isIdle) this.#beginRound()
    const isEarly = this.#burst !== undefined && this.#wants.size < limits.sessionScoutsMax.value
    this.#wants.set(want, this.#joined++)
    if (isEarly || (this.lastBlockAt === undefined && this.#scouts.size < limits.sessionScoutsMax.value)) this.#scouts.add(want)
    return this.takesAdvice(want) ? this.candidates() : []
  }

  /** Returns the want that takes the place of a scout that has found nobody. */
  leave(want: Want): Want | undefined {
    this.#wants.delete(want)
    if (!this.#scouts.delete(want) || this.lastBlockAt !== undefined) return undefined
    for (const next of this.wants) {
      if (this.#scouts.has(next)) continue
      this.#scouts.add(next)
      return next
    }
    return undefined
  }

  /** What one block led to is of use for those that follow it, as the leaves of a DAG do its root, but not for ever. */
  #beginRound(): void {
    this.#round++
    for (const { peer, round } of [...this.#peers.values()]) if (round < this.#round - 1) this.#peers.delete(peer.id)
  }

  takesAdvice(want: Want): boolean {
    if (this.#burst === undefined) return true
    if (this.#scouts.has(want)) return false
    return this.size > limits.looseWantsMax.value || this.#burst.isOfOnePlace()
  }

  /** It asks around by itself, although others at once do, too. */
  goesAlone(want: Want): boolean {
    return !this.#scouts.has(want) && !this.takesAdvice(want)
  }

  /** A peer that has what a scout looks for: those that follow are to ask it too, and need not wait for the scout's block. */
  *found(by: Want, now: Millis): IterableIterator<Want> {
    if (this.lastBlockAt !== undefined || !this.#scouts.has(by)) return
    this.#lastFoundAt = now
    for (const want of this.wants) if (!this.#scouts.has(want) && this.takesAdvice(want)) yield want
  }

  /**
   * Until when a want that turned to the network at `since` leaves the search to the scouts; undefined if it is on its own.
   * What they find is most likely good for all, and a search by each would cost as much again.
   */
  scoutedUntil(want: Want, since: Millis): Millis | undefined {
    if (this.#scouts.size === 0 || this.#scouts.has(want) || this.goesAlone(want)) return undefined
    // Who sent one block may have none of the others: the other scouts are about to hear from those that do.
    if (this.lastBlockAt !== undefined) return since + limits.scoutsWaitMs.value
    // Twice as many each time: a thousand wants that begin to ask around at once would be a flood.
    const [first = 0] = this.#wants.values()
    const crowd = (this.#wants.get(want)! - first + 1) / limits.sessionScoutsMax.value
    const alone = since + limits.scoutsWaitMs.value * Math.max(1, Math.ceil(Math.log2(crowd)))
    return this.#lastFoundAt === undefined ? alone : Math.max(alone, this.#lastFoundAt + limits.scoutsFoundWaitMs.value)
  }

  /** Peers worth asking, in order of acquaintance. */
  *candidates(): IterableIterator<SessionPeer> {
    for (const entry of this.#peers.values()) if (entry.state.type !== 'pruned') yield entry
  }

  /** Returns whether the peer has just become a good one, so that the session's other wants should hear of it. */
  note(peer: Peer, event: SessionPeerEvent, info?: PeerInfo): boolean {
    const known = this.#peers.get(peer.id)
    if (known === undefined) {
      if (event === 'dont-have' || event === 'timed-out' || !this.#makeRoom(event)) return false
      const state: SessionPeerState = event === 'block' ? { type: 'good', misses: 0 } : { type: 'member', misses: 0 }
      this.#peers.set(peer.id, { peer, info, state, round: this.#round })
      return event === 'block'
    }
    const before = known.state.type
    known.info = betterInfo(known.info, info)
    if (event === 'have' || event === 'block') known.round = this.#round
    known.state = nextSessionPeerState(known.state, event)
    return known.state.type === 'good' && before !== 'good'
  }

  /** A peer that delivered takes the place of one that did not; others only take a free place or a pruned peer's. */
  #makeRoom(event: SessionPeerEvent): boolean {
    if (this.#peers.size < limits.sessionPeersMax.value) return true
    let victim: SessionPeer | undefined
    for (const entry of this.#peers.values()) {
      if (entry.state.type === 'pruned') victim = entry
      else if (event === 'block' && entry.state.type === 'member') victim ??= entry
    }
    return victim !== undefined && this.#peers.delete(victim.peer.id)
  }
}

/** The same over all its sessions. */
export function scoutedUntil(want: Want, since: Millis, now: Millis): Millis | undefined {
  for (const session of want.sessions) {
    const until = session.scoutedUntil(want, since)
    if (until !== undefined && now < until) return until
  }
  return undefined
}

/** It is what is usually provided of a DAG. `isNext`: the next search is to be for it, whatever block is wanted. */
export interface SessionRoot {
  readonly cid: Uint8Array
  isNext: boolean
}

export interface SessionInit {
  readonly root: Uint8Array | undefined
  readonly context: string | undefined
  /** Undefined for a session that the page has opened. */
  readonly burst: Burst | undefined
}

/** What is wanted at once without a session. */
export interface Burst {
  /** Whether who sends one block mostly has the next, of late: else its wants have nothing to tell each other. */
  isOfOnePlace(): boolean
}

export interface SessionPeer {
  readonly peer: Peer
  info: PeerInfo | undefined
  state: SessionPeerState
  /** In which it last was of use. */
  round: number
}

/** `misses`: DONT_HAVEs and silences in a row. */
export type SessionPeerState =
  | { readonly type: 'member'; readonly misses: number }
  | { readonly type: 'good'; readonly misses: number }
  | { readonly type: 'pruned' }

export type SessionPeerEvent = 'joined' | 'have' | 'block' | 'dont-have' | 'timed-out'

export function nextSessionPeerState(state: SessionPeerState, event: SessionPeerEvent): SessionPeerState {
  switch (event) {
    case 'joined':
      return state
    case 'block':
      return { type: 'good', misses: 0 }
    case 'have':
      return { type: state.type === 'good' ? 'good' : 'member', misses: 0 }
    case 'dont-have':
    case 'timed-out': {
      if (state.type === 'pruned') return state
      const misses = state.misses + 1
      if (misses >= limits.sessionMissesMax.value) return { type: 'pruned' }
      return { type: event === 'timed-out' ? 'member' : state.type, misses }
    }
    default:
      return unreachable(event)
  }
}

/** Whether a want in these sessions is the only one in them. */
export function isAloneIn(sessions: Iterable<Session>): boolean {
  for (const { size } of sessions) if (size > 1) return false
  return true
}
