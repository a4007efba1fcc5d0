import { BytesMap } from '../../engine/bytes-map.ts'
import type { StoredTableEntry } from '../../engine/kad/contract.ts'
import type { PeerIdBytes } from '../../engine/peer.ts'
import type { Writes } from './backend.ts'

/** Collects small changes: the last word about a peer counts, and the last use of a block. Knows no time and no disk. */
export class WriteBehind {
  #entries = new BytesMap<StoredTableEntry | undefined>()
  #uses = new BytesMap<number>()

  get size(): number {
    return this.#entries.size + this.#uses.size
  }

  get hasUses(): boolean {
    return this.#uses.size > 0
  }

  put(entry: StoredTableEntry): void {
    this.#entries.set(entry.id, entry)
  }

  forget(id: PeerIdBytes): void {
    this.#entries.set(id, undefined)
  }

  use(multihash: Uint8Array, usedAt: number): void {
    this.#uses.set(multihash, usedAt)
  }

  /** All of it; from now on it is the caller's. */
  take(): Writes {
    const entries: StoredTableEntry[] = []
    const forgotten: PeerIdBytes[] = []
    for (const [id, entry] of this.#entries.entries()) {
      if (entry === undefined) forgotten.push(id as PeerIdBytes)
      else entries.push(entry)
    }
    const uses = [...this.#uses.entries()].map(([multihash, usedAt]) => ({ multihash, usedAt }))
    this.#entries = new BytesMap()
    this.#uses = new BytesMap()
    return { entries, forgotten, uses }
  }
}
