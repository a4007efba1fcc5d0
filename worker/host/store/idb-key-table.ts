import type { IDBPObjectStore } from 'idb'
import { keyFromDigest } from '../../engine/peer.ts'
import { bytesOfKey } from '../../engine/provide/bits.ts'
import type { CellState, ProvidedKey } from '../../engine/provide/contract.ts'
import type { Database, Schema } from './idb-schema.ts'
import { CellTally, type KeyChange, type KeyRange, type KeyTable, removedAtOnce } from './key-table.ts'

/**
 * The keystore on disk. A row a key, under the key's 32 bytes, which IndexedDB keeps in order: a region is a range. The
 * counts of the cells change in the same transaction, so that they are right whenever the tab is closed.
 */
export class IdbKeyTable implements KeyTable {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async cells(): Promise<CellState[]> {
    const rows = await this.#database.getAll('provideCells')
    return rows.filter(isCellState)
  }

  async load({ source, from, to, limit }: KeyRange): Promise<ProvidedKey[]> {
    const range = IDBKeyRange.bound(bytesOfKey(from), bytesOfKey(to))
    const transaction = this.#database.transaction(storeNames[source])
    const store = transaction.objectStore(storeNames[source])
    const [keys, values] = await Promise.all([store.getAllKeys(range, limit), store.getAll(range, limit), transaction.done])
    return keys.map((key, index): ProvidedKey => {
      const value = values[index]!
      return { key: keyFromDigest(new Uint8Array(key as ArrayBuffer)), multihash: 'multihash' in value ? value.multihash : value }
    })
  }

  async change({ add, queue, sent, remove, swept }: KeyChange): Promise<CellState[]> {
    return this.#changed(async ({ provided, queued, tally }) => {
      const steps: Promise<void>[] = []
      for (const { key, multihash } of add?.keys ?? []) {
        const id = bytesOfKey(key)
        const isKnown = provided.getKey(id).then((known) => tally.add(key, known === undefined ? 1 : 0, 0))
        steps.push(isKnown, settled(provided.put({ multihash: multihash.slice(), generation: add!.generation }, id)))
      }
      for (const { key, multihash } of queue ?? []) {
        const id = bytesOfKey(key)
        const isKnown = queued.getKey(id).then((known) => tally.add(key, 0, known === undefined ? 1 : 0))
        steps.push(isKnown, settled(queued.put(multihash.slice(), id)))
      }
      for (const { key } of sent ?? []) {
        const id = bytesOfKey(key)
        const isKnown = queued.getKey(id).then((known) => tally.add(key, 0, known === undefined ? 0 : -1))
        steps.push(isKnown, settled(queued.delete(id)))
      }
      for (const { key } of remove ?? []) {
        const id = bytesOfKey(key)
        const known = Promise.all([provided.getKey(id), queued.getKey(id)]).then(([kept, waits]) =>
          tally.add(key, kept === undefined ? 0 : -1, waits === undefined ? 0 : -1),
        )
        steps.push(known, settled(provided.delete(id)), settled(queued.delete(id)))
      }
      await Promise.all(steps)
      for (const { cell, at } of swept ?? []) tally.sweep(cell, at)
    })
  }

  async removeOlder(generation: number): Promise<{ cells: CellState[]; done: boolean }> {
    let removed = 0
    const cells = await this.#changed(async ({ provided, queued, tally }) => {
      for (
        let cursor = await provided.openCursor();
        cursor !== null && removed < removedAtOnce;
        cursor = await cursor.continue()
      ) {
        if (cursor.value.generation >= generation) continue
        const key = keyFromDigest(new Uint8Array(cursor.primaryKey as ArrayBuffer))
        const waits = await queued.getKey(cursor.primaryKey)
        await Promise.all([cursor.delete(), queued.delete(cursor.primaryKey)])
        tally.add(key, -1, waits === undefined ? 0 : -1)
        removed++
      }
    })
    return { cells, done: removed < removedAtOnce }
  }

  async clear(): Promise<void> {
    const transaction = this.#database.transaction(tableNames, 'readwrite')
    await Promise.all([...tableNames.map((name) => transaction.objectStore(name).clear()), transaction.done])
  }

  /** One transaction over keys, queue and cells: all of it is stored, or nothing. */
  async #changed(body: (change: Change) => Promise<void>): Promise<CellState[]> {
    const transaction = this.#database.transaction(tableNames, 'readwrite', { durability: 'relaxed' })
    transaction.done.catch(() => {})
    const cellRows = transaction.objectStore('provideCells')
    const tally = new CellTally()
    await body({ provided: transaction.objectStore('provided'), queued: transaction.objectStore('provideQueue'), tally })
    const before = new Map<number, CellState>()
    const read = tally.touched.map(async (cell) => {
      const row = await cellRows.get(cell)
      if (row !== undefined && isCellState(row)) before.set(cell, row)
    })
    await Promise.all(read)
    const after = tally.apply((cell) => before.get(cell))
    const written = after.map((state) =>
      state.provided + state.queued > 0 ? settled(cellRows.put(state)) : cellRows.delete(state.cell),
    )
    await Promise.all([...written, transaction.done])
    return after
  }
}

const storeNames = { provided: 'provided', queue: 'provideQueue' } as const
const tableNames = ['provided', 'provideQueue', 'provideCells'] as const

type ChangeStore<Name extends 'provided' | 'provideQueue'> = IDBPObjectStore<Schema, typeof tableNames, Name, 'readwrite'>

interface Change {
  readonly provided: ChangeStore<'provided'>
  readonly queued: ChangeStore<'provideQueue'>
  readonly tally: CellTally
}

async function settled(request: Promise<unknown>): Promise<void> {
  await request
}

function isCellState(value: unknown): value is CellState {
  const { cell, provided, queued, sweptAt } = value as CellState
  return [cell, provided, queued].every(Number.isSafeInteger) && Number.isFinite(sweptAt)
}
