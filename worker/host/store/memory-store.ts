import { BytesMap } from '../../engine/bytes-map.ts'
import type { StoredTableEntry } from '../../engine/kad/contract.ts'
import { limits } from '../../engine/limits.ts'
import type { Backend, BlockUsage, Writes } from './backend.ts'
import { MemoryKeyTable } from './key-table.ts'

/** Keeps everything until the Worker ends: where the page asked for that, or where the browser refuses to store. */
export class MemoryBackend implements Backend {
  readonly blockBytesMax: number
  readonly #entries = new BytesMap<StoredTableEntry>()
  /** By multihash, in order of use: the first was used least recently. */
  readonly #blocks = new BytesMap<Uint8Array<ArrayBuffer>>()
  #blockBytes = 0
  #identity: Uint8Array | undefined
  #networkSize: number | undefined
  readonly keys = new MemoryKeyTable()
  readonly #learned = new Map<string, unknown>()

  constructor(blockBytesMax: number) {
    this.blockBytesMax = Math.min(blockBytesMax, limits.memoryBlockBytesMax.value)
  }

  get usage(): BlockUsage {
    return { blocks: this.#blocks.size, blockBytes: this.#blockBytes }
  }

  async tableEntries(): Promise<StoredTableEntry[]> {
    return [...this.#entries.values()]
  }

  /** Uses of blocks are not needed: reading one moves it to the end at once. */
  async write({ entries, forgotten }: Writes): Promise<void> {
    for (const id of forgotten) this.#entries.delete(id)
    for (const entry of entries) {
      this.#entries.delete(entry.id)
      this.#entries.set(entry.id, entry)
      if (this.#entries.size > limits.storedTableEntriesMax.value) this.#entries.shift()
    }
  }

  async identity(): Promise<Uint8Array | undefined> {
    return this.#identity?.slice()
  }

  async putIdentity(privateKey: Uint8Array): Promise<void> {
    this.#identity = privateKey.slice()
  }

  async networkSize(): Promise<number | undefined> {
    return this.#networkSize
  }

  async putNetworkSize(size: number): Promise<void> {
    this.#networkSize = size
  }

  async learned(name: string): Promise<unknown> {
    return this.#learned.get(name)
  }

  async putLearned(name: string, value: unknown): Promise<void> {
    this.#learned.set(name, structuredClone(value))
  }

  async getBlock(multihash: Uint8Array): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return this.#use(multihash)?.slice()
  }

  async blockSize(multihash: Uint8Array): Promise<number | undefined> {
    return this.#blocks.get(multihash)?.length
  }

  async putBlock(multihash: Uint8Array, bytes: Uint8Array): Promise<void> {
    if (this.#use(multihash) !== undefined) return
    while (this.#blockBytes + bytes.length > this.blockBytesMax) {
      const oldest = this.#blocks.shift()
      if (oldest === undefined) break
      this.#blockBytes -= oldest[1].length
    }
    this.#blocks.set(multihash.slice(), new Uint8Array(bytes))
    this.#blockBytes += bytes.length
  }

  async deleteBlock(multihash: Uint8Array): Promise<void> {
    const bytes = this.#blocks.get(multihash)
    if (bytes === undefined) return
    this.#blocks.delete(multihash)
    this.#blockBytes -= bytes.length
  }

  async close(): Promise<void> {
    this.#entries.clear()
    await this.keys.clear()
    this.#blocks.clear()
    this.#blockBytes = 0
  }

  #use(multihash: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
    const bytes = this.#blocks.get(multihash)
    if (bytes === undefined) return undefined
    this.#blocks.delete(multihash)
    this.#blocks.set(multihash.slice(), bytes)
    return bytes
  }
}
