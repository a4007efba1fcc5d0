import type {
  BlockData,
  ClosestPeerItem,
  PeerData,
  ProbeData,
  ProgressData,
  ProvideMode,
  ProviderItem,
  ProvidingReply,
  ProvidingRequest,
  ServiceEvent,
  StartOptions,
  StartReport,
  StatusData,
  StoreData,
  ValueData,
} from '../contract/service.ts'

/** What comes with every operation. */
export interface CallContext {
  readonly signal: AbortSignal
  readonly onProgress: ((progress: ProgressData) => void) | undefined
}

export interface BlockOptions {
  readonly session: number | undefined
  readonly context: string | undefined
  readonly providers: readonly PeerData[]
}

/** Undefined for a block that is not there. Never rejects. */
export type ReadBlock = (cid: Uint8Array) => Promise<Uint8Array | undefined>

export interface SessionOptions {
  readonly root: Uint8Array | undefined
  readonly context: string | undefined
  readonly providers: readonly PeerData[]
}

/**
 * The Worker's side of the contract as an object. `host/service.ts` implements it on the engine; `host/rpc-server.ts`
 * puts it behind Comlink and stream ports. Rejections are `PlainError`s (thrown as `ServiceError`).
 */
export interface AminoService {
  /** `openRtcPort` gives the Worker's end of the page's WebRTC bridge; called at most once. */
  start(options: StartOptions, onEvent: (event: ServiceEvent) => void, openRtcPort: () => MessagePort): Promise<StartReport>
  findProviders(cid: Uint8Array, options: { limit: number }, context: CallContext): AsyncIterable<ProviderItem>
  getClosestPeers(key: Uint8Array, context: CallContext): AsyncIterable<ClosestPeerItem>
  findPeer(id: Uint8Array, context: CallContext): Promise<PeerData>
  getValue(key: Uint8Array, options: { quorum: number }, context: CallContext): Promise<ValueData>
  putValue(key: Uint8Array, value: Uint8Array, context: CallContext): Promise<StoreData>
  provide(cid: Uint8Array, options: { mode: ProvideMode; keep: boolean }, context: CallContext): Promise<StoreData>
  providing(request: ProvidingRequest): Promise<ProvidingReply>
  getBlock(cid: Uint8Array, options: BlockOptions, context: CallContext): Promise<BlockData>
  putBlock(cid: Uint8Array, bytes: Uint8Array): Promise<void>
  /** Reads blocks that are not in the store; undefined for no more. */
  offerBlocks(read: ReadBlock | undefined): Promise<void>
  hasBlock(cid: Uint8Array): Promise<boolean>
  deleteBlock(cid: Uint8Array): Promise<void>
  /** In the order in which they come. What does not come ends the stream with an error, after all the others. */
  getBlocks(cids: readonly Uint8Array[], options: BlockOptions, context: CallContext): AsyncIterable<BlockData>
  probe(cid: Uint8Array, peer: PeerData, context: CallContext): Promise<ProbeData>
  openSession(options: SessionOptions): Promise<number>
  closeSession(session: number): Promise<void>
  status(): Promise<StatusData>
  stop(): Promise<void>
}
