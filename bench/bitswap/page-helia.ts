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
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'
import { offer } from './contestant.ts'

/** Helia's own Bitswap on the page's thread, with its DHT client, as it comes. */

type Helia = ReturnType<typeof createHeliaLight> & HeliaWithLibp2p<{ dht: { routingTable: { size: number } } }>

let helia: Helia

async function read(parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
  for await (const part of parts) void part
}

offer({
  async start(bootstrap) {
    helia = withBitswap(
      withLibp2pLight(createHeliaLight(), {
        addresses: { listen: [] },
        transports: [webSockets(), circuitRelayTransport()],
        connectionEncrypters: [noise()],
        streamMuxers: [yamux()],
        connectionGater: { denyDialMultiaddr: () => false },
        services: {
          identify: identify(),
          ping: ping(),
          dht: kadDHT({
            protocol: '/ipfs/kad/1.0.0',
            clientMode: true,
            peerInfoMapper: passthroughMapper,
            allowQueryWithZeroPeers: true,
          }),
        },
      }),
    ) as unknown as Helia
    await helia.start()
    await Promise.all(bootstrap.map((address) => helia.libp2p.dial(multiaddr(address))))
    // A query that begins with an empty table ends at once, with nothing.
    while (helia.libp2p.services.dht.routingTable.size === 0) await new Promise((resolve) => setTimeout(resolve, 10))
  },
  async connect(peers) {
    await Promise.all(
      peers.map(({ id, multiaddrs }) => helia.libp2p.dial(multiaddrs.map((address) => multiaddr(`${address}/p2p/${id}`)))),
    )
  },
  async request(cid) {
    await read(helia.blockstore.get(CID.parse(cid)))
  },
  async fetch(way, root, leaves, got) {
    const blocks = way === 'session' ? helia.blockstore.createSession(CID.parse(root)) : helia.blockstore
    await read(blocks.get(CID.parse(root)))
    await Promise.all(leaves.map((cid) => read(blocks.get(CID.parse(cid))).then(got)))
  },
})
