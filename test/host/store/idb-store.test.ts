import 'fake-indexeddb/auto'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IDBFactory } from 'fake-indexeddb'
import { limits } from '../../../worker/engine/limits.ts'
import { openDatabase, schemaVersion } from '../../../worker/host/store/idb-schema.ts'
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
