import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Libp2p, Stream } from '@libp2p/interface'
import { type KadDHT, kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { webSockets } from '@libp2p/websockets'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import type { KadRequest, KadResponse } from '../../../worker/engine/kad/message.ts'
import type { OrderId } from '../../../worker/engine/machine.ts'
import type { Address, PeerIdBytes } from '../../../worker/engine/peer.ts'
import { createAddressPolicy } from '../../../worker/host/addresses.ts'
import { Driver, platformClock } from '../../../worker/host/driver.ts'
import { createNode } from '../../../worker/host/network/node.ts'
import { Network } from '../../../worker/host/network/network.ts'
import { openWebSocketTransports } from '../../support/web-socket-transports.ts'
import { judgeRecord } from '../../../worker/host/validators.ts'
import { encodeFrame, FrameReader } from '../../../worker/wire/frame.ts'
import { decodeKadResponse, encodeKadRequest } from '../../../worker/wire/kad.ts'

/** Our engine as a server of a private network, asked by a real libp2p peer and its own DHT over a real WebSocket. */

const kad = '/private/kad/1.0.0'
const policy = createAddressPolicy({
  allowPrivateAddresses: true,
  transports: { webSockets: true, circuitRelay: false, webTransport: false, webRtc: false },
})
const multihash = CID.parse('bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e').multihash.bytes

let other: Libp2p<{ dht: KadDHT }>
let network: Network
let driver: Driver
let serverId: Uint8Array

before(async () => {
  other = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws'] },
    transports: [webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      ping: ping(),
      dht: kadDHT({ protocol: kad, clientMode: true, peerInfoMapper: passthroughMapper, allowQueryWithZeroPeers: true }),
    },
  })
  const privateKey = await generateKeyPair('Ed25519')
  const transports = openWebSocketTransports()
  const node = await createNode({
    privateKey,
    connectionsMax: 10,
    transports: transports.factories,
    listen: transports.listen,
    announce: ['/ip4/127.0.0.1/tcp/9/ws'],
    earlyProtocols: [],
    pendingDialsMax: 8,
    dialTimeoutMs: 5_000,
    denied: () => false,
    mayDial: () => true,
  })
  driver = new Driver({
    seed: 1,
    server: true,
    clock: platformClock,
    perform: (effect) => {
      if (effect.type === 'send-response' || effect.type === 'refuse-request') network.perform(effect)
      else if (effect.type === 'judge-record') {
        void judgeRecord(effect.key, effect.value).then((verdict) =>
          driver.dispatch({ type: 'record-judged', order: effect.order, verdict }),
        )
      }
    },
  })
  network = new Network({
    node,
    transports,
    peers: driver.peers,
    protocols: { kad, bitswap: '/ipfs/bitswap/1.2.0' },
    addressPolicy: policy,
    server: true,
    dispatch: (event) => driver.dispatch(event),
    now: () => performance.now(),
    openWants: () => 0,
    onConnectionsChanged: () => undefined,
    onAddressesChanged: () => undefined,
  })
  serverId = node.peerId.toMultihash().bytes
  driver.dispatch({ type: 'start', self: driver.peers.intern(serverId as PeerIdBytes), bootstrapPeers: [], tableEntries: [] })
  await network.start()
  const connected = new Promise<void>((resolve) => other.addEventListener('peer:identify', () => resolve(), { once: true }))
  const addresses = other.getMultiaddrs().map((address) => policy(address.bytes) as Address)
  const peer = driver.peers.intern(other.peerId.toMultihash().bytes as PeerIdBytes)
  network.perform({ type: 'dial', order: 1 as OrderId, info: { peer, addresses } })
  await connected
})

after(async () => {
  driver.stop()
  await network.stop()
  await other.stop()
})

/** Requests on one stream, one after the other; `undefined` for one that cost the stream. */
class Client {
  readonly #stream: Stream
  readonly #reader = new FrameReader(1_000_000)
  #heard: ((frame: Uint8Array | undefined) => void) | undefined

  constructor(stream: Stream) {
    this.#stream = stream
    stream.addEventListener('message', ({ data }) => {
      for (const frame of this.#reader.push(data).frames) this.#heard?.(frame)
    })
    stream.addEventListener('close', () => this.#heard?.(undefined))
  }

  static async open(): Promise<Client> {
    return new Client(await other.getConnections()[0]!.newStream(kad))
  }

  async ask(request: KadRequest | Uint8Array): Promise<KadResponse | undefined> {
    const heard = new Promise<Uint8Array | undefined>((resolve) => {
      this.#heard = resolve
    })
    this.tell(request)
    const frame = await heard
    if (frame === undefined) return undefined
    const decoded = decodeKadResponse(frame, policy)
    assert.ok(decoded.ok)
    return decoded.message
  }

  tell(request: KadRequest | Uint8Array): void {
    this.#stream.send(encodeFrame(request instanceof Uint8Array ? request : encodeKadRequest(request)))
  }
}

test('who asks for the server itself gets it, with the address at which it can be dialed', async () => {
  const client = await Client.open()
  const answer = await client.ask({ type: 'find-node', key: serverId })
  assert.deepEqual(
    answer?.closer.map(({ id }) => id),
    [serverId],
  )
  assert.equal(answer?.closer[0]?.addresses[0]?.dialable, true)
})

test('a provider is stored without an answer, and the next request on the same stream finds it', async () => {
  const client = await Client.open()
  const provider = {
    id: other.peerId.toMultihash().bytes as PeerIdBytes,
    addresses: [{ bytes: other.getMultiaddrs()[0]!.bytes, dialable: true }],
  }
  client.tell({ type: 'add-provider', key: multihash, provider })
  const answer = await client.ask({ type: 'get-providers', key: multihash })
  assert.deepEqual(
    answer?.providers.map(({ id }) => id),
    [provider.id],
  )
})

test('a value that is not valid costs the stream, and so do bytes that are no request; both are counted', async () => {
  const invalid = { key: Buffer.from('/pk/nobody'), value: Uint8Array.of(1) }
  assert.equal(await (await Client.open()).ask({ type: 'put-value', record: invalid }), undefined)
  assert.equal(driver.status().kad.counters.requestsRefused, 1)
  assert.equal(await (await Client.open()).ask(Uint8Array.of(0xff, 0xff)), undefined)
  const dropped = Object.entries(network.dropped()).filter(([reason]) => reason.startsWith('kad-request-'))
  assert.equal(dropped.length, 1)
})

test('a public key under its own name is valid: it is echoed and given to whoever asks', async () => {
  const publicKey = other.peerId.publicKey!
  const { publicKeyToProtobuf } = await import('@libp2p/crypto/keys')
  const record = {
    key: Buffer.concat([Buffer.from('/pk/'), other.peerId.toMultihash().bytes]),
    value: publicKeyToProtobuf(publicKey),
  }
  const client = await Client.open()
  const echo = await client.ask({ type: 'put-value', record })
  assert.deepEqual(echo?.record?.value, record.value)
  const answer = await client.ask({ type: 'get-value', key: record.key })
  assert.deepEqual(answer?.record?.value, record.value)
})

test('the DHT of js-libp2p takes us for a server: it provides to us, and finds that again (A5)', async () => {
  const cid = CID.parse('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy')
  const signal = AbortSignal.timeout(10_000)
  for await (const _ of other.services.dht.provide(cid, { signal })) void _
  const client = await Client.open()
  const answer = await client.ask({ type: 'get-providers', key: cid.multihash.bytes })
  assert.deepEqual(
    answer?.providers.map(({ id }) => id),
    [other.peerId.toMultihash().bytes],
  )
  const found: string[] = []
  for await (const event of other.services.dht.findProviders(cid, { signal })) {
    if (event.name === 'PEER_RESPONSE') found.push(...event.providers.map(({ id }) => id.toString()))
  }
  assert.ok(found.includes(other.peerId.toString()))
})
