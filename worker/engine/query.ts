import type { Peer, PeerInfo } from './peer.ts'

/** What the engine tells the driver about queries that the page, or the engine itself, has started. */

/** Chosen by whoever starts the query; unique among those that have not ended. */
export type QueryId = number & { readonly QueryId: unique symbol }

/** Why a query or a want ended without its answer. The codes are those of `contract/errors.ts`. */
export interface Failure {
  readonly code:
    | 'aborted'
    | 'not-found'
    | 'timeout'
    | 'no-peers'
    | 'not-dialable'
    | 'invalid-record'
    | 'too-many-queries'
    | 'invalid-argument'
    | 'storage'
  /** A sentence that says what happened and what to do. */
  readonly message: string
}

/** How a peer took part in a lookup when it ended. */
export type PeerOutcome = 'responded' | 'unasked' | 'undialable' | 'failed'

export type QueryItem =
  | { readonly type: 'provider'; readonly provider: PeerInfo; readonly from: Peer }
  | { readonly type: 'peer'; readonly info: PeerInfo; readonly outcome: PeerOutcome }

/** What happened on the way; for progress bars and the inspector. */
export type QueryProgress =
  | { readonly type: 'dialing'; readonly peer: Peer }
  | { readonly type: 'asking'; readonly peer: Peer }
  | {
      readonly type: 'responded'
      readonly peer: Peer
      readonly closerPeers: number
      readonly providers: number
      readonly rttMs: number
    }
  | { readonly type: 'failed'; readonly peer: Peer; readonly reason: string }
  | { readonly type: 'storing'; readonly peer: Peer }
  | { readonly type: 'stored'; readonly peer: Peer }

export interface LookupStats {
  readonly requests: number
  readonly responses: number
  readonly dials: number
  readonly failures: number
  readonly undialable: number
  readonly durationMs: number
}

export type QueryResult =
  | { readonly type: 'closest-peers'; readonly peers: number; readonly stats: LookupStats }
  | { readonly type: 'find-providers'; readonly providers: number; readonly stats: LookupStats }
  | { readonly type: 'find-peer'; readonly info: PeerInfo; readonly stats: LookupStats }
  | { readonly type: 'get-value'; readonly value: Uint8Array; readonly confirmations: number; readonly stats: LookupStats }
  | { readonly type: 'put-value'; readonly counts: StoreCounts; readonly stats: LookupStats }
  | { readonly type: 'provide'; readonly counts: StoreCounts; readonly stats: LookupStats }
  /** Undefined when it did not answer. `wasNotTried`: there was no place to dial it. */
  | { readonly type: 'ask-peer'; readonly closer: readonly PeerInfo[] | undefined; readonly wasNotTried: boolean }
  /** How many of the list have left, counted from its beginning. */
  | { readonly type: 'tell-peer'; readonly sent: number; readonly wasNotTried: boolean }

/** Of the k nearest peers, how many hold the record now. The others add up to `targeted`. */
export interface StoreCounts {
  readonly targeted: number
  readonly stored: number
  readonly undialable: number
  readonly failed: number
  /** Still under way, after an optimistic provide has answered. */
  readonly pending: number
}

/** Effects about queries, answered by nobody. */
export type QueryEffect =
  | { readonly type: 'query-item'; readonly query: QueryId; readonly item: QueryItem }
  | { readonly type: 'query-progress'; readonly query: QueryId; readonly progress: QueryProgress }
  | { readonly type: 'query-ended'; readonly query: QueryId; readonly result: QueryResult }
  | { readonly type: 'query-failed'; readonly query: QueryId; readonly failure: Failure; readonly stats: LookupStats | undefined }
