import type { Key } from '../../engine/peer.ts'
import { bytesOfKey, compareKeys, successorOf } from '../../engine/provide/bits.ts'
import type { CellState, KeySource, ProvidedKey } from '../../engine/provide/contract.ts'
import { cellOf } from '../../engine/provide/schedule.ts'
import { entriesOf, Trie } from '../../engine/provide/trie.ts'

/**
 * The keystore: what is to be provided, in the order of the Kademlia keys. Counts are kept by cell with every change, so
 * that nobody has to go through the keys to know them, and a start reads cells only.
 */
export interface KeyTable {
  /** Those that are not empty. */
  cells(): Promise<CellState[]>
  /** From `from` to `to`, both included, in order. */
  load(range: KeyRange): Promise<ProvidedKey[]>
  /** One transaction. Returns the cells as they are now. */
  change(change: KeyChange): Promise<CellState[]>
  /** Keeps the keys, and queues those that are new: nothing is told twice because it was added twice. One transaction. */
  admit(keys: readonly ProvidedKey[], generation: number): Promise<Admitted>
  /**
   * Goes over a page of the keys, from `from` on, and removes those that were last added before `generation`. `next`: where
   * to go on; undefined at the end.
   */
  removeOlder(generation: number, from: Key): Promise<RemovedPage>
  clear(): Promise<void>
}

export interface KeyRange {
  readonly source: KeySource
  readonly from: Key
  readonly to: Key
  readonly limit: number
}

export interface KeyChange {
  /** To keep provided; `generation`: the later of two additions counts. */
  readonly add?: { readonly keys: readonly ProvidedKey[]; readonly generation: number } | undefined
  /** To tell as soon as possible. */
  readonly queue?: readonly ProvidedKey[] | undefined
  /** Told: they leave the queue. */
  readonly sent?: readonly ProvidedKey[] | undefined
  /** Neither kept nor queued any more. */
  readonly remove?: readonly ProvidedKey[] | undefined
  readonly swept?: readonly { readonly cell: number; readonly at: number }[] | undefined
}

export interface Admitted {
  /** As they are now. */
  readonly cells: readonly CellState[]
  /** How many keys are new. */
  readonly added: number
}

export interface RemovedPage {
  readonly cells: readonly CellState[]
  readonly removed: number
  readonly next: Key | undefined
}

/** Keys that one transaction of `removeOlder` looks at. */
export const reviewedAtOnce = 2_048

/** In two tries, where there is only memory. Nobody else may hold its keys: they are copied. */
export class MemoryKeyTable implements KeyTable {
  readonly #provided = new Trie<Row>()
  readonly #queue = new Trie<Uint8Array>()
  readonly #cells = new Map<number, CellState>()

  async cells(): Promise<CellState[]> {
    return [...this.#cells.values()]
  }

  async load({ source, from, to, limit }: KeyRange): Promise<ProvidedKey[]> {
    const found: ProvidedKey[] = []
    // A range is a part of one prefix: only that is walked.
    const length = sharedBits(from, to)
    const entries =
      source === 'queue' ? entriesOf(this.#queue.below(from, length)) : multihashes(entriesOf(this.#provided.below(from, length)))
    for (const [key, multihash] of entries) {
      if (found.length === limit || compareKeys(key, to) > 0) break
      if (compareKeys(key, from) >= 0) found.push({ key, multihash })
    }
    return found
  }

  async change({ add, queue, sent, remove, swept }: KeyChange): Promise<CellState[]> {
    const tally = new CellTally()
    for (const { key, multihash } of add?.keys ?? []) {
      const row = this.#provided.get(key) ?? rowOf(key, multihash)
      const isNew = this.#provided.set(row.key, { ...row, generation: add!.generation })
      tally.add(key, isNew ? 1 : 0, 0)
    }
    for (const { key, multihash } of queue ?? []) {
      const row = this.#provided.get(key) ?? rowOf(key, multihash)
      tally.add(key, 0, this.#queue.set(row.key, row.multihash) ? 1 : 0)
    }
    for (const { key } of sent ?? []) tally.add(key, 0, this.#queue.delete(key) ? -1 : 0)
    for (const { key } of remove ?? []) {
      tally.add(key, this.#provided.delete(key) ? -1 : 0, this.#queue.delete(key) ? -1 : 0)
    }
    for (const { cell, at } of swept ?? []) tally.sweep(cell, at)
    return tally.apply((cell) => this.#cells.get(cell)).map((state) => this.#put(state))
  }

  async admit(keys: readonly ProvidedKey[], generation: number): Promise<Admitted> {
    const fresh = keys.filter(({ key }) => this.#provided.get(key) === undefined)
    const before = this.#provided.size
    const cells = await this.change({ add: { keys, generation }, queue: fresh })
    return { cells, added: this.#provided.size - before }
  }

  async removeOlder(generation: number, from: Key): Promise<RemovedPage> {
    const page = await this.load({ source: 'provided', from, to: lastKey, limit: reviewedAtOnce })
    const old = page.filter(({ key }) => this.#provided.get(key)!.generation < generation)
    return { cells: await this.change({ remove: old }), removed: old.length, next: nextOf(page) }
  }

  async clear(): Promise<void> {
    this.#provided.clear()
    this.#queue.clear()
    this.#cells.clear()
  }

  #put(state: CellState): CellState {
    if (state.provided + state.queued > 0) this.#cells.set(state.cell, state)
    else this.#cells.delete(state.cell)
    return state
  }
}

/** What a change does to the cells. */
export class CellTally {
  readonly #changes = new Map<number, { provided: number; queued: number; sweptAt: number | undefined }>()

  get touched(): readonly number[] {
    return [...this.#changes.keys()]
  }

  add(key: Key, provided: number, queued: number): void {
    const change = this.#of(cellOf(key))
    change.provided += provided
    change.queued += queued
  }

  sweep(cell: number, at: number): void {
    this.#of(cell).sweptAt = at
  }

  /** The cells after the change. An empty one keeps no time. */
  apply(before: (cell: number) => CellState | undefined): CellState[] {
    return [...this.#changes].map(([cell, change]) => {
      const state = before(cell) ?? { cell, provided: 0, queued: 0, sweptAt: 0 }
      const provided = Math.max(0, state.provided + change.provided)
      const queued = Math.max(0, state.queued + change.queued)
      return { cell, provided, queued, sweptAt: provided === 0 ? 0 : (change.sweptAt ?? state.sweptAt) }
    })
  }

  #of(cell: number): { provided: number; queued: number; sweptAt: number | undefined } {
    const change = this.#changes.get(cell) ?? { provided: 0, queued: 0, sweptAt: undefined }
    this.#changes.set(cell, change)
    return change
  }
}

/** The last key of all. */
const lastKey = new Uint32Array(8).fill(0xffffffff) as Key

/** Where to go on after a page; undefined if it was the last. */
export function nextOf(page: readonly ProvidedKey[]): Key | undefined {
  return page.length < reviewedAtOnce ? undefined : successorOf(page.at(-1)!.key)
}

function* multihashes(entries: Iterable<[Key, { readonly multihash: Uint8Array }]>): IterableIterator<[Key, Uint8Array]> {
  for (const [key, { multihash }] of entries) yield [key, multihash]
}

function sharedBits(a: Key, b: Key): number {
  const [first, second] = [bytesOfKey(a), bytesOfKey(b)]
  const index = first.findIndex((byte, at) => byte !== second[at])
  return index < 0 ? 8 * first.length : 8 * index + Math.clz32(first[index]! ^ second[index]!) - 24
}

interface Row {
  readonly key: Key
  readonly multihash: Uint8Array
  readonly generation: number
}

/** Copies, in one buffer: a buffer costs more than what is in it. Both tries hold the same. */
function rowOf(key: Key, multihash: Uint8Array): Row {
  const buffer = new ArrayBuffer(4 * key.length + multihash.length)
  const own = { key: new Uint32Array(buffer, 0, key.length) as Key, multihash: new Uint8Array(buffer, 4 * key.length) }
  own.key.set(key)
  own.multihash.set(multihash)
  return { ...own, generation: 0 }
}
