import type { Machine, OrderId, OrderIds, Tick } from '../../machine.ts'
import type { Key, Peer, PeerCache, PeerInfo } from '../../peer.ts'
import type { Failure, QueryEffect, QueryId, QueryResult } from '../../query.ts'
import type { ConnectionFailed, KadEffect, KadOptions, RecordVerdict, RequestFailure } from '../contract.ts'
import type { KadRecord, KadResponse } from '../message.ts'
import type { KadWorld } from '../world.ts'

/** Between `kad.ts` and the machine of one query. */

export interface Query extends Machine<QueryEvent, QueryOutput> {
  /** What `need-seeds` asks for: peers near this key. */
  readonly target: Key
  /** For tests and the inspector. */
  readonly stage: QueryStage
}

export type QueryStage = 'gated' | 'walking' | 'judging' | 'storing' | 'answered' | 'ended'

export type QueryEvent =
  | Tick
  /** Answers to `need-seeds`. `final`: nobody knows others. */
  | { readonly type: 'seeds-found'; readonly seeds: readonly PeerInfo[] }
  | { readonly type: 'seeds-missing' }
  /** The query has taken as long as it may: it must end in this very moment, with what it has. */
  | { readonly type: 'expired' }
  | { readonly type: 'dial-queued'; readonly peer: Peer }
  | { readonly type: 'dial-begun'; readonly peer: Peer; readonly agoMs: number }
  | { readonly type: 'dial-opened'; readonly peer: Peer }
  | { readonly type: 'connection-ready'; readonly peer: Peer }
  | ConnectionFailed
  | {
      readonly type: 'response-received'
      readonly order: OrderId
      readonly peer: Peer
      readonly response: KadResponse
      readonly rttMs: number
    }
  | { readonly type: 'request-failed'; readonly order: OrderId; readonly peer: Peer; readonly reason: RequestFailure }
  | { readonly type: 'notice-sent'; readonly order: OrderId; readonly peer: Peer }
  | { readonly type: 'record-judged'; readonly order: OrderId; readonly verdict: RecordVerdict }
  | { readonly type: 'own-addresses-changed' }

export type QueryOutput =
  | QueryEffect
  | Extract<KadEffect, { type: 'drop-connection-need' | 'send-request' | 'cancel-request' | 'judge-record' }>
  | { readonly type: 'need-connection'; readonly info: PeerInfo }
  /** The query knows nobody to ask (any more). Answered by `seeds-found` or `seeds-missing`, at once or later. */
  | { readonly type: 'need-seeds' }
  /** Its caller has the answer; what is left to do goes on as a query of our own. */
  | { readonly type: 'query-answered'; readonly query: QueryId; readonly result: QueryResult }
  /** Ends a query of our own, about which nobody outside is told. */
  | { readonly type: 'internal-query-ended'; readonly responses: number }
  /** These peers hold an old or invalid record under its key. */
  | { readonly type: 'correct-holders'; readonly record: KadRecord; readonly holders: readonly PeerInfo[] }

export interface QueryContext {
  /** Undefined for queries of our own. */
  readonly query: QueryId | undefined
  readonly options: KadOptions
  readonly orders: OrderIds
  readonly peers: PeerCache
  readonly world: KadWorld
}

export const noPeers: Failure = {
  code: 'no-peers',
  message: 'No peer of the DHT could be reached. Check the network connection and the bootstrap addresses, then try again.',
}

export function timedOut(what: string): Failure {
  return { code: 'timeout', message: `${what} took too long and nothing was found so far. Try again.` }
}

export function notFound(message: string): Failure {
  return { code: 'not-found', message }
}
