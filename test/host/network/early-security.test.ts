import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { ConnectionEncrypter } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { webSockets } from '@libp2p/websockets'
import { createLibp2p } from 'libp2p'
import { withEarlySecurity } from '../../../worker/host/network/early-security.ts'
import { startMutePeer } from '../../support/mute-peer.ts'

async function client(t: TestContext) {
  const node = await createLibp2p({
    transports: [withEarlySecurity(webSockets())],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { ping: ping() },
  })
  t.after(() => node.stop())
  return node
}

async function server(t: TestContext, encrypter: () => ConnectionEncrypter) {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws'] },
    transports: [webSockets()],
    connectionEncrypters: [encrypter],
    streamMuxers: [yamux()],
    services: { ping: ping() },
  })
  t.after(() => node.stop())
  return node
}

test('a connection that speaks Noise first is one as any other, and carries what is sent', async (t) => {
  const peer = await server(t, noise() as unknown as () => ConnectionEncrypter)
  const node = await client(t)
  const connection = await node.dial(peer.getMultiaddrs())
  assert.equal(connection.encryption, '/noise')
  assert.ok(connection.remotePeer.equals(peer.peerId))
  assert.ok((await node.services.ping.ping(peer.peerId)) >= 0)
})

test('a peer that does not agree to Noise is not connected to', async (t) => {
  const refuse = async (): Promise<never> => assert.fail('nobody asks for it')
  const peer = await server(t, () => ({ protocol: '/other', secureInbound: refuse, secureOutbound: refuse }))
  const node = await client(t)
  await assert.rejects(node.dial(peer.getMultiaddrs(), { signal: AbortSignal.timeout(10_000) }), (error: Error) => {
    return error.name !== 'TimeoutError'
  })
})

test('the first message of Noise leaves before the peer has said a word', async (t) => {
  const heard = Promise.withResolvers<void>()
  const address = await startMutePeer(t, (bytes) => {
    // The two lines of multistream-select are 29 bytes, Noise's first message is 34.
    if (bytes >= 29 + 34) heard.resolve()
  })
  const node = await client(t)
  const over = new AbortController()
  const dialed = node.dial(address, { signal: over.signal })
  await heard.promise
  over.abort()
  await assert.rejects(dialed)
})
