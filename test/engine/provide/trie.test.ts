import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { comparePeersTo } from '../../../worker/engine/kad/distance.ts'
import { type Key, keyFromDigest, type Peer, type PeerIdBytes } from '../../../worker/engine/peer.ts'
import { allocate } from '../../../worker/engine/provide/allocation.ts'
import { bytesOfKey, compareKeys, firstOf, lastOf, successorOf } from '../../../worker/engine/provide/bits.ts'
import { entriesOf, Trie } from '../../../worker/engine/provide/trie.ts'

/** Keys of few bits, so that many share a prefix; those of 32 bytes differ late. */
const someKey = fc.oneof(
  fc.integer({ min: 0, max: 255 }).map((byte) => keyFromDigest(Uint8Array.of(byte))),
  fc.integer({ min: 0, max: 65_535 }).map((two) => keyFromDigest(Uint8Array.of(two >> 8, two & 255))),
  fc.uint8Array({ minLength: 32, maxLength: 32 }).map(keyFromDigest),
)
const someKeys = fc.uniqueArray(someKey, { maxLength: 60, comparator: (a, b) => compareKeys(a, b) === 0 })

function trieOf(keys: readonly Key[]): Trie<Key> {
  const trie = new Trie<Key>()
  for (const key of keys) trie.set(key, key)
  return trie
}

/** The slow way. */
function nearestOf(keys: readonly Key[], target: Key, count: number): Key[] {
  const peer = (key: Key): Peer => ({ id: bytesOfKey(key) as Uint8Array as PeerIdBytes, key })
  return [...keys].sort((a, b) => comparePeersTo(target, peer(a), peer(b))).slice(0, count)
}

test('a trie holds what was set and not deleted, in order, and counts by prefix are exact (A7)', () => {
  fc.assert(
    fc.property(someKeys, someKeys, someKey, fc.integer({ min: 0, max: 32 }), (kept, gone, probe, length) => {
      const trie = trieOf([...kept, ...gone])
      for (const key of gone) trie.delete(key)
      const left = kept.filter((key) => gone.every((other) => compareKeys(key, other) !== 0)).sort(compareKeys)
      assert.deepEqual(
        [...trie.entries()].map(([key]) => key),
        left,
      )
      assert.equal(trie.size, left.length)
      const [first, last] = [firstOf(probe, length), lastOf(probe, length)]
      const below = left.filter((key) => compareKeys(key, first) >= 0 && compareKeys(key, last) <= 0)
      assert.deepEqual(
        [...entriesOf(trie.below(probe, length))].map(([key]) => key),
        below,
      )
      assert.deepEqual(trie.nearest(probe, 5), nearestOf(left, probe, 5))
    }),
    { numRuns: 300 },
  )
})

test('the region of a key is the longest prefix that k peers share', () => {
  const trie = trieOf(
    [0b0000_0000, 0b0000_0001, 0b0000_0010, 0b0100_0000, 0b1000_0000].map((byte) => keyFromDigest(Uint8Array.of(byte))),
  )
  const key = keyFromDigest(Uint8Array.of(0b0000_0011))
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6].map((count) => trie.prefixWith(key, count)),
    [7, 6, 6, 1, 0, 0],
  )
})

test('keys go to their k nearest peers, as by sorting all of them', () => {
  fc.assert(
    fc.property(someKeys, someKeys, fc.integer({ min: 1, max: 20 }), (keys, peers, k) => {
      const given = new Map<Key, Key[]>(keys.map((key) => [key, []]))
      allocate(trieOf(keys).root, trieOf(peers).root, k, (key, peer) => given.get(key)!.push(peer))
      for (const [key, found] of given) assert.deepEqual(found.sort(compareKeys), nearestOf(peers, key, k).sort(compareKeys))
    }),
    { numRuns: 300 },
  )
})

test('the key after the last one of a prefix is the first of the next', () => {
  const key = keyFromDigest(Uint8Array.of(0b1010_0000))
  assert.deepEqual(successorOf(lastOf(key, 3)), keyFromDigest(Uint8Array.of(0b1100_0000)))
  assert.equal(successorOf(lastOf(key, 0)), undefined)
})
