import type { StoredTableEntry } from '../../engine/kad/contract.ts'
import { multihashOf } from '../../engine/bitswap/cid-key.ts'
import { limits } from '../../engine/limits.ts'
import type { PeerIdBytes } from '../../engine/peer.ts'
import { ServiceError } from '../service-error.ts'
import type { Backend, Writes } from './backend.ts'
import { DatabaseError, type DatabaseFault } from './idb-schema.ts'
import { FullDiskKeys } from './full-disk-keys.ts'
import { openIdbBackend } from './idb-store.ts'
import type { KeyTable } from './key-table.ts'
import { MemoryBackend } from './memory-store.ts'
import { holdStorageName, type LockPort } from './storage-name.ts'
import { WriteBehind } from './write-behind.ts'

/**
 * What is kept between visits. The client never stops because of it: when IndexedDB is missing, refuses, is full or goes
 * away, the store goes on in memory and says so, and what is on the disk stays there untouched.
 *
 *   opening ──ok──▶ on disk ──full──▶ in memory, the disk is still read and deleted from
 *      │               └──closed, failed, upgraded by another tab──▶ in memory
 *      └──missing, blocked, newer, corrupted, hanging──▶ in memory
 */
export interface Store {
  status(): StoreStatus
  /** Of the last visit. `dialable` of their addresses says nothing: decide it anew. */
  tableEntries(): Promise<StoredTableEntry[]>
  /** Written behind: soon, together with others, and at the latest with `close`. */
  putTableEntry(entry: StoredTableEntry): void
  deleteTableEntry(id: PeerIdBytes): void
  /** Settles when all that was written behind so far is stored. */
  flush(): Promise<void>
  /** The private key that `putIdentity` stored, as protobuf. */
  identity(): Promise<Uint8Array | undefined>
  putIdentity(privateKey: Uint8Array): Promise<void>
  /** The estimate that `putNetworkSize` stored last. */
  networkSize(): Promise<number | undefined>
  putNetworkSize(size: number): Promise<void>
  /** What is to be provided. What was on a disk that failed, other than by being full, is out of reach for this visit. */
  readonly keys: KeyTable
  /** What `putLearned` stored last under this name, unchecked. */
  learned(name: string): Promise<unknown>
  /** It may be lost where the disk is full: what was learned once is learned again. */
  putLearned(name: string, value: unknown): void
  /** Bytes in a buffer that nobody else holds. A block is found by every CID with its multihash, as for all of these. */
  getBlock(cid: Uint8Array): Promise<Uint8Array<ArrayBuffer> | undefined>
  /** In bytes, without reading the block; undefined if there is none. */
  blockSize(cid: Uint8Array): Promise<number | undefined>
  /** Deletes the least recently used blocks to keep the ceiling. Rejects with `too-large` if the block is above it alone. */
  putBlock(cid: Uint8Array, bytes: Uint8Array): Promise<void>
  deleteBlock(cid: Uint8Array): Promise<void>
  /** Stores what was written behind and gives the storage name back. Afterwards nothing is kept or found any more. */
  close(): Promise<void>
}

export interface StoreStatus {
  readonly mode: 'indexeddb' | 'memory'
  readonly blocks: number
  readonly blockBytes: number
  /** Why the store is in memory although it was to be on disk. */
  readonly problem: string | undefined
}

export interface StoreOptions {
  /** Of the database; undefined to keep everything in memory. */
  readonly name: string | undefined
  readonly blockBytesMax: number
  /** At most once, with a sentence: from now on nothing is kept beyond this visit. Also when it could not be opened. */
  readonly onLost: (reason: string) => void
  readonly platform?: StorePlatform
}

/** What the store uses of its surroundings. */
export interface StorePlatform {
  readonly indexedDB: IDBFactory | undefined
  readonly locks: LockPort | undefined
  /** Wall-clock milliseconds since 1970. */
  now(): number
  /** Returns what cancels it. */
  setTimer(callback: () => void, delayMs: number): () => void
  timeoutSignal(delayMs: number): AbortSignal
}

/** Rejects with `storage-in-use` if another client of this origin uses the name; any other trouble ends in memory. */
export async function createStore(options: StoreOptions): Promise<Store> {
  const platform = options.platform ?? browserPlatform()
  const memory = new MemoryBackend(options.blockBytesMax)
  if (options.name === undefined) return new FallbackStore(memory, platform, () => {}, options.onLost)
  const waitedLongEnough = platform.timeoutSignal(limits.storageLockWaitMs.value)
  const release = await holdStorageName(platform.locks, options.name, waitedLongEnough)
  if (release === undefined) {
    const message = `Another client uses the storage name "${options.name}", perhaps in another tab. Stop it, or choose another name.`
    throw new ServiceError('storage-in-use', message, { name: options.name })
  }
  const store = new FallbackStore(memory, platform, release, options.onLost)
  await store.open(options.name, options.blockBytesMax)
  return store
}

class FallbackStore implements Store {
  /** Where things are written, and read first. */
  #backend: Backend
  /** A disk that is full: what it has is still found, until it fails in reading too. */
  #full: Backend | undefined
  #fullKeys: KeyTable | undefined
  readonly #memory: MemoryBackend
  readonly #platform: StorePlatform
  readonly #release: () => void
  readonly #onLost: (reason: string) => void
  readonly keys: KeyTable = {
    cells: () => this.#withKeys((keys) => keys.cells()),
    load: (range) => this.#withKeys((keys) => keys.load(range)),
    change: (change) => this.#finished(this.#withKeys((keys) => keys.change(change))),
    admit: (added, generation) => this.#finished(this.#withKeys((keys) => keys.admit(added, generation))),
    removeOlder: (generation, from) => this.#withKeys((keys) => keys.removeOlder(generation, from)),
    clear: () => this.#withKeys((keys) => keys.clear()),
  }
  readonly #pending = new WriteBehind()
  readonly #changes = new Set<Promise<unknown>>()
  #cancelTimer: (() => void) | undefined
  #lastStamp = 0
  #problem: string | undefined
  #closed = false

  constructor(memory: MemoryBackend, platform: StorePlatform, release: () => void, onLost: (reason: string) => void) {
    this.#backend = memory
    this.#memory = memory
    this.#platform = platform
    this.#release = release
    this.#onLost = onLost
  }

  async open(name: string, blockBytesMax: number): Promise<void> {
    const factory = this.#platform.indexedDB
    try {
      if (factory === undefined) throw new DatabaseError('failed', 'there is no IndexedDB here')
      const disk = await openIdbBackend({
        factory,
        name,
        blockBytesMax,
        now: () => this.#stamp(),
        giveUp: this.#platform.timeoutSignal(limits.storageOpenTimeoutMs.value),
        onClosing: (error) => this.#closing(error),
      })
      this.#backend = disk
      this.#lastStamp = disk.latestUseAt
    } catch (error) {
      this.#lose(error)
    }
  }

  status(): StoreStatus {
    const { blocks, blockBytes } = this.#backend.usage
    const full = this.#full?.usage ?? { blocks: 0, blockBytes: 0 }
    return {
      mode: this.#backend === this.#memory ? 'memory' : 'indexeddb',
      blocks: blocks + full.blocks,
      blockBytes: blockBytes + full.blockBytes,
      problem: this.#problem,
    }
  }

  async tableEntries(): Promise<StoredTableEntry[]> {
    await this.flush()
    const entries = await this.#find(async (backend) => {
      const found = await backend.tableEntries()
      return found.length > 0 ? found : undefined
    })
    return entries ?? []
  }

  putTableEntry(entry: StoredTableEntry): void {
    if (this.#closed) return
    this.#pending.put(entry)
    this.#scheduleFlush()
  }

  deleteTableEntry(id: PeerIdBytes): void {
    if (this.#closed) return
    this.#pending.forget(id)
    this.#scheduleFlush()
  }

  async flush(): Promise<void> {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    if (this.#pending.size === 0) return
    const writes = this.#pending.take()
    await this.#run((backend) => backend.write(writes))
    await this.#forgetOnFullDisk(writes)
  }

  async identity(): Promise<Uint8Array | undefined> {
    return this.#find((backend) => backend.identity())
  }

  async putIdentity(privateKey: Uint8Array): Promise<void> {
    await this.#run((backend) => backend.putIdentity(privateKey))
  }

  async networkSize(): Promise<number | undefined> {
    return this.#find((backend) => backend.networkSize())
  }

  async putNetworkSize(size: number): Promise<void> {
    await this.#run((backend) => backend.putNetworkSize(size))
  }

  async learned(name: string): Promise<unknown> {
    return this.#find((backend) => backend.learned(name))
  }

  putLearned(name: string, value: unknown): void {
    if (!this.#closed) void this.#finished(this.#backend.putLearned(name, value)).catch(() => {})
  }

  async getBlock(cid: Uint8Array): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const multihash = multihashOf(cid).slice()
    const bytes = await this.#find((backend) => backend.getBlock(multihash))
    if (bytes !== undefined && !this.#closed && this.#backend !== this.#memory) {
      this.#pending.use(multihash, this.#stamp())
      this.#scheduleFlush()
    }
    return bytes
  }

  async blockSize(cid: Uint8Array): Promise<number | undefined> {
    return this.#find((backend) => backend.blockSize(multihashOf(cid)))
  }

  async putBlock(cid: Uint8Array, bytes: Uint8Array): Promise<void> {
    if (this.#closed) return
    // What was used lately must not be deleted to make room.
    if (this.#pending.hasUses) await this.flush()
    await this.#run(async (backend) => {
      refuseAbove(backend.blockBytesMax, bytes)
      await backend.putBlock(multihashOf(cid), bytes)
    })
  }

  async deleteBlock(cid: Uint8Array): Promise<void> {
    const multihash = multihashOf(cid)
    await this.#run((backend) => backend.deleteBlock(multihash))
    await this.#full?.deleteBlock(multihash).catch(() => this.#dropFullDisk())
  }

  async close(): Promise<void> {
    if (this.#closed) return
    const stored = Promise.allSettled([this.flush(), ...this.#changes])
    this.#closed = true
    await Promise.race([stored, aborted(this.#platform.timeoutSignal(limits.storageOpenTimeoutMs.value))])
    this.#dropFullDisk()
    await this.#backend.close()
    this.#release()
  }

  /** A Worker that ends right after `close` takes transactions under way with it. */
  async #finished<T>(change: Promise<T>): Promise<T> {
    this.#changes.add(change)
    try {
      return await change
    } finally {
      this.#changes.delete(change)
    }
  }

  #scheduleFlush(): void {
    if (this.#pending.size >= limits.pendingWritesMax.value) void this.flush()
    else this.#cancelTimer ??= this.#platform.setTimer(() => void this.flush(), limits.writeBehindMs.value)
  }

  /** Never rejects because of a disk: what failed there is done once more in memory. */
  async #run<T>(operation: (backend: Backend) => Promise<T>): Promise<T> {
    const backend = this.#backend
    try {
      return await operation(backend)
    } catch (error) {
      if (backend === this.#memory || error instanceof ServiceError) throw error
      this.#lose(error)
      return operation(this.#memory)
    }
  }

  /** Of the backend; with a full disk, of both. */
  #withKeys<T>(operation: (keys: KeyTable) => Promise<T>): Promise<T> {
    return this.#run((backend) => {
      if (backend !== this.#memory || this.#full === undefined) return operation(backend.keys)
      return operation(this.#fullKeys!).catch(() => {
        this.#dropFullDisk()
        return operation(backend.keys)
      })
    })
  }

  /** In the backend, and if it is not there, on a full disk. */
  async #find<T>(read: (backend: Backend) => Promise<T | undefined>): Promise<T | undefined> {
    const found = await this.#run(read)
    if (found !== undefined || this.#full === undefined) return found
    return read(this.#full).catch(() => {
      this.#dropFullDisk()
      return undefined
    })
  }

  #lose(error: unknown): void {
    const disk = this.#backend
    if (this.#problem !== undefined || this.#closed) return
    const fault = error instanceof DatabaseError ? error.fault : 'failed'
    const detail = fault === 'failed' || fault === 'full' ? ` (${error instanceof Error ? error.message : String(error)})` : ''
    this.#problem = `${sentences[fault]}${detail} From now on nothing is kept beyond this visit.`
    this.#backend = this.#memory
    if (disk !== this.#memory) {
      if (fault === 'full') {
        this.#full = disk
        this.#fullKeys = new FullDiskKeys(disk.keys, this.#memory.keys)
      } else void disk.close()
    }
    this.#onLost(this.#problem)
  }

  /** The database is going: the last transaction begins before it is closed, and so is still done. */
  #closing(error: DatabaseError): void {
    const disk = this.#full ?? this.#backend
    if (disk === this.#memory || this.#closed) return
    if (error.fault === 'upgrade-elsewhere') void disk.write(this.#pending.take()).catch(() => {})
    void disk.close()
    this.#full = undefined
    this.#lose(error)
  }

  /** A deletion needs no room. Without it, a peer forgotten now would be back at the next visit. */
  async #forgetOnFullDisk({ forgotten }: Writes): Promise<void> {
    if (forgotten.length > 0) await this.#full?.write({ entries: [], forgotten, uses: [] }).catch(() => this.#dropFullDisk())
  }

  #dropFullDisk(): void {
    void this.#full?.close()
    this.#full = undefined
  }

  /** Wall-clock time, but never twice the same and never before the last visit: the order of use is total. */
  #stamp(): number {
    this.#lastStamp = Math.max(this.#platform.now(), this.#lastStamp + 1)
    return this.#lastStamp
  }
}

const sentences: Readonly<Record<DatabaseFault, string>> = {
  blocked: 'The database could not be upgraded. Close the other tabs of this site and reload.',
  timeout: 'The database did not open in time. Reload the page to try again.',
  newer: 'The database is newer than this page. Reload the page to get its latest version.',
  corrupted: 'The database is damaged. Deleting the data of this site in the browser would repair it.',
  closed: 'The browser closed the database, perhaps because the data of this site was deleted.',
  'upgrade-elsewhere': 'Another tab upgrades or deletes the database. Reload the page.',
  full: 'The disk, or what the browser grants this site of it, is full. Free some space.',
  failed: 'The browser refused to store data.',
}

function refuseAbove(bytesMax: number, bytes: Uint8Array): void {
  if (bytes.length <= bytesMax) return
  const message = `The block has ${bytes.length} bytes, and the block store holds ${bytesMax} at most. Raise the limit blockStoreBytesMax.`
  throw new ServiceError('too-large', message, { bytes: bytes.length, bytesMax })
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

function browserPlatform(): StorePlatform {
  return {
    indexedDB: attempt(() => globalThis.indexedDB),
    locks: attempt(() => globalThis.navigator?.locks),
    now: () => Date.now(),
    setTimer: (callback, delayMs) => {
      const timer = setTimeout(callback, delayMs)
      return () => clearTimeout(timer)
    },
    timeoutSignal: (delayMs) => AbortSignal.timeout(delayMs),
  }
}

/** In a sandboxed frame, even to look at these throws. */
function attempt<T>(get: () => T): T | undefined {
  try {
    return get()
  } catch {
    return undefined
  }
}
