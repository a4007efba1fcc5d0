import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Connection, Libp2p, Stream, StreamMuxer } from '@libp2p/interface'
import { webSockets } from '@libp2p/websockets'
import fc from 'fast-check'
import { createLibp2p } from 'libp2p'
import type { BitswapMessage } from '../../../worker/engine/bitswap/message.ts'
import type { EngineEvent } from '../../../worker/engine/contract.ts'
import { limits } from '../../../worker/engine/limits.ts'
import type { OrderId } from '../../../worker/engine/machine.ts'
import { PeerCache, type Address, type Peer, type PeerIdBytes } from '../../../worker/engine/peer.ts'
import { createAddressPolicy } from '../../../worker/host/addresses.ts'
import { createNode } from '../../../worker/host/network/node.ts'
import { startMutePeer } from '../../support/mute-peer.ts'
import { openWebSocketTransports } from '../../support/web-socket-transports.ts'
import { Network } from '../../../worker/host/network/network.ts'
import { encodeFrame } from '../../../worker/wire/frame.ts'

/** Our network against a real libp2p peer over a real WebSocket, and what that peer may send. */

const kad = '/ipfs/kad/1.0.0'
const bitswap = '/ipfs/bitswap/1.2.0'
const policy = createAddressPolicy({
  allowPrivateAddresses: true,
  transports: { webSockets: true, circuitRelay: false, webTransport: false, webRtc: false },
})
const cache = new PeerCache()

let other: Libp2p
let network: Network
let peer: Peer
let answer: (stream: Stream) => void = () => undefined
let nextOrder = 1
const waiting: { readonly wanted: (event: EngineEvent) => boolean; readonly found: (event: EngineEvent) => void }[] = []

/** The next event of this kind; to be called before what causes it. */
function next<Type extends EngineEvent['type']>(type: Type): Promise<Extract<EngineEvent, { type: Type }>> {
  return new Promise((resolve) => {
    waiting.push({
      wanted: (event) => event.type === type,
      found: (event) => resolve(event as Extract<EngineEvent, { type: Type }>),
    })
  })
}

function dispatched(event: EngineEvent): void {
  const index = waiting.findIndex(({ wanted }) => wanted(event))
  if (index >= 0) waiting.splice(index, 1)[0]!.found(event)
}

async function ask(): Promise<EngineEvent> {
  const order = nextOrder++ as OrderId
  const ended = Promise.race([next('response-received'), next('request-failed')])
  network.perform({ type: 'send-request', order, peer, request: { type: 'find-node', key: Uint8Array.of(1, 2, 3) } })
  const event = await ended
  waiting.length = 0
  return event
}

function toUs(): Connection {
  return other.getConnections()[0]!
}

function startOther(): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws'] },
    transports: [webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() },
  })
}

/** Our side dials it. */
async function dial(to: Libp2p): Promise<Peer> {
  const id = cache.intern(to.peerId.toMultihash().bytes as PeerIdBytes)
  const addresses = to.getMultiaddrs().map((address) => policy(address.bytes) as Address)
  const dialed = next('dial-succeeded')
  network.perform({ type: 'dial', order: nextOrder++ as OrderId, info: { peer: id, addresses } })
  await dialed
  return id
}

before(async () => {
  other = await startOther()
  await other.handle(kad, (stream) => {
    stream.addEventListener('message', () => answer(stream))
  })
  const transports = openWebSocketTransports()
  const node = await createNode({
    privateKey: await generateKeyPair('Ed25519'),
    connectionsMax: 10,
    transports: transports.factories,
    listen: transports.listen,
    announce: [],
    earlyProtocols: [kad, bitswap],
    pendingDialsMax: 8,
    dialTimeoutMs: 5_000,
    denied: () => false,
    mayDial: () => true,
  })
  network = new Network({
    node,
    transports,
    peers: cache,
    protocols: { kad, bitswap },
    addressPolicy: policy,
    server: false,
    dispatch: dispatched,
    now: () => performance.now(),
    openWants: () => 1,
    onConnectionsChanged: () => undefined,
    onAddressesChanged: () => undefined,
  })
  await network.start()
  const connected = next('peer-connected')
  const identified = next('dht-server-seen')
  peer = await dial(other)
  assert.deepEqual((await connected).peer.id, peer.id)
  assert.ok((await identified).info.addresses.some((address) => address.dialable))
})

after(async () => {
  await network.stop()
  await other.stop()
})

test('whatever bytes answer a kad request, it ends, and what is no message is counted and dropped (W1)', async () => {
  const outcomes = new Set<string>()
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
      const before = total('kad-')
      answer = (stream) => void stream.send(encodeFrame(bytes))
      const event = await ask()
      outcomes.add(event.type)
      const reason = event.type === 'request-failed' ? event.reason : 'none'
      assert.ok(['none', 'malformed', 'oversized'].includes(reason), reason)
      assert.equal(total('kad-') - before, event.type === 'request-failed' ? 1 : 0)
    }),
    { numRuns: 100 },
  )
  assert.ok(outcomes.has('request-failed'), 'random bytes are mostly no message, or this shows nothing')
})

test('an answer that promises more than the limit, and one that stops in the middle, fail their request', async () => {
  const { 'kad-oversized': oversizedBefore = 0, 'kad-truncated': truncatedBefore = 0 } = network.dropped()
  answer = (stream) => void stream.send(Uint8Array.of(0xff, 0xff, 0xff, 0x7f))
  const oversized = await ask()
  assert.equal(oversized.type === 'request-failed' && oversized.reason, 'oversized')
  answer = (stream) => {
    stream.send(Uint8Array.of(100, 1, 2, 3))
    void stream.close()
  }
  const truncated = await ask()
  assert.equal(truncated.type === 'request-failed' && truncated.reason, 'malformed')
  assert.deepEqual(
    [network.dropped()['kad-oversized'], network.dropped()['kad-truncated']],
    [oversizedBefore + 1, truncatedBefore + 1],
  )
})

test('whatever bytes come as Bitswap messages, the connection stays and good messages are heard', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), async (bytes) => {
      const stream = await toUs().newStream(bitswap)
      const ended = new Promise<void>((resolve) => stream.addEventListener('close', () => resolve()))
      const heard = next('message-received')
      const before = total('bitswap-')
      stream.send(encodeFrame(bytes))
      await Promise.race([heard, ended])
      if (stream.status === 'reset') assert.ok(total('bitswap-') > before, 'what was refused is counted')
      waiting.length = 0
      stream.abort(new Error('done'))
    }),
    { numRuns: 100 },
  )
  assert.equal(toUs().status, 'open')
  const cid = Uint8Array.of(1, 0x55, 0x12, 0x20, ...new Uint8Array(32).fill(9))
  const heard = next('message-received')
  const stream = await toUs().newStream(bitswap)
  // Wantlist { entries: [Entry { block: cid }] }
  stream.send(encodeFrame(Uint8Array.of(0x0a, cid.length + 4, 0x0a, cid.length + 2, 0x0a, cid.length, ...cid)))
  const { message } = await heard
  assert.deepEqual(message.wantlist[0]?.cid, cid)
  stream.abort(new Error('done'))
})

test('parts of a message that are left out are counted, and the rest is heard', async () => {
  // Message { type: FIND_NODE, closerPeers: [Peer { id: one byte, which is no peer id }] }
  answer = (stream) => void stream.send(encodeFrame(Uint8Array.of(0x08, 4, 0x42, 3, 0x0a, 1, 9)))
  const before = network.dropped()['kad-parts'] ?? 0
  const event = await ask()
  assert.deepEqual(event.type === 'response-received' && event.response.closer, [])
  assert.equal(network.dropped()['kad-parts'], before + 1)
})

test('a peer that names the protocol, sends one message and closes, all at once as Kubo does, is heard on any number of streams', async () => {
  const cid = Uint8Array.of(1, 0x55, 0x12, 0x20, ...new Uint8Array(32).fill(7))
  const message = Uint8Array.of(0x0a, cid.length + 4, 0x0a, cid.length + 2, 0x0a, cid.length, ...cid)
  const words = ['/multistream/1.0.0\n', `${bitswap}\n`].map((word) => new TextEncoder().encode(word))
  const bytes = [...words, message].flatMap((part) => [...encodeFrame(part)])
  const { muxer } = toUs() as Connection & { readonly muxer: StreamMuxer }
  const sendOne = async (): Promise<void> => {
    const heard = next('message-received')
    const stream = await muxer.createStream()
    const closed = new Promise<void>((resolve) => stream.addEventListener('close', () => resolve()))
    stream.addEventListener('message', () => undefined)
    stream.send(Uint8Array.from(bytes))
    await Promise.all([stream.close(), heard, closed])
  }
  for (let burst = 0; burst < 3; burst++) await Promise.all(Array.from({ length: 100 }, sendOne))
})

test('all that was wanted may come at once, each on a stream of its own that does not end', async () => {
  const cid = Uint8Array.of(1, 0x55, 0x12, 0x20, ...new Uint8Array(32).fill(3))
  const frame = encodeFrame(Uint8Array.of(0x0a, cid.length + 4, 0x0a, cid.length + 2, 0x0a, cid.length, ...cid))
  const sendOne = async (): Promise<Stream> => {
    const heard = next('message-received')
    const stream = await toUs().newStream(bitswap, { maxOutboundStreams: 1_000 })
    stream.send(frame)
    await heard
    return stream
  }
  const streams = await Promise.all(Array.from({ length: 512 }, sendOne))
  for (const stream of streams) stream.abort(new Error('done'))
})

for (const protocol of ['/ipfs/bitswap/1.1.0', '/ipfs/bitswap/1.0.0', '/ipfs/bitswap']) {
  test(`a peer that speaks only ${protocol} is introduced as such, asked in its words, and its blocks are heard`, async () => {
    const old = await startOther()
    const heard = new Promise<Uint8Array>((resolve) => {
      void old.handle(protocol, (stream) => stream.addEventListener('message', ({ data }) => resolve(data.subarray())))
    })
    const introduced = next('bitswap-peer-connected')
    const id = await dial(old)
    assert.equal((await introduced).hasPresences, false)
    const cid = Uint8Array.of(1, 0x55, 0x12, 0x20, ...new Uint8Array(32).fill(5))
    const wants = [{ cid, priority: 1, cancel: false, wantType: 'have', sendDontHave: true }] as const
    const sent = next('message-sent')
    const message: BitswapMessage = { wantlist: wants, full: false, blocks: [], presences: [], pendingBytes: 0 }
    network.perform({ type: 'send-message', order: nextOrder++ as OrderId, peer: id, message })
    await sent
    // Wantlist { entries: [Entry { block: cid, priority: 1 }] }: without a type, and without sendDontHave.
    const entry = Uint8Array.of(0x0a, cid.length, ...cid, 0x10, 1)
    assert.deepEqual(await heard, encodeFrame(Uint8Array.of(0x0a, entry.length + 2, 0x0a, entry.length, ...entry)))
    const got = next('message-received')
    const stream = await old.getConnections()[0]!.newStream(protocol)
    // A bare block, as in 1.0.0: all versions understand it.
    stream.send(encodeFrame(Uint8Array.of(0x12, 3, 1, 2, 3)))
    assert.deepEqual((await got).message.blocks[0]?.bytes, Uint8Array.of(1, 2, 3))
    const gone = next('peer-disconnected')
    await old.stop()
    await gone
  })
}

test('a message that takes long to arrive is told while it does', async () => {
  const { arrivingStepBytes } = limits
  const stream = await toUs().newStream(bitswap)
  const arriving = next('message-arriving')
  const received = next('message-received')
  const size = 3 * arrivingStepBytes.value
  // An unknown field: it is skipped, however long.
  const frame = encodeFrame(Buffer.concat([Uint8Array.of(0x7a, ...varint(size)), new Uint8Array(size)]))
  stream.send(frame.subarray(0, frame.length - 1))
  assert.equal((await arriving).peer.id, peer.id)
  stream.send(frame.subarray(-1))
  await received
  stream.abort(new Error('done'))
})

test('an oversized Bitswap frame is counted, and costs the stream and nothing else', async () => {
  const before = network.dropped()['bitswap-oversized'] ?? 0
  const stream = await toUs().newStream(bitswap)
  const closed = new Promise<void>((resolve) => stream.addEventListener('close', () => resolve()))
  stream.send(Uint8Array.of(0xff, 0xff, 0xff, 0x7f, ...new Uint8Array(64)))
  await closed
  assert.equal(network.dropped()['bitswap-oversized'], before + 1)
  assert.equal(toUs().status, 'open')
  assert.ok(limits.frameBytesMax.value < 2 ** 28 - 1)
})

test('a peer may send a message of 2 MiB at once: it hears of the whole window before it has sent anything', async () => {
  const { muxer } = toUs() as Connection & { readonly muxer: StreamMuxer }
  const stream = await muxer.createStream()
  const words = ['/multistream/1.0.0\n', `${bitswap}\n`].map((word) => new TextEncoder().encode(word))
  const sent = words.reduce((bytes, word) => bytes + encodeFrame(word).length, 0)
  const wide = stream as unknown as { sendWindowCapacity: number; handleWindowUpdate(frame: unknown): void }
  const handle = wide.handleWindowUpdate.bind(stream)
  const told = new Promise<number>((resolve) => {
    wide.handleWindowUpdate = (frame) => {
      handle(frame)
      if (wide.sendWindowCapacity > 1024 * 1024) resolve(wide.sendWindowCapacity)
    }
  })
  for (const word of words) stream.send(encodeFrame(word))
  assert.ok((await told) >= 2 * 1024 * 1024 - sent)
  stream.abort(new Error('done'))
})

test('a peer that has answered a dial is told of at once, though it then says nothing', async (t) => {
  const address = policy((await startMutePeer(t)).bytes) as Address
  const { publicKey } = await generateKeyPair('Ed25519')
  const mute = cache.intern(publicKey.toMultihash().bytes as PeerIdBytes)
  const order = nextOrder++ as OrderId
  const opened = next('dial-opened')
  network.perform({ type: 'dial', order, info: { peer: mute, addresses: [address] } })
  assert.equal((await opened).order, order)
  network.perform({ type: 'cancel-dial', order })
})

test('a peer that hangs up is told as gone, and its requests fail', async () => {
  answer = () => undefined
  const gone = next('peer-disconnected')
  const order = nextOrder++ as OrderId
  const failed = next('request-failed')
  network.perform({ type: 'send-request', order, peer, request: { type: 'find-node', key: Uint8Array.of(1) } })
  await toUs().close()
  assert.equal((await failed).order, order)
  assert.deepEqual((await gone).peer.id, peer.id)
})

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)]
}

/** Whole messages, not parts of them. */
function total(prefix: string): number {
  const counts = Object.entries(network.dropped()).filter(([reason]) => reason.startsWith(prefix) && !reason.endsWith('-parts'))
  return counts.reduce((sum, [, count]) => sum + count, 0)
}
