import type { OrderId, Tick } from '../machine.ts'
import type { Address, Peer, PeerInfo } from '../peer.ts'

/** Events into and effects out of the connections machine (`connections.ts`): one dial budget for the whole engine. */

/** Lower-urgency needs wait for higher ones: what a person waits for goes first. */
export type Priority = 'urgent' | 'normal' | 'maintenance'

/**
 * `immediate`: a peer that is thought to have the block. It goes before all those who may only know who has. `repair`: of a
 * table without peers, before everything but what a person waits for.
 */
export type NeedPriority = 'immediate' | 'repair' | Priority

export type ConnectionFailure = 'no-dialable-address' | 'refused' | 'timeout' | 'backoff' | 'overloaded' | 'denied'

export type ConnectionUser = 'kad' | 'bitswap'

export type ConnectionsEvent =
  | Tick
  | { readonly type: 'need'; readonly user: ConnectionUser; readonly info: PeerInfo; readonly priority: NeedPriority }
  | { readonly type: 'drop-need'; readonly user: ConnectionUser; readonly peer: Peer }
  /** Optional: the peer has answered, and what is left is the handshake of libp2p. */
  | { readonly type: 'dial-opened'; readonly order: OrderId }
  | { readonly type: 'dial-succeeded'; readonly order: OrderId }
  | { readonly type: 'dial-failed'; readonly order: OrderId; readonly reason: ConnectionFailure }
  | { readonly type: 'peer-connected'; readonly peer: Peer }
  /** Another network, or awake again: who failed before may be reached now. */
  | { readonly type: 'network-changed' }
  | { readonly type: 'peer-disconnected'; readonly peer: Peer }

export type ConnectionsEffect =
  | { readonly type: 'dial'; readonly order: OrderId; readonly info: PeerInfo }
  | { readonly type: 'cancel-dial'; readonly order: OrderId }
  /** The need waits for a place to dial. `begun` follows, or the answer. */
  | { readonly type: 'queued'; readonly user: ConnectionUser; readonly peer: Peer }
  /** The dial began `agoMs` ago; in a while, if negative, as the browser holds it back. Told to whoever was `queued`, or came later. */
  | { readonly type: 'begun'; readonly user: ConnectionUser; readonly peer: Peer; readonly agoMs: number }
  /** The peer has answered the dial. */
  | { readonly type: 'opened'; readonly user: ConnectionUser; readonly peer: Peer }
  | { readonly type: 'ready'; readonly user: ConnectionUser; readonly peer: Peer }
  | {
      readonly type: 'failed'
      readonly user: ConnectionUser
      readonly peer: Peer
      readonly reason: ConnectionFailure
      /** Where it was dialed, if it was: another user may have had other addresses. */
      readonly tried?: readonly Address[]
    }
