import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { createHeliaLight, type Helia } from 'helia'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { aminoBlockBroker, aminoRouter, withAmino } from '../../src/helia.ts'
import { AminoError } from '../../src/index.ts'
import type { AminoService } from '../../worker/host/amino-service.ts'
import { serve } from '../../worker/host/rpc-server.ts'
import { collect, signalled, startHarness } from '../support/client-harness.ts'
import {
  fakeService,
  items,
  peerBytes,
  peerCidText,
  peerText,
  providerItem,
  stored,
  untilAborted,
} from '../support/fake-service.ts'
import { FakeWorker } from '../support/fake-worker.ts'

const bytesWanted = new TextEncoder().encode('a block that Helia wants')
const cid = await cidOf(bytesWanted)
const secondPeerText = 'QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN'
const secondPeer = base58btc.baseDecode(secondPeerText)
const nowhere = { id: secondPeer, addresses: [], from: peerBytes, elapsedMs: 1 }

async function cidOf(bytes: Uint8Array): Promise<CID> {
  return CID.createV1(raw.code, await sha256.digest(bytes))
}

/** Helia as it comes, on the real client and a service to play with. */
async function startHelia(t: TestContext, overrides: Partial<AminoService> = {}) {
  const harness = await startHarness(t, {
    getBlock: async (wanted) => ({ cid: wanted, bytes: bytesWanted.slice(), from: peerBytes }),
    hasBlock: async () => true,
    ...overrides,
  })
  const helia = await withAmino(createHeliaLight(), { client: harness.client }).start()
  t.after(() => helia.stop())
  const calls = (method: string) => harness.service.seen.filter((call) => call.method === method)
  return { ...harness, helia, calls }
}

async function blockOf(helia: Pick<Helia, 'blockstore'>, wanted: CID, options = {}): Promise<Uint8Array> {
  return Buffer.concat(await collect(helia.blockstore.get(wanted, options)))
}

/** What a Helia that could not load a block names as causes. */
async function causesOf(promise: Promise<unknown>): Promise<string[]> {
  const error = await promise.then(
    () => assert.fail('should have rejected'),
    (reason: unknown) => reason as { errors?: unknown[] },
  )
  return (error.errors ?? [error]).map((cause) => (cause instanceof AminoError ? cause.code : String(cause)))
}

test('withAmino starts a client with Helia, shows it, and stops it with Helia, more than once', async () => {
  const service = fakeService()
  const worker = () => new FakeWorker((scope) => serve(service, scope, { locks: scope.locks })).asWorker()
  const helia = withAmino(createHeliaLight(), { worker, storage: false })
  assert.throws(() => helia.amino, { code: 'not-started' })
  for (let visit = 1; visit <= 2; visit++) {
    await helia.start()
    assert.equal((await helia.amino.status()).peerId, peerText)
    await helia.stop()
    assert.equal(service.seen.filter(({ method }) => method === 'stop').length, visit)
    assert.throws(() => helia.amino, { code: 'not-started' })
  }
})

test('a stop during the start waits for it and stops what came of it; two starts are one', async () => {
  const asked = signalled()
  const answer = signalled()
  const service = fakeService({
    start: async () => {
      asked.reach()
      await answer.reached
      return { peerId: peerBytes, start: 'cold' }
    },
  })
  const workers: FakeWorker[] = []
  const worker = () => {
    workers.push(new FakeWorker((scope) => serve(service, scope, { locks: scope.locks })))
    return workers.at(-1)!.asWorker()
  }
  const helia = withAmino(createHeliaLight(), { worker, storage: false })
  const start = assert.rejects(helia.start(), { code: 'stopped' })
  await asked.reached
  const stop = helia.stop()
  answer.reach()
  await Promise.all([start, stop])
  assert.throws(() => helia.amino, { code: 'not-started' })
  await Promise.all([helia.start(), helia.start()])
  await helia.stop()
  assert.deepEqual(
    workers.map(({ terminated }) => terminated),
    [true, true],
  )
})

test('Helia deletes blocks before the client starts, after it has stopped, and after its Worker has died', async (t) => {
  const { client, worker } = await startHarness(t)
  const helia = withAmino(createHeliaLight(), { client })
  const stored = async (): Promise<boolean> => {
    await helia.blockstore.put(cid, bytesWanted)
    await helia.blockstore.delete(cid)
    return helia.blockstore.has(cid)
  }
  assert.equal(await stored(), false)
  await helia.start()
  const died = new Promise((resolve) => client.addEventListener('died', resolve))
  worker.terminate()
  await died
  assert.equal(await stored(), false)
  await helia.stop()
  assert.equal(await stored(), false)
  await client.stop()
  await aminoRouter(client).cancelReprovide!(cid)
})

test('a client that was handed over stays its owner’s: Helia does not stop it', async (t) => {
  const { helia, client, calls } = await startHelia(t)
  assert.equal(helia.amino, client)
  await helia.stop()
  assert.equal(calls('stop').length, 0)
  assert.equal((await client.status()).peerId, peerText)
})

test('before start the router and the broker reject with a code and do not hang', async () => {
  const helia = withAmino(createHeliaLight())
  await assert.rejects(Promise.resolve(helia.routing.provide(cid)), { code: 'not-started' })
  assert.deepEqual(await causesOf(blockOf(helia, cid)), ['not-started'])
})

test('providers come with addresses: one without is looked up, and left out if nobody knows where it is', async (t) => {
  const lost = base58btc.baseDecode('QmbLHAnMoJPWSCR5Zhtx6BHJX9KiKNN6tpvbUcqanj75Nb')
  const { helia, calls } = await startHelia(t, {
    findProviders: () => items(3, (index) => [nowhere, { ...nowhere, id: lost }, providerItem(7)][index]!),
    findPeer: async (id) => ({ id, addresses: Buffer.from(id).equals(secondPeer) ? ['/ip4/5.6.7.8/tcp/9/ws'] : [] }),
  })
  const found = await collect(helia.routing.findProviders(cid))
  const shown = found.map(({ id, multiaddrs, router, fallback }) => `${id} ${multiaddrs.join()} ${router} ${fallback}`)
  assert.deepEqual(
    new Set(shown),
    new Set([
      `${CID.parse(peerCidText).toV1()} /ip4/1.2.3.4/tcp/8/ws amino false`,
      `${CID.createV1(0x72, CID.parse(secondPeerText).multihash)} /ip4/5.6.7.8/tcp/9/ws amino false`,
    ]),
  )
  assert.equal(calls('findPeer').length, 2, 'Helia walks no second time')
})

test('leaving the loop over the router’s providers ends the search in the Worker, and so does the signal', async (t) => {
  let ended = signalled()
  const { client, helia } = await startHelia(t, {
    findProviders: async function* (_cid, _options, context) {
      yield providerItem(1)
      await untilAborted(context).catch(() => ended.reach())
    },
  })
  for await (const provider of aminoRouter(client).findProviders!(cid)) {
    assert.equal(provider.router, 'amino')
    break
  }
  await ended.reached
  // Helia's own merge asks its routers ahead and cannot leave one that is silent: there the signal is the way.
  ended = signalled()
  const leave = new AbortController()
  const walk = async (): Promise<void> => {
    for await (const provider of helia.routing.findProviders(cid, { signal: leave.signal })) leave.abort(provider)
  }
  await walk()
  await ended.reached
})

test('peers, closest peers and values go through, and useNetwork: false asks nobody', async (t) => {
  const { helia, calls } = await startHelia(t)
  const key = Uint8Array.from([...new TextEncoder().encode('/ipns/'), ...peerBytes])
  const peer = await helia.routing.findPeer(CID.parse(peerCidText))
  assert.deepEqual([peer.id.equals(CID.parse(peerCidText)), peer.multiaddrs.map(String)], [true, ['/ip4/1.2.3.4/tcp/4001/ws']])
  assert.equal((await collect(helia.routing.getClosestPeers(key))).length, 2)
  assert.deepEqual(await helia.routing.get(key), Uint8Array.of(1, 2))
  await helia.routing.put(key, Uint8Array.of(3))
  await helia.routing.provide(cid)
  await helia.routing.cancelReprovide(cid)
  const asked = ['findPeer', 'getClosestPeers', 'getValue', 'putValue', 'provide'].map((method) => calls(method).length)
  assert.deepEqual(asked, [1, 1, 1, 1, 1])
  const offline = { useNetwork: false }
  assert.deepEqual(await collect(helia.routing.findProviders(cid, offline)), [])
  assert.deepEqual(await collect(helia.routing.getClosestPeers(key, offline)), [])
  assert.deepEqual(await causesOf(Promise.resolve(helia.routing.get(key, offline))), ['not-found'])
  assert.equal(calls('getValue').length, 1)
})

test('to provide or publish without a single taker is a failure', async (t) => {
  const nobody = { ...stored, stored: 0, undialable: 18 }
  const { helia } = await startHelia(t, { provide: async () => nobody, putValue: async () => nobody })
  const key = Uint8Array.from([...new TextEncoder().encode('/ipns/'), ...peerBytes])
  await assert.rejects(Promise.resolve(helia.routing.provide(cid)), { code: 'no-peers' })
  await assert.rejects(Promise.resolve(helia.routing.put(key, Uint8Array.of(1))), { code: 'no-peers' })
})

test('a block comes through the Worker with the peers the caller named, and with Helia’s progress events', async (t) => {
  const { helia, calls } = await startHelia(t, {
    getBlock: async (wanted, _options, context) => {
      context.onProgress?.({ type: 'dialing', peer: peerBytes })
      context.onProgress?.({ type: 'asking', peer: peerBytes })
      context.onProgress?.({ type: 'have', peer: peerBytes })
      return { cid: wanted, bytes: bytesWanted.slice(), from: peerBytes }
    },
  })
  const events: string[] = []
  const onProgress = ({ type, detail }: { type: string; detail: { provider?: CID } }): void => {
    if (type.startsWith('helia:block-broker:')) events.push(`${type} ${String(detail.provider?.equals(CID.parse(peerCidText)))}`)
  }
  const providers = [
    multiaddr(`/ip4/1.2.3.4/tcp/1/ws/p2p/${secondPeerText}`),
    [
      multiaddr('/ip4/9.9.9.9/tcp/1/ws'),
      multiaddr(`/dns4/relay.example/tcp/443/wss/p2p/${secondPeerText}/p2p-circuit/p2p/${peerText}`),
    ],
    multiaddr('/ip4/9.9.9.9/tcp/1/ws'),
  ]
  assert.deepEqual(new Uint8Array(await blockOf(helia, cid, { providers, onProgress })), bytesWanted)
  assert.deepEqual(
    events,
    ['connect', 'request-block', 'receive-block'].map((name) => `helia:block-broker:${name} true`),
  )
  const [, asked] = calls('getBlock')[0]!.args as [unknown, { providers: { id: Uint8Array; addresses: string[] }[] }]
  assert.deepEqual(
    asked.providers.map(({ id, addresses }) => [base58btc.baseEncode(id), addresses.length]),
    [
      [secondPeerText, 1],
      [peerText, 2],
    ],
  )
})

test('a peer named by its id alone is looked up while the want runs', async (t) => {
  const joined = signalled()
  const { helia } = await startHelia(t, {
    findPeer: async (id) => ({ id, addresses: ['/ip4/5.6.7.8/tcp/9/ws'] }),
    getBlock: async (wanted, { providers }) => {
      if (providers[0]?.addresses.length === 1) joined.reach()
      await joined.reached
      return { cid: wanted, bytes: bytesWanted.slice(), from: peerBytes }
    },
  })
  await blockOf(helia, cid, { providers: [CID.parse(peerCidText)] })
})

test('bytes of another block and blocks above maxSize are refused', async (t) => {
  const { client } = await startHelia(t)
  const broker = aminoBlockBroker(client)({ blockstore: { get: () => assert.fail('nothing is read') } })
  const refuse = async () => Promise.reject(new Error('wrong hash'))
  await assert.rejects(broker.retrieve!(cid, { validateFn: refuse }), /wrong hash/)
  await assert.rejects(broker.retrieve!(cid, { maxSize: bytesWanted.length - 1 }), { code: 'too-large' })
  assert.equal((await broker.retrieve!(cid, { maxSize: bytesWanted.length })).length, bytesWanted.length)
})

test('an abort ends the want in the Worker, one that waits in line too', async (t) => {
  let running = 0
  const { helia } = await startHelia(t, {
    getBlock: async (_cid, _options, context) => {
      running++
      return untilAborted(context)
    },
  })
  const leave = new AbortController()
  const wanted = await Promise.all(Array.from({ length: 140 }, (_, index) => cidOf(Uint8Array.of(index))))
  const failed = wanted.map((one) => causesOf(blockOf(helia, one, { signal: leave.signal })))
  while (running < 128) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(running, 128, 'a client takes 256 operations at most, and Helia asks for all children of a node at once')
  leave.abort()
  assert.deepEqual(new Set((await Promise.all(failed)).flat()), new Set(['aborted']))
  assert.equal(running, 128)
})

test('a block that Helia stores goes to the Worker, and Helia does not wait for it', async (t) => {
  const taken = signalled()
  let answer: (value: boolean) => void = () => {}
  const asked = new Promise<boolean>((resolve) => {
    answer = resolve
  })
  const { helia, calls } = await startHelia(t, { hasBlock: () => asked, putBlock: async () => taken.reach() })
  const bytes = Uint8Array.of(1, 2, 3)
  const own = await cidOf(bytes)
  await helia.blockstore.put(own, bytes)
  assert.equal(calls('putBlock').length, 0)
  answer(false)
  await taken.reached
  assert.deepEqual(calls('putBlock')[0]?.args, [own.bytes, bytes])
})

test('a block that came from the Worker is not handed back to it', async (t) => {
  const { helia, calls } = await startHelia(t)
  await blockOf(helia, cid)
  await helia.stop()
  assert.equal(calls('putBlock').length, 0)
})

test('what the Worker does not take disturbs neither Helia nor the blocks after it', async (t) => {
  const taken = signalled()
  const { helia } = await startHelia(t, {
    hasBlock: async () => false,
    putBlock: async (_cid, bytes) => {
      if (bytes.length === 1) throw { code: 'too-large', message: 'The block is too large.' }
      taken.reach()
    },
  })
  for (const bytes of [Uint8Array.of(1), Uint8Array.of(1, 2)]) await helia.blockstore.put(await cidOf(bytes), bytes)
  await taken.reached
})

test('the blocks of a DAG share one session of the Worker, which ends with Helia', async (t) => {
  const { helia, calls } = await startHelia(t)
  const session = helia.blockstore.createSession(cid, { providers: [multiaddr(`/ip4/1.2.3.4/tcp/1/ws/p2p/${peerText}`)] })
  const blocks = await Promise.all([1, 2].map(() => collect(session.get(cid))))
  assert.equal(blocks.length, 2)
  assert.equal(calls('openSession').length, 1)
  for (const { args } of calls('getBlock')) {
    const [, { session: id, providers }] = args as [unknown, { session: number; providers: unknown[] }]
    assert.deepEqual([id, providers.length], [4, 1])
  }
  assert.equal(calls('closeSession').length, 0)
  await helia.stop()
  assert.equal(calls('closeSession').length, 1)
  await helia.stop()
  assert.equal(calls('closeSession').length, 1)
})

test('a peer added to a session joins what is wanted at that moment', async (t) => {
  const wanting = signalled()
  const joined = signalled()
  const { helia } = await startHelia(t, {
    getBlock: async (wanted, { providers }) => {
      wanting.reach()
      if (providers.length > 0) joined.reach()
      await joined.reached
      return { cid: wanted, bytes: bytesWanted.slice(), from: peerBytes }
    },
  })
  const session = helia.blockstore.createSession(cid)
  const block = collect(session.get(cid))
  await wanting.reached
  await session.addPeer(multiaddr(`/ip4/1.2.3.4/tcp/1/ws/p2p/${peerText}`))
  await session.addPeer(multiaddr('/ip4/1.2.3.4/tcp/1/ws'))
  assert.equal((await block).length, 1)
})

test('where no session can be opened blocks come without one', async (t) => {
  const full = { code: 'too-many-queries', message: 'Too many sessions.' }
  const { helia, calls } = await startHelia(t, { openSession: async () => Promise.reject(full) })
  await collect(helia.blockstore.createSession(cid).get(cid))
  assert.equal((calls('getBlock')[0]!.args[1] as { session: unknown }).session, undefined)
})

test('put together by hand it is the same: createHeliaLight with router and broker', async (t) => {
  const { client, service } = await startHarness(t, {
    getBlock: async (wanted) => ({ cid: wanted, bytes: bytesWanted.slice(), from: peerBytes }),
  })
  const helia = createHeliaLight({ routers: [aminoRouter(client)], blockBrokers: [aminoBlockBroker(client)] })
  await helia.start()
  assert.deepEqual(new Uint8Array(await blockOf(helia, cid)), bytesWanted)
  assert.equal((await collect(helia.routing.findProviders(cid))).length, 1)
  await helia.stop()
  assert.equal(service.seen.filter(({ method }) => method === 'stop').length, 0)
})
