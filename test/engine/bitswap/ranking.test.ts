import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Ranking, rankingSlices } from '../../../worker/engine/bitswap/ranking.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { PeerCache, type Peer, type PeerIdBytes } from '../../../worker/engine/peer.ts'

const peers = new PeerCache()
const windowMs = 8_000

function peer(number: number): Peer {
  return peers.intern(new Uint8Array([0x12, 0x20, ...new Uint8Array(30), number >> 8, number & 255]) as PeerIdBytes)
}

function order(ranking: Ranking, now: number): number[] {
  return ranking.ranked(now).map((entry) => entry.peer.id.at(-1)!)
}

test('who served more comes first; a HAVE counts less than a block, and equal ones are ordered by id', () => {
  const ranking = new Ranking(windowMs)
  for (const number of [3, 2, 2, 1]) ranking.note(peer(number), undefined, 'block', 0)
  for (let have = 0; have < 3; have++) ranking.note(peer(1), undefined, 'have', 0)
  assert.deepEqual(order(ranking, 0), [2, 1, 3])
  ranking.note(peer(4), undefined, 'block', 0)
  assert.deepEqual(order(ranking, 0), [2, 1, 3, 4])
})

test('a block counts less with every eighth of the window, and nothing after it', () => {
  const ranking = new Ranking(windowMs)
  ranking.note(peer(1), undefined, 'block', 500)
  const left = Array.from({ length: 9 }, (_, age) => ranking.blocks(500 + age * 1_000))
  assert.deepEqual(left, [1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0])
  assert.equal(ranking.size, 0)
})

test('who serves now overtakes who served more an hour ago', () => {
  const ranking = new Ranking(windowMs)
  for (let block = 0; block < 3; block++) ranking.note(peer(1), undefined, 'block', 0)
  for (let block = 0; block < 2; block++) ranking.note(peer(2), undefined, 'block', 5_000)
  assert.deepEqual(order(ranking, 5_000), [2, 1])
})

test('a full ranking takes a newcomer for its last, never for its best', () => {
  const ranking = new Ranking(windowMs)
  for (let number = 0; number < limits.rankedPeersMax.value; number++) ranking.note(peer(number), undefined, 'block', 0)
  for (let block = 0; block < 5; block++) ranking.note(peer(7), undefined, 'block', 0)
  ranking.note(peer(60_000), undefined, 'have', 0)
  assert.ok(!ranking.ranked(0).some((entry) => entry.peer === peer(60_000)), 'a word displaces no block')
  ranking.note(peer(60_001), undefined, 'block', 0)
  assert.equal(ranking.size, limits.rankedPeersMax.value)
  assert.equal(ranking.ranked(0)[0]!.peer, peer(7))
  assert.ok(ranking.ranked(0).some((entry) => entry.peer === peer(60_001)))
})

test('what an earlier visit left is aged by the time between', () => {
  const first = new Ranking(windowMs)
  first.note(peer(1), undefined, 'block', 0)
  first.note(peer(2), undefined, 'block', 3_000)
  const second = new Ranking(windowMs)
  for (const { peer: who, slices } of first.ranked(3_000)) second.restore(who, undefined, slices, 5_000, 100)
  assert.deepEqual(order(second, 100), [2], 'the other is older than the window')
  assert.equal(second.blocks(100), 3 / 8)
})

test('shares add up to one and are never negative, whatever happens', () => {
  const step = fc.record({ who: fc.nat(20), what: fc.constantFrom('block' as const, 'have' as const), after: fc.nat(3_000) })
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
      const ranking = new Ranking(windowMs)
      let now = 0
      for (const { who, what, after } of steps) ranking.note(peer(who), undefined, what, (now += after))
      const ranked = ranking.ranked(now)
      const shares = ranked.map((entry) => ranking.shareOf(entry))
      assert.ok(shares.every((share) => share > 0))
      assert.ok(Math.abs(shares.reduce((a, b) => a + b) - 1) < 1e-9)
      assert.ok(ranked.every(({ slices }) => slices.length === rankingSlices))
      assert.deepEqual(
        [...shares].sort((a, b) => b - a),
        shares,
        'best first',
      )
    }),
  )
})
