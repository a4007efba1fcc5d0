import type {
  BlockData,
  ClosestPeerItem,
  PeerData,
  ProvideMode,
  ProviderItem,
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
import type { AminoService, BlockOptions, CallContext } from './amino-service.ts'
import { isSupportedHash, verifyBlock } from './block-hash.ts'
import { ItemQueue } from './item-queue.ts'
import type { Command, Outcome } from './operations.ts'
import { decodeCid, peerData } from './plain-data.ts'
import { startRuntime, type Runtime } from './runtime.ts'
import { ServiceError } from './service-error.ts'

/**
 * The page's operations, on a running engine. Everything that decides is in the engine, everything that acts is in the
 * runtime; here arguments become commands and results become plain data.
 */
export class EngineService implements AminoService {
  #runtime: Runtime | undefined
  #onEvent: ((event: ServiceEvent) => void) | undefined
  #nextSession = 1
  #isStopped = false

  async start(options: StartOptions, onEvent: (event: ServiceEvent) => void): Promise<StartReport> {
    if (this.#onEvent !== undefined)
      throw new ServiceError('invalid-argument', 'This Worker has a client already: one client, one Worker.')
    this.#onEvent = onEvent
    const runtime = await startRuntime(options, onEvent)
    if (this.#isStopped) {
      await runtime.stop()
      throw new ServiceError('stopped', 'The client was stopped while it was starting.')
    }
    this.#runtime = runtime
    return { peerId: runtime.peerId, start: runtime.start }
  }

  findProviders(cid: Uint8Array, options: { limit: number }, context: CallContext): AsyncIterable<ProviderItem> {
    const startedAt = performance.now()
    const command: Command = { type: 'find-providers', multihash: decodeCid(cid).multihash.bytes, limit: options.limit }
    return this.#stream(command, context, (item) => {
      if (item.type !== 'provider') return undefined
      return { ...peerData(item.provider), from: item.from.id, elapsedMs: performance.now() - startedAt }
    })
  }

  getClosestPeers(key: Uint8Array, context: CallContext): AsyncIterable<ClosestPeerItem> {
    return this.#stream({ type: 'closest-peers', key }, context, (item) =>
      item.type === 'peer' ? { ...peerData(item.info), outcome: item.outcome } : undefined,
    )
  }

  async findPeer(id: Uint8Array, context: CallContext): Promise<PeerData> {
    const peer = this.#running().driver.peers.intern(id as PeerInfo['peer']['id'])
    return peerData((await this.#run({ type: 'find-peer', id: peer.id }, 'find-peer', context)).info)
  }

  async getValue(key: Uint8Array, options: { quorum: number }, context: CallContext): Promise<ValueData> {
    const result = await this.#run({ type: 'get-value', key, quorum: options.quorum }, 'get-value', context)
    return { value: result.value, confirmations: result.confirmations, stats: result.stats }
  }

  async putValue(key: Uint8Array, value: Uint8Array, context: CallContext): Promise<StoreData> {
    const runtime = this.#running()
    if (value.length > limits.recordBytesMax.value) {
      const message = `The value has ${value.length} bytes; the network keeps ${limits.recordBytesMax.value} at most.`
      throw new ServiceError('too-large', message, { bytes: value.length, bytesMax: limits.recordBytesMax.value })
    }
    const verdict = await runtime.judge(key, value)
    if (!verdict.valid) throw new ServiceError('invalid-record', `The value is not valid for its key: ${verdict.reason}.`)
    const result = await this.#run({ type: 'put-value', key, value }, 'put-value', context)
    return { ...result.counts, stats: result.stats }
  }

  async provide(cid: Uint8Array, options: { mode: ProvideMode }, context: CallContext): Promise<StoreData> {
    if (!this.#running().mayGetAddress) {
      const message = 'Nobody could dial this client: set relay to true, or give its addresses in announce.'
      throw new ServiceError('no-address', message)
    }
    const result = await this.#run(
      { type: 'provide', multihash: decodeCid(cid).multihash.bytes, mode: options.mode },
      'provide',
      context,
    )
    return { ...result.counts, stats: result.stats }
  }

  async getBlock(cid: Uint8Array, options: BlockOptions, context: CallContext): Promise<BlockData> {
    const runtime = this.#running()
    requireKnownHash(cid)
    const inlined = inlinedBlock(cid)
    if (inlined !== undefined) return { cid, bytes: inlined, from: undefined }
    const result = await this.#run(
      {
        type: 'want-block',
        cid,
        session: options.session as Extract<Command, { type: 'want-block' }>['session'],
        context: options.context,
        providers: options.providers.map((provider) => runtime.peerInfo(provider)),
      },
      'want-ended',
      context,
    )
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

  async hasBlock(cid: Uint8Array): Promise<boolean> {
    return this.#running().store.hasBlock(cid)
  }

  async deleteBlock(cid: Uint8Array): Promise<void> {
    await this.#running().deleteBlock(cid)
  }

  async openSession(): Promise<number> {
    const session = this.#nextSession++
    this.#running().openSession(session)
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
  ): Promise<Extract<Outcome, { type: Type }>> {
    const outcome = await this.#running().operations.run(command, context)
    if (outcome.type !== expected)
      throw new ServiceError('internal', `A ${command.type} ended as ${outcome.type}. Please report this.`)
    return outcome as Extract<Outcome, { type: Type }>
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

function requireKnownHash(cid: Uint8Array): void {
  const { code } = decodeCid(cid).multihash
  if (isSupportedHash(code)) return
  const message = `The CID uses hash function 0x${code.toString(16)}, which this client cannot check. It knows sha2-256, sha2-512, blake2b-256 and identity.`
  throw new ServiceError('unsupported-hash', message, { hash: code })
}
