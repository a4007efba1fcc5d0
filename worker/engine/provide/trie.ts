import { type Bit, bitAt, compareKeys, keyBits } from './bits.ts'
import type { Key } from '../peer.ts'

/**
 * A binary trie of Kademlia keys: what is below a node shares the bits on the way to it. A key lies at the shallowest
 * node that tells it from all others, so that a trie of n keys has about 2.5 n nodes however long the keys are.
 *
 *   (root) ─0─▶ … ─1─▶ leaf { key, value }
 *
 * Every node knows how many keys are below it: counts by prefix cost the length of the prefix.
 */
export class Trie<Value> {
  #root: TrieNode<Value> | undefined

  get size(): number {
    return this.#root?.size ?? 0
  }

  get root(): TrieNode<Value> | undefined {
    return this.#root
  }

  get(key: Key): Value | undefined {
    let node = this.#root
    for (let depth = 0; node !== undefined && node.type === 'branch'; depth++) node = node.children[bitAt(key, depth)]
    return node !== undefined && compareKeys(node.key, key) === 0 ? node.value : undefined
  }

  /** Returns whether the key is new. The value of a known one is replaced. */
  set(key: Key, value: Value): boolean {
    const size = this.size
    this.#root = inserted(this.#root, { type: 'leaf', size: 1, key, value }, 0)
    return this.size > size
  }

  /** Returns whether there was such a key. */
  delete(key: Key): boolean {
    const size = this.size
    this.#root = removed(this.#root, key, 0)
    return this.size < size
  }

  clear(): void {
    this.#root = undefined
  }

  /** What shares the first `length` bits with `key`. */
  below(key: Key, length: number): TrieNode<Value> | undefined {
    let node = this.#root
    for (let depth = 0; node !== undefined && depth < length; depth++) node = childOf(node, depth, bitAt(key, depth))
    return node
  }

  /** The length of the longest prefix of `key` that at least `count` keys share; 0 if all of them together are fewer. */
  prefixWith(key: Key, count: number): number {
    let node = this.#root
    for (let depth = 0; ; depth++) {
      const next = node === undefined || depth === keyBits ? undefined : childOf(node, depth, bitAt(key, depth))
      if (next === undefined || next.size < count) return depth
      node = next
    }
  }

  /** The values of the keys nearest to `target`, nearest first. */
  nearest(target: Key, count: number): Value[] {
    const found: Value[] = []
    collectNearest(this.#root, target, 0, count, found)
    return found
  }

  /** In order of the keys. Do not change the trie on the way. */
  *entries(): IterableIterator<[Key, Value]> {
    yield* entriesOf(this.#root)
  }
}

export type TrieNode<Value> = TrieLeaf<Value> | TrieBranch<Value>

export interface TrieLeaf<Value> {
  readonly type: 'leaf'
  readonly size: 1
  readonly key: Key
  readonly value: Value
}

export interface TrieBranch<Value> {
  readonly type: 'branch'
  readonly size: number
  readonly children: readonly [TrieNode<Value> | undefined, TrieNode<Value> | undefined]
}

/** The half of a node at `depth` whose bit there is `bit`: a leaf is in one of them, however shallow it lies. */
export function childOf<Value>(node: TrieNode<Value>, depth: number, bit: Bit): TrieNode<Value> | undefined {
  if (node.type === 'branch') return node.children[bit]
  return bitAt(node.key, depth) === bit ? node : undefined
}

export function* entriesOf<Value>(node: TrieNode<Value> | undefined): IterableIterator<[Key, Value]> {
  if (node === undefined) return
  if (node.type === 'leaf') {
    yield [node.key, node.value]
    return
  }
  yield* entriesOf(node.children[0])
  yield* entriesOf(node.children[1])
}

function inserted<Value>(node: TrieNode<Value> | undefined, leaf: TrieLeaf<Value>, depth: number): TrieNode<Value> {
  if (node === undefined) return leaf
  if (node.type === 'leaf' && compareKeys(node.key, leaf.key) === 0) return leaf
  const bit = bitAt(leaf.key, depth)
  const own = inserted(childOf(node, depth, bit), leaf, depth + 1)
  return branch(bit, own, childOf(node, depth, opposite(bit)))
}

function removed<Value>(node: TrieNode<Value> | undefined, key: Key, depth: number): TrieNode<Value> | undefined {
  if (node === undefined) return undefined
  if (node.type === 'leaf') return compareKeys(node.key, key) === 0 ? undefined : node
  const bit = bitAt(key, depth)
  const child = node.children[bit]
  const own = removed(child, key, depth + 1)
  if (own === child) return node
  const other = node.children[opposite(bit)]
  if (own === undefined && other?.type === 'leaf') return other
  if (other === undefined && own?.type === 'leaf') return own
  return own === undefined && other === undefined ? undefined : branch(bit, own, other)
}

function branch<Value>(bit: Bit, own: TrieNode<Value> | undefined, other: TrieNode<Value> | undefined): TrieBranch<Value> {
  const size = (own?.size ?? 0) + (other?.size ?? 0)
  return { type: 'branch', size, children: bit === 0 ? [own, other] : [other, own] }
}

function collectNearest<Value>(
  node: TrieNode<Value> | undefined,
  target: Key,
  depth: number,
  count: number,
  found: Value[],
): void {
  if (node === undefined || found.length >= count) return
  if (node.type === 'leaf') {
    found.push(node.value)
    return
  }
  const bit = bitAt(target, depth)
  collectNearest(node.children[bit], target, depth + 1, count, found)
  collectNearest(node.children[opposite(bit)], target, depth + 1, count, found)
}

export function opposite(bit: Bit): Bit {
  return (1 - bit) as Bit
}
