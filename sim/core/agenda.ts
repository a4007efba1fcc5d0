/**
 * Virtual time: what is to happen, in the total order of time, then sequence. A binary heap in typed arrays; the actions
 * lie beside it in slots that are used again. Nothing here knows a real clock.
 */
import { hashOf } from './draws.ts'

/** Virtual milliseconds since the beginning of the world, a multiple of `timeStep`: so sums and differences are exact. */
export type SimTime = number

/** A power of two, near a microsecond. */
export const timeStep = 1 / 1024

/** Makes many things happen in the same moment, in an order of chance: nobody may depend on who comes first. */
export interface Shuffle {
  readonly seed: number
  /** Times are rounded up to multiples of it; a power of two. */
  readonly gridMs: number
}

export class Agenda {
  #now: SimTime
  #sequence = 0
  #size = 0
  #times = new Float64Array(1024)
  #sequences = new Float64Array(1024)
  #slots = new Int32Array(1024)
  readonly #actions: ((() => void) | undefined)[] = []
  readonly #freeSlots: number[] = []
  readonly #shuffle: Shuffle | undefined
  readonly #gridMs: number
  #performed = 0
  #coincidences = 0

  /** Without `shuffle` what was planned first for a moment happens first. */
  constructor(startAt: SimTime = 0, shuffle?: Shuffle) {
    this.#now = startAt
    this.#shuffle = shuffle
    this.#gridMs = shuffle?.gridMs ?? timeStep
  }

  get now(): SimTime {
    return this.#now
  }

  /** Actions that still wait. */
  get size(): number {
    return this.#size
  }

  /** Actions performed so far. */
  get performed(): number {
    return this.#performed
  }

  /** Those of them that happened in the same moment as the one before. */
  get coincidences(): number {
    return this.#coincidences
  }

  /** `action` happens `delay` milliseconds from now, after everything planned before it for the same moment. */
  plan(delay: number, action: () => void): void {
    this.planAt(this.#now + Math.max(0, delay), action)
  }

  planAt(time: SimTime, action: () => void): void {
    const slot = this.#freeSlots.pop() ?? this.#actions.length
    this.#actions[slot] = action
    if (this.#size === this.#times.length) this.#grow()
    // Upwards: nothing happens before it was due.
    const exact = Math.ceil(time / this.#gridMs) * this.#gridMs
    this.#siftUp(this.#size++, Math.max(exact, this.#now), this.#placeInMoment(this.#sequence++), slot)
  }

  /** Unique in either case: a total order. */
  #placeInMoment(sequence: number): number {
    if (this.#shuffle === undefined) return sequence
    return hashOf(this.#shuffle.seed, sequence) * SEQUENCES_APART + (sequence % SEQUENCES_APART)
  }

  /** Lets time pass until `isDone`, at most until `until`. Returns whether it was done. */
  run(until: SimTime, isDone: () => boolean = () => false): boolean {
    while (!isDone()) {
      if (this.#size === 0 || this.#times[0]! > until) {
        this.#now = Math.max(this.#now, until)
        return isDone()
      }
      this.#step()
    }
    return true
  }

  #step(): void {
    if (this.#performed > 0 && this.#times[0] === this.#now) this.#coincidences++
    this.#now = this.#times[0]!
    const slot = this.#slots[0]!
    const action = this.#actions[slot]!
    this.#actions[slot] = undefined
    this.#freeSlots.push(slot)
    const last = --this.#size
    if (last > 0) this.#siftDown(this.#times[last]!, this.#sequences[last]!, this.#slots[last]!)
    this.#performed++
    action()
  }

  #isBefore(index: number, time: SimTime, sequence: number): boolean {
    const other = this.#times[index]!
    return other < time || (other === time && this.#sequences[index]! < sequence)
  }

  #siftUp(from: number, time: SimTime, sequence: number, slot: number): void {
    let index = from
    while (index > 0) {
      const above = (index - 1) >> 1
      if (this.#isBefore(above, time, sequence)) break
      this.#move(above, index)
      index = above
    }
    this.#put(index, time, sequence, slot)
  }

  #siftDown(time: SimTime, sequence: number, slot: number): void {
    let index = 0
    for (;;) {
      let below = 2 * index + 1
      if (below >= this.#size) break
      const right = below + 1
      if (right < this.#size && this.#isBefore(right, this.#times[below]!, this.#sequences[below]!)) below = right
      if (!this.#isBefore(below, time, sequence)) break
      this.#move(below, index)
      index = below
    }
    this.#put(index, time, sequence, slot)
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#times[from]!, this.#sequences[from]!, this.#slots[from]!)
  }

  #put(index: number, time: SimTime, sequence: number, slot: number): void {
    this.#times[index] = time
    this.#sequences[index] = sequence
    this.#slots[index] = slot
  }

  #grow(): void {
    const capacity = 2 * this.#times.length
    const [times, sequences, slots] = [this.#times, this.#sequences, this.#slots]
    this.#times = new Float64Array(capacity)
    this.#sequences = new Float64Array(capacity)
    this.#slots = new Int32Array(capacity)
    this.#times.set(times)
    this.#sequences.set(sequences)
    this.#slots.set(slots)
  }
}

/** 32 bits of chance and 21 of the sequence fit into the 53 of a number. */
const SEQUENCES_APART = 2 ** 21
