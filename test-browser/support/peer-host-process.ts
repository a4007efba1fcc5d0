import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { circuitRelayServer } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import type { Libp2p, Stream } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { webRTCDirect } from '@libp2p/webrtc'
import { webSockets } from '@libp2p/websockets'
import { MemoryBlockstore } from 'blockstore-core'
import { MemoryDatastore } from 'datastore-core'
import { createHeliaLight } from 'helia'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { createHash, randomBytes } from 'node:crypto'
import { blockMessage, frame, presenceMessage, type Want, wantsOf } from './bitswap-bytes.ts'
import { listen } from './liar.ts'
import type { HostAnswer, HostOptions, HostOrder } from './peer-host.ts'

/**
 * Strangers' servers (js-libp2p, Helia's Bitswap) in a process of their own: node-datachannel may crash when a peer with
 * open WebRTC connections stops, so they are never stopped but ended with their process.
 */

const bitswapProtocol = '/ipfs/bitswap/1.2.0'
const rawCodec = 0x55
const sha256Code = 0x12
/** Everyone here comes from 127.0.0.1. */
const connectionsMax = 1_000

const nodes: Libp2p[] = []
const blockstore = new MemoryBlockstore()
let opened = 0

async function begin({ peers, listen, relay, blocks, blockBytes, keepsStream }: HostOptions): Promise<HostAnswer> {
  const cids: string[] = []
  for (let index = 0; index < blocks; index++) {
    const bytes = randomBytes(blockBytes)
    const cid = CID.createV1(rawCodec, createDigest(sha256Code, createHash('sha256').update(bytes).digest()))
    await blockstore.put(cid, bytes)
    cids.push(cid.toString())
  }
  for (let index = 0; index < peers; index++) nodes.push(await (keepsStream ? startKeeper(listen) : startPeer(listen, relay)))
  return { peers: nodes.map((node) => ({ id: node.peerId.toString(), multiaddrs: node.getMultiaddrs().map(String) })), cids }
}

async function startPeer(listen: readonly string[], relay: boolean): Promise<Libp2p> {
  const light = createHeliaLight({ blockstore, datastore: new MemoryDatastore() })
  const helia = withBitswap(
    withLibp2pLight(light, {
      addresses: { listen: [...listen] },
      transports: [webSockets(), webRTCDirect()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      connectionManager: {
        maxConnections: connectionsMax,
        maxIncomingPendingConnections: connectionsMax,
        inboundConnectionThreshold: connectionsMax,
      },
      connectionMonitor: { enabled: false },
      services: {
        identify: identify(),
        ping: ping(),
        ...(relay ? { relay: circuitRelayServer({ reservations: { applyDefaultLimit: false } }) } : {}),
      },
    }),
  )
  await helia.start()
  const { libp2p } = helia
  libp2p.addEventListener('connection:open', () => opened++)
  return libp2p
}

/** Of nobody's library, but as the protocol allows. */
async function startKeeper(listening: readonly string[]): Promise<Libp2p> {
  const libp2p = await createLibp2p({
    addresses: { listen: [...listening] },
    transports: [webSockets(), webRTCDirect()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), ping: ping() },
  })
  await libp2p.handle(bitswapProtocol, (stream, connection) => {
    const answers = connection.newStream(bitswapProtocol)
    // Whoever hangs up has nothing more to ask.
    let said: Promise<unknown> = answers.catch(() => undefined)
    listen(stream, (message) => {
      for (const want of wantsOf(message)) said = said.then(async () => answer(await answers, want)).catch(() => undefined)
    })
  })
  return libp2p
}

async function answer(answers: Stream, { cid, isForBlock }: Want): Promise<void> {
  const parts: Uint8Array[] = []
  for await (const part of blockstore.get(CID.decode(cid))) parts.push(part)
  const message = isForBlock ? blockMessage(cid, Buffer.concat(parts)) : presenceMessage([cid], 'have')
  if (!answers.send(frame(message))) await answers.onDrain()
}

function obey(order: HostOrder): Promise<HostAnswer> | HostAnswer {
  switch (order.type) {
    case 'begin':
      return begin(order.options)
    case 'count':
      return { opened, open: nodes.reduce((sum, node) => sum + node.getConnections().length, 0) }
    case 'hang-up': {
      const connections = nodes.flatMap((node) => node.getConnections())
      for (const connection of connections) connection.abort(new Error('hung up'))
      return { opened, open: 0 }
    }
  }
}

process.on('message', ({ number, order }: { number: number; order: HostOrder }) => {
  void Promise.resolve(obey(order)).then((answer) => process.send?.({ number, answer }))
})
process.once('disconnect', () => process.exit(0))
