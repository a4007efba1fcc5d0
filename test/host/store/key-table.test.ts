import 'fake-indexeddb/auto'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IDBFactory } from 'fake-indexeddb'
import { keyFromDigest } from '../../../worker/engine/peer.ts'
import type { CellState, ProvidedKey } from '../../../worker/engine/provide/contract.ts'
import { successorOf } from '../../../worker/engine/provide/bits.ts'
import { cellOf } from '../../../worker/engine/provide/schedule.ts'
import { FullDiskKeys } from '../../../worker/host/store/full-disk-keys.ts'
import { openDatabase } from '../../../worker/host/store/idb-schema.ts'
import { IdbKeyTable } from '../../../worker/host/store/idb-key-table.ts'
import { type KeyTable, MemoryKeyTable, reviewedAtOnce } from '../../../worker/host/store/key-table.ts'
import { createStore } from '../../../worker/host/store/store.ts'
import { testCid } from '../../support/store-contract.ts'
import { ManualPlatform } from '../../support/store-platform.ts'

const never = new AbortController().signal
const [first, last] = [keyFromDigest(new Uint8Array(32)), keyFromDigest(new Uint8Array(32).fill(255))]

/** Keys of cell 0, 1, 2, … in turns of four. */
function key(number: number): ProvidedKey {
  const digest = new Uint8Array(32).fill(number)
  digest.set([0, (number % 4) << 4])
  return { key: keyFromDigest(digest), multihash: Uint8Array.of(0x12, number) }
}

function keys(...numbers: number[]): ProvidedKey[] {
  return numbers.map(key)
}

async function numbersIn(table: KeyTable, source: 'provided' | 'queue', limit = 100): Promise<number[]> {
  const found = await table.load({ source, from: first, to: last, limit })
  return found.map(({ multihash }) => multihash[1]!)
}

async function countsOf(table: KeyTable): Promise<string[]> {
  const text = ({ cell, provided, queued, sweptAt }: CellState): string => `${cell}: ${provided} ${queued} ${sweptAt}`
  return (await table.cells()).sort((a, b) => a.cell - b.cell).map(text)
}

const tables: readonly [string, () => Promise<KeyTable>][] = [
  ['in memory', async () => new MemoryKeyTable()],
  ['on disk', async () => new IdbKeyTable(await openDatabase(new IDBFactory() as never, 'keys', never))],
  ['beside a full disk', async () => new FullDiskKeys(new MemoryKeyTable(), new MemoryKeyTable())],
]

for (const [where, open] of tables) {
  test(`keys ${where} come back in their order, by range and page`, async () => {
    const table = await open()
    await table.change({ add: { keys: keys(5, 2, 1, 9, 4), generation: 1 } })
    assert.deepEqual(await numbersIn(table, 'provided'), [4, 1, 5, 9, 2], 'by cell, then by key')
    assert.deepEqual(await numbersIn(table, 'provided', 2), [4, 1])
    const range = { source: 'provided', from: key(1).key, to: key(5).key, limit: 10 } as const
    assert.deepEqual(
      (await table.load(range)).map(({ multihash }) => multihash[1]),
      [1, 5],
    )
    assert.deepEqual(
      (await table.load(range)).map((found) => cellOf(found.key)),
      [1, 1],
    )
    assert.deepEqual(await numbersIn(table, 'queue'), [])
  })

  test(`counts ${where} are exact by cell, whatever is added twice or was never there`, async () => {
    const table = await open()
    const cells = await table.change({ add: { keys: keys(1, 5, 2), generation: 1 }, queue: keys(1, 5, 2, 3) })
    assert.deepEqual(
      cells.map(({ cell, provided, queued }) => [cell, provided, queued]).sort(([a = 0], [b = 0]) => a - b),
      [
        [1, 2, 2],
        [2, 1, 1],
        [3, 0, 1],
      ],
    )
    await table.change({ add: { keys: keys(1), generation: 2 }, queue: keys(1) })
    await table.change({ sent: keys(1, 7), swept: [{ cell: 1, at: 77 }] })
    await table.change({ remove: keys(2, 6) })
    assert.deepEqual(await countsOf(table), ['1: 2 1 77', '3: 0 1 0'], 'an empty cell is gone')
    assert.deepEqual(
      [await numbersIn(table, 'provided'), await numbersIn(table, 'queue')],
      [
        [1, 5],
        [5, 3],
      ],
    )
    await table.clear()
    assert.deepEqual([await countsOf(table), await numbersIn(table, 'queue')], [[], []])
  })

  test(`of keys admitted ${where} only those that are new are queued, and one that comes twice is one`, async () => {
    const table = await open()
    await table.change({ add: { keys: keys(1), generation: 1 } })
    const { added } = await table.admit(keys(1, 2, 6, 2), 2)
    assert.deepEqual([added, await countsOf(table)], [2, ['1: 1 0 0', '2: 2 2 0']])
    assert.deepEqual(await numbersIn(table, 'queue'), [2, 6])
    const { removed } = await table.removeOlder(2, first)
    assert.equal(removed, 0, 'the later addition counts')
  })

  test(`changes ${where} that overlap count once each`, async () => {
    const table = await open()
    await Promise.all([table.admit(keys(1, 5), 1), table.cells(), table.admit(keys(5, 9), 1), table.change({ remove: keys(1) })])
    await Promise.all([table.change({ sent: keys(5) }), table.admit(keys(13), 1)])
    assert.deepEqual(await countsOf(table), ['1: 3 2 0'])
  })

  test(`a replacement ${where} goes over the keys once, page by page`, async () => {
    const table = await open()
    const many = Array.from({ length: reviewedAtOnce + 10 }, (_, number): ProvidedKey => {
      const digest = new Uint8Array(32)
      new DataView(digest.buffer).setUint32(0, number * 100_000)
      return { key: keyFromDigest(digest), multihash: digest.slice(0, 4) }
    })
    await table.admit(many, 1)
    await table.admit(many.slice(-12, -4), 2)
    const page = await table.removeOlder(2, first)
    assert.deepEqual([page.removed, page.next], [reviewedAtOnce - 2, successorOf(many[reviewedAtOnce - 1]!.key)])
    const rest = await table.removeOlder(2, page.next!)
    assert.deepEqual([rest.removed, rest.next], [4, undefined])
    const kept = await table.load({ source: 'queue', from: first, to: last, limit: 100 })
    assert.equal(kept.length, 8)
  })

  test(`a bulk replacement ${where} has no gap: what is old goes when all that is new has come`, async () => {
    const table = await open()
    await table.change({ add: { keys: keys(1, 2, 3), generation: 1 }, queue: keys(3) })
    await table.change({ add: { keys: keys(2, 4), generation: 2 } })
    assert.deepEqual(await numbersIn(table, 'provided'), [4, 1, 2, 3])
    await table.change({ add: { keys: keys(8), generation: 3 } })
    const { removed, next } = await table.removeOlder(2, first)
    assert.deepEqual(
      [removed, next, await numbersIn(table, 'provided'), await numbersIn(table, 'queue')],
      [2, undefined, [4, 8, 2], []],
    )
    assert.deepEqual(await countsOf(table), ['0: 2 0 0', '2: 1 0 0'])
  })
}

test('keys, queue and times are there at the next visit, and a database of version 2 gets their place', async () => {
  const factory = new IDBFactory() as unknown as globalThis.IDBFactory
  const old = await openDatabase(factory, 'test', never, 2)
  const raw = old as unknown as { put(store: string, value: unknown, key?: unknown): Promise<unknown> }
  await raw.put('meta', Uint8Array.of(7), 'identity')
  await raw.put('blocks', Uint8Array.of(1, 2, 3), testCid(1))
  await raw.put('blockUses', { size: 3, lastUsedAt: 5 }, testCid(1))
  old.close()
  const visit = () =>
    createStore({ name: 'test', blockBytesMax: 100, onLost: () => assert.fail(), platform: new ManualPlatform(factory) })
  const store = await visit()
  assert.deepEqual([await store.identity(), await store.getBlock(testCid(1))], [Uint8Array.of(7), Uint8Array.of(1, 2, 3)])
  await store.keys.change({ add: { keys: keys(1, 2), generation: 1 }, queue: keys(2), swept: [{ cell: 1, at: 55 }] })
  await store.close()
  const next = await visit()
  assert.deepEqual(await countsOf(next.keys), ['1: 1 0 55', '2: 1 1 0'])
  assert.deepEqual([await numbersIn(next.keys, 'provided'), await numbersIn(next.keys, 'queue')], [[1, 2], [2]])
  await next.close()
})

test('without a disk keys are kept for this visit', async () => {
  const lost: string[] = []
  const platform = new ManualPlatform(undefined)
  const store = await createStore({ name: 'test', blockBytesMax: 100, onLost: (reason) => lost.push(reason), platform })
  await store.keys.change({ add: { keys: keys(1), generation: 1 } })
  assert.deepEqual([lost.length, await numbersIn(store.keys, 'provided')], [1, [1]])
  await store.close()
})

test('what is on a full disk is found with what came since, and both go', async () => {
  const [disk, memory] = [new MemoryKeyTable(), new MemoryKeyTable()]
  await disk.admit(keys(1, 2, 4, 5), 5)
  await disk.change({ sent: keys(1, 2, 5), swept: [{ cell: 1, at: 7 }] })
  const both = new FullDiskKeys(disk, memory)
  const { added, cells } = await both.admit(keys(1, 3, 9), 6)
  assert.equal(added, 2, 'one is on the disk')
  assert.deepEqual(
    new Map(cells.map(({ cell, provided }) => [cell, provided])),
    new Map([
      [1, 3],
      [3, 1],
    ]),
  )
  assert.deepEqual(await numbersIn(both, 'provided'), [4, 1, 5, 9, 2, 3])
  assert.deepEqual(await numbersIn(both, 'provided', 3), [4, 1, 5])
  assert.deepEqual(await numbersIn(both, 'queue'), [4, 9, 3])
  assert.deepEqual(await countsOf(both), ['0: 1 1 0', '1: 3 1 7', '2: 1 0 0', '3: 1 1 0'])
  assert.equal((await both.removeOlder(6, first)).removed, 3)
  assert.deepEqual(await numbersIn(both, 'provided'), [1, 9, 3], 'what was added again stays')
  await both.change({ remove: keys(1, 3) })
  assert.deepEqual(await numbersIn(disk, 'provided'), [])
  assert.deepEqual(await countsOf(both), ['1: 1 1 0'])
  await both.clear()
  assert.deepEqual(await countsOf(both), [])
})

test('a replacement takes nothing from a full disk that did not take what was added again', async () => {
  const [disk, memory] = [new MemoryKeyTable(), new MemoryKeyTable()]
  await disk.admit(keys(1, 2), 5)
  const both = new FullDiskKeys({ ...methodsOf(disk), change: () => Promise.reject(new Error('full')) }, memory)
  await both.admit(keys(1, 3), 6)
  assert.deepEqual(await both.removeOlder(6, first), { cells: [], removed: 0, next: undefined })
  assert.deepEqual(await numbersIn(both, 'provided'), [1, 2, 3])
})

function methodsOf(table: KeyTable): KeyTable {
  return {
    cells: () => table.cells(),
    load: (range) => table.load(range),
    change: (change) => table.change(change),
    admit: (added, generation) => table.admit(added, generation),
    removeOlder: (generation, from) => table.removeOlder(generation, from),
    clear: () => table.clear(),
  }
}
