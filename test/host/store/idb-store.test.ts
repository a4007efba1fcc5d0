import 'fake-indexeddb/auto'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IDBFactory } from 'fake-indexeddb'
import { limits } from '../../../worker/engine/limits.ts'
import { keyOf, openDatabase, schemaVersion } from '../../../worker/host/store/idb-schema.ts'
import { createStore, type Store } from '../../../worker/host/store/store.ts'
import { present, testCid, testEntry } from '../../support/store-contract.ts'
import { ManualPlatform } from '../../support/store-platform.ts'

const never = new AbortController().signal

interface Visit {
  readonly store: Store
  readonly platform: ManualPlatform
  readonly lost: string[]
}

async function visit(factory: IDBFactory | undefined, blockBytesMax = 1_000): Promise<Visit> {
  const platform = new ManualPlatform(factory)
  const lost: string[] = []
  const store = await createStore({ name: 'test', blockBytesMax, onLost: (reason) => lost.push(reason), platform })
  return { store, platform, lost }
}

test('everything is there at the next visit', async () => {
  const factory = new IDBFactory()
  const first = await visit(factory)
  await first.store.putBlock(testCid(1), Uint8Array.of(1, 2))
  await first.store.putIdentity(Uint8Array.of(7))
  first.store.putTableEntry(testEntry(1, 100))
  await first.store.close()

  const { store } = await visit(factory)
  assert.deepEqual(store.status(), { mode: 'indexeddb', blocks: 1, blockBytes: 2, problem: undefined })
  assert.deepEqual(await store.getBlock(testCid(1)), Uint8Array.of(1, 2))
  assert.deepEqual(await store.identity(), Uint8Array.of(7))
  const entry = testEntry(1, 100)
  assert.deepEqual(await store.tableEntries(), [{ ...entry, addresses: [{ ...entry.addresses[0], dialable: false }] }])
})

test('the order of use outlives a visit, even if the clock goes back', async () => {
  const factory = new IDBFactory()
  const first = await visit(factory, 300)
  for (const number of [1, 2, 3]) await first.store.putBlock(testCid(number), new Uint8Array(100))
  await first.store.getBlock(testCid(1))
  await first.store.close()

  const platform = new ManualPlatform(factory)
  platform.time = 1_000
  const store = await createStore({ name: 'test', blockBytesMax: 300, onLost: () => {}, platform })
  await store.putBlock(testCid(4), new Uint8Array(100))
  assert.deepEqual(await present(store, [1, 2, 3, 4]), [1, 3, 4])
})

test('a lower ceiling than at the last visit is kept from the first block on', async () => {
  const factory = new IDBFactory()
  const first = await visit(factory, 1_000)
  for (const number of [1, 2, 3, 4]) await first.store.putBlock(testCid(number), new Uint8Array(200))
  await first.store.close()
  const { store } = await visit(factory, 400)
  await store.putBlock(testCid(5), new Uint8Array(100))
  assert.deepEqual(await present(store, [1, 2, 3, 4, 5]), [4, 5])
})

test('table entries are written together: when the timer fires, or when many wait', async () => {
  const factory = new IDBFactory()
  const { store, platform } = await visit(factory)
  const stored = async () => (await readAll(factory, 'tableEntries')).length
  store.putTableEntry(testEntry(1, 1))
  store.putTableEntry(testEntry(2, 1))
  assert.equal(platform.timers.length, 1, 'one timer for both')
  assert.equal(await stored(), 0)
  platform.fireTimers()
  assert.equal(await stored(), 2)
  for (let number = 3; number < 3 + limits.pendingWritesMax.value; number++) store.putTableEntry(testEntry(number, 1))
  assert.equal(await stored(), 2 + limits.pendingWritesMax.value, 'without the timer')
  assert.equal(platform.timers.length, 0)
  await store.close()
})

test('of too many table entries the most recently useful are kept', async () => {
  const factory = new IDBFactory()
  const count = limits.storedTableEntriesMax.value + 5
  await fill(
    factory,
    'tableEntries',
    Array.from({ length: count }, (_, index) => ({ value: tableRow(index, index) })),
  )
  const { store } = await visit(factory)
  const entries = await store.tableEntries()
  assert.equal(entries.length, limits.storedTableEntriesMax.value)
  assert.equal(entries[0]!.lastUsefulAt, count - 1)
  assert.equal(entries.at(-1)!.lastUsefulAt, 5)
  assert.equal((await readAll(factory, 'tableEntries')).length, limits.storedTableEntriesMax.value)
})

test('rows of a wrong form are left out and deleted', async () => {
  const factory = new IDBFactory()
  await fill(factory, 'tableEntries', [
    { value: tableRow(1, 100) },
    { value: { ...tableRow(2, 100), addresses: 'none' } },
    { value: { ...tableRow(3, 100), lastUsefulAt: 'now' } },
    { value: { id: Uint8Array.of(1, 2, 3), addresses: [], lastUsefulAt: 1 } },
  ])
  await fill(factory, 'meta', [
    { key: 'identity', value: 'text' },
    { key: 'networkSize', value: -3 },
  ])
  const { store } = await visit(factory)
  assert.deepEqual(
    (await store.tableEntries()).map(({ lastUsefulAt }) => lastUsefulAt),
    [100],
  )
  assert.equal(await store.identity(), undefined)
  assert.equal(await store.networkSize(), undefined)
  assert.equal((await readAll(factory, 'tableEntries')).length, 1)
})

test('a database of version 1 is brought to version 2 with all that is in it', async () => {
  const factory = new IDBFactory()
  const { id } = testEntry(1, 0)
  const database = await openDatabase(factory as unknown as globalThis.IDBFactory, 'test', never, 1)
  const block = (size: number, storedAt: number) => ({ bytes: new Uint8Array(size).fill(size), size, storedAt })
  const raw = database as unknown as { put(store: string, value: unknown, key?: unknown): Promise<unknown> }
  await raw.put('meta', Uint8Array.of(7), 'identity')
  await raw.put('tableEntries', { id, addresses: [{ bytes: Uint8Array.of(1, 2), dialable: true }], lastUsefulAt: 5 })
  await raw.put('blocks', block(100, 30), testCid(1))
  await raw.put('blocks', block(101, 10), testCid(2))
  await raw.put('blocks', block(102, 20), testCid(3))
  database.close()

  const { store, lost } = await visit(factory, 303)
  assert.deepEqual(lost, [])
  assert.deepEqual(store.status(), { mode: 'indexeddb', blocks: 3, blockBytes: 303, problem: undefined })
  assert.deepEqual(await store.identity(), Uint8Array.of(7))
  assert.deepEqual(await store.tableEntries(), [
    { id, addresses: [{ bytes: Uint8Array.of(1, 2), dialable: false }], lastUsefulAt: 5 },
  ])
  assert.deepEqual(await store.getBlock(testCid(2)), new Uint8Array(101).fill(101))
  await store.putBlock(testCid(4), new Uint8Array(50))
  assert.deepEqual(await present(store, [1, 2, 3, 4]), [1, 2, 4], 'block 3 was stored before 1, and 2 was just used')
  await store.close()
})

test('a migration that fails leaves the database as it was', async () => {
  const factory = new IDBFactory()
  const database = await openDatabase(factory as unknown as globalThis.IDBFactory, 'test', never, 1)
  const raw = database as unknown as { put(store: string, value: unknown, key?: unknown): Promise<unknown> }
  await raw.put('blocks', 'no block of version 1', testCid(1))
  database.close()
  const { store, lost } = await visit(factory)
  assert.equal(store.status().mode, 'memory')
  assert.equal(lost.length, 1)
  const again = await openDatabase(factory as unknown as globalThis.IDBFactory, 'test', never, 1)
  assert.equal(again.version, 1)
  assert.equal(
    await (again as unknown as { get(store: string, key: unknown): Promise<unknown> }).get('blocks', testCid(1)),
    'no block of version 1',
  )
  again.close()
})

test('version 4 finds blocks of version 3 by multihash, keeps one of each, and lets them go (S6)', async () => {
  const factory = new IDBFactory()
  const multihash = (number: number) => testCid(number).subarray(2)
  const raw = (number: number) => testCid(number)
  const dagPb = (number: number) => Uint8Array.of(1, 0x70, ...multihash(number))
  const rows: [cid: Uint8Array, size: number, lastUsedAt: number][] = [
    [raw(1), 100, 10],
    [multihash(2), 100, 20],
    [raw(3), 100, 30],
    [dagPb(3), 100, 70],
    [dagPb(4), 100, 40],
    [multihash(4), 100, 35],
    [Uint8Array.of(1, 0x71, 0xa0, 0xe4, 2, 32, ...multihash(5).subarray(2)), 100, 50],
    [Uint8Array.of(1, 0x55, 0, 4, 1, 2, 3, 4), 4, 60],
  ]
  await fillVersion3(factory, rows)

  const { store, lost } = await visit(factory, 504)
  assert.deepEqual(lost, [])
  assert.deepEqual(store.status(), { mode: 'indexeddb', blocks: 6, blockBytes: 504, problem: undefined })
  assert.equal((await readAll(factory, 'blocks')).length, 6)
  const uses = (await readAll(factory, 'blockUses')) as { lastUsedAt: number }[]
  assert.deepEqual(
    uses.map(({ lastUsedAt }) => lastUsedAt).sort((a, b) => a - b),
    [10, 20, 40, 50, 60, 70],
  )
  for (const number of [1, 2, 3, 4]) {
    for (const cid of [raw(number), dagPb(number), multihash(number)]) {
      assert.deepEqual([await store.blockSize(cid), (await store.getBlock(cid))?.[0]], [100, number])
    }
  }
  await store.close()

  // Their uses are known at the next visit as they were, and a block that is put again stays where it is.
  const next = await visit(factory, 504)
  await next.store.putBlock(multihash(1), new Uint8Array(100))
  await next.store.putBlock(raw(6), new Uint8Array(250))
  assert.deepEqual(await present(next.store, [1, 2, 3, 4, 6]), [1, 4, 6], 'the least recently used went')
  assert.deepEqual(next.store.status().blockBytes, 450)
  for (const number of [1, 4, 6]) await next.store.deleteBlock(dagPb(number))
  assert.deepEqual([next.store.status().blocks, (await readAll(factory, 'blocks')).length], [0, 0])
  await next.store.close()
})

test('where a use of version 3 has no block, the one that has stays', async () => {
  const factory = new IDBFactory()
  const [raw, dagPb] = [testCid(1), Uint8Array.of(1, 0x70, ...testCid(1).subarray(2))]
  await fillVersion3(factory, [
    [raw, 100, 10],
    [dagPb, 100, 20],
  ])
  const database = await openDatabase(factory as unknown as globalThis.IDBFactory, 'test', never, 3)
  await database.delete('blocks', keyOf(raw))
  database.close()
  const { store } = await visit(factory, 504)
  assert.deepEqual([(await store.getBlock(raw))?.length, store.status().blockBytes], [100, 100])
  await store.close()
})

test('many blocks of version 3 move a part at a time, and those under two CIDs meet', async () => {
  const factory = new IDBFactory()
  const numbered = (number: number, codec: number) =>
    Uint8Array.of(1, codec, 0x12, 32, ...new Uint8Array(30), number >> 8, number & 255)
  const numbers = Array.from({ length: 1_500 }, (_, index) => index)
  await fillVersion3(
    factory,
    [0x55, 0x70].flatMap((codec) =>
      numbers.map((number): [Uint8Array, number, number] => [numbered(number, codec), 1, codec * 10_000 + number]),
    ),
  )
  const { store } = await visit(factory, 3_000)
  assert.deepEqual([store.status().blocks, store.status().blockBytes], [1_500, 1_500])
  assert.equal((await readAll(factory, 'blocks')).length, 1_500)
  const sizes = await Promise.all(numbers.map((number) => store.blockSize(numbered(number, 0x71))))
  assert.ok(sizes.every((size) => size === 1))
  await store.close()
})

/** Blocks are filled with the last byte of their CID. */
async function fillVersion3(
  factory: IDBFactory,
  rows: readonly (readonly [cid: Uint8Array, size: number, lastUsedAt: number])[],
): Promise<void> {
  const database = await openDatabase(factory as unknown as globalThis.IDBFactory, 'test', never, 3)
  const transaction = database.transaction(['blocks', 'blockUses', 'meta'], 'readwrite')
  const [blocks, uses, meta] = [
    transaction.objectStore('blocks'),
    transaction.objectStore('blockUses'),
    transaction.objectStore('meta'),
  ]
  const blockBytes = rows.reduce((sum, [, size]) => sum + size, 0)
  await Promise.all([
    ...rows.flatMap(([cid, size, lastUsedAt]) => [
      blocks.put(new Uint8Array(size).fill(cid.at(-1)!), keyOf(cid)),
      uses.put({ size, lastUsedAt }, keyOf(cid)),
    ]),
    meta.put({ blocks: rows.length, blockBytes }, 'blockTotals'),
    transaction.done,
  ])
  database.close()
}

function tableRow(number: number, lastUsefulAt: number): object {
  const id = testEntry(0, 0).id.slice()
  new DataView(id.buffer).setUint32(2, number)
  return { id, addresses: [], lastUsefulAt }
}

async function fill(factory: IDBFactory, name: string, rows: readonly { key?: string; value: unknown }[]): Promise<void> {
  const database = await openDatabase(factory as unknown as globalThis.IDBFactory, 'test', never, schemaVersion)
  const transaction = database.transaction([name as 'meta'], 'readwrite')
  const store = transaction.objectStore(name as 'meta')
  await Promise.all([...rows.map(({ key, value }) => store.put(value, key)), transaction.done])
  database.close()
}

async function readAll(factory: IDBFactory, name: string): Promise<unknown[]> {
  const database = await openDatabase(factory as unknown as globalThis.IDBFactory, 'test', never, schemaVersion)
  const rows = await database.getAll(name as 'meta')
  database.close()
  return rows
}
