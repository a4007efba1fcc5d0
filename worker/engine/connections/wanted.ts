import type { Millis, OrderId } from '../machine.ts'
import type { PeerInfo } from '../peer.ts'
import type { DialTimes } from '../resilience/dial-times.ts'
import type { ConnectionUser, NeedPriority } from './contract.ts'

/** A peer that somebody needs a connection with, and how urgently. */

/** The most urgent of its users counts. */
export function rankOf(wanted: Wanted): number {
  let rank = Infinity
  for (const priority of wanted.users.values()) rank = Math.min(rank, ranks[priority])
  return rank
}

/** A dial never gives its place to one that is less urgent. */
export function yieldsTo(wanted: Wanted, next: Wanted | undefined): boolean {
  return next !== undefined && rankOf(next) <= rankOf(wanted)
}

export const ranks: Readonly<Record<NeedPriority, number>> = {
  immediate: 0,
  urgent: 1,
  repair: 2,
  normal: 3,
  maintenance: 4,
}

export interface Wanted {
  readonly info: PeerInfo
  /** Of its kind. */
  readonly times: DialTimes
  readonly users: Map<ConnectionUser, NeedPriority>
  /** Its users were told that it waits. */
  wasQueued: boolean
  state: { readonly type: 'queued' } | Dialing
}

export interface Dialing {
  readonly type: 'dialing'
  readonly order: OrderId
  /** In a while, if the browser holds it back: that time says nothing about the peer. */
  readonly startedAt: Millis
  readonly expiresAt: Millis
  readonly isHeldBack: boolean
  /** The peer has answered; the handshake is under way. */
  readonly isOpen: boolean
}

export function isOpen(state: Wanted['state']): boolean {
  return state.type === 'dialing' && state.isOpen
}
