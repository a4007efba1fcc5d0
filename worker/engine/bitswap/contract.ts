import type { ConnectionFailure, Priority } from '../connections/contract.ts'
import type { OrderId, Tick } from '../machine.ts'
import type { Peer, PeerInfo } from '../peer.ts'
import type { Failure } from '../query.ts'
import type { BitswapMessage } from './message.ts'

/** Events into and effects out of the Bitswap machine (`bitswap.ts`). */

/** One `getBlock` of the page. Chosen by whoever wants; unique among those that have not ended. */
export type WantId = number & { readonly WantId: unique symbol }
/** A group of wants that share peers (the blocks of one DAG). */
export type SessionId = number & { readonly SessionId: unique symbol }

export type BitswapCommand =
  /** Session must be open, or undefined: a session of its own for this want. `providers`: peers to ask first. */
  | {
      readonly type: 'want-block'
      readonly want: WantId
      readonly cid: Uint8Array
      readonly session: SessionId | undefined
      readonly providers: readonly PeerInfo[]
    }
  /** Ends the want without a further word about it; unknown ids are ignored. */
  | { readonly type: 'cancel-want'; readonly want: WantId }
  | { readonly type: 'open-session'; readonly session: SessionId }
  /** Wants of the session that have not ended fail as aborted. */
  | { readonly type: 'close-session'; readonly session: SessionId }

export type BitswapEvent =
  | Tick
  | BitswapCommand
  /** A connected peer speaks Bitswap (any version). */
  | { readonly type: 'bitswap-peer-connected'; readonly peer: Peer }
  | { readonly type: 'bitswap-peer-disconnected'; readonly peer: Peer }
  /** Answers to `need-connection`. If the peer turns out to speak Bitswap, `bitswap-peer-connected` comes too. */
  | { readonly type: 'connection-ready'; readonly peer: Peer }
  | { readonly type: 'connection-failed'; readonly peer: Peer; readonly reason: ConnectionFailure }
  | { readonly type: 'message-received'; readonly peer: Peer; readonly message: BitswapMessage }
  | { readonly type: 'message-sent'; readonly order: OrderId }
  | { readonly type: 'message-failed'; readonly order: OrderId; readonly reason: string }
  | { readonly type: 'provider-found'; readonly search: OrderId; readonly provider: PeerInfo }
  /** `failure`: why there was no search to speak of, such as `no-peers`. */
  | { readonly type: 'provider-search-ended'; readonly search: OrderId; readonly failure?: Failure | undefined }
  /** Answers `load-block`: the bytes, or undefined if it is not in the store. */
  | { readonly type: 'block-loaded'; readonly order: OrderId; readonly bytes: Uint8Array | undefined }
  /** Answers `store-block`. */
  | { readonly type: 'block-stored'; readonly order: OrderId }
  | { readonly type: 'block-store-failed'; readonly order: OrderId; readonly reason: string }
  /** The page put or deleted a block: wants of the page and of waiting peers can be answered, or no more. */
  | { readonly type: 'block-added'; readonly cid: Uint8Array; readonly bytes: Uint8Array }
  | { readonly type: 'block-removed'; readonly cid: Uint8Array }

export type WantProgress =
  | { readonly type: 'searching-providers' }
  | { readonly type: 'provider-found'; readonly peer: Peer }
  | { readonly type: 'asking'; readonly peer: Peer; readonly wantType: 'block' | 'have' }
  | { readonly type: 'have'; readonly peer: Peer }
  | { readonly type: 'dont-have'; readonly peer: Peer }

export type BitswapEffect =
  /** Ends the want. `from` is undefined for a block that was in the store already. */
  | {
      readonly type: 'want-ended'
      readonly want: WantId
      readonly cid: Uint8Array
      readonly bytes: Uint8Array
      readonly from: Peer | undefined
    }
  | { readonly type: 'want-failed'; readonly want: WantId; readonly failure: Failure }
  | { readonly type: 'want-progress'; readonly want: WantId; readonly progress: WantProgress }
  /** One message to one peer at a time: the next goes out after `message-sent` or `message-failed`. */
  | { readonly type: 'send-message'; readonly order: OrderId; readonly peer: Peer; readonly message: BitswapMessage }
  | { readonly type: 'need-connection'; readonly info: PeerInfo; readonly priority: Priority }
  | { readonly type: 'drop-connection-need'; readonly peer: Peer }
  /** Starts a DHT search, answered by `provider-found`s and one `provider-search-ended`. */
  | { readonly type: 'search-providers'; readonly search: OrderId; readonly cid: Uint8Array }
  | { readonly type: 'stop-provider-search'; readonly search: OrderId }
  | { readonly type: 'load-block'; readonly order: OrderId; readonly cid: Uint8Array }
  | { readonly type: 'store-block'; readonly order: OrderId; readonly cid: Uint8Array; readonly bytes: Uint8Array }

export interface BitswapCounters {
  wantHavesSent: number
  wantBlocksSent: number
  cancelsSent: number
  havesReceived: number
  dontHavesReceived: number
  blocksReceived: number
  duplicateBlocksReceived: number
  unwantedBlocksReceived: number
  bytesReceived: number
  wantsReceived: number
  blocksSent: number
  bytesSent: number
  presencesSent: number
  refusedWants: number
}

export interface BitswapStatus {
  readonly peers: number
  readonly wants: number
  readonly sessions: number
  readonly counters: Readonly<BitswapCounters>
}
