import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { peerIdFromString } from '@libp2p/peer-id'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import { aminoContentRouting, aminoPeerRouting } from '../../src/libp2p.ts'
import type { AminoService } from '../../worker/host/amino-service.ts'
import { collect, startHarness } from '../support/client-harness.ts'
import { items, peerBytes, peerText, providerItem, stored } from '../support/fake-service.ts'

const cid = CID.parse('bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku')
const key = Uint8Array.from([...new TextEncoder().encode('/ipns/'), ...peerBytes])
const strangerText = 'QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN'

/** A real libp2p that does nothing by itself, with our routers beside one of somebody else. */
async function startNode(t: TestContext, overrides: Partial<AminoService> = {}) {
  const { client, service } = await startHarness(t, overrides)
  const errors: unknown[] = []
  const onError = (error: unknown): void => void errors.push(error)
  const other = {
    findProviders: () => items(1, () => ({ id: peerIdFromString(strangerText), multiaddrs: [], routing: 'other' })),
    getClosestPeers: () => items(0, () => ({ id: peerIdFromString(strangerText), multiaddrs: [] })),
  }
  const libp2p = await createLibp2p({
    addresses: { listen: [] },
    contentRouters: [aminoContentRouting(client, { onError }), () => other],
    peerRouters: [aminoPeerRouting(client, { onError }), () => other],
  } as Parameters<typeof createLibp2p>[0])
  t.after(() => libp2p.stop())
  return { libp2p, service, errors }
}

test('a page’s own libp2p finds providers through the client, beside its other routers', async (t) => {
  const { libp2p, errors } = await startNode(t)
  const found = await collect(libp2p.contentRouting.findProviders(cid))
  const shown = found.map(({ id, routing, multiaddrs }) => `${id} ${routing} ${multiaddrs.join()}`)
  assert.deepEqual(new Set(shown), new Set([`${peerText} amino /ip4/1.2.3.4/tcp/1/ws`, `${strangerText} other `]))
  assert.deepEqual(errors, [])
})

test('a search that fails in the middle does not end that of the others, and is told', async (t) => {
  const failure = { code: 'no-peers', message: 'Nobody is there.' }
  const { libp2p, errors } = await startNode(t, {
    findProviders: async function* () {
      yield providerItem(1)
      throw failure
    },
    getClosestPeers: () => {
      throw failure
    },
  })
  assert.equal((await collect(libp2p.contentRouting.findProviders(cid))).length, 2)
  assert.equal((await collect(libp2p.peerRouting.getClosestPeers(key))).length, 0)
  assert.equal(errors.length, 2)
})

test('values, provider records and peers go through the client', async (t) => {
  const { libp2p, service } = await startNode(t)
  assert.deepEqual(await libp2p.contentRouting.get(key), Uint8Array.of(1, 2))
  await libp2p.contentRouting.put(key, Uint8Array.of(3))
  await libp2p.contentRouting.provide(cid)
  await libp2p.contentRouting.cancelReprovide(cid)
  const peer = await libp2p.peerRouting.findPeer(peerIdFromString(peerText))
  assert.deepEqual([peer.id.toString(), peer.multiaddrs.map(String)], [peerText, ['/ip4/1.2.3.4/tcp/4001/ws']])
  const methods = new Set(service.seen.map(({ method }) => method))
  for (const method of ['getValue', 'putValue', 'provide', 'findPeer']) assert.ok(methods.has(method), method)
})

test('a record that nobody took is a failure, and useNetwork: false asks nobody', async (t) => {
  const { libp2p, service } = await startNode(t, { provide: async () => ({ ...stored, stored: 0 }) })
  await assert.rejects(libp2p.contentRouting.provide(cid), { code: 'no-peers' })
  const found = await collect(libp2p.contentRouting.findProviders(cid, { useNetwork: false }))
  assert.equal(found.length, 1, 'the other router’s')
  assert.ok(!service.seen.some(({ method }) => method === 'findProviders'))
})

test('without the network nothing is provided, published or looked for', async (t) => {
  const { client, service } = await startHarness(t)
  const content = aminoContentRouting(client)()
  const peers = aminoPeerRouting(client)()
  const offline = { useNetwork: false }
  const refused = { code: 'not-found' }
  const before = service.seen.length
  await assert.rejects(content.provide(cid, offline), refused)
  await assert.rejects(content.put(key, Uint8Array.of(3), offline), refused)
  await assert.rejects(content.get(key, offline), refused)
  await assert.rejects(peers.findPeer(peerIdFromString(peerText), offline), refused)
  assert.deepEqual(await collect(peers.getClosestPeers(key, offline)), [])
  assert.equal(service.seen.length, before)
})

test('of the closest peers those that failed are left out', async (t) => {
  const outcomes = ['failed', 'responded'] as const
  const ids = [peerIdFromString(strangerText).toMultihash().bytes, peerBytes]
  const { client } = await startHarness(t, {
    getClosestPeers: () => items(2, (index) => ({ id: ids[index]!, addresses: [], outcome: outcomes[index]! })),
  })
  const found = await collect(aminoPeerRouting(client)().getClosestPeers(key))
  assert.deepEqual(
    found.map(({ id }) => id.toString()),
    [peerText],
  )
})
