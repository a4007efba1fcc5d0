import type { HeliaWithLibp2p } from '@helia/libp2p'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { webSockets } from '@libp2p/websockets'
import { multiaddr } from '@multiformats/multiaddr'
import { createHelia } from 'helia'
import { CID } from 'multiformats/cid'
import type { Contestant, Found } from './measure.ts'

/** Helia with its own libp2p, as a page would run it; on a loopback swarm it needs the gater, the mapper and the addresses. */

export async function startHelia(bootstrap: readonly string[], tuned: boolean): Promise<Contestant> {
  const helia = createHelia({
    libp2p: {
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
    },
  } as unknown as Parameters<typeof createHelia>[0]) as unknown as HeliaWithLibp2p<{ dht: { routingTable: { size: number } } }>
  await helia.start()
  const { libp2p } = helia
  const enter = () => Promise.any(bootstrap.map((address) => libp2p.dial(multiaddr(address)))).catch(() => undefined)
  if (tuned) {
    await enter()
    // A query that begins with an empty table ends at once, with nothing.
    while (libp2p.services.dht.routingTable.size === 0) await new Promise((resolve) => setTimeout(resolve, 10))
  } else {
    // @libp2p/bootstrap waits a second before it begins.
    setTimeout(() => void enter(), 1_000)
  }
  return {
    async find(cid: string): Promise<Found> {
      const startedAt = performance.now()
      let firstMs: number | undefined
      const options = { signal: AbortSignal.timeout(60_000) }
      const ids = new Set<string>()
      for await (const { id } of libp2p.contentRouting.findProviders(CID.parse(cid), options)) {
        firstMs ??= performance.now() - startedAt
        ids.add(id.toString())
      }
      return { firstMs, endMs: performance.now() - startedAt, providers: ids.size }
    },
    async block(cid: string): Promise<number> {
      const startedAt = performance.now()
      const options = { signal: AbortSignal.timeout(60_000) }
      for await (const part of helia.blockstore.get(CID.parse(cid), options)) void part
      return performance.now() - startedAt
    },
    stop: async () => void (await helia.stop()),
  }
}
