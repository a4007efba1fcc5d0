import type { Key } from '../peer.ts'
import { type Bit, keyBits } from './bits.ts'
import { childOf, entriesOf, opposite, type TrieNode } from './trie.ts'

/**
 * Gives each key its `k` nearest peers by walking both tries together: keys that share their nearest peers are decided
 * together, so that a region costs as many steps as it has branches, not keys × peers.
 */
export function allocate<K, P>(
  keys: TrieNode<K> | undefined,
  peers: TrieNode<P> | undefined,
  k: number,
  assign: (key: K, peer: P) => void,
): void {
  walk({ keys, peers, k, depth: 0 }, assign)
}

interface Step<K, P> {
  readonly keys: TrieNode<K> | undefined
  readonly peers: TrieNode<P> | undefined
  readonly k: number
  readonly depth: number
}

function walk<K, P>({ keys, peers, k, depth }: Step<K, P>, assign: (key: K, peer: P) => void): void {
  if (keys === undefined || peers === undefined || k <= 0) return
  if (peers.size <= k || depth === keyBits) return assignAll(keys, peers, k, assign)
  for (const bit of [0, 1] as const satisfies readonly Bit[]) {
    const own = childOf(keys, depth, bit)
    if (own === undefined) continue
    const near = childOf(peers, depth, bit)
    const found = near?.size ?? 0
    walk({ keys: own, peers: near, k, depth: depth + 1 }, assign)
    if (found < k) walk({ keys: own, peers: childOf(peers, depth, opposite(bit)), k: k - found, depth: depth + 1 }, assign)
  }
}

function assignAll<K, P>(keys: TrieNode<K>, peers: TrieNode<P>, k: number, assign: (key: K, peer: P) => void): void {
  const nearest: P[] = []
  for (const [, peer] of entriesOf(peers)) if (nearest.length < k) nearest.push(peer)
  for (const [, key] of entriesOf(keys) as Iterable<[Key, K]>) for (const peer of nearest) assign(key, peer)
}
