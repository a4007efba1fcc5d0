import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import type { PeerData, ServiceEvent, StatusData } from '../contract/service.ts'
import type { SessionId } from '../engine/bitswap/contract.ts'
import { BytesMap } from '../engine/bytes-map.ts'
import type { EngineEffect } from '../engine/contract.ts'
import type { RecordVerdict } from '../engine/kad/contract.ts'
import { limits } from '../engine/limits.ts'
import type { Address, PeerIdBytes, PeerInfo } from '../engine/peer.ts'
import { createAddressPolicy, type AddressPolicy } from './addresses.ts'
import { persistDiscovery, restoreDiscovery } from './discovery-store.ts'
import type { ReadBlock, SessionOptions } from './amino-service.ts'
import { loadBlock } from './block-loading.ts'
import { Driver, platformClock } from './driver.ts'
import type { DelegatedRouting } from './delegated/delegated-routing.ts'
import { Sources } from './delegated/sources.ts'
import { createNode } from './network/node.ts'
import { Network } from './network/network.ts'
import { openTransports, transportStatus, type Transports, type WebRtc } from './network/transports.ts'
import { Operations } from './operations.ts'
import { parseAddress, parseAnnounced, parseBootstrap } from './parse-addresses.ts'
import { addressText } from './plain-data.ts'
import { Providing, type ProvidingEffect } from './providing.ts'
import { ServiceError } from './service-error.ts'
import { delegatedRouting, freshIdentity, keptIdentity, reviewed } from './start-values.ts'
import type { Settings } from './settings.ts'
import { createStore, type Store } from './store/store.ts'
import { judgeRecord } from './validators.ts'

/**
 * One running client: store, identity, libp2p node, network and engine, put together and taken apart again. It performs
 * the engine's effects that are not the network's: storing, judging records, answering the page.
 */
export interface Runtime {
  readonly peerId: Uint8Array
  readonly start: 'cold' | 'warm'
  readonly store: Store
  readonly driver: Driver
  readonly operations: Operations
  /** The DHT and the delegated routers together; undefined when those are off. */
  readonly sources: Sources | undefined
  readonly providing: Providing
  /** Whether there is anything to wait for: a relay's grant, or an address that the caller gave; or none is wanted. */
  readonly mayProvide: boolean
  readonly withoutAddress: boolean
  judge(key: Uint8Array, value: Uint8Array): Promise<RecordVerdict>
  peerInfo(data: PeerData): PeerInfo
  putBlock(cid: Uint8Array, bytes: Uint8Array): Promise<void>
  deleteBlock(cid: Uint8Array): Promise<void>
  offerBlocks(read: ReadBlock | undefined): void
  openSession(session: number, options: SessionOptions): void
  closeSession(session: number): void
  status(): StatusData
  stop(): Promise<void>
}

export async function startRuntime(
  options: Settings,
  onEvent: (event: ServiceEvent) => void,
  openRtcPort: () => MessagePort,
  webRtc: WebRtc | undefined,
): Promise<Runtime> {
  const { relay, iceServers } = options
  const { webSocket, webTransport } = options.transports
  const usable = options.transports.webRtc ? webRtc : undefined
  const transports = openTransports({ webSocket, webTransport, webRtc: usable, relay, iceServers, openRtcPort })
  try {
    return await startWith(transports, options, onEvent)
  } catch (error) {
    transports.close()
    throw error
  }
}

async function startWith(transports: Transports, options: Settings, onEvent: (event: ServiceEvent) => void): Promise<Runtime> {
  const addressPolicy = createAddressPolicy({
    allowPrivateAddresses: options.allowPrivateAddresses,
    transports: transports.dialable,
  })
  // Before anything is opened: a wrong option must not leave a lock or a socket behind.
  const bootstrap = options.bootstrap.map((text) => parseBootstrap(text, addressPolicy))
  for (const text of options.announce) parseAnnounced(text, addressPolicy)
  // The key is made while the database is opened: a page waits for both.
  const onLost = (reason: string) => onEvent({ type: 'storage-lost', reason })
  const opening = createStore({ name: options.storage, blockBytesMax: options.limits.blockStoreBytesMax, onLost })
  const [store, fresh] = await Promise.all([opening, freshIdentity()])
  try {
    const privateKey = options.identity === 'fresh' ? fresh : await keptIdentity(store, fresh)
    const runtime = new EngineRuntime({ options, onEvent, transports, addressPolicy, store, privateKey })
    return await runtime.begin(bootstrap).then(
      () => runtime,
      async (error: unknown) => {
        await runtime.stop()
        throw error
      },
    )
  } catch (error) {
    await store.close()
    throw error
  }
}

class EngineRuntime implements Runtime {
  readonly peerId: Uint8Array
  readonly store: Store
  readonly driver: Driver
  readonly operations: Operations
  readonly sources: Sources | undefined
  readonly #delegated: DelegatedRouting | undefined
  readonly providing: Providing
  readonly mayProvide: boolean
  readonly withoutAddress: boolean
  start: 'cold' | 'warm' = 'cold'
  readonly #init: RuntimeInit
  readonly #denied = new BytesMap<true>()
  readonly #startedAt = performance.now()
  #readOffered: ReadBlock | undefined
  #network: Network | undefined

  constructor(init: RuntimeInit) {
    this.#init = init
    const { mode } = init.options.delegated
    this.#delegated = mode === 'off' ? undefined : delegatedRouting(init.options, init.transports)
    this.store = init.store
    this.withoutAddress = init.options.providing.withoutAddress
    this.mayProvide = this.withoutAddress || init.options.relay || init.options.announce.length > 0
    this.peerId = peerIdFromPrivateKey(init.privateKey).toMultihash().bytes
    for (const id of init.options.denyPeers) this.#denied.set(id, true)
    this.driver = new Driver({
      seed: crypto.getRandomValues(new Uint32Array(1))[0]!,
      denied: this.#denied,
      server: init.options.server,
      discovery: init.options.discovery,
      provide: init.options.providing,
      clock: platformClock,
      perform: (effect) => this.#perform(effect),
    })
    this.providing = new Providing({
      keys: init.store.keys,
      dispatch: (event) => this.driver.dispatch(event),
      status: () => this.driver.status().provide,
      onEvent: init.onEvent,
      mayProvide: this.mayProvide,
    })
    this.operations = new Operations({
      dispatch: (event) => this.driver.dispatch(event),
      max: init.options.limits.operationsMax,
    })
    this.sources =
      this.#delegated === undefined || mode === 'off'
        ? undefined
        : new Sources({
            mode,
            routing: this.#delegated,
            peers: this.driver.peers,
            review: (id, addresses) => this.#review(id, addresses),
            judge: judgeRecord,
            onServersNamed: (infos) => this.driver.dispatch({ type: 'dht-servers-named', infos }),
          })
  }

  /** What the browser says of the network. */
  readonly #onNetwork = (): void => {
    this.driver.dispatch({ type: 'online-changed', online: navigator.onLine })
  }

  async begin(bootstrapPeers: readonly { id: PeerIdBytes; address: Address }[]): Promise<void> {
    const { options, transports, addressPolicy, onEvent, privateKey } = this.#init
    // Read while libp2p starts.
    const kept = Promise.all([this.store.tableEntries(), this.store.networkSize(), this.store.keys.cells()])
    kept.catch(() => {})
    const node = await createNode({
      privateKey,
      connectionsMax: options.limits.connectionsMax,
      transports: transports.factories,
      listen: transports.listen,
      announce: options.announce,
      earlyProtocols: [options.protocols.kad, options.protocols.bitswap],
      pendingDialsMax: limits.pendingDialsMax.value,
      dialTimeoutMs: limits.dialTimeoutMs.value,
      denied: (id) => this.#denied.has(id),
      mayDial: (address) => addressPolicy(address.bytes)?.dialable === true,
    })
    this.#network = new Network({
      node,
      transports,
      peers: this.driver.peers,
      protocols: options.protocols,
      server: options.server,
      addressPolicy,
      dispatch: (event) => this.driver.dispatch(event),
      now: () => this.driver.now(),
      openWants: () => this.operations.wants,
      onConnectionsChanged: (connections) => onEvent({ type: 'connections-changed', connections }),
      onAddressesChanged: (addresses) => onEvent({ type: 'addresses-changed', addresses: addresses.map(addressText) }),
    })
    await this.#network.start()
    const [entries, networkSize, cells] = await kept
    const tableEntries = entries.map((entry) => reviewed(entry, addressPolicy))
    this.start = tableEntries.length > 0 ? 'warm' : 'cold'
    const { peers } = this.driver
    const { listenToWants } = options.discovery
    await restoreDiscovery(this.store, addressPolicy, listenToWants, (event) => this.driver.dispatch(event))
    this.driver.dispatch({
      type: 'start',
      self: peers.intern(this.peerId as PeerIdBytes),
      bootstrapPeers: bootstrapPeers.map(({ id, address }) => ({ peer: peers.intern(id), addresses: [address] })),
      tableEntries,
      networkSize,
    })
    const self = peers.intern(this.peerId as PeerIdBytes)
    this.driver.dispatch({ type: 'provide-start', self, cells, wallMs: Date.now() })
    if (navigator.onLine === false) this.#onNetwork()
    for (const name of networkEvents) scope.addEventListener?.(name, this.#onNetwork)
  }

  async judge(key: Uint8Array, value: Uint8Array): Promise<RecordVerdict> {
    return judgeRecord(key, value)
  }

  peerInfo(data: PeerData): PeerInfo {
    return this.#review(
      data.id,
      data.addresses.map((text) => parseAddress(text).bytes),
    )
  }

  #review(id: Uint8Array, addresses: readonly Uint8Array[]): PeerInfo {
    const reviewed = addresses.map((bytes) => this.#init.addressPolicy(bytes))
    return {
      peer: this.driver.peers.intern(id as PeerIdBytes),
      addresses: reviewed.filter((address): address is Address => address !== undefined),
    }
  }

  async putBlock(cid: Uint8Array, bytes: Uint8Array): Promise<void> {
    await this.store.putBlock(cid, bytes)
    this.driver.dispatch({ type: 'block-added', cid, bytes })
  }

  async deleteBlock(cid: Uint8Array): Promise<void> {
    await this.store.deleteBlock(cid)
    this.driver.dispatch({ type: 'block-removed', cid })
  }

  offerBlocks(read: ReadBlock | undefined): void {
    this.#readOffered = read
  }

  openSession(session: number, { root, context, providers }: SessionOptions): void {
    const known = providers.map((provider) => this.peerInfo(provider))
    this.driver.dispatch({ type: 'open-session', session: session as SessionId, root, context, providers: known })
  }

  closeSession(session: number): void {
    this.driver.dispatch({ type: 'close-session', session: session as SessionId })
  }

  status(): StatusData {
    const { kad, bitswap } = this.driver.status()
    const stored = this.store.status()
    return {
      peerId: this.peerId,
      addresses: (this.#network?.addresses() ?? []).map(addressText),
      startedMsAgo: performance.now() - this.#startedAt,
      start: this.start,
      connections: this.#network?.connections() ?? 0,
      transports: this.#network?.transports() ?? transportStatus(this.#init.transports, []),
      storage: stored,
      kad: { ...kad, counters: { ...kad.counters } },
      bitswap: { ...bitswap, counters: { ...bitswap.counters } },
      delegated: this.#delegated?.status(),
      dropped: this.#network?.dropped() ?? {},
    }
  }

  async stop(): Promise<void> {
    this.operations.cancelAll(new ServiceError('stopped', 'The client was stopped while this was under way.'))
    for (const name of networkEvents) scope.removeEventListener?.(name, this.#onNetwork)
    this.driver.dispatch({ type: 'stopping' })
    this.driver.stop()
    // What is to be kept first: a transport that does not close in time must not cost the routing table.
    await this.store.close()
    await this.#network?.stop()
  }

  #perform(effect: EngineEffect): void {
    switch (effect.type) {
      case 'dial':
      case 'cancel-dial':
      case 'send-request':
      case 'cancel-request':
      case 'send-response':
      case 'refuse-request':
      case 'send-message':
        this.#network?.perform(effect)
        break
      case 'query-item':
      case 'query-progress':
      case 'query-ended':
      case 'query-failed':
      case 'want-ended':
      case 'want-failed':
      case 'want-progress':
      case 'probe-ended':
        this.operations.take(effect)
        break
      case 'table-changed':
        this.#init.onEvent({ type: 'table-changed', size: effect.size })
        break
      default:
        this.#performStored(effect)
    }
  }

  #performStored(effect: StoredEffect): void {
    const { driver, store } = this
    switch (effect.type) {
      case 'judge-record':
        void judgeRecord(effect.key, effect.value).then((verdict) =>
          driver.dispatch({ type: 'record-judged', order: effect.order, verdict }),
        )
        break
      case 'persist-table-entry': {
        const { peer, addresses } = effect.info
        store.putTableEntry({ id: peer.id, addresses, lastUsefulAt: Date.now() - effect.agoMs })
        break
      }
      case 'persist-network-size':
        void store.putNetworkSize(effect.size)
        break
      case 'forget-table-entry':
        store.deleteTableEntry(effect.peer.id)
        break
      case 'load-keys':
      case 'keys-sent':
      case 'tell-time':
      case 'region-ended':
        this.providing.perform(effect)
        break
      case 'persist-discovery':
        persistDiscovery(store, effect.memory)
        break
      case 'load-block':
        void loadBlock(store, this.#readOffered, effect.cid, effect.bytesMax).then((loaded) =>
          driver.dispatch({ type: 'block-loaded', order: effect.order, ...loaded }),
        )
        break
      case 'store-block':
        void store.putBlock(effect.cid, effect.bytes).then(
          () => driver.dispatch({ type: 'block-stored', order: effect.order }),
          (error: unknown) => driver.dispatch({ type: 'block-store-failed', order: effect.order, reason: String(error) }),
        )
        break
    }
  }
}

/** A Worker's; where tests run there are no such events. */
const scope: Partial<Pick<typeof globalThis, 'addEventListener' | 'removeEventListener'>> = globalThis
const networkEvents = ['online', 'offline'] as const

interface RuntimeInit {
  readonly options: Settings
  readonly onEvent: (event: ServiceEvent) => void
  readonly transports: Transports
  readonly addressPolicy: AddressPolicy
  readonly store: Store
  readonly privateKey: PrivateKey
}

type StoredEffect = Extract<
  EngineEffect,
  {
    type:
      | 'judge-record'
      | ProvidingEffect['type']
      | 'persist-network-size'
      | 'persist-table-entry'
      | 'forget-table-entry'
      | 'persist-discovery'
      | 'load-block'
      | 'store-block'
  }
>
