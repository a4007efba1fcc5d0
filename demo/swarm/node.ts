import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { circuitRelayServer, type CircuitRelayService } from '@libp2p/circuit-relay-v2'
import { identify, type Identify } from '@libp2p/identify'
import type { Libp2p, PeerId, StreamMiddleware } from '@libp2p/interface'
import { kadDHT, passthroughMapper, type KadDHT } from '@libp2p/kad-dht'
import { ping, type Ping } from '@libp2p/ping'
import { webSockets } from '@libp2p/websockets'
import type { Multiaddr } from '@multiformats/multiaddr'
import { MemoryBlockstore } from 'blockstore-core'
import { MemoryDatastore } from 'datastore-core'
import { createHeliaLight } from 'helia'
import { ipnsSelector } from 'ipns/selector'
import { ipnsValidator } from 'ipns/validator'
import { createLibp2p, type Libp2pOptions } from 'libp2p'
import type { CID } from 'multiformats/cid'
import type { Block } from './content.ts'
import { Ledger } from './ledger.ts'
import { watchBitswap, watchKad, type SwarmObserver } from './observer.ts'
import type { Member } from './population.ts'

/**
 * One peer of the swarm: js-libp2p with the DHT in server mode; with Helia's Bitswap where it serves blocks, with a
 * circuit relay where it lends its address to browsers. Its table and the records it holds are put in by hand: walking
 * the network for them would cost a full mesh of handshakes at every start.
 */

export const KAD_PROTOCOL = '/ipfs/kad/1.0.0'

/** Longest delay a timer takes, 24 days: for what must not run by itself. */
const NEVER_MS = 2 ** 31 - 1
const CONNECTIONS_MAX = 1_000
const RESERVATIONS_MAX = 500

export interface SwarmNode {
  readonly member: Member
  /** What it announces, without `/p2p/…`. */
  addresses(): string[]
  /** Where it really listens: a link's far end. */
  listeningPort(): number
  /** Puts peers into the routing table, unasked: the dead ones belong there too. */
  learn(peers: readonly { readonly id: PeerId; readonly addresses: Multiaddr[] }[]): Promise<void>
  /** Keeps a provider record, as if the provider had sent it. */
  holdRecord(cid: CID, provider: PeerId, addresses: Multiaddr[]): Promise<void>
  /** What has arrived here. */
  readonly ledger: Ledger
  stop(): Promise<void>
}

/** Gets between the peer's protocols and their streams, to count what comes and goes. */
export type Watch = (streams: StreamHooks) => void

/** The part of libp2p's registrar that is needed for it: asked once a stream, in either direction. */
export interface StreamHooks {
  getMiddleware(protocol: string): StreamMiddleware[]
}

export interface NodeWatchers {
  readonly observer?: SwarmObserver | undefined
  readonly watch?: Watch | undefined
}

export async function startNode(
  member: Member,
  listen: string,
  announce: readonly string[],
  blocks: readonly Block[],
  { observer, watch = () => undefined }: NodeWatchers = {},
): Promise<SwarmNode> {
  const options = libp2pOptions(member, listen, announce, watch)
  if (!member.bitswap) {
    const libp2p = await createLibp2p(options)
    if (observer !== undefined) watchKad(libp2p.services.dht, observer)
    return wrap(member, libp2p, async () => libp2p.stop())
  }
  const blockstore = new MemoryBlockstore()
  for (const block of blocks) await blockstore.put(block.cid, block.bytes)
  const helia = withBitswap(withLibp2pLight(createHeliaLight({ blockstore, datastore: new MemoryDatastore() }), options))
  await helia.start()
  if (observer !== undefined) {
    watchKad(helia.libp2p.services.dht, observer)
    watchBitswap(helia, observer)
  }
  return wrap(member, helia.libp2p, async () => void (await helia.stop()))
}

type Services = {
  identify: Identify
  ping: Ping
  dht: KadDHT
  listening: { ports(): number[] }
  watched: unknown
  relay?: CircuitRelayService
}

function libp2pOptions(member: Member, listen: string, announce: readonly string[], watch: Watch): Libp2pOptions<Services> {
  return {
    privateKey: member.privateKey,
    datastore: new MemoryDatastore(),
    addresses: { listen: [listen], announce: [...announce] },
    transports: [webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    // Everyone here comes from 127.0.0.1: limits by host would turn away the second browser.
    connectionManager: {
      maxConnections: CONNECTIONS_MAX,
      maxIncomingPendingConnections: CONNECTIONS_MAX,
      inboundConnectionThreshold: CONNECTIONS_MAX,
    },
    connectionMonitor: { enabled: false },
    // A swarm left running over night still knows its peers in the morning.
    peerStore: { maxAddressAge: NEVER_MS, maxPeerAge: NEVER_MS },
    services: {
      identify: identify(),
      ping: ping(),
      // `getMultiaddrs` tells what is announced; a link needs to know what is listened on.
      listening: ({ transportManager }: { transportManager: { getAddrs(): Multiaddr[] } }) => ({
        ports: () => transportManager.getAddrs().map(portOf),
      }),
      watched: ({ registrar }: { registrar: StreamHooks }) => watch(registrar),
      dht: kadDHT({
        protocol: KAD_PROTOCOL,
        clientMode: false,
        peerInfoMapper: passthroughMapper,
        allowQueryWithZeroPeers: true,
        initialQuerySelfInterval: NEVER_MS,
        validators: { ipns: ipnsValidator },
        selectors: { ipns: ipnsSelector },
      }),
      ...(member.relay
        ? { relay: circuitRelayServer({ reservations: { maxReservations: RESERVATIONS_MAX, applyDefaultLimit: false } }) }
        : {}),
    },
  }
}

/** The parts of kad-dht's class that its interface does not name. */
interface DhtInternals {
  readonly routingTable: {
    readonly kb: { verify: (peer: unknown) => Promise<boolean> }
    add(peer: PeerId): Promise<void>
  }
  readonly routingTableRefresh: { stop(): Promise<void> }
  readonly providers: { addProvider(cid: CID, provider: PeerId): Promise<void> }
  readonly rpc: { handleMessage(peer: PeerId, message: { readonly type: string; readonly key?: Uint8Array }): Promise<unknown> }
}

function portOf(address: Multiaddr): number {
  return Number(address.getComponents().find(({ name }) => name === 'tcp')?.value)
}

/** Counts what arrives, and passes it on. */
function keepLedger(ledger: Ledger, libp2p: Libp2p<Services>, dht: DhtInternals): void {
  libp2p.addEventListener('connection:open', ({ detail: { direction, remoteAddr, remotePeer } }) => {
    const isRelayed = remoteAddr.getComponents().some(({ name }) => name === 'p2p-circuit')
    if (direction === 'inbound' && !isRelayed) ledger.connected(remotePeer)
  })
  const handle = dht.rpc.handleMessage.bind(dht.rpc)
  dht.rpc.handleMessage = (peer, message) => {
    if (message.type === 'ADD_PROVIDER' && message.key !== undefined) ledger.provided(peer, message.key)
    return handle(peer, message)
  }
}

function wrap(member: Member, libp2p: Libp2p<Services>, stop: () => Promise<void>): SwarmNode {
  const dht = libp2p.services.dht as KadDHT & DhtInternals
  const ledger = new Ledger(libp2p.peerId)
  keepLedger(ledger, libp2p, dht)
  return {
    member,
    addresses: () => libp2p.getMultiaddrs().map((address) => address.toString().replace(/\/p2p\/[^/]+$/, '')),
    listeningPort: () => libp2p.services.listening.ports()[0] ?? 0,
    ledger,
    async learn(peers) {
      await dht.routingTableRefresh.stop()
      const bucket = dht.routingTable.kb
      const verify = bucket.verify
      bucket.verify = async () => true
      for (const { id, addresses } of peers) {
        await libp2p.peerStore.merge(id, { multiaddrs: addresses, protocols: [KAD_PROTOCOL] })
        await dht.routingTable.add(id)
      }
      bucket.verify = verify
    },
    async holdRecord(cid, provider, addresses) {
      await dht.providers.addProvider(cid, provider)
      if (!provider.equals(libp2p.peerId)) await libp2p.peerStore.merge(provider, { multiaddrs: addresses })
    },
    stop,
  }
}
