import type { StoredTableEntry } from '../../engine/kad/contract.ts'
import type { PeerIdBytes } from '../../engine/peer.ts'
import type { KeyTable } from './key-table.ts'

/**
 * One place to keep things, in memory or on disk. A backend may reject: the store in front of it then goes on without.
 * Ids and multihashes are copied in, bytes are copied in and out: nobody shares a buffer with a backend.
 */
export interface Backend {
  /** Blocks held now; kept up to date with every change. */
  readonly usage: BlockUsage
  /** Ceiling of `usage.blockBytes`. A single block is never larger. */
  readonly blockBytesMax: number
  tableEntries(): Promise<StoredTableEntry[]>
  write(writes: Writes): Promise<void>
  identity(): Promise<Uint8Array | undefined>
  putIdentity(privateKey: Uint8Array): Promise<void>
  networkSize(): Promise<number | undefined>
  putNetworkSize(size: number): Promise<void>
  /** Anything a structured clone can carry, by name; undefined if there is none. */
  readonly keys: KeyTable
  learned(name: string): Promise<unknown>
  putLearned(name: string, value: unknown): Promise<void>
  /** Blocks lie under their multihashes. */
  getBlock(multihash: Uint8Array): Promise<Uint8Array<ArrayBuffer> | undefined>
  /** Undefined if there is none. */
  blockSize(multihash: Uint8Array): Promise<number | undefined>
  /** Makes room by deleting what was used least recently. A block that is there already only counts as used. */
  putBlock(multihash: Uint8Array, bytes: Uint8Array): Promise<void>
  /** No error if there is none. */
  deleteBlock(multihash: Uint8Array): Promise<void>
  close(): Promise<void>
}

export interface BlockUsage {
  readonly blocks: number
  readonly blockBytes: number
}

/** Small changes that wait for one common transaction. */
export interface Writes {
  readonly entries: readonly StoredTableEntry[]
  readonly forgotten: readonly PeerIdBytes[]
  /** Blocks that were read, and when (wall-clock milliseconds, no two alike). */
  readonly uses: readonly { readonly multihash: Uint8Array; readonly usedAt: number }[]
}
