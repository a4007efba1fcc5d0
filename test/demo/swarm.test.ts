import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { unixfs } from '@helia/unixfs'
import { identify } from '@libp2p/identify'
import { type KadDHT, kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { webSockets } from '@libp2p/websockets'
import { multiaddr } from '@multiformats/multiaddr'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'
import { type Swarm, startSwarm } from '../../demo/swarm/swarm.ts'

/** A js client that knows nothing of the swarm but its bootstrap addresses. */
async function startClient(swarm: Swarm) {
  const helia = withBitswap(
    withLibp2pLight(createHeliaLight(), {
      addresses: { listen: [] },
      transports: [webSockets()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: {
        identify: identify(),
        ping: ping(),
        dht: kadDHT({ clientMode: true, peerInfoMapper: passthroughMapper, allowQueryWithZeroPeers: true }),
      },
    }),
  )
  await helia.start()
  const tableFilled = untilTableHolds(helia.libp2p.services.dht, swarm.bootstrap.length)
  await Promise.all(swarm.bootstrap.map((address) => helia.libp2p.dial(multiaddr(address))))
  await tableFilled
  return helia
}

/** A query on an empty table ends at once with nothing; kad-dht's class has an event that its interface does not name. */
async function untilTableHolds(dht: KadDHT, size: number): Promise<void> {
  const { routingTable } = dht as KadDHT & { routingTable: EventTarget & { size: number } }
  while (routingTable.size < size) await once(routingTable, 'peer:add')
}

function sampleNamed(swarm: Swarm, name: string) {
  const sample = swarm.samples.find((candidate) => candidate.name === name)
  assert.ok(sample, `the swarm offers a sample named ${name}`)
  return sample
}

describe('a swarm of twelve peers', () => {
  let swarm: Swarm
  let client: Awaited<ReturnType<typeof startClient>>

  before(async () => {
    swarm = await startSwarm({ peers: 12, seed: 'test' })
    client = await startClient(swarm)
  })
  after(async () => {
    await client?.stop()
    await swarm?.stop()
  })

  test('a js-libp2p DHT client finds exactly the providers that the swarm tells of, with their addresses', async () => {
    const sample = sampleNamed(swarm, 'brick')
    const found = new Map<string, string[]>()
    for await (const provider of client.libp2p.contentRouting.findProviders(CID.parse(sample.cid))) {
      found.set(
        provider.id.toString(),
        provider.multiaddrs.map((address) => address.toString()),
      )
    }
    assert.deepEqual([...found.keys()].sort(), [...sample.providerIds].sort())
    for (const [id, addresses] of found) {
      assert.deepEqual(addresses, swarm.peers.find((peer) => peer.id === id)?.addresses)
    }
  })

  test('a js Bitswap client fetches a raw block', async () => {
    const sample = sampleNamed(swarm, 'slab')
    const parts: Uint8Array[] = []
    for await (const part of client.blockstore.get(CID.parse(sample.cid))) parts.push(part)
    assert.equal(Buffer.concat(parts).length, sample.bytes)
  })

  test('a js Bitswap client fetches the whole picture, which is a PNG of several blocks', async () => {
    const sample = sampleNamed(swarm, 'picture')
    const parts: Uint8Array[] = []
    for await (const part of unixfs(client).cat(CID.parse(sample.cid))) parts.push(part)
    const file = Buffer.concat(parts)
    assert.ok(parts.length >= 3)
    assert.ok(file.length >= 300_000)
    assert.equal(file.length, sample.bytes)
    assert.deepEqual([...file.subarray(0, 8)], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  })

  test('each server counts the connections of a peer, and what the peer says that it provides', async () => {
    const id = client.libp2p.peerId.toString()
    const { cid } = sampleNamed(swarm, 'note')
    const multihash = CID.parse(cid).multihash.bytes
    assert.ok(swarm.heardOf(id).every(({ messages }) => messages === 0))
    for (let time = 0; time < 2; time++) {
      for await (const event of client.libp2p.services.dht.provide(CID.parse(cid))) void event
    }
    const told = () => swarm.timesAtNearest(id, multihash)
    const [peer] = client.libp2p.getPeers()
    // They are not answered: round trips to somebody else are what there is to wait with.
    while (told().some((times) => times < 2)) await client.libp2p.services.ping.ping(peer!)
    const heard = swarm.heardOf(id)
    assert.deepEqual([heard.length, told()], [12, Array.from({ length: 12 }, () => 2)])
    for (const { connections, messages, contents, mostOfOne } of heard) {
      assert.deepEqual([connections, messages, contents, mostOfOne], [1, 2, 1, 2])
    }
    assert.deepEqual(new Set(swarm.heardOf('nobody').map(({ messages }) => messages)), new Set([0]))
  })

  test('nobody listens beyond loopback', () => {
    for (const peer of swarm.peers) {
      for (const address of peer.addresses) assert.match(address, /^\/ip4\/127\.0\.0\.1\//)
    }
  })
})

describe('what the options change', () => {
  test('the same seed gives the same peers and content whatever the shares, another seed gives others', async () => {
    const [first, second, other] = await Promise.all([
      startSwarm({ peers: 10, seed: 'same' }),
      startSwarm({ peers: 10, seed: 'same', dead: 0.2, undialable: 0.2 }),
      startSwarm({ peers: 10, seed: 'other' }),
    ])
    try {
      const ids = (swarm: Swarm) => swarm.peers.map(({ id }) => id)
      const cids = (swarm: Swarm) => swarm.samples.map(({ cid }) => cid)
      assert.deepEqual(ids(second), ids(first))
      assert.deepEqual(cids(second), cids(first))
      assert.equal(ids(other).filter((id) => ids(first).includes(id)).length, 0)
      assert.equal(cids(other).filter((cid) => cids(first).includes(cid)).length, 0)
    } finally {
      await Promise.all([first.stop(), second.stop(), other.stop()])
    }
  })

  test('dead and undialable peers are known to the others but cannot be reached, and records survive them', async () => {
    const swarm = await startSwarm({ peers: 12, seed: 'bad', dead: 0.25, undialable: 0.25 })
    const client = await startClient(swarm)
    try {
      const counts = Object.groupBy(swarm.peers, ({ state }) => state)
      assert.equal(counts.running?.length, 6)
      assert.equal((counts.silent?.length ?? 0) + (counts.refusing?.length ?? 0), 3)
      assert.equal(counts.undialable?.length, 3)
      const [unreachable] = counts.undialable ?? []
      assert.ok(unreachable?.addresses.every((address) => !address.includes('/ws')))
      const sample = sampleNamed(swarm, 'note')
      const found = new Set<string>()
      for await (const provider of client.libp2p.contentRouting.findProviders(CID.parse(sample.cid))) {
        found.add(provider.id.toString())
        if (found.size === sample.providers) break
      }
      assert.deepEqual([...found].sort(), [...sample.providerIds].sort())
    } finally {
      await client.stop()
      await swarm.stop()
    }
  })

  test('added latency makes an answer as late as the links are long', async () => {
    const latencyMs = 40
    const swarm = await startSwarm({ peers: 6, seed: 'far', latencyMs })
    const client = await startClient(swarm)
    try {
      const peer = client.libp2p.getPeers()[0]
      assert.ok(peer)
      const roundTripMs = await client.libp2p.services.ping.ping(peer)
      // Links take half to one and a half times the delay, less a fifth of jitter, and there are two ways to go.
      assert.ok(roundTripMs >= 2 * latencyMs * 0.5 * 0.8, `a round trip took ${roundTripMs} ms`)
    } finally {
      await client.stop()
      await swarm.stop()
    }
  })
})

test('what arrives at the peers is counted there: dials also of the dead, requests, wants, blocks', async (t) => {
  const counts = { dials: 0, requests: 0, wants: 0, blocks: 0 }
  const observer = {
    dialed: () => void counts.dials++,
    requested: () => void counts.requests++,
    wanted: (wants: number) => void (counts.wants += wants),
    blocksSent: (count: number) => void (counts.blocks += count),
  }
  // Delayed links, since it is these that count where peers run; every second peer is dead or mute.
  const swarm = await startSwarm({ peers: 8, seed: 'counted', latencyMs: 1, dead: 0.5 }, observer)
  t.after(() => swarm.stop())
  for (const { addresses } of swarm.peers.filter(({ state }) => state === 'refusing')) {
    await assert.rejects(fetch(`http://127.0.0.1:${/tcp\/(\d+)/.exec(addresses[0] ?? '')?.[1]}/`))
  }
  assert.equal(counts.dials, 2)
  const client = await startClient(swarm)
  t.after(() => client.stop())
  assert.ok(counts.dials >= 2 + swarm.bootstrap.length, `${counts.dials} dials`)
  const pebble = CID.parse(sampleNamed(swarm, 'pebble').cid)
  for await (const part of client.blockstore.get(pebble)) assert.equal(part.length, 700)
  assert.ok(counts.requests > 0)
  assert.ok(counts.wants > 0)
  assert.equal(counts.blocks, 1)
})
