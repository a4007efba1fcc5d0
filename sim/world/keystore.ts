import { type Key, keyFromDigest } from '../../worker/engine/peer.ts'
import { compareKeys } from '../../worker/engine/provide/bits.ts'
import {
  cellCount,
  type CellState,
  type KeySource,
  type ProvideEffect,
  type ProvidedKey,
} from '../../worker/engine/provide/contract.ts'
import { cellOf } from '../../worker/engine/provide/schedule.ts'

/**
 * The keys of a provider, with what the host's keystore knows of them: millions in two typed arrays. A multihash is the
 * place of its key in one buffer: that tells which key it is, without a search. In this world hashing is left out.
 */
export class Keystore {
  readonly size: number
  /** When a peer was last told of the key; NaN for never. The experiment's own account: engine and host keep no such thing. */
  readonly toldAt: Float64Array
  readonly #longestGaps: Float64Array
  readonly #words: Uint32Array
  readonly #bytes: Uint8Array<ArrayBuffer>
  readonly #isQueued: Uint8Array
  readonly #cells: { provided: number; queued: number; sweptAt: number }[]

  /** `queued`: nobody has been told of them yet. */
  constructor(keys: readonly Key[], queued: boolean) {
    const sorted = keys.toSorted(compareKeys)
    this.size = sorted.length
    this.toldAt = new Float64Array(this.size).fill(Number.NaN)
    this.#longestGaps = new Float64Array(this.size)
    this.#words = new Uint32Array(8 * this.size)
    this.#bytes = new Uint8Array(32 * this.size)
    this.#isQueued = new Uint8Array(this.size).fill(queued ? 1 : 0)
    this.#cells = Array.from({ length: cellCount }, () => ({ provided: 0, queued: 0, sweptAt: 0 }))
    const view = new DataView(this.#bytes.buffer)
    for (const [index, key] of sorted.entries()) {
      this.#words.set(key, 8 * index)
      for (let word = 0; word < 8; word++) view.setUint32(32 * index + 4 * word, key[word]!)
      const cell = this.#cells[cellOf(key)]!
      cell.provided++
      if (queued) cell.queued++
    }
  }

  get queued(): number {
    return this.#cells.reduce((sum, { queued }) => sum + queued, 0)
  }

  cells(): CellState[] {
    return this.#cells.flatMap(({ provided, queued, sweptAt }, cell) =>
      provided > 0 ? [{ cell, provided, queued, sweptAt }] : [],
    )
  }

  keyAt(index: number): Key {
    return this.#words.subarray(8 * index, 8 * (index + 1)) as Key
  }

  multihashAt(index: number): Uint8Array {
    return this.#bytes.subarray(32 * index, 32 * (index + 1))
  }

  /** Of a multihash that this store has given out. */
  indexOf(multihash: Uint8Array): number {
    return multihash.byteOffset / 32
  }

  /** What a request for a multihash of this store is for. */
  keyOf(bytes: Uint8Array): Key {
    return bytes.buffer === this.#bytes.buffer ? this.keyAt(this.indexOf(bytes)) : keyFromDigest(bytes)
  }

  holds(bytes: Uint8Array): boolean {
    return bytes.buffer === this.#bytes.buffer
  }

  load({ source, from, to, limit }: { source: KeySource; from: Key; to: Key; limit: number }): ProvidedKey[] {
    const found: ProvidedKey[] = []
    for (let index = this.#firstAtOrAfter(from); index < this.size && found.length < limit; index++) {
      const key = this.keyAt(index)
      if (compareKeys(key, to) > 0) break
      if (source === 'provided' || this.#isQueued[index] === 1) found.push({ key, multihash: this.multihashAt(index) })
    }
    return found
  }

  /** Not all of its peers have been told, as far as the engine has said. */
  isQueued(index: number): boolean {
    return this.#isQueued[index] === 1
  }

  told(index: number, now: number): void {
    const gap = now - this.toldAt[index]!
    if (gap > this.#longestGaps[index]!) this.#longestGaps[index] = gap
    this.toldAt[index] = now
  }

  /** How old the youngest record of a key has ever been since the first one, until now. */
  longestGap(index: number, now: number): number {
    return Math.max(this.#longestGaps[index]!, now - this.toldAt[index]!)
  }

  sent({ keys, swept }: Extract<ProvideEffect, { type: 'keys-sent' }>): void {
    for (const { key, multihash } of keys) {
      const index = this.indexOf(multihash)
      if (this.#isQueued[index] === 1) this.#cells[cellOf(key)]!.queued--
      this.#isQueued[index] = 0
    }
    for (const { cell, at } of swept) this.#cells[cell]!.sweptAt = at
  }

  #firstAtOrAfter(from: Key): number {
    let low = 0
    let high = this.size
    while (low < high) {
      const middle = (low + high) >> 1
      if (compareKeys(this.keyAt(middle), from) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}
