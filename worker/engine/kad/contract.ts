import type { ConnectionFailure, NeedPriority } from '../connections/contract.ts'
import type { OrderId, Tick } from '../machine.ts'
import type { Address, Peer, PeerIdBytes, PeerInfo } from '../peer.ts'
import type { QueryEffect, QueryId } from '../query.ts'
import type { KadRequest, KadResponse } from './message.ts'

/** Events into and effects out of the Kademlia machine (`kad.ts`). */

export interface KadOptions {
  /** Bucket size and size of a result; 20 on Amino. */
  readonly k: number
  /** Requests in flight per lookup; 10 on Amino. */
  readonly alpha: number
  /** Nearest peers that must have answered for a lookup to end; 3 on Amino. */
  readonly beta: number
}

/** A routing-table entry as it is kept between visits. Times are wall-clock milliseconds since 1970. */
export interface StoredTableEntry {
  readonly id: PeerIdBytes
  readonly addresses: readonly Address[]
  readonly lastUsefulAt: number
}

export type KadCommand =
  /**
   * `limit`: end after that many distinct providers; at least 1. `countsDialable`: only those with an address that can be dialed, or
   * with none so far, count; of the others as many are told beside them, and once more when such an address becomes known.
   * We ourselves are not told then.
   */
  | {
      readonly type: 'find-providers'
      readonly query: QueryId
      readonly multihash: Uint8Array
      readonly limit: number
      readonly countsDialable?: boolean
    }
  | { readonly type: 'closest-peers'; readonly query: QueryId; readonly key: Uint8Array; readonly lane?: Lane | undefined }
  | { readonly type: 'find-peer'; readonly query: QueryId; readonly id: PeerIdBytes }
  | { readonly type: 'get-value'; readonly query: QueryId; readonly key: Uint8Array; readonly quorum: number }
  | { readonly type: 'put-value'; readonly query: QueryId; readonly key: Uint8Array; readonly value: Uint8Array }
  /**
   * `optimistic`: stores while it searches, ends as soon as the peers are as near as the size of the network lets expect,
   * and answers when three quarters are done; the rest is stored afterwards. As `classic` while the size is unknown.
   */
  | {
      readonly type: 'provide'
      readonly query: QueryId
      readonly multihash: Uint8Array
      readonly mode?: ProvideMode
      readonly withoutAddress?: boolean
    }
  /** FIND_NODE to one certain peer. */
  | {
      readonly type: 'ask-peer'
      readonly query: QueryId
      readonly info: PeerInfo
      readonly key: Uint8Array
      readonly lane?: Lane | undefined
    }
  /** ADD_PROVIDERs to one certain peer. Always ends with a result: how many have left. */
  | {
      readonly type: 'tell-peer'
      readonly query: QueryId
      readonly info: PeerInfo
      readonly multihashes: readonly Uint8Array[]
      readonly lane?: Lane | undefined
    }
  /** Ends the query without a further word about it; unknown ids are ignored. */
  | { readonly type: 'cancel'; readonly query: QueryId }

/** Nobody waits for it: after everything a person waits for; `idle`: after maintenance, too. */
export type Lane = 'background' | 'idle'

/** Default: `classic`. */
export type ProvideMode = 'classic' | 'optimistic'

export interface ConnectionFailed {
  readonly type: 'connection-failed'
  readonly peer: Peer
  readonly reason: ConnectionFailure
  /** Where it was dialed, if it was: not always where this need said. */
  readonly tried?: readonly Address[] | undefined
}

export type KadEvent =
  | Tick
  | KadCommand
  | {
      readonly type: 'start'
      readonly self: Peer
      readonly bootstrapPeers: readonly PeerInfo[]
      /** From the last visit: used at once, before any bootstrapper has answered. */
      readonly tableEntries: readonly StoredTableEntry[]
      /** Of the last visit, if it is not too long ago: what `persist-network-size` told. */
      readonly networkSize?: number | undefined
    }
  /** Our own dialable addresses, each time they change; none at first. `provide` needs one. */
  /** The table is looked through soon: whom it names may have gone, and nobody may be connected. */
  | { readonly type: 'network-changed' }
  | { readonly type: 'own-addresses-changed'; readonly addresses: readonly Address[] }
  /** Optional, after `need-connection`: the dial waits for a place; without this it is taken to begin at once. */
  | { readonly type: 'dial-queued'; readonly peer: Peer }
  /** Optional, after `need-connection`: the dial began so long ago. */
  | { readonly type: 'dial-begun'; readonly peer: Peer; readonly agoMs: number }
  /** Optional, after that: the peer has answered, and is about to be connected. */
  | { readonly type: 'dial-opened'; readonly peer: Peer }
  /** Answers to `need-connection`. A peer may be lost again at any time: then requests fail. */
  | { readonly type: 'connection-ready'; readonly peer: Peer }
  | ConnectionFailed
  /** Identify said so: this connected peer serves the DHT. It may enter the table after a lookup check. */
  | { readonly type: 'dht-server-seen'; readonly info: PeerInfo }
  | { readonly type: 'dht-server-gone'; readonly peer: Peer }
  /** Somebody outside of the DHT calls these its servers. Where the table has room they are dialed and checked. */
  | { readonly type: 'dht-servers-named'; readonly infos: readonly PeerInfo[] }
  | { readonly type: 'response-received'; readonly order: OrderId; readonly response: KadResponse }
  | { readonly type: 'request-failed'; readonly order: OrderId; readonly reason: RequestFailure }
  /** An `add-provider` left our side. */
  | { readonly type: 'notice-sent'; readonly order: OrderId }
  /** A peer asks us something. Answered by `send-response` or `refuse-request`; `add-provider` by nothing. */
  | { readonly type: 'request-received'; readonly exchange: ExchangeId; readonly from: Peer; readonly request: KadRequest }
  | { readonly type: 'record-judged'; readonly order: OrderId; readonly verdict: RecordVerdict }

/** Numbered by the host: which request an answer belongs to. */
export type ExchangeId = number & { readonly ExchangeId: unique symbol }

export type RequestFailure = 'disconnected' | 'reset' | 'malformed' | 'oversized' | 'unsupported' | 'timeout'

/**
 * What a validator says of a value. Records of one key are ordered by `rank` (compared word by word; the greatest
 * is current): for IPNS sequence number, then validity; for `/pk/` always empty.
 */
export type RecordVerdict =
  | { readonly valid: true; readonly rank: readonly bigint[] }
  | { readonly valid: false; readonly reason: string }

export type KadEffect =
  | QueryEffect
  /** Answered by `connection-ready` or `connection-failed`, once. `priority`: lower goes first. */
  | { readonly type: 'need-connection'; readonly info: PeerInfo; readonly priority: NeedPriority }
  /** Withdraws one `need-connection` that was not answered yet. */
  | { readonly type: 'drop-connection-need'; readonly peer: Peer }
  /** Answered by `response-received`, or `request-failed`; `add-provider` by `notice-sent`, or `request-failed`. */
  | { readonly type: 'send-request'; readonly order: OrderId; readonly peer: Peer; readonly request: KadRequest }
  /** We no longer wait. An answer that still comes is counted as late. */
  | { readonly type: 'cancel-request'; readonly order: OrderId }
  | { readonly type: 'judge-record'; readonly order: OrderId; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'send-response'; readonly exchange: ExchangeId; readonly response: KadResponse }
  /** We do not serve, or not that. On Amino the stream is reset then. */
  | { readonly type: 'refuse-request'; readonly exchange: ExchangeId }
  /** Write-behind; `agoMs`: how long ago the peer last answered. */
  | { readonly type: 'persist-table-entry'; readonly info: PeerInfo; readonly agoMs: number }
  | { readonly type: 'forget-table-entry'; readonly peer: Peer }
  /** The estimate of how many peers the network has is another. */
  | { readonly type: 'persist-network-size'; readonly size: number }
  | { readonly type: 'table-changed'; readonly size: number }

export interface KadCounters {
  lateResponses: number
  unknownOrders: number
  rejectedCloserPeers: number
  invalidRecords: number
  requestsSent: number
  responsesReceived: number
  requestsFailed: number
  /** As a server. */
  requestsServed: number
  requestsRefused: number
  /** sha-256 taken of ids, multihashes and record keys. */
  keysHashed: number
  /** Of candidates of lookups, from their targets. */
  distancesComputed: number
  distancesCompared: number
}

/** What `status()` shows of the DHT. */
export interface KadStatus {
  readonly tableSize: number
  /** Entries per bucket, index = common prefix length; trailing empty buckets left out. */
  readonly buckets: readonly number[]
  readonly activeQueries: number
  /** Queries of all kinds that wait for their turn. */
  readonly queuedQueries: number
  readonly runningQueries: number
  readonly requestsInFlight: number
  /** Peers in the network, estimated; undefined while too little is known. */
  readonly networkSize: number | undefined
  readonly counters: Readonly<KadCounters>
}
