import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Libp2p } from '@libp2p/interface'
import { webSockets } from '@libp2p/websockets'
import { createLibp2p } from 'libp2p'
import { equalBytes } from '../../../worker/engine/bytes-map.ts'
import { createNode, type Node, type NodeOptions } from '../../../worker/host/network/node.ts'

/** What the node refuses whoever asks, libp2p's own services included, against a real peer. */

let other: Libp2p

before(async () => {
  other = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws'] },
    transports: [webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
  })
})

after(() => other.stop())

async function startedNode(changes: Partial<NodeOptions>): Promise<Node> {
  const node = await createNode({
    privateKey: await generateKeyPair('Ed25519'),
    connectionsMax: 10,
    transports: [webSockets()],
    listen: [],
    announce: [],
    earlyProtocols: [],
    pendingDialsMax: 8,
    dialTimeoutMs: 5_000,
    denied: () => false,
    mayDial: () => true,
    ...changes,
  })
  await node.start()
  return node
}

test('a denied peer is not connected to, with its id in the address or without', async () => {
  const id = other.peerId.toMultihash().bytes
  const node = await startedNode({ denied: (candidate) => equalBytes(candidate, id) })
  const addresses = other.getMultiaddrs()
  await assert.rejects(node.dial(addresses))
  await assert.rejects(node.dial(addresses.map((address) => address.decapsulate('/p2p'))))
  assert.deepEqual(node.getConnections(), [])
  await node.stop()
})

test('an address that the policy does not allow is not dialed', async () => {
  const node = await startedNode({ mayDial: () => false })
  await assert.rejects(node.dial(other.getMultiaddrs()))
  assert.deepEqual(node.getConnections(), [])
  await node.stop()
})

test('everybody else is connected to, on loopback and plain WebSockets too: the policy decides, not libp2p’s own', async () => {
  const node = await startedNode({})
  await node.dial(other.getMultiaddrs())
  assert.equal(node.getConnections().length, 1)
  await node.stop()
})
