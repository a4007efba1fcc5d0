import { assert } from '../assert.ts'

/**
 * Keeps the `capacity` smallest of any number of items: a bounded max-heap. n offers take O(n log capacity) time and
 * O(capacity) memory, and an item that is too large is refused after one comparison. The order must be total.
 */
export class TopK<T> {
  readonly #capacity: number
  readonly #compare: (a: T, b: T) => number
  readonly #heap: T[] = []

  constructor(capacity: number, compare: (a: T, b: T) => number) {
    assert(capacity >= 1, 'a selection keeps at least one item')
    this.#capacity = capacity
    this.#compare = compare
  }

  get size(): number {
    return this.#heap.length
  }

  /** The largest of those kept, which the next smaller offer displaces if the selection is full. */
  get largest(): T | undefined {
    return this.#heap[0]
  }

  /** Returns the item that fell out: a former one, the offered one, or `undefined` while there is room. */
  offer(item: T): T | undefined {
    const heap = this.#heap
    if (heap.length < this.#capacity) {
      heap.push(item)
      this.#siftUp(heap.length - 1)
      return undefined
    }
    const largest = heap[0]!
    if (this.#compare(item, largest) >= 0) return item
    heap[0] = item
    this.#siftDown()
    return largest
  }

  /** Smallest first. The selection stays as it is. */
  sorted(): T[] {
    return this.#heap.slice().sort(this.#compare)
  }

  #siftUp(from: number): void {
    const heap = this.#heap
    const item = heap[from]!
    let index = from
    while (index > 0) {
      const above = (index - 1) >> 1
      if (this.#compare(heap[above]!, item) >= 0) break
      heap[index] = heap[above]!
      index = above
    }
    heap[index] = item
  }

  #siftDown(): void {
    const heap = this.#heap
    const item = heap[0]!
    let index = 0
    for (;;) {
      let below = 2 * index + 1
      if (below >= heap.length) break
      if (below + 1 < heap.length && this.#compare(heap[below + 1]!, heap[below]!) > 0) below++
      if (this.#compare(item, heap[below]!) >= 0) break
      heap[index] = heap[below]!
      index = below
    }
    heap[index] = item
  }
}
