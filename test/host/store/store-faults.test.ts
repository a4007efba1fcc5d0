import 'fake-indexeddb/auto'
import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { forceCloseDatabase, IDBFactory, IDBObjectStore } from 'fake-indexeddb'
import { limits } from '../../../worker/engine/limits.ts'
import { keyOf } from '../../../worker/engine/peer.ts'
import type { ProvidedKey } from '../../../worker/engine/provide/contract.ts'
import { schemaVersion } from '../../../worker/host/store/idb-schema.ts'
import { createStore, type Store } from '../../../worker/host/store/store.ts'
import { FakeLocks } from '../../support/fake-locks.ts'
import { present, testCid, testEntry } from '../../support/store-contract.ts'
import { ManualPlatform } from '../../support/store-platform.ts'

interface Visit {
  readonly store: Store
  readonly platform: ManualPlatform
  readonly lost: string[]
}

async function visit(factory: IDBFactory | undefined, locks?: FakeLocks): Promise<Visit> {
  const platform = new ManualPlatform(factory, locks)
  const lost: string[] = []
  const store = await createStore({ name: 'test', blockBytesMax: 1_000, onLost: (reason) => lost.push(reason), platform })
  return { store, platform, lost }
}

/** The store still does all it is for, in memory, and said so once. */
async function worksInMemory({ store, lost }: Visit, reason: RegExp): Promise<void> {
  await store.putBlock(testCid(50), new Uint8Array(10))
  assert.deepEqual(await store.getBlock(testCid(50)), new Uint8Array(10))
  store.putTableEntry(testEntry(50, 1))
  await store.flush()
  assert.ok((await store.tableEntries()).some(({ id }) => id[2] === 50))
  assert.equal(store.status().mode, 'memory')
  assert.match(store.status().problem ?? '', reason)
  assert.deepEqual(lost, [store.status().problem])
}

async function filled(): Promise<IDBFactory> {
  const factory = new IDBFactory()
  const { store } = await visit(factory)
  await store.putBlock(testCid(1), new Uint8Array(100))
  store.putTableEntry(testEntry(1, 1))
  await store.close()
  return factory
}

async function keptAll(factory: IDBFactory): Promise<void> {
  const { store } = await visit(factory)
  assert.equal(store.status().mode, 'indexeddb')
  assert.deepEqual(await present(store, [1]), [1])
  assert.ok((await store.tableEntries()).some(({ id }) => id[2] === 1))
  await store.close()
}

test('without IndexedDB the store is in memory', async () => {
  await worksInMemory(await visit(undefined), /no IndexedDB/)
})

test('a database of a newer version is left alone', async () => {
  const factory = new IDBFactory()
  const newer = await plainOpen(factory, 99)
  newer.close()
  await worksInMemory(await visit(factory), /newer/)
  const again = await plainOpen(factory, 99)
  assert.equal(again.version, 99)
})

test('a database without its object stores is left alone', async () => {
  const factory = new IDBFactory()
  const other = await plainOpen(factory, schemaVersion)
  other.close()
  await worksInMemory(await visit(factory), /damaged/)
})

test('an upgrade that another tab blocks is not waited for', async () => {
  const factory = new IDBFactory()
  const older = await plainOpen(factory, 1)
  await worksInMemory(await visit(factory), /other tabs/)
  older.close()
})

test('a database that never opens is given up after a time, and closed should it open yet', async () => {
  const factory = new IDBFactory()
  const request = new EventTarget() as EventTarget & { result?: unknown }
  mock.method(factory, 'open', () => request)
  const platform = new ManualPlatform(factory)
  const lost: string[] = []
  const opening = createStore({ name: 'test', blockBytesMax: 1_000, onLost: (reason) => lost.push(reason), platform })
  await turn()
  platform.fireTimeouts()
  const store = await opening
  await worksInMemory({ store, platform, lost }, /in time/)
  const close = mock.fn()
  request.result = { close }
  request.dispatchEvent(new Event('success'))
  assert.equal(close.mock.callCount(), 1)
})

test('an open that throws is a refusal', async () => {
  const factory = new IDBFactory()
  mock.method(factory, 'open', () => {
    throw new DOMException('The operation is insecure.', 'SecurityError')
  })
  await worksInMemory(await visit(factory), /refused/)
})

test('when another tab wants to upgrade, what waits is written, the way is freed, and the store goes on in memory', async () => {
  const factory = await filled()
  const here = await visit(factory)
  here.store.putTableEntry(testEntry(2, 2))
  const elsewhere = await plainOpen(factory, schemaVersion + 1)
  elsewhere.close()
  await worksInMemory(here, /Another tab/)
  const again = await plainOpen(factory, schemaVersion + 1)
  const rows = await promised(again.transaction('tableEntries').objectStore('tableEntries').getAll())
  assert.deepEqual(
    rows.map(({ id }: { id: Uint8Array }) => id[2]),
    [1, 2],
  )
  again.close()
})

test('when the browser closes the database, the store goes on in memory and what waits is not lost', async () => {
  const factory = await filled()
  const databases: IDBDatabase[] = []
  const open = factory.open.bind(factory)
  mock.method(factory, 'open', (name: string, version: number) => {
    const request = open(name, version)
    request.addEventListener('success', () => databases.push(request.result))
    return request
  })
  const here = await visit(factory)
  here.store.putTableEntry(testEntry(2, 2))
  // Its type names the class where an instance is meant.
  forceCloseDatabase(databases[0]! as never)
  await turn()
  assert.ok((await here.store.tableEntries()).some(({ id }) => id[2] === 2))
  await worksInMemory(here, /closed the database/)
  await here.store.close()
  mock.restoreAll()
  await keptAll(factory)
})

test('an operation that fails is done again in memory, and the disk keeps what it has', async () => {
  const factory = await filled()
  const here = await visit(factory)
  const failing = mock.method(IDBObjectStore.prototype, 'put', () => {
    throw new DOMException('Internal error', 'UnknownError')
  })
  here.store.putTableEntry(testEntry(2, 2))
  await here.store.flush()
  assert.ok((await here.store.tableEntries()).some(({ id }) => id[2] === 2))
  await worksInMemory(here, /refused to store/)
  await here.store.close()
  failing.mock.restore()
  await keptAll(factory)
})

test('on a full disk new things go to memory, and old ones are still read and deleted', async () => {
  const factory = await filled()
  const here = await visit(factory)
  const failing = refusePuts()
  await here.store.putBlock(testCid(2), new Uint8Array(200))
  assert.match(here.lost[0] ?? '', /full/)
  assert.deepEqual(await present(here.store, [1, 2]), [1, 2])
  assert.deepEqual(await here.store.getBlock(testCid(1)), new Uint8Array(100))
  assert.deepEqual(
    (await here.store.tableEntries()).map(({ id }) => id[2]),
    [1],
  )
  assert.equal(here.store.status().blocks, 2)
  failing.mock.restore()
  await here.store.deleteBlock(testCid(1))
  here.store.deleteTableEntry(testEntry(1, 0).id)
  await here.store.close()
  const next = await visit(factory)
  assert.deepEqual(await present(next.store, [1, 2]), [])
  assert.deepEqual(await next.store.tableEntries(), [])
})

test('with a full disk what is provided stays provided, and what is cancelled is gone at the next visit', async () => {
  const provided = async ({ store }: Visit): Promise<number> =>
    (await store.keys.cells()).reduce((sum, cell) => sum + cell.provided, 0)
  const key = (number: number): ProvidedKey => ({ key: keyOf(testCid(number)), multihash: testCid(number) })
  const factory = new IDBFactory()
  const first = await visit(factory)
  await first.store.keys.admit([key(1), key(2), key(3)], 5)
  await first.store.close()
  const here = await visit(factory)
  const failing = refusePuts()
  // This is what finds the disk full: it goes to memory.
  assert.equal((await here.store.keys.admit([key(4)], 6)).added, 1)
  assert.match(here.lost[0] ?? '', /full/)
  assert.equal(await provided(here), 4)
  failing.mock.restore()
  await here.store.keys.change({ remove: [key(1), key(4)] })
  assert.equal(await provided(here), 2)
  await here.store.close()
  const next = await visit(factory)
  assert.equal(await provided(next), 2)
  await next.store.close()
})

test('a full disk that takes no cancellation either is left', async () => {
  const key: ProvidedKey = { key: keyOf(testCid(1)), multihash: testCid(1) }
  const factory = new IDBFactory()
  const here = await visit(factory)
  await here.store.keys.admit([key], 5)
  const failing = refusePuts()
  await here.store.putBlock(testCid(2), new Uint8Array(10))
  const broken = mock.method(IDBObjectStore.prototype, 'delete', () => {
    throw new DOMException('no room', 'QuotaExceededError')
  })
  await here.store.keys.change({ remove: [key] })
  assert.deepEqual(await here.store.keys.cells(), [])
  broken.mock.restore()
  failing.mock.restore()
  await here.store.close()
})

test('a browser that grants less than the ceiling makes the store smaller, not useless', async () => {
  const factory = new IDBFactory()
  const { store, lost } = await visit(factory)
  for (const number of [1, 2, 3, 4]) await store.putBlock(testCid(number), new Uint8Array(100))
  const failing = refusePuts(1)
  await store.putBlock(testCid(5), new Uint8Array(100))
  failing.mock.restore()
  assert.deepEqual(lost, [])
  assert.deepEqual(await present(store, [1, 2, 3, 4, 5]), [4, 5])
  assert.deepEqual(store.status(), { mode: 'indexeddb', blocks: 2, blockBytes: 200, problem: undefined })
  await store.putBlock(testCid(6), new Uint8Array(250))
  assert.equal(lost.length, 1, 'a block above what is left of the ceiling goes to memory')
  assert.deepEqual(await present(store, [4, 5, 6]), [4, 5, 6])
})

test('a change of blocks that fails half-way leaves blocks and sum as they were', async () => {
  const factory = await filled()
  const { store } = await visit(factory)
  const put = IDBObjectStore.prototype.put
  const failing = mock.method(IDBObjectStore.prototype, 'put', function (this: IDBObjectStore, ...args: [unknown, never]) {
    if (this.name === 'meta') throw new DOMException('Internal error', 'UnknownError')
    return put.apply(this, args)
  })
  await store.putBlock(testCid(2), new Uint8Array(950))
  failing.mock.restore()
  await store.close()
  const next = await visit(factory)
  assert.deepEqual(await present(next.store, [1, 2]), [1])
  assert.equal(next.store.status().blockBytes, 100)
})

test('a second client on the name is refused after a wait, and the name is free again after close', async () => {
  const factory = new IDBFactory()
  const locks = new FakeLocks()
  const first = await visit(factory, locks)
  const platform = new ManualPlatform(factory, locks)
  const second = createStore({ name: 'test', blockBytesMax: 1_000, onLost: () => {}, platform })
  await turn()
  platform.fireTimeouts()
  await assert.rejects(second, (error: { plain?: { code?: string; message?: string } }) => {
    assert.equal(error.plain?.code, 'storage-in-use')
    assert.match(error.plain?.message ?? '', /"test"/)
    return true
  })
  const other = await createStore({ name: 'other', blockBytesMax: 1_000, onLost: () => {}, platform })
  assert.equal(other.status().mode, 'indexeddb')
  await first.store.close()
  assert.equal((await visit(factory, locks)).store.status().mode, 'indexeddb')
})

test('a client that starts while the one before it is still ending gets the name', async () => {
  const factory = new IDBFactory()
  const locks = new FakeLocks()
  const first = await visit(factory, locks)
  const second = visit(factory, locks)
  await turn()
  await first.store.close()
  assert.equal((await second).store.status().mode, 'indexeddb')
})

test('where locks are refused or missing the client goes on without', async () => {
  const refusing = { request: () => Promise.reject(new DOMException('no locks here', 'SecurityError')) }
  for (const locks of [refusing, undefined]) {
    const platform = new ManualPlatform(new IDBFactory())
    platform.locks = locks
    const store = await createStore({ name: 'test', blockBytesMax: 1_000, onLost: () => {}, platform })
    assert.equal(store.status().mode, 'indexeddb')
  }
})

test('a close that the database never answers ends after a time', async () => {
  const { store, platform } = await visit(new IDBFactory())
  store.putTableEntry(testEntry(1, 1))
  const hanging = mock.method(IDBObjectStore.prototype, 'put', () => new EventTarget())
  const closed = store.close()
  await turn()
  platform.fireTimeouts()
  await closed
  hanging.mock.restore()
})

test('the ceiling in memory is bounded, however high the ceiling on disk', async () => {
  const store = await createStore({
    name: undefined,
    blockBytesMax: 10 ** 12,
    onLost: () => {},
    platform: new ManualPlatform(undefined),
  })
  const size = limits.blockBytesMax.value
  const count = Math.ceil(limits.memoryBlockBytesMax.value / size) + 2
  for (let number = 0; number < count; number++) await store.putBlock(testCid(number), new Uint8Array(size))
  assert.ok(store.status().blockBytes <= limits.memoryBlockBytesMax.value)
  assert.ok(store.status().blocks < count)
})

/** `put` says that the quota is used up, the first `times` times. */
function refusePuts(times = Number.POSITIVE_INFINITY) {
  const put = IDBObjectStore.prototype.put
  let refusals = 0
  return mock.method(IDBObjectStore.prototype, 'put', function (this: IDBObjectStore, ...args: [unknown, never]) {
    if (refusals++ < times) throw new DOMException('quota', 'QuotaExceededError')
    return put.apply(this, args)
  })
}

function plainOpen(factory: IDBFactory, version: number): Promise<IDBDatabase> {
  return promised(factory.open('test', version) as unknown as IDBRequest<IDBDatabase>)
}

function promised<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

/** Lets everything that is ready happen. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
