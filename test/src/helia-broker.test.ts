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
import { peerBytes, peerText } from '../support/fake-service.ts'

const address = '/ip4/5.6.7.8/tcp/9/ws'

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
