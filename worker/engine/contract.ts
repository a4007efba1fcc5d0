import type { BitswapCommand, BitswapEffect, BitswapEvent, BitswapStatus } from './bitswap/contract.ts'
import type { ConnectionFailure } from './connections/contract.ts'
import type { KadCommand, KadEffect, KadEvent, KadStatus } from './kad/contract.ts'
import type { OrderId, Tick } from './machine.ts'
import type { Peer, PeerInfo } from './peer.ts'
import type { ProvideEffect, ProvideEvent, ProvideStatus } from './provide/contract.ts'

/**
 * Events into and effects out of the whole engine. The driver knows only these. Most pass through to or from a part
 * unchanged; connections and provider searches are settled inside.
 */

export type EngineEvent =
  | Tick
  | KadCommand
  | Exclude<ProvideEvent, { type: 'closest-found' | 'peer-asked' | 'peer-told' }>
  | BitswapCommand
  | Extract<
      KadEvent,
      {
        type:
          | 'start'
          | 'own-addresses-changed'
          | 'network-changed'
          | 'dht-server-seen'
          | 'dht-server-gone'
          | 'dht-servers-named'
          | 'response-received'
          | 'request-failed'
          | 'notice-sent'
          | 'record-judged'
          | 'request-received'
      }
    >
  | Exclude<
      Extract<
        BitswapEvent,
        {
          type:
            | 'bitswap-peer-connected'
            | 'message-received'
            | 'message-arriving'
            | 'message-sent'
            | 'message-failed'
            | 'block-loaded'
            | 'block-stored'
            | 'block-store-failed'
            | 'block-added'
            | 'block-removed'
            | 'discovery-restored'
            | 'stopping'
        }
      >,
      BitswapCommand
    >
  /** Optional: the peer has answered, and what is left is the handshake of libp2p. */
  | { readonly type: 'dial-opened'; readonly order: OrderId }
  | { readonly type: 'dial-succeeded'; readonly order: OrderId }
  | { readonly type: 'dial-failed'; readonly order: OrderId; readonly reason: ConnectionFailure }
  | { readonly type: 'peer-connected'; readonly peer: Peer }
  | { readonly type: 'peer-disconnected'; readonly peer: Peer }

export type EngineEffect =
  | Exclude<KadEffect, { type: 'need-connection' | 'drop-connection-need' }>
  | Exclude<ProvideEffect, { type: 'find-closest' | 'ask-peer' | 'tell-peer' | 'drop-order' }>
  | Exclude<BitswapEffect, { type: 'need-connection' | 'drop-connection-need' | 'search-providers' | 'stop-provider-search' }>
  /** Answered by `dial-succeeded` or `dial-failed`; `peer-connected` comes too, before the answer. */
  | { readonly type: 'dial'; readonly order: OrderId; readonly info: PeerInfo }
  | { readonly type: 'cancel-dial'; readonly order: OrderId }

export interface EngineStatus {
  readonly kad: KadStatus
  readonly bitswap: BitswapStatus
  readonly provide: ProvideStatus
}
