import { assert } from '../assert.ts'

/** A binary heap with the largest item on top: push and pop take O(log n) comparisons. The order must be total. */
export class MaxHeap<T> {
  readonly #compare: (a: T, b: T) => number
  readonly #items: T[] = []

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare
  }

  get size(): number {
    return this.#items.length
  }

  get largest(): T | undefined {
    return this.#items[0]
  }

  /** A view, in no order, valid until the next change. */
  get items(): readonly T[] {
    return this.#items
  }

  push(item: T): void {
    const items = this.#items
    let index = items.length
    items.push(item)
    while (index > 0) {
      const above = (index - 1) >> 1
      if (this.#compare(items[above]!, item) >= 0) break
      items[index] = items[above]!
      index = above
    }
    items[index] = item
  }

  pop(): T | undefined {
    const largest = this.#items[0]
    const last = this.#items.pop()
    if (last !== undefined && this.#items.length > 0) this.replaceLargest(last)
    return largest
  }

  /** Cheaper than a pop and a push. The heap must not be empty. */
  replaceLargest(item: T): void {
    const items = this.#items
    let index = 0
    for (;;) {
      let below = 2 * index + 1
      if (below >= items.length) break
      if (below + 1 < items.length && this.#compare(items[below + 1]!, items[below]!) > 0) below++
      if (this.#compare(item, items[below]!) >= 0) break
      items[index] = items[below]!
      index = below
    }
    items[index] = item
  }
}

/**
 * Keeps the `capacity` smallest of any number of items. n offers take O(n log capacity) time and O(capacity) memory, and
 * an item that is too large is refused after one comparison.
 */
export class TopK<T> {
  readonly #capacity: number
  readonly #compare: (a: T, b: T) => number
  readonly #heap: MaxHeap<T>

  constructor(capacity: number, compare: (a: T, b: T) => number) {
    assert(capacity >= 1, 'a selection keeps at least one item')
    this.#capacity = capacity
    this.#compare = compare
    this.#heap = new MaxHeap(compare)
  }

  get size(): number {
    return this.#heap.size
  }

  /** The largest of those kept, which the next smaller offer displaces if the selection is full. */
  get largest(): T | undefined {
    return this.#heap.largest
  }

  /** Returns the item that fell out: a former one, the offered one, or `undefined` while there is room. */
  offer(item: T): T | undefined {
    if (this.#heap.size < this.#capacity) {
      this.#heap.push(item)
      return undefined
    }
    const largest = this.#heap.largest!
    if (this.#compare(item, largest) >= 0) return item
    this.#heap.replaceLargest(item)
    return largest
  }

  /** Smallest first. The selection stays as it is. */
  sorted(): T[] {
    return this.#heap.items.toSorted(this.#compare)
  }
}
