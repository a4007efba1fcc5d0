import { type DBSchema, type IDBPDatabase, type IDBPTransaction, type StoreNames, unwrap, wrap } from 'idb'
import { multihashOf } from '../../engine/bitswap/cid-key.ts'
import { BytesMap } from '../../engine/bytes-map.ts'
import type { CellState } from '../../engine/provide/contract.ts'

/**
 * The database and how it came to be. A version, once shipped, never changes: a new one is a new step at the end of
 * `migrations`, and the fixture of the old one stays in the test.
 *
 *   version 1  meta, tableEntries; blocks with size and time in one value
 *   version 2  the bytes of a block apart from its use, so that reading one does not write megabytes, and least recent
 *              use has an index; the sum of all blocks in meta; addresses without a verdict that may be out of date
 *   version 3  what is to be provided: keys in their order, the queue, and counts and times by cell
 *   version 4  blocks by multihash; those that were there stay where they are, and their uses say where that is
 */

export const schemaVersion = 4

export interface Schema extends DBSchema {
  /** Single values by name. */
  meta: { key: string; value: unknown }
  tableEntries: { key: IDBValidKey; value: TableRow }
  /** By multihash, or where its use says. */
  blocks: { key: IDBValidKey; value: Uint8Array<ArrayBuffer> }
  /** By Kademlia key, 32 bytes. */
  provided: { key: IDBValidKey; value: ProvidedRow }
  /** Multihashes that nobody has been told of yet, by Kademlia key. */
  provideQueue: { key: IDBValidKey; value: Uint8Array<ArrayBuffer> }
  provideCells: { key: number; value: CellState }
  /** By multihash. */
  blockUses: { key: IDBValidKey; value: BlockUse; indexes: { lastUsedAt: number } }
}

export interface TableRow {
  /** Peer id; the key. */
  readonly id: Uint8Array
  /** Binary multiaddrs. What is dialable is decided when they are read. */
  readonly addresses: readonly Uint8Array[]
  readonly lastUsefulAt: number
}

export interface ProvidedRow {
  readonly multihash: Uint8Array
  /** Grows with each addition: a bulk replacement removes what it has not added again. */
  readonly generation: number
}

export interface BlockUse {
  readonly size: number
  readonly lastUsedAt: number
  /** The key of a block that was stored before version 4 and under another key than its multihash. */
  readonly cid?: Uint8Array
}

export interface BlockTotals {
  readonly blocks: number
  readonly blockBytes: number
}

export const metaNames = { identity: 'identity', blockTotals: 'blockTotals', networkSize: 'networkSize' } as const

export type Database = IDBPDatabase<Schema>

/** Why a database could not be opened, or was lost. */
export type DatabaseFault = 'blocked' | 'timeout' | 'newer' | 'corrupted' | 'closed' | 'upgrade-elsewhere' | 'full' | 'failed'

export class DatabaseError extends Error {
  readonly fault: DatabaseFault

  constructor(fault: DatabaseFault, message: string) {
    super(message)
    this.fault = fault
  }
}

/**
 * Opens or creates the database in version `version`, after all migrations. Rejects with a `DatabaseError`; whatever was
 * stored stays as it is then. `giveUp` bounds the wait: browsers sometimes never answer.
 */
export function openDatabase(factory: IDBFactory, name: string, giveUp: AbortSignal, version = schemaVersion): Promise<Database> {
  return new Promise((resolve, reject) => {
    let settled = false
    const fail = (error: DatabaseError): void => {
      settled = true
      reject(error)
    }
    giveUp.addEventListener('abort', () => fail(new DatabaseError('timeout', 'the browser did not open the database in time')), {
      once: true,
    })
    const request = factory.open(name, version)
    request.addEventListener('blocked', () =>
      fail(new DatabaseError('blocked', 'another tab holds an older version of the database open')),
    )
    request.addEventListener('error', () => fail(openFault(request.error)))
    request.addEventListener('upgradeneeded', (event) => {
      const transaction = request.transaction!
      migrate(request.result, transaction, event.oldVersion, version).catch(() => abortQuietly(transaction))
    })
    request.addEventListener('success', () => {
      const database = request.result
      // Too late: nobody waits any more, and an open connection would block the next upgrade.
      if (settled) database.close()
      else if (!isComplete(database, version)) {
        database.close()
        fail(new DatabaseError('corrupted', 'the database has not the form it should have'))
      } else {
        settled = true
        resolve(wrap(database) as Database)
      }
    })
  })
}

/** A transaction that failed by itself is over already. */
function abortQuietly(transaction: IDBTransaction): void {
  try {
    transaction.abort()
  } catch {}
}

type Upgrade = IDBPTransaction<unknown, string[], 'versionchange'>

/** Step n leads from version n to n + 1. */
const migrations: readonly ((database: IDBPDatabase<unknown>, upgrade: Upgrade) => Promise<void>)[] = [
  toVersion1,
  toVersion2,
  toVersion3,
  toVersion4,
]

async function migrate(database: IDBDatabase, transaction: IDBTransaction, from: number, to: number): Promise<void> {
  const upgrade = wrap(transaction) as unknown as Upgrade
  // Whether it all worked is told by the request to open.
  upgrade.done.catch(() => {})
  for (const step of migrations.slice(from, to)) await step(wrap(database) as IDBPDatabase<unknown>, upgrade)
}

async function toVersion1(database: IDBPDatabase<unknown>): Promise<void> {
  database.createObjectStore('meta')
  database.createObjectStore('tableEntries', { keyPath: 'id' })
  database.createObjectStore('blocks')
}

interface BlockOfVersion1 {
  readonly bytes: Uint8Array
  readonly size: number
  readonly storedAt: number
}

interface TableRowOfVersion1 {
  readonly id: Uint8Array
  readonly addresses: readonly { readonly bytes: Uint8Array; readonly dialable: boolean }[]
  readonly lastUsefulAt: number
}

async function toVersion2(database: IDBPDatabase<unknown>, upgrade: Upgrade): Promise<void> {
  const uses = database.createObjectStore('blockUses')
  uses.createIndex('lastUsedAt', 'lastUsedAt')
  let totals: BlockTotals = { blocks: 0, blockBytes: 0 }
  for (let cursor = await upgrade.objectStore('blocks').openCursor(); cursor !== null; cursor = await cursor.continue()) {
    const { bytes, storedAt } = cursor.value as BlockOfVersion1
    await cursor.update(bytes)
    await uses.put({ size: bytes.length, lastUsedAt: storedAt }, cursor.primaryKey)
    totals = { blocks: totals.blocks + 1, blockBytes: totals.blockBytes + bytes.length }
  }
  await upgrade.objectStore('meta').put(totals, metaNames.blockTotals)
  for (let cursor = await upgrade.objectStore('tableEntries').openCursor(); cursor !== null; cursor = await cursor.continue()) {
    const row = cursor.value as TableRowOfVersion1
    await cursor.update({ ...row, addresses: row.addresses.map(({ bytes }) => bytes) })
  }
}

async function toVersion3(database: IDBPDatabase<unknown>): Promise<void> {
  database.createObjectStore('provided')
  database.createObjectStore('provideQueue')
  database.createObjectStore('provideCells', { keyPath: 'cell' })
}

const movesAtOnce = 1_024

/**
 * Only the uses move, a bounded number at once: to copy the blocks would take long, and as much room again. A block that was
 * stored under several CIDs stays under one. CIDs of version 0 are multihashes; those of version 1 begin with a 1, as no
 * multihash does whose function is known here.
 */
async function toVersion4(_: IDBPDatabase<unknown>, upgrade: Upgrade): Promise<void> {
  const [blocks, uses, meta] = [upgrade.objectStore('blocks'), upgrade.objectStore('blockUses'), upgrade.objectStore('meta')]
  const ofVersion1 = IDBKeyRange.bound(Uint8Array.of(1), Uint8Array.of(2), false, true)
  const totals = (await meta.get(metaNames.blockTotals)) as BlockTotals | undefined
  let [surplus, surplusBytes] = [0, 0]
  for (;;) {
    const [keys, rows] = await Promise.all([uses.getAllKeys(ofVersion1, movesAtOnce), uses.getAll(ofVersion1, movesAtOnce)])
    if (keys.length === 0) break
    const cids = keys.map((key) => new Uint8Array(key as ArrayBuffer))
    const known: (BlockUse | undefined)[] = await Promise.all(cids.map((cid) => uses.get(keyOf(multihashOf(cid)))))
    const moved = new BytesMap<BlockUse>()
    const changes: Promise<unknown>[] = [uses.delete(IDBKeyRange.bound(keys[0], keys.at(-1)))]
    for (const [index, cid] of cids.entries()) {
      const multihash = multihashOf(cid)
      const use: BlockUse = { ...(rows[index] as BlockUse), cid }
      const other = moved.get(multihash) ?? known[index]
      // Where the database is damaged one of them may have no block.
      const otherIsThere = other !== undefined && (await blocks.getKey(keyOf(other.cid ?? multihash))) !== undefined
      const [kept, dropped] = otherIsThere ? [other, use] : [use, other]
      moved.set(multihash, dropped ? { ...kept, lastUsedAt: Math.max(kept.lastUsedAt, dropped.lastUsedAt) } : kept)
      if (dropped === undefined) continue
      changes.push(blocks.delete(keyOf(dropped.cid ?? multihash)))
      surplus++
      surplusBytes += dropped.size
    }
    for (const [multihash, use] of moved.entries()) changes.push(uses.put(use, keyOf(multihash)))
    await Promise.all(changes)
  }
  if (totals === undefined || surplus === 0) return
  await meta.put({ blocks: totals.blocks - surplus, blockBytes: totals.blockBytes - surplusBytes }, metaNames.blockTotals)
}

function isComplete(database: IDBDatabase, version: number): boolean {
  if (version < schemaVersion) return true
  const names: readonly StoreNames<Schema>[] = [
    'meta',
    'tableEntries',
    'blocks',
    'blockUses',
    'provided',
    'provideQueue',
    'provideCells',
  ]
  return names.every((name) => database.objectStoreNames.contains(name))
}

function openFault(error: DOMException | null): DatabaseError {
  const text = error === null ? 'no reason given' : `${error.name}: ${error.message}`
  if (error?.name === 'VersionError')
    return new DatabaseError('newer', 'a newer version of this software has written the database')
  if (error?.name === 'QuotaExceededError') return new DatabaseError('full', text)
  return new DatabaseError('failed', text)
}

/** Keys are compared by content. */
export function keyOf(bytes: Uint8Array): IDBValidKey {
  return bytes as Uint8Array<ArrayBuffer>
}

/** For listening to events of the plain object. */
export function plainDatabase(database: Database): IDBDatabase {
  return unwrap(database)
}
