/**
 * A map keyed by bytes (peer ids, CIDs, multihashes) without turning them into strings. Equality is by content, and
 * iteration is in order of insertion, whatever the hashes are. Keys are not copied: callers must not change them.
 */
export class BytesMap<V> {
  readonly #buckets = new Map<number, Entry<V>>()
  readonly #hashOf: (key: Uint8Array, salt: number) => number
  readonly #salt = saltOfNewMaps
  /** A ring through all entries in order of insertion; the anchor is none of them. */
  readonly #anchor: Link = { before: undefined as never, after: undefined as never }
  #size = 0

  /** `hash` is replaced only by tests that need collisions. */
  constructor(hash: (key: Uint8Array, salt: number) => number = hashOf) {
    this.#hashOf = hash
    this.clear()
  }

  get size(): number {
    return this.#size
  }

  get(key: Uint8Array): V | undefined {
    return this.#find(key)?.value
  }

  has(key: Uint8Array): boolean {
    return this.#find(key) !== undefined
  }

  /** A key that is there already keeps its place in the order. */
  set(key: Uint8Array, value: V): void {
    const found = this.#find(key)
    if (found !== undefined) {
      found.value = value
      return
    }
    const hash = this.#hashOf(key, this.#salt)
    const last = this.#anchor.before
    const entry: Entry<V> = { key, value, hash, chained: this.#buckets.get(hash), before: last, after: this.#anchor, gone: false }
    this.#buckets.set(hash, entry)
    last.after = entry
    this.#anchor.before = entry
    this.#size++
  }

  /** Returns whether there was such a key. */
  delete(key: Uint8Array): boolean {
    const entry = this.#find(key)
    if (entry === undefined) return false
    this.#unchain(entry)
    entry.before.after = entry.after
    entry.after.before = entry.before
    entry.gone = true
    this.#size--
    return true
  }

  /** Deletes and returns the oldest entry: with delete-then-set on every use, the least recently used one. */
  shift(): [Uint8Array, V] | undefined {
    if (this.#size === 0) return undefined
    const { key, value } = this.#anchor.after as Entry<V>
    this.delete(key)
    return [key, value]
  }

  clear(): void {
    for (let link = this.#anchor.after; link !== undefined && link !== this.#anchor; link = link.after)
      (link as Entry<V>).gone = true
    this.#buckets.clear()
    this.#anchor.before = this.#anchor
    this.#anchor.after = this.#anchor
    this.#size = 0
  }

  /** As with a `Map`, entries may be deleted and added on the way: what is gone is not visited, what is new is. */
  *entries(): IterableIterator<[Uint8Array, V]> {
    for (let link = this.#anchor.after; link !== this.#anchor; link = link.after) {
      // A deleted entry still points to what came after it, so a walk that stands on one finds its way back.
      const entry = link as Entry<V>
      if (!entry.gone) yield [entry.key, entry.value]
    }
  }

  *keys(): IterableIterator<Uint8Array> {
    for (const [key] of this.entries()) yield key
  }

  *values(): IterableIterator<V> {
    // Not through entries(): wants walk their peers at every event.
    for (let link = this.#anchor.after; link !== this.#anchor; link = link.after) {
      const entry = link as Entry<V>
      if (!entry.gone) yield entry.value
    }
  }

  #find(key: Uint8Array): Entry<V> | undefined {
    for (let entry = this.#buckets.get(this.#hashOf(key, this.#salt)); entry !== undefined; entry = entry.chained) {
      if (equalBytes(entry.key, key)) return entry
    }
    return undefined
  }

  #unchain(entry: Entry<V>): void {
    const head = this.#buckets.get(entry.hash)!
    if (head !== entry) {
      let previous = head
      while (previous.chained !== entry) previous = previous.chained!
      previous.chained = entry.chained
    } else if (entry.chained === undefined) this.#buckets.delete(entry.hash)
    else this.#buckets.set(entry.hash, entry.chained)
  }
}

interface Link {
  before: Link
  after: Link
}

interface Entry<V> extends Link {
  readonly key: Uint8Array
  value: V
  readonly hash: number
  chained: Entry<V> | undefined
  gone: boolean
}

let saltOfNewMaps = 0

/**
 * Salts the hashes of maps made from now on. The host does this once, with a random number, so that nobody can send
 * ids whose hashes collide and make every look-up a walk. It changes how fast a map is and nothing else: the order
 * of iteration does not depend on hashes.
 */
export function saltHashes(salt: number): void {
  saltOfNewMaps = salt | 0
}

/** Multiply and xor-shift over all bytes, four at a time where they last. */
function hashOf(key: Uint8Array, salt: number): number {
  let hash = salt ^ key.length
  for (let index = 0; index < key.length; index += 4) {
    const word = key[index]! | (key[index + 1]! << 8) | (key[index + 2]! << 16) | (key[index + 3]! << 24)
    hash = Math.imul(hash ^ word, 0x9e3779b1)
    hash ^= hash >>> 15
  }
  return hash
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let index = a.length - 1; index >= 0; index--) {
    if (a[index] !== b[index]) return false
  }
  return true
}
