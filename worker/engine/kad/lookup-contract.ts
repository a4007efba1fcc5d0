import type { Tick } from '../machine.ts'
import type { Peer, PeerInfo } from '../peer.ts'
import type { PeerOutcome } from '../query.ts'
import type { ConnectionFailed, RequestFailure } from './contract.ts'

/** Events into and effects out of a lookup (`lookup.ts`). */

export type LookupPhase = 'starved' | 'converging' | 'following-up' | 'ended'

export type LookupEvent =
  | Tick
  /** Answers `starved`. */
  | { readonly type: 'candidates-found'; readonly candidates: readonly PeerInfo[] }
  /** Answers `starved`: nobody knows any more. */
  | { readonly type: 'candidates-exhausted' }
  | { readonly type: 'dial-queued'; readonly peer: Peer }
  | { readonly type: 'dial-begun'; readonly peer: Peer; readonly agoMs: number }
  | { readonly type: 'dial-opened'; readonly peer: Peer }
  | { readonly type: 'connection-ready'; readonly peer: Peer }
  | ConnectionFailed
  | { readonly type: 'peer-responded'; readonly peer: Peer; readonly closer: readonly PeerInfo[] }
  | { readonly type: 'request-failed'; readonly peer: Peer; readonly reason: RequestFailure }
  /** The parent has enough. */
  | { readonly type: 'stop' }

export type LookupEffect =
  /** Nobody is left to ask and nobody has answered: the parent names candidates, at once or later, or none. */
  | { readonly type: 'starved' }
  | { readonly type: 'connect'; readonly info: PeerInfo }
  | { readonly type: 'drop-connect'; readonly peer: Peer }
  | { readonly type: 'ask'; readonly peer: Peer }
  | { readonly type: 'stop-asking'; readonly peer: Peer }
  | { readonly type: 'ended' }

export interface LookupPeer {
  readonly info: PeerInfo
  readonly outcome: PeerOutcome
}
