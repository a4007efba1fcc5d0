import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { webSockets } from '@libp2p/websockets'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryBlockstore } from 'blockstore-core'
import { MemoryDatastore } from 'datastore-core'
import { createHeliaLight } from 'helia'
import type { CID } from 'multiformats/cid'

/** A stranger's peer: js-libp2p with its own DHT client and Helia's Bitswap, none of our code. */
export interface NodePeer {
  /** Providers as the DHT names them, with their addresses. */
  findProviders(cid: CID, signal: AbortSignal): Promise<{ id: string; addresses: string[] }[]>
  /** Dials the address, and asks whoever is connected for the block. */
  fetchFrom(address: string, cid: CID, signal: AbortSignal): Promise<Uint8Array>
  stop(): Promise<void>
}

export async function startNodePeer(bootstrap: readonly string[]): Promise<NodePeer> {
  const light = createHeliaLight({ blockstore: new MemoryBlockstore(), datastore: new MemoryDatastore() })
  const helia = withBitswap(
    withLibp2pLight(light, {
      addresses: { listen: [] },
      transports: [webSockets(), circuitRelayTransport()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: {
        identify: identify(),
        ping: ping(),
        dht: kadDHT({ protocol: '/ipfs/kad/1.0.0', clientMode: true, peerInfoMapper: passthroughMapper }),
      },
    }),
  )
  await helia.start()
  const { libp2p } = helia
  await Promise.all(bootstrap.map((address) => libp2p.dial(multiaddr(address))))
  return {
    async findProviders(cid, signal) {
      const found: { id: string; addresses: string[] }[] = []
      for await (const event of libp2p.services.dht.findProviders(cid, { signal })) {
        if (event.name !== 'PROVIDER') continue
        found.push(...event.providers.map(({ id, multiaddrs }) => ({ id: id.toString(), addresses: multiaddrs.map(String) })))
      }
      return found
    },
    async fetchFrom(address, cid, signal) {
      await libp2p.dial(multiaddr(address), { signal })
      const parts: Uint8Array[] = []
      for await (const part of helia.blockstore.get(cid, { signal })) parts.push(part)
      return Buffer.concat(parts)
    },
    stop: async () => void (await helia.stop()),
  }
}
