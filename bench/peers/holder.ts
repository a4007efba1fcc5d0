import { createHash } from 'node:crypto'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { PeerId } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { webSockets } from '@libp2p/websockets'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { MemoryBlockstore } from 'blockstore-core'
import { createHeliaLight } from 'helia'
import type { CID } from 'multiformats/cid'
import { openDelayedLink } from '../../demo/swarm/link.ts'
import { type SwarmObserver, watchBitswap } from '../../demo/swarm/observer.ts'
import type { Random } from '../../demo/swarm/random.ts'

/** A peer that has blocks and serves no DHT, as most providers: nobody is connected to it by the way. */

export interface Block {
  readonly cid: CID
  readonly bytes: Uint8Array
}

export interface Holder {
  readonly id: PeerId
  readonly addresses: readonly Multiaddr[]
  stop(): Promise<void>
}

export interface HolderInit {
  /** Its identity comes from it. */
  readonly name: string
  readonly blocks: readonly Block[]
  readonly delayMs: number
  readonly random: Random
  readonly observer: SwarmObserver
}

export async function startHolder({ name, blocks, delayMs, random, observer }: HolderInit): Promise<Holder> {
  const blockstore = new MemoryBlockstore()
  for (const { cid, bytes } of blocks) await blockstore.put(cid, bytes)
  let target = 0
  const link = await openDelayedLink(0, () => target, delayMs, random, observer.dialed)
  const announced = multiaddr(`/ip4/127.0.0.1/tcp/${link.port}/ws`)
  const privateKey = await generateKeyPairFromSeed('Ed25519', new Uint8Array(createHash('sha256').update(name).digest()))
  const helia = withBitswap(
    withLibp2pLight(createHeliaLight({ blockstore }), {
      privateKey,
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws'], announce: [announced.toString()] },
      transports: [webSockets()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      connectionMonitor: { enabled: false },
      services: {
        identify: identify(),
        ping: ping(),
        // `getMultiaddrs` tells what is announced; the link needs to know what is listened on.
        listening: ({ transportManager }: { transportManager: { getAddrs(): Multiaddr[] } }) => ({
          port: () =>
            Number(
              transportManager
                .getAddrs()[0]
                ?.getComponents()
                .find((part) => part.name === 'tcp')?.value,
            ),
        }),
      },
    }),
  )
  await helia.start()
  watchBitswap(helia, observer)
  target = helia.libp2p.services.listening.port()
  return {
    id: helia.libp2p.peerId,
    addresses: [announced],
    stop: async () => {
      await helia.stop()
      await link.stop()
    },
  }
}
