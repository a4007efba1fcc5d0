import { CID } from 'multiformats/cid'
import type { CallMethod, CallRequest, Calls } from '../worker/contract/rpc.ts'
import type {
  BlockData,
  ClosestPeerItem,
  PeerData,
  ProviderItem,
  ProvidingReply,
  ProvidingRequest,
  ServiceEvent,
  StartReport,
} from '../worker/contract/service.ts'
import {
  checkedInteger,
  checkedList,
  cidBytes,
  cidList,
  copiedBytes,
  keyBytes,
  peerIdBytes,
  provideMode,
  recordKeyBytes,
  require,
} from './arguments.ts'
import { abortedError, type AminoError, tellCaller } from './errors.ts'
import { readOffered } from './offered-blocks.ts'
import { startOptions } from './options.ts'
import { provideMany } from './provide-many.ts'
import { peerIdText, toClosestPeer, toPeerInfo, toProgress, toProvider, toStatus } from './results.ts'
import { ClientSession, type SessionOwner } from './session.ts'
import type {
  AminoClient,
  AminoClientOptions,
  Block,
  CallOptions,
  CidInput,
  ClosestPeer,
  FindProvidersOptions,
  GetBlockOptions,
  GetValueOptions,
  KeyInput,
  OfferedBlockstore,
  PeerIdInput,
  PeerInfo,
  Probe,
  ProvideManyOptions,
  ProvideOptions,
  ProvideStatus,
  Provider,
  ProviderInput,
  QueryOptions,
  RecordKeyInput,
  Session,
  SessionOptions,
  Status,
  StoreResult,
  ValueResult,
} from './types.ts'
import { type LinkCallOptions, WorkerLink } from './worker-link.ts'
import { openWorker } from './worker-source.ts'

const defaultProvidersLimit = 20
const defaultQuorum = 16
const quorumMax = 20

/** See `createAminoClient`. */
export async function startClient(options: AminoClientOptions): Promise<AminoClient> {
  const { signal } = options
  const start = startOptions(options)
  if (signal?.aborted === true) throw abortedError(signal)
  let client: Client | undefined
  const early: ServiceEvent[] = []
  const link = new WorkerLink({
    ...openWorker(options.worker),
    onEvent: (event) => {
      if (client === undefined || early.length > 0) early.push(event)
      else client.tell(event)
    },
    onDied: (error) => client?.die(error),
  })
  const report = await link.start(start, signal)
  const started = new Client(link, report)
  client = started
  started.watchPage()
  // In a task of its own: whoever waits for the client can listen by then. What the Worker tells meanwhile comes after it.
  setTimeout(() => {
    for (const event of early.splice(0)) started.tell(event)
  })
  return started
}

/** Turns arguments into plain data and results into the public types; `WorkerLink` does the rest. Docs: `AminoClient`. */
class Client extends EventTarget implements AminoClient, SessionOwner {
  readonly peerId: string
  readonly start: 'cold' | 'warm'
  readonly #link: WorkerLink
  readonly #ended = new AbortController()

  constructor(link: WorkerLink, report: StartReport) {
    super()
    this.#link = link
    this.peerId = peerIdText(report.peerId)
    this.start = report.start
  }

  findProviders(cid: CidInput, options: FindProvidersOptions = {}): AsyncIterableIterator<Provider> {
    return this.#link.stream(
      () => ({
        method: 'findProviders',
        cid: cidBytes(cid),
        limit: checkedInteger('limit', options.limit, defaultProvidersLimit),
      }),
      (item) => toProvider(item as ProviderItem),
      linkOptions(options),
    )
  }

  getClosestPeers(key: KeyInput, options: QueryOptions = {}): AsyncIterableIterator<ClosestPeer> {
    return this.#link.stream(
      () => ({ method: 'getClosestPeers', key: keyBytes(key) }),
      (item) => toClosestPeer(item as ClosestPeerItem),
      linkOptions(options),
    )
  }

  async findPeer(id: PeerIdInput, options: QueryOptions = {}): Promise<PeerInfo> {
    return toPeerInfo(await this.#call({ method: 'findPeer', args: { id: peerIdBytes(id) } }, options))
  }

  async getValue(key: RecordKeyInput, options: GetValueOptions = {}): Promise<ValueResult> {
    const quorum = checkedInteger('quorum', options.quorum, defaultQuorum, quorumMax)
    return this.#call({ method: 'getValue', args: { key: recordKeyBytes(key), quorum } }, options)
  }

  async putValue(key: RecordKeyInput, value: Uint8Array, options: QueryOptions = {}): Promise<StoreResult> {
    const args = { key: recordKeyBytes(key), value: copiedBytes('value', value) }
    return this.#call({ method: 'putValue', args }, options, [args.value.buffer])
  }

  async provide(cid: CidInput, options: ProvideOptions = {}): Promise<StoreResult> {
    return this.#provide(cid, options, true)
  }

  async provideOnce(cid: CidInput, options: ProvideOptions = {}): Promise<StoreResult> {
    return this.#provide(cid, options, false)
  }

  async provideMany(
    cids: Iterable<CidInput> | AsyncIterable<CidInput>,
    options: ProvideManyOptions = {},
  ): ReturnType<AminoClient['provideMany']> {
    // Callers without types may give null for none.
    const { signal } = (options ??= {})
    return provideMany(cids, options, {
      send: (request) => this.#providing(request, { signal }),
      settled: (work) => this.#link.settled(work, signal),
    })
  }

  async cancelProvide(cid: CidInput, options: CallOptions = {}): Promise<void> {
    await this.#providing({ type: 'cancel', cids: [cidBytes(cid)] }, options)
  }

  async clearProvides(options: CallOptions = {}): Promise<number> {
    return (await this.#providing({ type: 'clear' }, options)).changed
  }

  async provideStatus(options: CallOptions = {}): Promise<ProvideStatus> {
    return (await this.#providing({ type: 'status' }, options)).status
  }

  async pauseProviding(options: CallOptions = {}): Promise<void> {
    await this.#providing({ type: 'pause', paused: true }, options)
  }

  async resumeProviding(options: CallOptions = {}): Promise<void> {
    await this.#providing({ type: 'pause', paused: false }, options)
  }

  async getBlock(cid: CidInput, options: GetBlockOptions = {}): Promise<Block> {
    return toBlock(
      await this.#call({ method: 'getBlock', args: { cid: cidBytes(cid), ...this.#blockOptions(options) } }, options),
    )
  }

  getBlocks(cids: Iterable<CidInput>, options: GetBlockOptions = {}): AsyncIterableIterator<Block> {
    return this.#link.stream(
      () => ({ method: 'getBlocks', cids: cidList(cids), ...this.#blockOptions(options) }),
      (item) => toBlock(item as BlockData),
      linkOptions(options),
    )
  }

  async probe(cid: CidInput, peer: ProviderInput, options: CallOptions = {}): Promise<Probe> {
    const { reason, bytes, elapsedMs } = await this.#call(
      { method: 'probe', args: { cid: cidBytes(cid), peer: peerData(peer) } },
      options,
    )
    return { outcome: reason === 'block' ? 'SUCCESS' : 'FETCH_FAILED', reason, bytes, elapsedMs }
  }

  async createSession(first: CidInput | SessionOptions = {}, second: SessionOptions = {}): Promise<Session> {
    const isRoot = typeof first !== 'object' || first instanceof Uint8Array || CID.asCID(first) !== null
    const options = isRoot ? second : (first as SessionOptions)
    const root = isRoot ? cidBytes(first as CidInput) : undefined
    const { context, providers } = this.#blockOptions(options)
    const args = { root, context, providers }
    const onLate = (session: number): void => void new ClientSession(this, session).close()
    const opened = this.#link.call<'openSession'>({ method: 'openSession', args }, { ...linkOptions(options), onLate })
    return new ClientSession(this, await opened)
  }

  async putBlock(cid: CidInput, bytes: Uint8Array, options: CallOptions = {}): Promise<void> {
    const args = { cid: cidBytes(cid), bytes: copiedBytes('bytes', bytes) }
    await this.#call({ method: 'putBlock', args }, options, [args.bytes.buffer])
  }

  async serveBlocks(store: OfferedBlockstore | undefined, options: CallOptions = {}): Promise<void> {
    require(store === undefined || typeof store?.get === 'function', 'store must have a method get.')
    this.#link.offer(store === undefined ? undefined : (cid) => readOffered(store, cid))
    await this.#call({ method: 'offerBlocks', args: { offered: store !== undefined } }, options)
  }

  async hasBlock(cid: CidInput, options: CallOptions = {}): Promise<boolean> {
    return this.#call({ method: 'hasBlock', args: { cid: cidBytes(cid) } }, options)
  }

  async deleteBlock(cid: CidInput, options: CallOptions = {}): Promise<void> {
    await this.#call({ method: 'deleteBlock', args: { cid: cidBytes(cid) } }, options)
  }

  async status(options: CallOptions = {}): Promise<Status> {
    return toStatus(await this.#call({ method: 'status', args: undefined }, options))
  }

  async closeSession(session: number): Promise<void> {
    await this.#call({ method: 'closeSession', args: { session } }, {})
  }

  /** A hidden page sweeps with less. */
  watchPage(): void {
    if (typeof document === 'undefined') return
    const tell = (): void => {
      this.#providing({ type: 'hide', hidden: document.hidden }, {}).catch(() => {})
    }
    document.addEventListener('visibilitychange', tell, { signal: this.#ended.signal })
    if (document.hidden) tell()
  }

  stop(): Promise<void> {
    this.#ended.abort()
    return this.#link.stop()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** The Worker is gone. */
  die(error: AminoError): void {
    this.#ended.abort()
    this.#dispatch('died', { error })
  }

  /** Passes on what the Worker tells without being asked. */
  tell(event: ServiceEvent): void {
    // Those of the start are told later than they came.
    if (this.#ended.signal.aborted) return
    switch (event.type) {
      case 'connections-changed':
        this.#dispatch('connections', { connections: event.connections })
        break
      case 'table-changed':
        this.#dispatch('table', { size: event.size })
        break
      case 'addresses-changed':
        this.#dispatch('addresses', { addresses: event.addresses })
        break
      case 'region-provided':
        this.#dispatch('region', event.region)
        break
      case 'storage-lost':
        this.#dispatch('storage-lost', { reason: event.reason })
        break
      case 'fault':
        this.#dispatch('fault', { message: event.message })
        break
    }
  }

  #provide(cid: CidInput, options: ProvideOptions, keep: boolean): Promise<StoreResult> {
    return this.#call({ method: 'provide', args: { cid: cidBytes(cid), mode: provideMode(options.mode), keep } }, options)
  }

  #providing(request: ProvidingRequest, options: CallOptions): Promise<ProvidingReply> {
    return this.#call({ method: 'providing', args: request }, options)
  }

  #dispatch(type: string, detail: object): void {
    this.dispatchEvent(new CustomEvent(type, { detail }))
  }

  #blockOptions(options: GetBlockOptions) {
    const { session, context, providers = [] } = options ?? {}
    return {
      session: ClientSession.idFor(session, this),
      context,
      providers: checkedList('providers', providers).map(peerData),
    }
  }

  #call<Method extends CallMethod>(
    request: Extract<CallRequest, { method: Method }>,
    options: QueryOptions,
    transfer: Transferable[] = [],
  ): Promise<Calls[Method]['result']> {
    return this.#link.call<Method>(request, { ...linkOptions(options), transfer })
  }
}

function linkOptions(options: QueryOptions): Omit<LinkCallOptions, 'transfer'> {
  // Callers without types may give null for none.
  const { signal, onProgress } = options ?? {}
  if (onProgress === undefined) return { signal }
  return { signal, onProgress: (data) => tellCaller(() => onProgress(toProgress(data))) }
}

function peerData(peer: ProviderInput): PeerData {
  const { id, multiaddrs = [] } = peer ?? {}
  return { id: peerIdBytes(id), addresses: checkedList('multiaddrs', multiaddrs).map(String) }
}

function toBlock(data: BlockData): Block {
  return { cid: CID.decode(data.cid), bytes: data.bytes, from: data.from === undefined ? undefined : peerIdText(data.from) }
}
