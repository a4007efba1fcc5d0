import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import type { Connection, Stream } from '@libp2p/interface'
import { webSockets } from '@libp2p/websockets'
import { createLibp2p } from 'libp2p'
import { frame, type Want, wantsOf } from './bitswap-bytes.ts'

/** A real js-libp2p peer that names Bitswap and then does what the test says. */
export interface Liar {
  readonly id: string
  /** Without `/p2p/…`. */
  readonly multiaddrs: readonly string[]
  /** Want-blocks that it has heard. */
  readonly askedForBlock: () => number
  stop(): Promise<void>
}

/** Called for each message with wants; `say` sends bytes on a new stream, as they are. */
export type Behaviour = (wants: readonly Want[], say: (...frames: Uint8Array[]) => Promise<void>) => Promise<void>

const protocol = '/ipfs/bitswap/1.2.0'

export async function startLiar(behave: Behaviour): Promise<Liar> {
  const libp2p = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws'] },
    transports: [webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() },
  })
  let askedForBlock = 0
  await libp2p.handle(protocol, (stream, connection) => {
    listen(stream, (message) => {
      const wants = wantsOf(message)
      askedForBlock += wants.filter(({ isForBlock }) => isForBlock).length
      // Whoever is hung up on has nothing more to say.
      if (wants.length > 0) behave(wants, (...frames) => say(connection, frames)).catch(() => undefined)
    })
  })
  return {
    id: libp2p.peerId.toString(),
    multiaddrs: libp2p.getMultiaddrs().map((address) => address.toString().replace(/\/p2p\/[^/]+$/, '')),
    askedForBlock: () => askedForBlock,
    stop: async () => libp2p.stop(),
  }
}

async function say(connection: Connection, frames: readonly Uint8Array[]): Promise<void> {
  const stream = await connection.newStream(protocol)
  for (const bytes of frames) if (!stream.send(bytes)) await stream.onDrain()
  await stream.close()
}

/** Whole messages, from whatever pieces they come in. */
export function listen(stream: Stream, onMessage: (message: Uint8Array) => void): void {
  let held = Buffer.alloc(0)
  stream.addEventListener('message', ({ data }) => {
    held = Buffer.concat([held, data.subarray()])
    for (let length = lengthOf(held); length !== undefined; length = lengthOf(held)) {
      const start = frame(new Uint8Array(length)).length - length
      onMessage(held.subarray(start, start + length))
      held = held.subarray(start + length)
    }
  })
}

/** Of the first message, if all of it is there. */
function lengthOf(bytes: Uint8Array): number | undefined {
  let length = 0
  for (let index = 0; index < Math.min(4, bytes.length); index++) {
    length |= (bytes[index]! & 0x7f) << (7 * index)
    if (bytes[index]! < 0x80) return bytes.length > index + length ? length : undefined
  }
  return undefined
}
