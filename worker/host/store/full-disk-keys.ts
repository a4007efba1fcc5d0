import type { Key } from '../../engine/peer.ts'
import { compareKeys } from '../../engine/provide/bits.ts'
import type { CellState, ProvidedKey } from '../../engine/provide/contract.ts'
import { cellOf } from '../../engine/provide/schedule.ts'
import type { Admitted, KeyChange, KeyRange, KeyTable, RemovedPage } from './key-table.ts'

/**
 * The keystore while the disk is full: new keys go to memory, those on the disk are still read, and let go there, which needs no
 * room. A key is kept in one of the two. The disk comes first in all: when it fails, the whole can be done in memory instead.
 */
export class FullDiskKeys implements KeyTable {
  readonly #disk: KeyTable
  readonly #memory: KeyTable
  #last: Promise<unknown> = Promise.resolve()
  /** A key of the disk was added again, and the disk did not take that: what is old there cannot be told any more. */
  #hasOldGenerations = false

  constructor(disk: KeyTable, memory: KeyTable) {
    this.#disk = disk
    this.#memory = memory
  }

  async cells(): Promise<CellState[]> {
    const cells = new Map<number, CellState>()
    for (const state of [...(await this.#disk.cells()), ...(await this.#memory.cells())]) {
      const { cell, provided, queued, sweptAt } = cells.get(state.cell) ?? emptyCell(state.cell)
      const sum = { provided: provided + state.provided, queued: queued + state.queued }
      cells.set(cell, { cell, ...sum, sweptAt: Math.max(sweptAt, state.sweptAt) })
    }
    return [...cells.values()]
  }

  async load(range: KeyRange): Promise<ProvidedKey[]> {
    const found = [...(await this.#disk.load(range)), ...(await this.#memory.load(range))]
    found.sort((a, b) => compareKeys(a.key, b.key))
    const isFirst = ({ key }: ProvidedKey, index: number): boolean => index === 0 || compareKeys(found[index - 1]!.key, key) !== 0
    return found.filter(isFirst).slice(0, range.limit)
  }

  change(change: KeyChange): Promise<CellState[]> {
    return this.#inTurn(() => this.#change(change))
  }

  admit(keys: readonly ProvidedKey[], generation: number): Promise<Admitted> {
    return this.#inTurn(() => this.#admit(keys, generation))
  }

  removeOlder(generation: number, from: Key): Promise<RemovedPage> {
    return this.#inTurn(() => this.#removeOlder(generation, from))
  }

  clear(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#disk.clear()
      await this.#memory.clear()
    })
  }

  /** A change is of several steps: what is cancelled while it is added must not come after all. */
  async #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const changed = this.#last.then(change)
    this.#last = changed.catch(() => {})
    return changed
  }

  async #change({ add, queue, sent, remove, swept }: KeyChange): Promise<CellState[]> {
    if (sent !== undefined || remove !== undefined || swept !== undefined) await this.#disk.change({ sent, remove, swept })
    const fresh = add && { ...add, keys: await this.#taken(add.keys, add.generation) }
    await this.#memory.change({ add: fresh, queue, sent, remove, swept })
    const keys = [add?.keys, queue, sent, remove].flatMap((some) => some ?? [])
    return this.#now([...keys.map(({ key }) => cellOf(key)), ...(swept ?? []).map(({ cell }) => cell)])
  }

  async #admit(keys: readonly ProvidedKey[], generation: number): Promise<Admitted> {
    const { added } = await this.#memory.admit(await this.#taken(keys, generation), generation)
    return { cells: await this.#now(keys.map(({ key }) => cellOf(key))), added }
  }

  async #removeOlder(generation: number, from: Key): Promise<RemovedPage> {
    const none: RemovedPage = { cells: [], removed: 0, next: undefined }
    const disk = this.#hasOldGenerations ? none : await this.#disk.removeOlder(generation, from)
    const memory = await this.#memory.removeOlder(generation, from)
    // What lies behind the shorter page is looked at once more.
    const [next] = [disk.next, memory.next].filter((key) => key !== undefined).sort(compareKeys)
    const cells = await this.#now([...disk.cells, ...memory.cells].map(({ cell }) => cell))
    return { cells, removed: disk.removed + memory.removed, next }
  }

  /** Those that are not on the disk. The others are as new there from now on, if it takes as much. */
  async #taken(keys: readonly ProvidedKey[], generation: number): Promise<ProvidedKey[]> {
    const range = { source: 'provided', limit: 1 } as const
    const found = await Promise.all(keys.map(({ key }) => this.#disk.load({ ...range, from: key, to: key })))
    const known = keys.filter((_, index) => found[index]!.length > 0)
    if (known.length > 0)
      await this.#disk.change({ add: { keys: known, generation } }).catch(() => {
        this.#hasOldGenerations = true
      })
    return keys.filter((_, index) => found[index]!.length === 0)
  }

  /** As these cells are now. */
  async #now(touched: readonly number[]): Promise<CellState[]> {
    const cells = new Map((await this.cells()).map((state) => [state.cell, state]))
    return [...new Set(touched)].map((cell) => cells.get(cell) ?? emptyCell(cell))
  }
}

function emptyCell(cell: number): CellState {
  return { cell, provided: 0, queued: 0, sweptAt: 0 }
}
