import { createHash } from 'node:crypto'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { unixfs } from '@helia/unixfs'
import { identify } from '@libp2p/identify'
import { webSockets } from '@libp2p/websockets'
import { MemoryBlockstore } from 'blockstore-core'
import { MemoryDatastore } from 'datastore-core'
import { createHeliaLight } from 'helia'

/** A stranger's server with one file, which nobody has announced: js-libp2p and Helia's Bitswap on a WebSocket port. */
export interface NodeHost {
  readonly cid: string
  readonly digest: string
  /** With `/p2p/…`. */
  readonly addresses: readonly string[]
  stop(): Promise<void>
}

export async function startNodeHost(bytes: Uint8Array): Promise<NodeHost> {
  const light = createHeliaLight({ blockstore: new MemoryBlockstore(), datastore: new MemoryDatastore() })
  const helia = withBitswap(
    withLibp2pLight(light, {
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws'] },
      transports: [webSockets()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { identify: identify() },
    }),
  )
  await helia.start()
  const cid = await unixfs(helia).addBytes(bytes)
  return {
    cid: cid.toString(),
    digest: createHash('sha256').update(bytes).digest('hex'),
    addresses: helia.libp2p.getMultiaddrs().map(String),
    stop: async () => void (await helia.stop()),
  }
}

/** Bytes without any repetition, so that no two blocks of a file are the same. */
export function distinctBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  const words = new Uint32Array(bytes.buffer, 0, length >> 2)
  let state = 0x9e3779b9
  for (let index = 0; index < words.length; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    words[index] = state
  }
  return bytes
}
