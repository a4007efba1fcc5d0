import type { PlainError } from './errors.ts'
import type {
  BlockData,
  PeerData,
  ProbeData,
  ProgressData,
  ProvidingReply,
  ProvidingRequest,
  ServiceEvent,
  StartOptions,
  StartReport,
  StatusData,
  ProvideMode,
  StoreData,
  ValueData,
} from './service.ts'

/**
 * Unary calls and notices between page and Worker.
 *
 *   page                                        Worker
 *     hello(version, lock) ───── Comlink ─────▶   holds the lock for as long as it lives
 *     call(id, method, args) ─── Comlink ─────▶   answers with an outcome, never throws
 *     { control: 'abort', call } ─────────────▶
 *     { control: 'stream', port } ────────────▶   then `stream.ts` on the port
 *          ◀──────────────────── { control: 'progress' | 'event', … }
 *          ◀──────────────────── { control: 'rtc', port }           then `rtc.ts` on the port
 *
 * Notices travel on the same channel as Comlink's messages, so that the progress of a call arrives before its answer.
 * Comlink passes over them: they have neither its `id` nor its `type`.
 */

/** Chosen by the page; unique among the calls of one client. */
export type CallId = number

/** Arguments and result of every unary method. */
export interface Calls {
  start: { args: StartOptions; result: StartReport }
  findPeer: { args: { readonly id: Uint8Array }; result: PeerData }
  getValue: { args: { readonly key: Uint8Array; readonly quorum: number }; result: ValueData }
  putValue: { args: { readonly key: Uint8Array; readonly value: Uint8Array }; result: StoreData }
  provide: { args: { readonly cid: Uint8Array; readonly mode: ProvideMode; readonly keep: boolean }; result: StoreData }
  providing: { args: ProvidingRequest; result: ProvidingReply }
  getBlock: {
    args: {
      readonly cid: Uint8Array
      readonly session: number | undefined
      readonly context: string | undefined
      readonly providers: readonly PeerData[]
    }
    result: BlockData
  }
  putBlock: { args: { readonly cid: Uint8Array; readonly bytes: Uint8Array }; result: void }
  offerBlocks: { args: { readonly offered: boolean }; result: void }
  hasBlock: { args: { readonly cid: Uint8Array }; result: boolean }
  deleteBlock: { args: { readonly cid: Uint8Array }; result: void }
  probe: { args: { readonly cid: Uint8Array; readonly peer: PeerData }; result: ProbeData }
  openSession: {
    args: { readonly root: Uint8Array | undefined; readonly context: string | undefined; readonly providers: readonly PeerData[] }
    result: number
  }
  closeSession: { args: { readonly session: number }; result: void }
  status: { args: undefined; result: StatusData }
  stop: { args: undefined; result: void }
}

export type CallMethod = keyof Calls

export type CallRequest = {
  readonly [Method in CallMethod]: { readonly method: Method; readonly args: Calls[Method]['args'] }
}[CallMethod]

export interface CallEnvelope {
  readonly call: CallId
  readonly request: CallRequest
  /** Whether the page wants `progress` notices for this call. */
  readonly progress: boolean
}

/** Errors travel as values: a thrown error would lose its code on the way (Comlink keeps message, name and stack). */
export type Outcome<Result> = { readonly ok: true; readonly value: Result } | { readonly ok: false; readonly error: PlainError }

/** The first call. Its shape must never change, or two versions could not tell each other that they differ. */
export interface Greeting {
  readonly version: string
  /** Name of a Web Lock to hold until death; `undefined` where the page has no locks. */
  readonly lock: string | undefined
}

export interface Welcome {
  readonly version: string
  /** Whether the lock is held. */
  readonly locked: boolean
}

export type PageNotice =
  | { readonly control: 'abort'; readonly call: CallId }
  /** The port is transferred; its first message is the `open` of a stream. */
  | { readonly control: 'stream'; readonly port: MessagePort }
  /** Answers `block-wanted`. */
  | { readonly control: 'block-offered'; readonly request: number; readonly bytes: Uint8Array | undefined }

export type WorkerNotice =
  | { readonly control: 'progress'; readonly call: CallId; readonly progress: ProgressData }
  | { readonly control: 'event'; readonly event: ServiceEvent }
  /** To be read from the blockstore that the page offers. */
  | { readonly control: 'block-wanted'; readonly request: number; readonly cid: Uint8Array }
  /** At most one, while `start` runs, and only where the options say that the page has WebRTC. */
  | { readonly control: 'rtc'; readonly port: MessagePort }
