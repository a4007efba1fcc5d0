import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { loadBlock } from '../../worker/host/block-loading.ts'
import { createStore } from '../../worker/host/store/store.ts'

const bytes = new Uint8Array(2_000).fill(3)
const cid = Uint8Array.of(1, 0x55, 0x12, 0x20, ...createHash('sha256').update(bytes).digest())

test('of a block in the store with more bytes than are needed the size alone is told, and the block is not read', async () => {
  const store = await createStore({ name: undefined, blockBytesMax: 1_000_000, onLost: () => undefined })
  await store.putBlock(cid, bytes)
  const reads: Uint8Array[] = []
  const watched = Object.assign(Object.create(store) as typeof store, {
    getBlock: (wanted: Uint8Array) => {
      reads.push(wanted)
      return store.getBlock(wanted)
    },
    blockSize: (wanted: Uint8Array) => store.blockSize(wanted),
  })
  assert.deepEqual(await loadBlock(watched, undefined, cid, 1_999), { bytes: undefined, size: 2_000 })
  assert.deepEqual(reads, [])
  assert.deepEqual(await loadBlock(watched, undefined, cid, 2_000), { bytes })
  assert.deepEqual(await loadBlock(watched, undefined, cid), { bytes })
})

test('what the page offers is read where the store has nothing, and believed only if it is the block', async () => {
  const store = await createStore({ name: undefined, blockBytesMax: 1_000_000, onLost: () => undefined })
  assert.deepEqual(await loadBlock(store, async () => bytes, cid, 10), { bytes })
  assert.deepEqual(await loadBlock(store, async () => bytes.subarray(1), cid), { bytes: undefined })
  assert.deepEqual(await loadBlock(store, async () => Promise.reject(new Error('the page fails')), cid), { bytes: undefined })
})
