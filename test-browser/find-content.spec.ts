import { createHash } from 'node:crypto'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import { expect, test } from './support/fixtures.ts'
import { sampleNamed } from './support/stage-info.ts'
import { blockOf, peerIdOf } from './support/strangers.ts'

test.beforeEach(async ({ lab, stage }) => {
  await lab.evaluate(async ({ bootstrap }) => void (await window.lab.start('one', { bootstrap })), stage)
})

test.afterEach(async ({ lab }) => {
  await lab.evaluate(() => window.lab.client('one').stop())
})

test('A search names every provider of a sample, each once, with a time and the peer that named it', async ({ lab, stage }) => {
  const peers = new Set(stage.peers.map((peer) => peer.id))
  for (const sample of stage.samples) {
    const providers = await lab.evaluate((cid) => window.lab.collect(window.lab.client('one').findProviders(cid)), sample.cid)
    expect(providers.map((provider) => provider.id).toSorted()).toEqual([...sample.providerIds].toSorted())
    for (const { multiaddrs, from, elapsedMs } of providers) {
      expect(multiaddrs.length).toBeGreaterThan(0)
      expect(elapsedMs).toBeGreaterThanOrEqual(0)
      expect(peers).toContain(from)
    }
  }
})

test('A search with a limit ends after that many providers', async ({ lab, stage }) => {
  const { cid } = sampleNamed(stage, 'note')
  const providers = await lab.evaluate(
    (text) => window.lab.collect(window.lab.client('one').findProviders(text, { limit: 1 })),
    cid,
  )
  expect(providers).toHaveLength(1)
})

test('A search for what nobody provides ends without an item', async ({ lab }) => {
  const { cid } = blockOf('nobody provides this')
  expect(await lab.evaluate((text) => window.lab.collect(window.lab.client('one').findProviders(text)), cid)).toEqual([])
})

for (const name of ['note', 'boulder']) {
  test(`The block “${name}” comes from one of its providers and has the bytes that its CID says`, async ({ lab, stage }) => {
    const sample = sampleNamed(stage, name)
    const block = await lab.evaluate(async (cid) => {
      const { bytes, from } = await window.lab.client('one').getBlock(cid)
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(bytes)))
      return { length: bytes.length, digest: Array.from(digest), from }
    }, sample.cid)
    expect(block.length).toBe(sample.bytes)
    expect(block.digest).toEqual(Array.from(CID.parse(sample.cid).multihash.digest))
    expect(sample.providerIds).toContain(block.from)
  })
}

test('A block fetched once is here, is not asked for again, and is gone when deleted', async ({ lab, stage }) => {
  const seen = await lab.evaluate(async (cid) => {
    const client = window.lab.client('one')
    const before = await client.hasBlock(cid)
    await client.getBlock(cid)
    const after = await client.hasBlock(cid)
    const again = await client.getBlock(cid)
    await client.deleteBlock(cid)
    return { before, after, from: again.from, deleted: await client.hasBlock(cid) }
  }, sampleNamed(stage, 'brick').cid)
  expect(seen).toEqual({ before: false, after: true, from: undefined, deleted: false })
})

test('The peers nearest to a key are the nearest of the swarm, nearest first', async ({ lab, stage }) => {
  const key = new TextEncoder().encode('a key that nobody has')
  const closest = await lab.evaluate(
    (bytes) => window.lab.collect(window.lab.client('one').getClosestPeers(Uint8Array.from(bytes))),
    Array.from(key),
  )
  expect(closest.map((peer) => peer.id)).toEqual(
    nearest(
      stage.peers.map((peer) => peer.id),
      key,
    ).slice(0, 20),
  )
  expect(new Set(closest.map((peer) => peer.outcome))).toEqual(new Set(['responded']))
})

test('A peer is found with its addresses, and one that nobody knows is not', async ({ lab, stage }) => {
  const wanted = stage.peers.at(-1)
  const found = await lab.evaluate((id) => window.lab.client('one').findPeer(id), wanted?.id ?? '')
  expect(found.id).toBe(wanted?.id)
  expect(found.multiaddrs).toEqual(expect.arrayContaining([...(wanted?.addresses ?? [])]))

  const stranger = await peerIdOf('a stranger')
  const missing = await lab.evaluate((id) => window.lab.outcome(window.lab.client('one').findPeer(id)), stranger)
  expect(missing).toMatchObject({ ok: false, code: 'not-found' })
})

/** By the exclusive-or distance of the hashes, as the DHT counts it. */
function nearest(ids: readonly string[], key: Uint8Array): string[] {
  const target = sha256(key)
  const distance = (id: string) =>
    BigInt(`0x${sha256(base58btc.baseDecode(id)).toString('hex')}`) ^ BigInt(`0x${target.toString('hex')}`)
  return ids.toSorted((one, other) => (distance(one) < distance(other) ? -1 : 1))
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}
