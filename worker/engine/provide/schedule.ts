import { limits } from '../limits.ts'
import type { Key } from '../peer.ts'
import { cellBits, cellCount, type CellState, type KeyspacePart, keyspaceParts } from './contract.ts'

/**
 * When which cell of the keyspace is told again.
 *
 * Each cell has its moment in the cycle: interval × (cell XOR own id) / cells, so that providers do not come all at once,
 * nor do our own cells. What goes first: cells whose records expire soon, the earliest first; then keys that nobody has
 * been told of; then what is due. It does not know keys or peers. All times are of the wall clock.
 */
export class Schedule {
  readonly #self: number
  readonly #intervalMs: number
  readonly #provided = new Float64Array(cellCount)
  readonly #queued = new Float64Array(cellCount)
  readonly #sweptAt = new Float64Array(cellCount)
  /** Queued keys wait until then. */
  readonly #heldUntil = new Float64Array(cellCount)
  /** After a failure. */
  readonly #restsUntil = new Float64Array(cellCount)
  /** Where the queue went on last, as a distance from our own cell: neighbours know each other. */
  #queueAt = 0

  constructor(init: { self: Key; intervalMs: number }) {
    this.#self = cellOf(init.self)
    this.#intervalMs = init.intervalMs
  }

  /** Counts are absolute; a time counts where there is none yet: the machine itself knows best when it swept. */
  set(state: CellState, heldUntil: number): void {
    const { cell } = state
    this.#provided[cell] = state.provided
    if (state.queued > this.#queued[cell]!) this.#heldUntil[cell] = heldUntil
    this.#queued[cell] = state.queued
    this.#sweptAt[cell] = state.provided === 0 ? 0 : this.#sweptAt[cell]! || state.sweptAt
  }

  /** A time still to come was told by a wrong clock: when the cell was swept is not known. Nothing waits longer than from now on. */
  correct(now: number): void {
    for (let cell = 0; cell < cellCount; cell++) {
      if (this.#sweptAt[cell]! > now + limits.clockErrorMs.value) this.#sweptAt[cell] = longAgo
      this.#heldUntil[cell] = Math.min(this.#heldUntil[cell]!, now + limits.provideHoldMs.value)
      this.#restsUntil[cell] = Math.min(this.#restsUntil[cell]!, now + limits.regionRetryMs.value)
    }
  }

  swept(cell: number, at: number): void {
    this.#sweptAt[cell] = at
  }

  /** Queued keys of the cell were told. */
  told(cell: number, keys: number): void {
    this.#queued[cell] = Math.max(0, this.#queued[cell]! - keys)
  }

  /** Whether the cell has keys to be kept, and no time yet. */
  isFirst(cell: number): boolean {
    return this.#provided[cell]! > 0 && this.#sweptAt[cell] === 0
  }

  /** Whether nothing of the cell is left to tell now that a run with this source has passed it. */
  isDone(cell: number, source: 'provided' | 'queue'): boolean {
    if (this.#provided[cell] === 0) return false
    return source === 'provided' || (this.#sweptAt[cell] === 0 && this.#queued[cell] === 0)
  }

  /** Whether somebody else is telling queued keys of the cell. */
  isHeld(cell: number, now: number): boolean {
    return this.#heldUntil[cell]! > now
  }

  rest(cell: number, until: number): void {
    this.#restsUntil[cell] = until
  }

  /** The latest moment of the cell in the cycle that is not too late. Cells that were never swept are due. */
  dueAt(cell: number): number {
    const sweptAt = this.#sweptAt[cell]!
    if (sweptAt === 0) return 0
    const phase = (this.#intervalMs * (cell ^ this.#self)) / cellCount
    const earliest = sweptAt + this.#intervalMs / 4
    const cycles = Math.ceil((earliest - phase) / this.#intervalMs)
    return Math.floor(Math.min(cycles * this.#intervalMs + phase, sweptAt + Math.max(this.#intervalMs, latestMs)))
  }

  /** What to do at this moment, but for cells that are being told. */
  next(
    now: number,
    isTaken: (cell: number) => boolean = () => false,
  ): { readonly cell: number; readonly source: 'provided' | 'queue' } | undefined {
    let due: number | undefined
    let dueSweptAt = Infinity
    let queued: number | undefined
    let queuedDistance = Infinity
    for (let cell = 0; cell < cellCount; cell++) {
      if (this.#restsUntil[cell]! > now || isTaken(cell)) continue
      if (this.#queued[cell]! > 0 && this.#heldUntil[cell]! <= now) {
        const distance = ((cell ^ this.#self) - this.#queueAt + cellCount) % cellCount
        if (distance < queuedDistance) [queued, queuedDistance] = [cell, distance]
      }
      if (this.#isSwept(cell) && this.dueAt(cell) <= now && this.#sweptAt[cell]! < dueSweptAt)
        [due, dueSweptAt] = [cell, this.#sweptAt[cell]!]
    }
    const isUrgent = due !== undefined && dueSweptAt + latestMs <= now
    if (due !== undefined && (isUrgent || queued === undefined)) return { cell: due, source: 'provided' }
    if (queued === undefined) return undefined
    this.#queueAt = queued ^ this.#self
    return { cell: queued, source: 'queue' }
  }

  /** Cells that may be told in one region with the cell of `next`, but for those that are being told. */
  openWith(next: { cell: number; source: 'provided' | 'queue' }, now: number, isTaken: (cell: number) => boolean): Set<number> {
    const open = new Set([next.cell])
    for (let cell = 0; cell < cellCount; cell++) {
      if (this.#restsUntil[cell]! > now || isTaken(cell)) continue
      // Swept with its region, though its own time has not come. What was told lately is not told again.
      if (next.source === 'queue' || this.#sweptAt[cell]! + this.#intervalMs / 2 <= now) open.add(cell)
    }
    return open
  }

  /** The next moment at which `next` has something that it has not now; undefined for never. */
  nextAt(now: number): number | undefined {
    let at = Infinity
    for (let cell = 0; cell < cellCount; cell++) {
      const rest = Math.max(now, this.#restsUntil[cell]!)
      if (this.#queued[cell]! > 0) at = Math.min(at, Math.max(rest, this.#heldUntil[cell]!))
      if (this.#isSwept(cell)) at = Math.min(at, Math.max(rest, this.dueAt(cell)))
    }
    return at === Infinity ? undefined : at
  }

  counts(now: number): ScheduleCounts {
    const counts: ScheduleCounts = { provided: 0, queued: 0, used: 0, expired: 0, due: 0, dueKeys: 0, keyspace: emptyKeyspace() }
    for (let cell = 0; cell < cellCount; cell++) {
      const kept = this.#provided[cell]!
      counts.provided += kept
      counts.queued += this.#queued[cell]!
      if (kept === 0) continue
      const part = counts.keyspace[Math.floor((cell * keyspaceParts) / cellCount)]!
      part.kept += kept
      counts.used++
      const sweptAt = this.#sweptAt[cell]!
      if (sweptAt > 0 && sweptAt + limits.providerRecordMs.value <= now) {
        counts.expired++
        part.expired += kept
      }
      if (this.#isSwept(cell) && this.dueAt(cell) <= now) {
        counts.due++
        counts.dueKeys += kept
      } else part.told += Math.max(0, kept - this.#queued[cell]!)
    }
    return counts
  }

  /** Has keys that were told once. Where all of them still wait for their first time, the queue sees to it. */
  #isSwept(cell: number): boolean {
    return this.#provided[cell]! > 0 && (this.#sweptAt[cell]! > 0 || this.#queued[cell]! < this.#provided[cell]!)
  }
}

interface ScheduleCounts {
  provided: number
  queued: number
  used: number
  expired: number
  due: number
  dueKeys: number
  readonly keyspace: readonly KeyspacePart[]
}

export function emptyKeyspace(): KeyspacePart[] {
  return Array.from({ length: keyspaceParts }, () => ({ kept: 0, told: 0, expired: 0 }))
}

/** When a cell was swept of which that is not known any more. It goes first; 0 is for cells that the queue sees to. */
const longAgo = 1

/** Later than that after the last time, no moment of the cycle is waited for, and nothing goes before it. */
const latestMs = limits.providerRecordMs.value - limits.sweepReserveMs.value

export function cellOf(key: Key): number {
  return key[0]! >>> (32 - cellBits)
}
