import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { withBitswap } from '@helia/bitswap'
import { type HeliaWithLibp2p, withLibp2pLight } from '@helia/libp2p'
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { webSockets } from '@libp2p/websockets'
import { multiaddr } from '@multiformats/multiaddr'
import { createHelia, createHeliaLight } from 'helia'
import { KeptDatastore } from './kept-datastore.ts'
import type { Arrival, Contestant } from './visit.ts'

/**
 * Helia with its own libp2p, as a page would run it. On a loopback swarm it needs the gater, the mapper and the addresses;
 * its gateways and delegated routers are left out, since nothing here leaves the machine.
 */
export async function startHelia({ bootstrap, storage }: Arrival, tuned: boolean): Promise<Contestant> {
  const datastore = await KeptDatastore.open(storage)
  const libp2pOptions = {
    datastore,
    addresses: { listen: [] },
    transports: [webSockets(), circuitRelayTransport()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false },
    peerDiscovery: [],
    services: {
      identify: identify(),
      ping: ping(),
      dht: kadDHT({
        protocol: '/ipfs/kad/1.0.0',
        clientMode: true,
        peerInfoMapper: passthroughMapper,
        ...(tuned ? { allowQueryWithZeroPeers: true } : {}),
      }),
    },
  }
  const http = { delegatedRouters: [], recursiveGateways: [] }
  const helia = (tuned
    ? // Without the broker of gateways, which would search the DHT a second time for each block.
      withBitswap(withLibp2pLight(createHeliaLight({ datastore }), libp2pOptions))
    : createHelia({ datastore, http, libp2p: libp2pOptions } as unknown as Parameters<
        typeof createHelia
      >[0])) as unknown as HeliaWithLibp2p<{ dht: { routingTable: { size: number } } }>
  await helia.start()
  const { libp2p } = helia
  const enter = () => Promise.any(bootstrap.map((address) => libp2p.dial(multiaddr(address)))).catch(() => undefined)
  if (tuned) {
    void enter()
    // A query that begins with an empty table ends at once, with nothing.
    while (libp2p.services.dht.routingTable.size === 0) await new Promise((resolve) => setTimeout(resolve, 10))
  } else {
    // @libp2p/bootstrap waits a second before it begins.
    setTimeout(() => void enter(), 1_000)
  }
  return {
    findProviders: (cid, signal) => libp2p.contentRouting.findProviders(cid, { signal }),
    blocks: helia.blockstore,
    session: (root) => helia.blockstore.createSession(root),
    async stop() {
      await helia.stop()
      await datastore.settled()
    },
  }
}
