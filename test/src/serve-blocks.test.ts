import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import type { OfferedBlockstore } from '../../src/index.ts'
import { limits } from '../../worker/engine/limits.ts'
import type { ReadBlock } from '../../worker/host/amino-service.ts'
import { OfferedBlocks } from '../../worker/host/offered-blocks.ts'
import { startHarness } from '../support/client-harness.ts'

const bytes = new TextEncoder().encode('a block of the page')
const cid = CID.createV1(raw.code, await sha256.digest(bytes))

test('the Worker reads blocks from a store of the page, whatever its get gives', async (t) => {
  let read: ReadBlock | undefined
  const { client } = await startHarness(t, {
    offerBlocks: async (given) => {
      read = given
    },
  })
  const kept = Uint8Array.of(1, 2, 3)
  const parts = [Uint8Array.of(1), Uint8Array.of(2, 3)]
  const stores: readonly [OfferedBlockstore, Uint8Array | undefined][] = [
    [{ get: () => kept }, kept],
    [{ get: (_, { offline, signal }) => (offline && !signal.aborted ? kept : undefined) }, kept],
    [{ get: async () => kept }, kept],
    [{ get: () => parts }, kept],
    [
      {
        async *get() {
          yield* parts
        },
      },
      kept,
    ],
    [{ get: () => undefined }, undefined],
    [{ get: () => Promise.reject(new Error('not found')) }, undefined],
    [
      {
        get() {
          throw new Error('not found')
        },
      },
      undefined,
    ],
  ]
  for (const [store, expected] of stores) {
    await client.serveBlocks(store)
    assert.deepEqual(await read!(cid.bytes), expected)
  }
  assert.equal(kept.length, 3, 'the store keeps its bytes')
  await client.serveBlocks(undefined)
  assert.equal(read, undefined)
})

test('a store of Buffers keeps its memory', async (t) => {
  let read: ReadBlock | undefined
  const { client } = await startHarness(t, {
    offerBlocks: async (given) => {
      read = given
    },
  })
  const shelf = new ArrayBuffer(5)
  const [kept, neighbour] = [Buffer.from(shelf, 0, 3), Buffer.from(shelf, 3)]
  // Of the pool that Node makes small ones from, and which cannot be transferred.
  const pooled = Buffer.from('a block')
  for (const block of [kept, neighbour, pooled]) {
    const expected = Uint8Array.from(block)
    await client.serveBlocks({ get: () => block })
    assert.deepEqual(await read!(cid.bytes), expected)
    assert.deepEqual(Uint8Array.from(block), expected)
  }
  assert.equal(shelf.detached, false)
})

test('the blockstore of a Helia is read and never made to fetch (B20)', async (t) => {
  let read: ReadBlock | undefined
  const { client } = await startHarness(t, {
    offerBlocks: async (given) => {
      read = given
    },
  })
  const fetched: string[] = []
  const retrieve = async (wanted: CID): Promise<Uint8Array> => {
    fetched.push(wanted.toString())
    return bytes
  }
  const helia = await createHeliaLight({ blockBrokers: [() => ({ name: 'spy', retrieve })] }).start()
  t.after(() => helia.stop())
  await client.serveBlocks(helia.blockstore)
  assert.equal(await read!(cid.bytes), undefined)
  assert.deepEqual(fetched, [])
  await helia.blockstore.put(cid, bytes)
  assert.deepEqual(await read!(cid.bytes), bytes)
})

test('a page that never answers costs a bounded number of reads and a bounded time', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const asked: number[] = []
  const offered = new OfferedBlocks((request) => asked.push(request), 20)
  const reads = Array.from({ length: 100 }, () => offered.read(cid.bytes))
  assert.equal(asked.length, limits.offeredBlocksMax.value)
  t.mock.timers.tick(21)
  assert.deepEqual(new Set(await Promise.all(reads)), new Set([undefined]))
  assert.equal(offered.size, 0)
  assert.equal(asked.length, limits.offeredBlocksMax.value, 'nor is it asked for what is out of time')
  offered.answer(1, Uint8Array.of(1))
})

test('more blocks than a page reads at once wait their turn, and all of them are read', async () => {
  let atOnce = 0
  let mostAtOnce = 0
  const offered: OfferedBlocks = new OfferedBlocks((request, wanted) => {
    mostAtOnce = Math.max(mostAtOnce, ++atOnce)
    queueMicrotask(() => {
      atOnce--
      offered.answer(request, wanted)
    })
  })
  const wanted = Array.from({ length: 200 }, (_, index) => Uint8Array.of(index))
  assert.deepEqual(await Promise.all(wanted.map((one) => offered.read(one))), wanted)
  assert.equal(mostAtOnce, limits.offeredBlocksMax.value)
})

test('what is answered twice counts once, and stopping settles all', async () => {
  const asked: number[] = []
  const offered = new OfferedBlocks((request) => asked.push(request))
  const [first, second] = [offered.read(cid.bytes), offered.read(cid.bytes)]
  offered.answer(asked[0]!, Uint8Array.of(5))
  offered.answer(asked[0]!, Uint8Array.of(6))
  assert.deepEqual(await first, Uint8Array.of(5))
  offered.end()
  assert.equal(await second, undefined)
})
