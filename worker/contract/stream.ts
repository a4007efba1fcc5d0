import type { PlainError } from './errors.ts'
import type { BlockData, ClosestPeerItem, PeerData, ProgressData, ProviderItem } from './service.ts'

/**
 * The protocol of streams from the Worker (the producer) to the page (the consumer).
 *
 *   consumer                       producer
 *     open(request, credits) ─────▶
 *          ◀───── item, item, …            at most as many as there are credits
 *     pull(credits) ──────────────▶        as items are taken
 *          ◀───── item, …, end | error     the last word
 *     return | abort ─────────────▶        at any time; the producer answers with `end`
 *
 * The last word is always the producer's, and the consumer closes the port when it has heard it: a port that is closed
 * right after a post may lose the message (Firefox). Progress needs no credit; it is handed on at once and kept nowhere.
 *
 * Every message names its stream, so that many can share one channel (tabs that share an engine will); with a port
 * each, as now, streams do not wait for each other.
 */

/** Chosen by the consumer; unique among the streams of one client. */
export type StreamId = number

export type StreamRequest =
  | { readonly method: 'findProviders'; readonly cid: Uint8Array; readonly limit: number }
  | { readonly method: 'getClosestPeers'; readonly key: Uint8Array }
  | {
      readonly method: 'getBlocks'
      readonly cids: readonly Uint8Array[]
      readonly session: number | undefined
      readonly context: string | undefined
      readonly providers: readonly PeerData[]
    }

export type StreamItem = ProviderItem | ClosestPeerItem | BlockData

/** From the consumer. */
export type StreamCommand =
  /** `credits`: items that may come before the first `pull`. `progress`: whether to report it. */
  | {
      readonly type: 'open'
      readonly stream: StreamId
      readonly request: StreamRequest
      readonly credits: number
      readonly progress: boolean
    }
  | { readonly type: 'pull'; readonly stream: StreamId; readonly credits: number }
  /** The consumer has enough. */
  | { readonly type: 'return'; readonly stream: StreamId }
  /** The caller's signal fired. The same to the producer; apart for whoever reads a trace. */
  | { readonly type: 'abort'; readonly stream: StreamId }

/** From the producer. */
export type StreamReport =
  | { readonly type: 'item'; readonly stream: StreamId; readonly item: StreamItem }
  | { readonly type: 'progress'; readonly stream: StreamId; readonly progress: ProgressData }
  | { readonly type: 'end'; readonly stream: StreamId }
  | { readonly type: 'error'; readonly stream: StreamId; readonly error: PlainError }
