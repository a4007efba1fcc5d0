import { unreachable } from '../assert.ts'
import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import type { Peer, PeerInfo } from '../peer.ts'
import type { SessionId } from './contract.ts'
import type { Want } from './want.ts'

/**
 * Wants that share peers, for the blocks of one DAG are usually in the same places.
 *
 *   member ──block──▶ good ──timed-out──▶ member
 *      └──── 16 misses in a row ──▶ pruned ──have, block──▶ member, good
 *
 * Good peers get the want-blocks of later wants directly. The session does not know who is connected, nor what is
 * asked of whom; each want decides that for itself.
 */
export class Session {
  readonly id: SessionId
  readonly wants = new Set<Want>()
  lastBlockAt: Millis | undefined
  readonly context: string | undefined
  #root: Uint8Array | undefined
  readonly #peers = new BytesMap<SessionPeer>()

  constructor(id: SessionId, root?: Uint8Array, context?: string) {
    this.id = id
    this.#root = root
    this.context = context
  }

  /** The root, for whoever searches first: it is what is usually provided of a DAG. Told once. */
  takeRoot(): Uint8Array | undefined {
    const root = this.#root
    this.#root = undefined
    return root
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
      this.#peers.set(peer.id, { peer, info, state })
      return event === 'block'
    }
    const before = known.state.type
    known.info ??= info
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

export interface SessionPeer {
  readonly peer: Peer
  info: PeerInfo | undefined
  state: SessionPeerState
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
