import type { Millis } from '../machine.ts'

/**
 * One deadline per item, the earliest first; equal ones in the order in which they were set. A changed deadline
 * leaves its old heap entry behind, which is skipped when it surfaces and swept when such entries are the majority.
 */
export class Deadlines<T> {
  readonly #current = new Map<T, Entry<T>>()
  #heap: Entry<T>[] = []
  #sequence = 0

  /** `undefined` for no deadline. */
  set(item: T, at: Millis | undefined): void {
    const current = this.#current.get(item)
    if (current?.at === at) return
    this.#current.delete(item)
    if (at === undefined) return
    const entry: Entry<T> = { item, at, sequence: this.#sequence++ }
    this.#current.set(item, entry)
    this.#heap.push(entry)
    this.#rise(this.#heap.length - 1)
    if (this.#heap.length > 2 * this.#current.size + 64) this.#sweep()
  }

  /** Sets it, unless the item is due before that anyway. */
  hasten(item: T, at: Millis): void {
    const current = this.#current.get(item)
    if (current === undefined || at < current.at) this.set(item, at)
  }

  next(): Millis | undefined {
    this.#dropStale()
    return this.#heap[0]?.at
  }

  /** Removes and returns one item whose deadline has come. */
  takeDue(now: Millis): T | undefined {
    this.#dropStale()
    const first = this.#heap[0]
    if (first === undefined || first.at > now) return undefined
    this.#removeFirst()
    this.#current.delete(first.item)
    return first.item
  }

  #dropStale(): void {
    for (let first = this.#heap[0]; first !== undefined && this.#current.get(first.item) !== first; first = this.#heap[0]) {
      this.#removeFirst()
    }
  }

  #removeFirst(): void {
    const last = this.#heap.pop()!
    if (this.#heap.length === 0) return
    this.#heap[0] = last
    this.#sink(0)
  }

  #sweep(): void {
    this.#heap = [...this.#current.values()].sort((a, b) => a.at - b.at || a.sequence - b.sequence)
  }

  #rise(from: number): void {
    const heap = this.#heap
    const entry = heap[from]!
    let index = from
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (isBefore(heap[parent]!, entry)) break
      heap[index] = heap[parent]!
      index = parent
    }
    heap[index] = entry
  }

  #sink(from: number): void {
    const heap = this.#heap
    const entry = heap[from]!
    let index = from
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (isBefore(entry, heap[child]!)) break
      heap[index] = heap[child]!
      index = child
    }
    heap[index] = entry
  }
}

interface Entry<T> {
  readonly item: T
  readonly at: Millis
  readonly sequence: number
}

function isBefore<T>(a: Entry<T>, b: Entry<T>): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence)
}
