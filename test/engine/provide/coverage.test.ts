import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compareKeysTo } from '../../../worker/engine/kad/distance.ts'
import { type Key, keyFromDigest } from '../../../worker/engine/peer.ts'
import { compareKeys, sharedBits } from '../../../worker/engine/provide/bits.ts'
import { Coverage } from '../../../worker/engine/provide/coverage.ts'
import { Trie } from '../../../worker/engine/provide/trie.ts'

/** Keys of few bits, so that many share a prefix; those of 32 bytes differ late. */
const someKey = fc.oneof(
  fc.integer({ min: 0, max: 255 }).map((byte) => keyFromDigest(Uint8Array.of(byte))),
  fc.integer({ min: 0, max: 65_535 }).map((two) => keyFromDigest(Uint8Array.of(two >> 8, two & 255))),
  fc.uint8Array({ minLength: 32, maxLength: 32 }).map(keyFromDigest),
)
const isSame = (a: Key, b: Key): boolean => compareKeys(a, b) === 0
const key = (byte: number): Key => keyFromDigest(Uint8Array.of(byte))

/** The slow way: sorts everybody. */
function nearestOf(keys: readonly Key[], target: Key, count: number): Key[] {
  return keys.toSorted((a, b) => compareKeysTo(target, a, b)).slice(0, count)
}

/** A routing table as Kademlia allows it: of each bucket all peers, or any k of them; `choice` says which. */
function answerOf(owner: Key, target: Key, peers: readonly Key[], k: number, choice: number): Key[] {
  const buckets = new Map<number, Key[]>()
  for (const peer of peers) {
    if (isSame(peer, owner)) continue
    const bucket = buckets.get(sharedBits(owner, peer)) ?? []
    bucket.push(peer)
    buckets.set(sharedBits(owner, peer), bucket)
  }
  const table = [...buckets.values()].flatMap((bucket) => {
    const from = choice % bucket.length
    return [...bucket.slice(from), ...bucket.slice(0, from)].slice(0, k)
  })
  return nearestOf(table, target, k)
}

const scene = fc.record({
  peers: fc.uniqueArray(someKey, { minLength: 1, maxLength: 80, comparator: isSame }),
  asks: fc.array(fc.record({ owner: fc.nat(), target: someKey, choice: fc.nat() }), { maxLength: 25 }),
  probes: fc.array(someKey, { minLength: 1, maxLength: 10 }),
  k: fc.integer({ min: 1, max: 20 }),
  witnesses: fc.integer({ min: 1, max: 3 }),
})

test('what is certain is true, whichever k peers a full bucket holds: whoever no answer has named is not among the k nearest', () => {
  let certain = 0
  fc.assert(
    fc.property(scene, ({ peers, asks, probes, k, witnesses }) => {
      const known = new Trie<Key>()
      const coverage = new Coverage(witnesses)
      for (const { owner, target, choice } of asks) {
        const witness = peers[owner % peers.length]!
        const answer = answerOf(witness, target, peers, k, choice)
        for (const named of [witness, ...answer]) known.set(named, named)
        const farthest = answer.at(-1)
        if (farthest !== undefined) coverage.answered({ witness, target, farthest })
      }
      for (const probe of probes) {
        if (coverage.gapFor(probe, k, known.root) !== undefined) continue
        certain++
        assert.deepEqual(known.nearest(probe, k), nearestOf(peers, probe, k))
      }
    }),
    { numRuns: 2_000 },
  )
  assert.ok(certain > 500, 'or this shows nothing')
})

test('the nearest peer to a target is always a witness to its place, so that asking the nearest ends', () => {
  fc.assert(
    fc.property(scene, ({ peers, probes, k }) => {
      for (const target of probes) {
        const [nearest] = nearestOf(peers, target, 1) as [Key]
        const answer = answerOf(nearest, target, peers, k, 0)
        const farthest = answer.at(-1)
        if (farthest === undefined) continue
        const coverage = new Coverage(1)
        coverage.answered({ witness: nearest, target, farthest })
        assert.ok(coverage.has(target))
      }
    }),
    { numRuns: 300 },
  )
})

test('an answer covers the subtrees before the one in which it ends, and nothing of that one', () => {
  const coverage = new Coverage(1)
  // The witness 0001 is asked for 0000; the farthest it names is 0100: its bucket is 01.
  coverage.answered({ witness: key(0b0001_0000), target: key(0), farthest: key(0b0100_0000) })
  assert.deepEqual(
    [0b0000_0000, 0b0011_1111, 0b0100_0000, 0b0111_1111, 0b1000_0000].map((byte) => coverage.has(key(byte))),
    [true, true, false, false, false],
  )
})

test('a witness that knows only some of the target’s own subtree says nothing', () => {
  const coverage = new Coverage(1)
  coverage.answered({ witness: key(0b1000_0000), target: key(0b0000_0000), farthest: key(0b0100_0000) })
  for (let byte = 0; byte < 256; byte++) assert.equal(coverage.has(key(byte)), false)
})

test('the same peer asked twice is one witness', () => {
  const coverage = new Coverage(2)
  const farthest = key(0b1000_0000)
  coverage.answered({ witness: key(1), target: key(0), farthest })
  coverage.answered({ witness: key(1), target: key(3), farthest })
  assert.deepEqual([coverage.has(key(0)), coverage.witnessesOf(key(0))], [false, 1])
  coverage.answered({ witness: key(2), target: key(0), farthest })
  assert.deepEqual([coverage.has(key(0)), coverage.witnessesOf(key(0))], [true, 2])
})

/** All of these are known. */
function trieOf(...peers: readonly Key[]): Trie<Key> {
  const known = new Trie<Key>()
  for (const peer of peers) known.set(peer, peer)
  return known
}

test('what was given up is no gap any more, but nothing around it is sure; one witness is enough then', () => {
  const coverage = new Coverage(2)
  const { root } = trieOf(key(0b0100_0000))
  const target = key(0b0001_0000)
  coverage.accept(target, { bits: [0] }, 1, root)
  assert.deepEqual([coverage.gapFor(target, 1, root), coverage.isSureOf(target, 1, root)], [undefined, false])
  assert.deepEqual([coverage.has(target), coverage.witnessesOf(target)], [false, 0])
  coverage.answered({ witness: key(0b0100_0000), target, farthest: key(0b1000_0000) })
  assert.deepEqual([coverage.has(target), coverage.isSureOf(target, 1, root)], [true, true])
})

test('a gap is found however little nearer it is than the farthest of the k nearest', () => {
  const coverage = new Coverage(1)
  const twenty = (last: number): Key => keyFromDigest(Uint8Array.of(0, 0, last))
  const { root } = trieOf(twenty(0b0100_0000))
  const target = twenty(0)
  // Everything but the 17 bits that the target shares with the only known peer.
  for (let depth = 0; depth < 17; depth++) {
    const beside = target.slice() as Key
    beside[0] = (beside[0]! ^ (1 << (31 - depth))) >>> 0
    const gap = { bits: Array.from({ length: depth + 1 }, (_, at) => (at === depth ? 1 : 0) as 0 | 1) }
    coverage.accept(beside, gap, 1, root)
  }
  assert.deepEqual(
    coverage.gapFor(target, 1, root)?.bits,
    Array.from({ length: 18 }, () => 0),
  )
  assert.equal(coverage.isSureOf(target, 1, root), false)
})
