import 'fake-indexeddb/auto'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { IDBFactory } from 'fake-indexeddb'
import type { DiscoveryMemory } from '../../worker/engine/bitswap/contract.ts'
import type { EngineEvent } from '../../worker/engine/contract.ts'
import { limits } from '../../worker/engine/limits.ts'
import type { PeerIdBytes } from '../../worker/engine/peer.ts'
import { parseMemory, persistDiscovery, restoreDiscovery } from '../../worker/host/discovery-store.ts'
import { createStore, type Store } from '../../worker/host/store/store.ts'
import { ManualPlatform } from '../support/store-platform.ts'

const id = new Uint8Array([0x12, 0x20, ...new Uint8Array(32).fill(9)]) as PeerIdBytes
const address = { bytes: Uint8Array.of(4, 127, 0, 0, 1), dialable: false }
const policy = (bytes: Uint8Array) => (bytes[0] === 4 ? { bytes, dialable: true } : undefined)

const memories: readonly DiscoveryMemory[] = [
  {
    part: 'ranking',
    peers: [{ id, addresses: [address] }],
    strangers: { slices: [1, 0], asks: [90, 2], past: { served: 0.5, asked: 40 } },
    contexts: [
      { name: undefined, scores: [{ peer: 0, slices: [8, 0, 0, 0, 0, 0, 0, 1], asks: [9, 0, 0, 0, 0, 0, 0, 2] }] },
      { name: 'nft', scores: [] },
    ],
  },
  {
    part: 'latencies',
    samples: [
      [10, 90],
      [5, 70.5],
    ],
  },
  {
    part: 'registry',
    cacheTimeMs: 60_000,
    peers: [{ id, addresses: [] }],
    cids: [{ key: Uint8Array.of(0x12, 0x20, 1), signs: [{ peer: 0, grade: 'strong', ageMs: 4 }] }],
  },
]

function open(factory: IDBFactory): Promise<Store> {
  return createStore({ name: 'test', blockBytesMax: 1_000, onLost: () => {}, platform: new ManualPlatform(factory) })
}

async function restored(store: Store, listenToWants = true): Promise<EngineEvent[]> {
  const events: EngineEvent[] = []
  await restoreDiscovery(store, policy, listenToWants, (event) => events.push(event))
  return events
}

test('what was learned is told at the next visit, with its age, and what can be dialed is decided anew', async () => {
  const factory = new IDBFactory()
  const first = await open(factory)
  for (const memory of memories) persistDiscovery(first, memory)
  await first.close()
  const events = await restored(await open(factory))
  assert.equal(events.length, 3)
  for (const [index, event] of events.entries()) {
    assert.ok(event.type === 'discovery-restored' && event.agoMs >= 0 && event.agoMs < 60_000)
    const expected = structuredClone(memories[index]!)
    if (expected.part === 'ranking') Object.assign(expected.peers[0]!.addresses[0]!, { dialable: true })
    assert.deepEqual(event.memory, expected)
  }
})

test('a first visit restores nothing, and a disk that refuses costs only what was learned', async () => {
  assert.deepEqual(await restored(await open(new IDBFactory())), [])
  const memoryOnly = await createStore({ name: undefined, blockBytesMax: 1_000, onLost: () => assert.fail('never lost') })
  persistDiscovery(memoryOnly, memories[1]!)
  assert.equal((await restored(memoryOnly)).length, 1)
})

test('who does not listen to wants any more finds nothing of what others wanted, and no more is left of it on the disk', async () => {
  const factory = new IDBFactory()
  const first = await open(factory)
  for (const memory of memories) persistDiscovery(first, memory)
  await first.close()
  const second = await open(factory)
  assert.deepEqual(
    (await restored(second, false)).map((event) => event.type === 'discovery-restored' && event.memory.part),
    ['ranking', 'latencies'],
  )
  await second.close()
  const third = await open(factory)
  assert.equal(await third.learned('registry'), undefined)
  assert.equal((await restored(third)).length, 2)
})

test('what others wanted more than a day ago is left out at the next visit, and leaves the disk', async () => {
  const day = limits.registryCacheTimeMaxMs.value
  const sign = { peer: 0, grade: 'weak' as const, ageMs: 0 }
  const [old, young, mixed] = [1, 2, 3].map((number) => Uint8Array.of(0x12, 0x20, number))
  const memory: DiscoveryMemory = {
    part: 'registry',
    cacheTimeMs: 60_000,
    peers: [{ id, addresses: [] }],
    cids: [
      { key: old!, signs: [{ ...sign, ageMs: day + 1 }] },
      { key: mixed!, signs: [sign, { ...sign, ageMs: day + 1 }] },
      { key: young!, signs: [sign] },
    ],
  }
  const factory = new IDBFactory()
  const first = await open(factory)
  persistDiscovery(first, memory)
  await first.close()
  const expected = { ...memory, cids: [mixed!, young!].map((key) => ({ key, signs: [sign] })) }
  const second = await open(factory)
  const [event] = await restored(second)
  assert.deepEqual(event?.type === 'discovery-restored' && event.memory, expected)
  await second.close()
  assert.deepEqual(((await (await open(factory)).learned('registry')) as { memory: unknown }).memory, expected)
})

test('a row that has not the form it should have is left out, and the rest is read', () => {
  const broken = structuredClone(memories[2]!) as unknown as { cids: unknown[] }
  broken.cids.push(null, { key: 'x' }, { key: Uint8Array.of(1), signs: [{ peer: -1, grade: 'strong', ageMs: 1 }, null] })
  const parsed = parseMemory(broken, policy)
  assert.ok(parsed?.part === 'registry')
  assert.deepEqual(
    parsed.cids.map(({ signs }) => signs.length),
    [1, 0],
  )
  assert.equal(parseMemory({ part: 'registry', cids: [] }, policy), undefined, 'without the cache time')
  const many = { part: 'latencies', samples: Array.from({ length: 9_000 }, () => [1, 1]) }
  for (const past of [{ served: 1, asked: Number.NaN }, { served: -1, asked: 2 }, null, 7]) {
    assert.equal(parseMemory({ ...memories[0], strangers: { slices: [], asks: [], past } }, policy), undefined)
  }
  const latencies = parseMemory(many, policy)
  assert.ok(latencies?.part === 'latencies' && latencies.samples.length === limits.latencySamplesMax.value)
})

test('a bad peer costs what is said of it, and the peers behind it keep their places', () => {
  const good = { id, addresses: [] }
  for (const bad of [null, {}, { id: Uint8Array.of(1), addresses: [] }]) {
    const parsed = parseMemory({ ...memories[2], peers: [good, bad, good] }, policy)
    assert.deepEqual(parsed?.part === 'registry' && parsed.peers, [good, undefined, good])
  }
})

test('nothing on the disk can make reading it throw', () => {
  const leaf = fc.oneof(fc.anything(), fc.constant(id), fc.uint8Array({ maxLength: 5 }), fc.double(), fc.constant('weak'))
  const row = fc.record({
    name: leaf,
    scores: leaf,
    peer: leaf,
    slices: leaf,
    asks: leaf,
    past: fc.oneof(fc.record({ served: leaf, asked: leaf }), leaf),
    id: leaf,
    addresses: leaf,
    key: leaf,
    signs: leaf,
  })
  const list = fc.oneof(fc.array(fc.oneof(row, leaf)), leaf)
  const memory = fc.record({
    part: fc.constantFrom('ranking', 'latencies', 'registry', 'other'),
    peers: list,
    contexts: list,
    strangers: row,
    samples: list,
    cids: list,
    cacheTimeMs: leaf,
  })
  fc.assert(fc.property(fc.oneof(memory, leaf), (value) => void parseMemory(value, policy)))
})
