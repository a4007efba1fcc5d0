import type { BytesMap } from '../bytes-map.ts'
import type { Peer, PeerInfo } from '../peer.ts'
import type { BroadcastPlanner } from './broadcast.ts'
import type { WantProgress } from './contract.ts'
import type { Discovery } from './discovery.ts'
import type { Link } from './link.ts'
import type { Millis } from '../machine.ts'
import type { Session } from './session.ts'
import type { TakenOver } from './takeover.ts'

/** What goes in and out of a want (`want.ts`) beside events. */

/** One `want-block` of the page. It may have written the CID differently. */
export interface Waiter {
  readonly cid: Uint8Array
  readonly session: Session
}

export type WantOrder =
  | { readonly type: 'ask'; readonly link: Link; readonly wantType: 'block' | 'have' }
  | { readonly type: 'withdraw'; readonly link: Link }
  | { readonly type: 'timed-out'; readonly peer: Peer }
  | { readonly type: 'slot-freed'; readonly link: Link }
  /** Those that queue for this peer had better look elsewhere. */
  | { readonly type: 'stalled'; readonly link: Link }
  | { readonly type: 'connect'; readonly info: PeerInfo }
  | { readonly type: 'search' }
  | { readonly type: 'progress'; readonly progress: WantProgress }

/** What a want may look at when it decides. */
export interface WantWorld {
  readonly links: BytesMap<Link>
  readonly planner: BroadcastPlanner
  readonly discovery: Discovery
}

/** A block that was wanted. */
export interface Delivery {
  /** As the page wrote it. */
  readonly cid: Uint8Array
  /** Undefined if the peer sent it without a question that had left. */
  readonly askedAt: Millis | undefined
  readonly takenOver: TakenOver | undefined
}
