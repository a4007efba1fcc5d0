/**
 * A map keyed by bytes (peer ids, CIDs, multihashes) without turning them into strings. The tail of such ids is part
 * of a digest or public key, so it is hashed; equality is by content. Iteration is in order of first insertion of a
 * hash bucket, hence the same for the same history. Keys are not copied: callers must not change them.
 */
export class BytesMap<V> {
  readonly #buckets = new Map<number, Entry<V>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get(key: Uint8Array): V | undefined {
    return this.#find(key)?.value
  }

  has(key: Uint8Array): boolean {
    return this.#find(key) !== undefined
  }

  set(key: Uint8Array, value: V): void {
    const found = this.#find(key)
    if (found !== undefined) {
      found.value = value
      return
    }
    const hash = hashOf(key)
    const bucket = this.#buckets.get(hash)
    const entry: Entry<V> = { key, value, next: undefined }
    if (bucket === undefined) this.#buckets.set(hash, entry)
    else {
      entry.next = bucket.next
      bucket.next = entry
    }
    this.#size++
  }

  /** Returns whether there was such a key. */
  delete(key: Uint8Array): boolean {
    const hash = hashOf(key)
    const head = this.#buckets.get(hash)
    let previous: Entry<V> | undefined
    for (let entry = head; entry !== undefined; entry = entry.next) {
      if (equalBytes(entry.key, key)) {
        if (previous !== undefined) previous.next = entry.next
        else if (entry.next !== undefined) this.#buckets.set(hash, entry.next)
        else this.#buckets.delete(hash)
        this.#size--
        return true
      }
      previous = entry
    }
    return false
  }

  /** Deletes and returns the oldest entry: with delete-then-set on every use, the least recently used one. */
  shift(): [Uint8Array, V] | undefined {
    const oldest = this.#buckets.values().next()
    if (oldest.done === true) return undefined
    const { key, value } = oldest.value
    this.delete(key)
    return [key, value]
  }

  clear(): void {
    this.#buckets.clear()
    this.#size = 0
  }

  *entries(): IterableIterator<[Uint8Array, V]> {
    for (const head of this.#buckets.values()) {
      for (let entry: Entry<V> | undefined = head; entry !== undefined; entry = entry.next) {
        yield [entry.key, entry.value]
      }
    }
  }

  *keys(): IterableIterator<Uint8Array> {
    for (const [key] of this.entries()) yield key
  }

  *values(): IterableIterator<V> {
    for (const [, value] of this.entries()) yield value
  }

  #find(key: Uint8Array): Entry<V> | undefined {
    for (let entry = this.#buckets.get(hashOf(key)); entry !== undefined; entry = entry.next) {
      if (equalBytes(entry.key, key)) return entry
    }
    return undefined
  }
}

interface Entry<V> {
  readonly key: Uint8Array
  value: V
  next: Entry<V> | undefined
}

/** FNV-1a over the last eight bytes. */
function hashOf(key: Uint8Array): number {
  let hash = 0x811c9dc5
  for (let index = Math.max(0, key.length - 8); index < key.length; index++) {
    hash = Math.imul(hash ^ key[index]!, 0x01000193)
  }
  return hash | 0
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let index = a.length - 1; index >= 0; index--) {
    if (a[index] !== b[index]) return false
  }
  return true
}
