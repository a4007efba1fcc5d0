import type { IDBPTransaction } from 'idb'
import type { StoredTableEntry } from '../../engine/kad/contract.ts'
import { limits } from '../../engine/limits.ts'
import { isPeerId } from '../../wire/peer-id.ts'
import type { Backend, BlockUsage, Writes } from './backend.ts'
import {
  type BlockTotals,
  type BlockUse,
  type Database,
  DatabaseError,
  keyOf,
  metaNames,
  openDatabase,
  plainDatabase,
  type Schema,
  type TableRow,
} from './idb-schema.ts'
import type { KeyTable } from './key-table.ts'
import { IdbKeyTable } from './idb-key-table.ts'

/**
 * Keeps things in IndexedDB. Each change and the sums that belong to it are one transaction, so that a tab that is
 * closed at any moment leaves a database that is right.
 */

export interface IdbOptions {
  readonly factory: IDBFactory
  readonly name: string
  readonly blockBytesMax: number
  /** Wall-clock milliseconds. */
  readonly now: () => number
  /** Bounds the opening. */
  readonly giveUp: AbortSignal
  /** The browser closed the database, or another tab wants to upgrade or delete it: `close` must follow soon. */
  readonly onClosing: (error: DatabaseError) => void
}

/** What was learned lies in meta beside the identity. */
const learnedPrefix = 'learned/'

const none: BlockTotals = { blocks: 0, blockBytes: 0 }

/** Rejects with a `DatabaseError`. */
export async function openIdbBackend(options: IdbOptions): Promise<IdbBackend> {
  const database = await openDatabase(options.factory, options.name, options.giveUp)
  try {
    const totals = await database.get('meta', metaNames.blockTotals)
    const latest = await latestUse(database)
    return new IdbBackend(database, options, isTotals(totals) ? totals : none, latest)
  } catch (error) {
    database.close()
    throw databaseError(error)
  }
}

export class IdbBackend implements Backend {
  usage: BlockUsage
  readonly keys: KeyTable
  readonly blockBytesMax: number
  /** The ceiling in force: lower than `blockBytesMax` once the browser has granted less. */
  #grantedBytesMax: number
  /** Of all blocks when the database was opened. */
  readonly latestUseAt: number
  readonly #database: Database
  readonly #now: () => number

  constructor(database: Database, options: IdbOptions, totals: BlockTotals, latestUseAt: number) {
    this.latestUseAt = latestUseAt
    this.#database = database
    this.keys = guarded(new IdbKeyTable(database))
    this.#now = options.now
    this.usage = totals
    this.blockBytesMax = options.blockBytesMax
    this.#grantedBytesMax = options.blockBytesMax
    const plain = plainDatabase(database)
    plain.addEventListener('close', () => options.onClosing(new DatabaseError('closed', 'the browser closed the database')))
    plain.addEventListener('versionchange', () =>
      options.onClosing(new DatabaseError('upgrade-elsewhere', 'another tab upgrades or deletes the database')),
    )
  }

  /** The most recently useful ones; rows over the limit, or of a form they should not have, are deleted. */
  async tableEntries(): Promise<StoredTableEntry[]> {
    return attempt(async () => {
      const rows = await this.#database.getAll('tableEntries')
      const sound = rows.filter(isTableRow).sort((a, b) => b.lastUsefulAt - a.lastUsefulAt)
      const kept = sound.slice(0, limits.storedTableEntriesMax.value)
      if (kept.length < rows.length) await this.#keepOnly(kept, rows)
      return kept.map(entryOf)
    })
  }

  async write({ entries, forgotten, uses }: Writes): Promise<void> {
    await attempt(async () => {
      const transaction = this.#database.transaction(['tableEntries', 'blockUses'], 'readwrite', { durability: 'relaxed' })
      transaction.done.catch(() => {})
      const table = transaction.objectStore('tableEntries')
      const blockUses = transaction.objectStore('blockUses')
      await Promise.all([
        ...forgotten.map((id) => table.delete(keyOf(id))),
        ...entries.map((entry) => table.put(rowOf(entry))),
        ...uses.map(async ({ multihash, usedAt }) => {
          const use = await blockUses.get(keyOf(multihash))
          if (use !== undefined) await blockUses.put({ ...use, lastUsedAt: usedAt }, keyOf(multihash))
        }),
        transaction.done,
      ])
    })
  }

  async identity(): Promise<Uint8Array | undefined> {
    const value = await attempt(() => this.#database.get('meta', metaNames.identity))
    return value instanceof Uint8Array ? value : undefined
  }

  async putIdentity(privateKey: Uint8Array): Promise<void> {
    await attempt(() => this.#database.put('meta', privateKey.slice(), metaNames.identity))
  }

  async networkSize(): Promise<number | undefined> {
    const value = await attempt(() => this.#database.get('meta', metaNames.networkSize))
    return typeof value === 'number' && value >= 1 ? value : undefined
  }

  async putNetworkSize(size: number): Promise<void> {
    await attempt(() => this.#database.put('meta', size, metaNames.networkSize))
  }

  async learned(name: string): Promise<unknown> {
    return attempt(() => this.#database.get('meta', learnedPrefix + name))
  }

  async putLearned(name: string, value: unknown): Promise<void> {
    await attempt(() => this.#database.put('meta', value, learnedPrefix + name))
  }

  async getBlock(multihash: Uint8Array): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return attempt(async () => {
      const key = keyOf(multihash)
      // At once: most that is looked for is not here, and the want waits for it.
      const [bytes, use] = await Promise.all([this.#database.get('blocks', key), this.#database.get('blockUses', key)])
      return use?.cid === undefined ? bytes : this.#database.get('blocks', keyOf(use.cid))
    })
  }

  async blockSize(multihash: Uint8Array): Promise<number | undefined> {
    return (await attempt(() => this.#database.get('blockUses', keyOf(multihash))))?.size
  }

  async putBlock(multihash: Uint8Array, bytes: Uint8Array): Promise<void> {
    try {
      await attempt(() => this.#putBlock(multihash, bytes))
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.fault !== 'full') throw error
      // From now on we keep to half of what the browser took. Room is made in a transaction of its own: one that both
      // writes and deletes needs the room before it has made it.
      this.#grantedBytesMax = Math.floor(this.usage.blockBytes / 2)
      if (bytes.length > this.#grantedBytesMax) throw error
      await attempt(() => this.#changeBlocks((change, totals) => change.evict(totals, this.#grantedBytesMax - bytes.length)))
      await attempt(() => this.#putBlock(multihash, bytes))
    }
  }

  async deleteBlock(multihash: Uint8Array): Promise<void> {
    await attempt(() =>
      this.#changeBlocks(async (change, totals) => {
        const use = await change.uses.get(keyOf(multihash))
        return use === undefined ? totals : change.remove(multihash, use, totals)
      }),
    )
  }

  /** Transactions under way still end. */
  async close(): Promise<void> {
    this.#database.close()
  }

  async #putBlock(multihash: Uint8Array, bytes: Uint8Array): Promise<void> {
    if (bytes.length > this.#grantedBytesMax) throw new DatabaseError('full', 'the block is larger than what the browser grants')
    await this.#changeBlocks(async (change, totals) => {
      const known = await change.uses.get(keyOf(multihash))
      await change.uses.put({ ...known, size: bytes.length, lastUsedAt: this.#now() }, keyOf(multihash))
      if (known !== undefined) return totals
      // A copy, since of a view the whole buffer behind it would be stored.
      await change.blocks.put(new Uint8Array(bytes), keyOf(multihash))
      const added = { blocks: totals.blocks + 1, blockBytes: totals.blockBytes + bytes.length }
      return change.evict(added, this.#grantedBytesMax)
    })
  }

  /** One transaction over blocks, their uses and their sum, which `body` returns: all of it is stored, or nothing. */
  async #changeBlocks(body: (change: BlockChange, totals: BlockTotals) => Promise<BlockTotals>): Promise<void> {
    const transaction = this.#database.transaction(['blocks', 'blockUses', 'meta'], 'readwrite', { durability: 'relaxed' })
    // A failure is told by the request that failed; this promise is awaited only after all of them.
    transaction.done.catch(() => {})
    const meta = transaction.objectStore('meta')
    try {
      const before = await meta.get(metaNames.blockTotals)
      const totals = await body(new BlockChange(transaction), isTotals(before) ? before : none)
      await meta.put(totals, metaNames.blockTotals)
      await transaction.done
      this.usage = totals
    } catch (error) {
      abortQuietly(transaction)
      throw error
    }
  }

  async #keepOnly(kept: readonly TableRow[], rows: readonly TableRow[]): Promise<void> {
    const keep = new Set(kept)
    const transaction = this.#database.transaction('tableEntries', 'readwrite', { durability: 'relaxed' })
    const surplus = rows.filter((row) => !keep.has(row)).map(({ id }) => transaction.store.delete(keyOf(id)))
    await Promise.all([...surplus, transaction.done])
  }
}

type BlockTransaction = IDBPTransaction<Schema, ('blocks' | 'blockUses' | 'meta')[], 'readwrite'>

class BlockChange {
  readonly blocks
  readonly uses

  constructor(transaction: BlockTransaction) {
    this.blocks = transaction.objectStore('blocks')
    this.uses = transaction.objectStore('blockUses')
  }

  async remove(multihash: Uint8Array, { size, cid = multihash }: BlockUse, totals: BlockTotals): Promise<BlockTotals> {
    await Promise.all([this.blocks.delete(keyOf(cid)), this.uses.delete(keyOf(multihash))])
    return { blocks: totals.blocks - 1, blockBytes: totals.blockBytes - size }
  }

  /** Deletes the least recently used until at most so many bytes are left. */
  async evict(totals: BlockTotals, bytesMax: number): Promise<BlockTotals> {
    let left = totals
    let cursor = left.blockBytes > bytesMax ? await this.uses.index('lastUsedAt').openCursor() : null
    while (cursor !== null && left.blockBytes > bytesMax) {
      left = await this.remove(new Uint8Array(cursor.primaryKey as ArrayBuffer), cursor.value, left)
      cursor = await cursor.continue()
    }
    return left
  }
}

/** A transaction that failed by itself is over already. */
function abortQuietly(transaction: BlockTransaction): void {
  try {
    transaction.abort()
  } catch {}
}

async function latestUse(database: Database): Promise<number> {
  const transaction = database.transaction('blockUses')
  const [cursor] = await Promise.all([transaction.store.index('lastUsedAt').openKeyCursor(null, 'prev'), transaction.done])
  return cursor?.key ?? 0
}

/** Every rejection is a `DatabaseError`. */
function guarded(keys: KeyTable): KeyTable {
  return {
    cells: () => attempt(() => keys.cells()),
    load: (range) => attempt(() => keys.load(range)),
    change: (change) => attempt(() => keys.change(change)),
    admit: (added, generation) => attempt(() => keys.admit(added, generation)),
    removeOlder: (generation, from) => attempt(() => keys.removeOlder(generation, from)),
    clear: () => attempt(() => keys.clear()),
  }
}

async function attempt<T>(operation: () => Promise<T>): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    throw databaseError(error)
  }
}

function databaseError(error: unknown): DatabaseError {
  if (error instanceof DatabaseError) return error
  const name = error instanceof Error || error instanceof DOMException ? error.name : ''
  const text = error instanceof Error || error instanceof DOMException ? `${error.name}: ${error.message}` : String(error)
  if (name === 'QuotaExceededError') return new DatabaseError('full', text)
  return new DatabaseError(name === 'InvalidStateError' ? 'closed' : 'failed', text)
}

function rowOf({ id, addresses, lastUsefulAt }: StoredTableEntry): TableRow {
  return { id: id.slice(), addresses: addresses.map(({ bytes }) => bytes.slice()), lastUsefulAt }
}

/** Whether an address is dialable is decided anew by whoever reads the entry: until then, it is not. */
function entryOf({ id, addresses, lastUsefulAt }: TableRow): StoredTableEntry {
  return { id: id as StoredTableEntry['id'], addresses: addresses.map((bytes) => ({ bytes, dialable: false })), lastUsefulAt }
}

function isTableRow(row: TableRow): boolean {
  const { id, addresses, lastUsefulAt } = row
  const hasAddresses = Array.isArray(addresses) && addresses.every((bytes) => bytes instanceof Uint8Array)
  return id instanceof Uint8Array && isPeerId(id) && hasAddresses && Number.isFinite(lastUsefulAt)
}

function isTotals(value: unknown): value is BlockTotals {
  const totals = value as BlockTotals | undefined
  return Number.isSafeInteger(totals?.blocks) && Number.isSafeInteger(totals?.blockBytes)
}
