import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { Bitswap } from '../../worker/engine/bitswap/bitswap.ts'
import type { BitswapEvent } from '../../worker/engine/bitswap/contract.ts'
import type { BitswapMessage } from '../../worker/engine/bitswap/message.ts'
import { OrderIds } from '../../worker/engine/machine.ts'
import { PeerCache, type PeerIdBytes } from '../../worker/engine/peer.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { loadBlock } from '../../worker/host/block-loading.ts'
import { createStore } from '../../worker/host/store/store.ts'
import { messageOf } from '../support/bitswap-network.ts'

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

test('who asks for a block under another CID than it was put under gets it, under the CID of the question', async () => {
  const store = await createStore({ name: undefined, blockBytesMax: 1_000_000, onLost: () => undefined })
  const versionZero = cid.subarray(2)
  const dagPb = Uint8Array.of(1, 0x70, ...versionZero)
  await store.putBlock(versionZero, bytes)
  const peers = new PeerCache()
  const peer = peers.intern(new Uint8Array(34).fill(1) as PeerIdBytes)
  const machine = new Bitswap({ rng: new Rng(1), peers, orders: new OrderIds() })
  const sent: BitswapMessage[] = []
  const hear = async (event: BitswapEvent): Promise<void> => {
    machine.handle(event, 0)
    const loads: Promise<void>[] = []
    for (let effect = machine.poll(); effect !== undefined; effect = machine.poll()) {
      if (effect.type === 'send-message') sent.push(effect.message)
      if (effect.type !== 'load-block') continue
      const { order, bytesMax } = effect
      loads.push(
        loadBlock(store, undefined, effect.cid, bytesMax).then((loaded) => hear({ type: 'block-loaded', order, ...loaded })),
      )
    }
    await Promise.all(loads)
  }
  await hear({ type: 'bitswap-peer-connected', peer })
  const wantlist = [{ cid: dagPb, priority: 1, cancel: false, wantType: 'block', sendDontHave: true } as const]
  await hear({ type: 'message-received', peer, message: messageOf({ wantlist }) })
  assert.deepEqual(sent, [messageOf({ blocks: [{ cid: dagPb, bytes }] })])
})
