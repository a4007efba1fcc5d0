import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import type { BlockBroker } from 'helia'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { aminoBlockBroker } from '../../src/helia.ts'
import type { AminoService } from '../../worker/host/amino-service.ts'
import { signalled, startHarness } from '../support/client-harness.ts'
import { peerBytes, peerCidText, peerText, untilAborted } from '../support/fake-service.ts'

const address = '/ip4/5.6.7.8/tcp/9/ws'
const secondPeerCid = CID.createV1(0x72, CID.parse('QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN').multihash)

async function startBroker(t: TestContext, overrides: Partial<AminoService>) {
  const { client, service } = await startHarness(t, overrides)
  const broker = aminoBlockBroker(client)({ blockstore: { get: () => assert.fail('nothing is read') } })
  t.after(() => (broker as BlockBroker & { stop(): Promise<void> }).stop())
  const calls = (method: string) => service.seen.filter((call) => call.method === method)
  return { broker, client, calls }
}

async function cidOf(...bytes: number[]): Promise<CID> {
  return CID.createV1(raw.code, await sha256.digest(Uint8Array.from(bytes)))
}

test('peers named by their ids alone cost a search each, and no want its place', async (t) => {
  const blocks = new Map<string, ReturnType<typeof signalled>>()
  const wanting = signalled()
  let places = 256
  const inPlace = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    if (places === 0) throw { code: 'too-many-queries', message: 'Too many.' }
    places--
    return work().finally(() => places++)
  }
  const { broker, calls } = await startBroker(t, {
    findPeer: (id) =>
      inPlace(async () => {
        await wanting.reached
        return { id, addresses: [address] }
      }),
    // Comes as soon as a peer with an address is asked for it.
    getBlock: (wanted, { providers }) =>
      inPlace(async () => {
        const key = Buffer.from(wanted).toString('hex')
        const block = blocks.get(key) ?? signalled()
        blocks.set(key, block)
        if (blocks.size === 128) wanting.reach()
        if (providers.some(({ addresses }) => addresses.length > 0)) block.reach()
        await block.reached
        return { cid: wanted, bytes: Uint8Array.of(1), from: peerBytes }
      }),
  })
  const session = broker.createSession!({ providers: [CID.parse(peerCidText), multiaddr(`/p2p/${peerText}`), secondPeerCid] })
  const wanted = await Promise.all(Array.from({ length: 174 }, (_, index) => cidOf(index)))
  assert.equal((await Promise.all(wanted.map((cid) => session.retrieve!(cid)))).length, 174)
  assert.equal(calls('findPeer').length, 2)
})

test('a peer that joins many wants at once leaves places to others', async (t) => {
  let joined = 0
  const full = signalled()
  const { broker, client, calls } = await startBroker(t, {
    getBlock: (_cid, { providers }, context) => {
      if (providers.length > 0 && ++joined === 96) full.reach()
      return untilAborted(context)
    },
  })
  const session = broker.createSession!()
  const leave = new AbortController()
  const wanted = await Promise.all(Array.from({ length: 128 }, (_, index) => cidOf(index)))
  const wants = wanted.map((cid) => assert.rejects(session.retrieve!(cid, { signal: leave.signal }), { code: 'aborted' }))
  while (calls('getBlock').length < 128) await new Promise((resolve) => setImmediate(resolve))
  await session.addPeer!(multiaddr(`${address}/p2p/${peerText}`))
  await full.reached
  // Answered after what was asked before it.
  await client.hasBlock(wanted[0]!)
  assert.equal(joined, 96)
  leave.abort()
  await Promise.all(wants)
})

test('a peer that is added before the want is in the Worker is asked for it', async (t) => {
  const asked: string[][] = []
  const { broker } = await startBroker(t, {
    getBlock: async (wanted, { providers }) => {
      asked.push(providers.flatMap(({ addresses }) => addresses))
      return { cid: wanted, bytes: Uint8Array.of(1), from: peerBytes }
    },
  })
  const session = broker.createSession!()
  const block = session.retrieve!(await cidOf(1))
  await session.addPeer!(multiaddr(`${address}/p2p/${peerText}`))
  // Says no more than the first one.
  await session.addPeer!(multiaddr(`/p2p/${peerText}`))
  await block
  assert.deepEqual(asked, [[`${address}/p2p/${peerText}`]])
})

test('/p2p/… as a multiaddr names a peer without an address: it is looked up', async (t) => {
  const joined = signalled()
  const { broker } = await startBroker(t, {
    findPeer: async (id) => ({ id, addresses: [address] }),
    getBlock: async (wanted, { providers }) => {
      if (providers[0]?.addresses[0] === address) joined.reach()
      else assert.deepEqual(providers[0]?.addresses, [])
      await joined.reached
      return { cid: wanted, bytes: Uint8Array.of(1), from: peerBytes }
    },
  })
  await broker.retrieve!(await cidOf(1), { providers: [multiaddr(`/p2p/${peerText}`)] })
})
