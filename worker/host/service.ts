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
import type { QueryItem } from '../engine/query.ts'
import type { PeerInfo } from '../engine/peer.ts'
import { limits } from '../engine/limits.ts'
import type { AminoService, BlockOptions, CallContext, ReadBlock, SessionOptions } from './amino-service.ts'
import { blocksAsTheyCome } from './block-stream.ts'
import { isSupportedHash, verifyBlock } from './block-hash.ts'
import { ItemQueue } from './item-queue.ts'
import type { Producer } from './delegated/combined.ts'
import { wantWithRouters } from './delegated/wants.ts'
import type { Command, Outcome } from './operations.ts'
import { decodeCid, peerData, providersKeyOf, requireKeyLength } from './plain-data.ts'
import type { WebRtc } from './network/transports.ts'
import { notDialable } from './providing.ts'
import { startRuntime, type Runtime } from './runtime.ts'
import { settingsOf } from './settings.ts'
import { ServiceError } from './service-error.ts'

type WantCommand = Extract<Command, { type: 'want-block' }>

/**
 * The page's operations, on a running engine. Everything that decides is in the engine, everything that acts is in the
 * runtime; here arguments become commands and results become plain data.
 */
export class EngineService implements AminoService {
  #runtime: Runtime | undefined
  #onEvent: ((event: ServiceEvent) => void) | undefined
  #nextSession = 1
  #isStopped = false
  readonly #webRtc: WebRtc | undefined

  /** `webRtc`: what there is of it where this runs. */
  constructor(webRtc?: WebRtc) {
    this.#webRtc = webRtc
  }

  async start(
    options: StartOptions,
    onEvent: (event: ServiceEvent) => void,
    openRtcPort: () => MessagePort,
  ): Promise<StartReport> {
    if (this.#onEvent !== undefined)
      throw new ServiceError('invalid-argument', 'This Worker has a client already: one client, one Worker.')
    this.#onEvent = onEvent
    const runtime = await startRuntime(settingsOf(options), onEvent, openRtcPort, this.#webRtc)
    if (this.#isStopped) {
      await runtime.stop()
      throw new ServiceError('stopped', 'The client was stopped while it was starting.')
    }
    this.#runtime = runtime
    return { peerId: runtime.peerId, start: runtime.start }
  }

  findProviders(cid: Uint8Array, options: { limit: number }, context: CallContext): AsyncIterable<ProviderItem> {
    const startedAt = performance.now()
    const multihash = providersKeyOf(cid)
    const command: Command = { type: 'find-providers', multihash, limit: options.limit }
    const toItem = (item: QueryItem): ProviderItem | undefined => {
      if (item.type !== 'provider') return undefined
      return { ...peerData(item.provider), from: item.from.id, elapsedMs: performance.now() - startedAt }
    }
    const { sources } = this.#running()
    if (sources === undefined) return this.#stream(command, context, toItem)
    return sources.findProviders(multihash, options.limit, context.signal, this.#producer(command, context, toItem))
  }

  getClosestPeers(key: Uint8Array, context: CallContext): AsyncIterable<ClosestPeerItem> {
    requireKeyLength(key)
    const command: Command = { type: 'closest-peers', key }
    const toItem = (item: QueryItem): ClosestPeerItem | undefined =>
      item.type === 'peer' ? { ...peerData(item.info), outcome: item.outcome } : undefined
    const { sources } = this.#running()
    if (sources === undefined) return this.#stream(command, context, toItem)
    return sources.closestPeers(key, context.signal, this.#producer(command, context, toItem))
  }

  async findPeer(id: Uint8Array, context: CallContext): Promise<PeerData> {
    const peer = this.#running().driver.peers.intern(id as PeerInfo['peer']['id'])
    const walk = async (signal: AbortSignal): Promise<PeerData> =>
      peerData((await this.#run({ type: 'find-peer', id: peer.id }, 'find-peer', { ...context, signal })).info)
    return this.#running().sources?.findPeer(id, context.signal, walk) ?? walk(context.signal)
  }

  async getValue(key: Uint8Array, options: { quorum: number }, context: CallContext): Promise<ValueData> {
    requireKeyLength(key)
    const command: Command = { type: 'get-value', key, quorum: options.quorum }
    const walk = async (signal: AbortSignal): Promise<ValueData> => {
      const { value, confirmations, stats } = await this.#run(command, 'get-value', { ...context, signal })
      return { value, confirmations, stats }
    }
    return this.#running().sources?.getValue(key, context.signal, walk) ?? walk(context.signal)
  }

  async putValue(key: Uint8Array, value: Uint8Array, context: CallContext): Promise<StoreData> {
    const runtime = this.#running()
    requireKeyLength(key)
    if (value.length > limits.recordBytesMax.value) {
      const message = `The value has ${value.length} bytes; the network keeps ${limits.recordBytesMax.value} at most.`
      throw new ServiceError('too-large', message, { bytes: value.length, bytesMax: limits.recordBytesMax.value })
    }
    const verdict = await runtime.judge(key, value)
    if (!verdict.valid) throw new ServiceError('invalid-record', `The value is not valid for its key: ${verdict.reason}.`)
    const result = await this.#run({ type: 'put-value', key, value }, 'put-value', context)
    return { ...result.counts, stats: result.stats }
  }

  async provide(cid: Uint8Array, options: { mode: ProvideMode; keep: boolean }, context: CallContext): Promise<StoreData> {
    const { mayProvide, withoutAddress, providing } = this.#running()
    if (!mayProvide) throw notDialable()
    const { mode } = options
    const multihash = providersKeyOf(cid)
    const tell = async (): Promise<StoreData> => {
      const result = await this.#run({ type: 'provide', multihash, mode, withoutAddress }, 'provide', context)
      return { ...result.counts, stats: result.stats }
    }
    return options.keep ? providing.provide(cid, tell) : tell()
  }

  async providing(request: ProvidingRequest): Promise<ProvidingReply> {
    return this.#running().providing.handle(request)
  }

  async getBlock(cid: Uint8Array, options: BlockOptions, context: CallContext): Promise<BlockData> {
    const runtime = this.#running()
    requireKnownHash(cid)
    requireContext(options.context)
    const inlined = inlinedBlock(cid)
    if (inlined !== undefined) return { cid, bytes: inlined, from: undefined }
    const session = options.session as WantCommand['session']
    const want = (providers: readonly PeerInfo[], under: CallContext, isPart = false) =>
      this.#run({ type: 'want-block', cid, session, context: options.context, providers }, 'want-ended', under, isPart)
    const providers = options.providers.map((provider) => runtime.peerInfo(provider))
    const { sources } = runtime
    const result = await (sources === undefined
      ? want(providers, context)
      : wantWithRouters({ sources, multihash: decodeCid(cid).multihash.bytes, providers, want, context }))
    // A copy, since the page's bytes are transferred and the store or another want may hold these.
    return { cid, bytes: result.bytes.slice(), from: result.from?.id }
  }

  async putBlock(cid: Uint8Array, bytes: Uint8Array): Promise<void> {
    const runtime = this.#running()
    requireKnownHash(cid)
    if (bytes.length > limits.bitswapMessageBytesMax.value) {
      const message = `The block has ${bytes.length} bytes; Bitswap carries ${limits.bitswapMessageBytesMax.value} at most. Split it (UnixFS does).`
      throw new ServiceError('too-large', message, { bytes: bytes.length, bytesMax: limits.bitswapMessageBytesMax.value })
    }
    if (!(await verifyBlock(cid, bytes))) {
      throw new ServiceError(
        'invalid-block',
        'The bytes do not hash to this CID. Check that the CID was made from these very bytes.',
      )
    }
    await runtime.putBlock(cid, bytes)
  }

  async offerBlocks(read: ReadBlock | undefined): Promise<void> {
    this.#running().offerBlocks(read)
  }

  async hasBlock(cid: Uint8Array): Promise<boolean> {
    return (await this.#running().store.blockSize(cid)) !== undefined
  }

  async deleteBlock(cid: Uint8Array): Promise<void> {
    await this.#running().deleteBlock(cid)
  }

  getBlocks(cids: readonly Uint8Array[], options: BlockOptions, context: CallContext): AsyncIterable<BlockData> {
    const { operations } = this.#running()
    const { onProgress } = context
    return blocksAsTheyCome(cids, context, (cid, { signal }) => {
      const ofOne = { signal, onProgress: onProgress && ((progress: ProgressData) => onProgress({ ...progress, cid })) }
      return operations.inTurn(signal, () => this.getBlock(cid, options, ofOne))
    })
  }

  async probe(cid: Uint8Array, peer: PeerData, context: CallContext): Promise<ProbeData> {
    requireKnownHash(cid)
    const provider = this.#running().peerInfo(peer)
    const { outcome, bytes, elapsedMs } = await this.#run({ type: 'probe', cid, provider }, 'probe-ended', context)
    return { reason: outcome, bytes: bytes?.slice(), elapsedMs }
  }

  async openSession(options: SessionOptions): Promise<number> {
    requireContext(options.context)
    const runtime = this.#running()
    if (runtime.driver.status().bitswap.sessions >= limits.sessionsMax.value) {
      const message = `${limits.sessionsMax.value} sessions are open already. Close those that are not needed.`
      throw new ServiceError('too-many-queries', message, { sessionsMax: limits.sessionsMax.value })
    }
    const session = this.#nextSession++
    runtime.openSession(session, options)
    return session
  }

  async closeSession(session: number): Promise<void> {
    this.#running().closeSession(session)
  }

  async status(): Promise<StatusData> {
    return this.#running().status()
  }

  async stop(): Promise<void> {
    const runtime = this.#runtime
    this.#isStopped = true
    this.#runtime = undefined
    await runtime?.stop()
  }

  /** For the Worker's entry: an exception that nobody caught. */
  reportFault(message: string): void {
    this.#onEvent?.({ type: 'fault', message })
  }

  #running(): Runtime {
    if (this.#runtime === undefined)
      throw new ServiceError('stopped', 'The client has been stopped, or was never started. Create a new one.')
    return this.#runtime
  }

  async #run<Type extends Outcome['type']>(
    command: Command,
    expected: Type,
    context: CallContext,
    isPart = false,
  ): Promise<Extract<Outcome, { type: Type }>> {
    const outcome = await this.#running().operations.run(command, context, undefined, isPart)
    if (outcome.type !== expected)
      throw new ServiceError('internal', `A ${command.type} ended as ${outcome.type}. Please report this.`)
    return outcome as Extract<Outcome, { type: Type }>
  }

  /** The same as a part of something larger. */
  #producer<T>(command: Command, context: CallContext, toItem: (item: QueryItem) => T | undefined): Producer<T> {
    const { operations } = this.#running()
    return (signal, push) =>
      operations.run(command, { ...context, signal }, (item) => {
        const data = toItem(item)
        if (data !== undefined) push(data)
      })
  }

  /** The search begins at once; a reader that leaves early cancels it. */
  #stream<T>(command: Command, context: CallContext, toItem: (item: QueryItem) => T | undefined): AsyncIterable<T> {
    const left = new AbortController()
    const queue = new ItemQueue<T>(() => left.abort())
    const signal = AbortSignal.any([context.signal, left.signal])
    const onItem = (item: QueryItem): void => {
      const data = toItem(item)
      if (data !== undefined) queue.push(data)
    }
    this.#running()
      .operations.run(command, { ...context, signal }, onItem)
      .then(
        () => queue.end(),
        (error: unknown) => queue.fail(error),
      )
    return queue
  }
}

/** A CID with the hash function "identity" is its own block: nobody need be asked. */
function inlinedBlock(cid: Uint8Array): Uint8Array | undefined {
  const { code, digest } = decodeCid(cid).multihash
  return code === 0 ? digest.slice() : undefined
}

/** Checked here and not on the page, which has to stay small. */
function requireContext(name: string | undefined): void {
  const max = limits.contextLengthMax.value
  if (name === undefined || (typeof name === 'string' && name !== '' && name.length <= max)) return
  throw new ServiceError('invalid-argument', `context must be a text of 1 to ${max} characters, such as nft.`)
}

function requireKnownHash(cid: Uint8Array): void {
  const { code } = decodeCid(cid).multihash
  if (isSupportedHash(code)) return
  const message = `The CID uses hash function 0x${code.toString(16)}, which this client cannot check. It knows sha2-256, sha2-512, blake2b-256 and identity.`
  throw new ServiceError('unsupported-hash', message, { hash: code })
}
