import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { webSockets } from '@libp2p/websockets'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import type { CID } from 'multiformats/cid'

/** A stranger who looks for what the page provides: js-libp2p with its own DHT client, none of our code. */
export interface Finder {
  finds(cid: CID, provider: string): Promise<boolean>
  stop(): Promise<void>
}

export async function startFinder(bootstrap: readonly string[]): Promise<Finder> {
  const libp2p = await createLibp2p({
    addresses: { listen: [] },
    transports: [webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      ping: ping(),
      dht: kadDHT({ protocol: '/ipfs/kad/1.0.0', clientMode: true, peerInfoMapper: passthroughMapper }),
    },
  })
  await Promise.all(bootstrap.map((address) => libp2p.dial(multiaddr(address))))
  return {
    async finds(cid, provider) {
      for await (const event of libp2p.services.dht.findProviders(cid, { signal: AbortSignal.timeout(30_000) })) {
        if (event.name === 'PROVIDER' && event.providers.some(({ id }) => id.toString() === provider)) return true
      }
      return false
    },
    stop: async () => libp2p.stop(),
  }
}
