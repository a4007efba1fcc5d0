import type { IDBPObjectStore } from 'idb'
import { type Key, keyFromDigest } from '../../engine/peer.ts'
import { bytesOfKey } from '../../engine/provide/bits.ts'
import type { CellState, ProvidedKey } from '../../engine/provide/contract.ts'
import type { Database, Schema } from './idb-schema.ts'
import {
  type Admitted,
  CellTally,
  type KeyChange,
  type KeyRange,
  type KeyTable,
  nextOf,
  type RemovedPage,
  reviewedAtOnce,
} from './key-table.ts'

/**
 * The keystore on disk. A row a key, under the key's 32 bytes, which IndexedDB keeps in order: a region is a range. The
 * counts of the cells change in the same transaction, so that they are right whenever the tab is closed.
 */
export class IdbKeyTable implements KeyTable {
  readonly #database: Database
  /** As on the disk, where nobody else writes: a change of 512 keys would read nearly as many cells. Undefined until read. */
  #cells: Map<number, CellState> | undefined

  constructor(database: Database) {
    this.#database = database
  }

  async cells(): Promise<CellState[]> {
    const rows = this.#cells === undefined ? await this.#database.getAll('provideCells') : []
    // A change that has ended meanwhile knows better.
    this.#cells ??= byCell(rows)
    return [...this.#cells.values()]
  }

  async load({ source, from, to, limit }: KeyRange): Promise<ProvidedKey[]> {
    const range = IDBKeyRange.bound(bytesOfKey(from), bytesOfKey(to))
    const transaction = this.#database.transaction(storeNames[source])
    const store = transaction.objectStore(storeNames[source])
    const [keys, values] = await Promise.all([store.getAllKeys(range, limit), store.getAll(range, limit), transaction.done])
    return keys.map((key, index): ProvidedKey => {
      const value = values[index]!
      return { key: keyOfId(key), multihash: 'multihash' in value ? value.multihash : value }
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

  async admit(keys: readonly ProvidedKey[], generation: number): Promise<Admitted> {
    let added = 0
    const cells = await this.#changed(async ({ provided, queued, tally }) => {
      const steps = keys.map(async ({ key, multihash }) => {
        const id = bytesOfKey(key)
        // Asked before the row is written, or a key that comes twice would be new twice.
        const isKnown = provided.getKey(id)
        const written = provided.put({ multihash: multihash.slice(), generation }, id)
        if ((await isKnown) !== undefined) return settled(written)
        // What is queued is kept: a key that was not kept is new there too.
        await Promise.all([written, queued.put(multihash.slice(), id)])
        tally.add(key, 1, 1)
        added++
      })
      await Promise.all(steps)
    })
    return { cells, added }
  }

  async removeOlder(generation: number, from: Key): Promise<RemovedPage> {
    let removed = 0
    let next: Key | undefined
    const cells = await this.#changed(async ({ provided, queued, tally }) => {
      const range = IDBKeyRange.lowerBound(bytesOfKey(from))
      const [ids, rows] = await Promise.all([provided.getAllKeys(range, reviewedAtOnce), provided.getAll(range, reviewedAtOnce)])
      const page = ids.map((id, index): ProvidedKey => ({ key: keyOfId(id), multihash: rows[index]!.multihash }))
      next = nextOf(page)
      const old = page.filter((_, index) => rows[index]!.generation < generation)
      removed = old.length
      await Promise.all(
        old.map(async ({ key }) => {
          const id = bytesOfKey(key)
          const waits = queued.getKey(id)
          await Promise.all([provided.delete(id), queued.delete(id)])
          tally.add(key, -1, (await waits) === undefined ? 0 : -1)
        }),
      )
    })
    return { cells, removed, next }
  }

  async clear(): Promise<void> {
    const transaction = this.#database.transaction(tableNames, 'readwrite')
    await Promise.all([...tableNames.map((name) => transaction.objectStore(name).clear()), transaction.done])
    this.#cells = new Map()
  }

  /** One transaction over keys, queue and cells: all of it is stored, or nothing. */
  async #changed(body: (change: Change) => Promise<void>): Promise<CellState[]> {
    const transaction = this.#database.transaction(tableNames, 'readwrite', { durability: 'relaxed' })
    transaction.done.catch(() => {})
    const cellRows = transaction.objectStore('provideCells')
    const tally = new CellTally()
    await body({ provided: transaction.objectStore('provided'), queued: transaction.objectStore('provideQueue'), tally })
    const before = this.#cells ?? byCell(await cellRows.getAll())
    const after = tally.apply((cell) => before.get(cell))
    const written = after.map((state) =>
      state.provided + state.queued > 0 ? settled(cellRows.put(state)) : cellRows.delete(state.cell),
    )
    await Promise.all([...written, transaction.done])
    // Changes come to their end one after the other: what another one has done meanwhile is in `before` already.
    for (const state of after) {
      if (state.provided + state.queued > 0) before.set(state.cell, state)
      else before.delete(state.cell)
    }
    this.#cells = before
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

function byCell(rows: readonly unknown[]): Map<number, CellState> {
  return new Map(rows.filter(isCellState).map((state) => [state.cell, state]))
}

function keyOfId(id: IDBValidKey): Key {
  return keyFromDigest(new Uint8Array(id as ArrayBuffer))
}

async function settled(request: Promise<unknown>): Promise<void> {
  await request
}

function isCellState(value: unknown): value is CellState {
  const { cell, provided, queued, sweptAt } = value as CellState
  return [cell, provided, queued].every(Number.isSafeInteger) && Number.isFinite(sweptAt)
}
