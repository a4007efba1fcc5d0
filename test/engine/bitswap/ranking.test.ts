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

function serve(ranking: Ranking, number: number, times: number, now = 0): void {
  for (let time = 0; time < times; time++) ranking.served(peer(number), undefined, 0, now)
}

function miss(ranking: Ranking, number: number, times: number, now = 0): void {
  for (let time = 0; time < times; time++) ranking.missed(peer(number), now)
}

function order(ranking: Ranking, now: number): number[] {
  return ranking.ranked(now).map((entry) => entry.peer.id.at(-1)!)
}

test('who served more of what it was asked for comes first, and equal ones are ordered by id', () => {
  const ranking = new Ranking(windowMs)
  serve(ranking, 3, 1)
  serve(ranking, 2, 2)
  serve(ranking, 1, 1)
  assert.deepEqual(order(ranking, 0), [2, 1, 3])
  miss(ranking, 2, 20)
  assert.deepEqual(order(ranking, 0), [1, 3, 2], 'twice of 22 times is less than once of once')
})

test('what a peer was asked in vain while it was a stranger counts against it', () => {
  const ranking = new Ranking(windowMs)
  ranking.served(peer(1), undefined, 60, 0)
  ranking.served(peer(2), undefined, 0, 0)
  assert.deepEqual(order(ranking, 0), [2, 1])
})

test('a want served counts less with every eighth of the window; what it counts no more is the past', () => {
  const ranking = new Ranking(windowMs)
  serve(ranking, 1, 1, 500)
  const left = Array.from({ length: 9 }, (_, age) => {
    const total = ranking.total(500 + age * 1_000)
    const { served, past } = ranking.get(peer(1))!
    assert.equal(total, served + past.served)
    return [served, Math.round(8 * past.served) / 8]
  })
  assert.deepEqual(
    left,
    Array.from({ length: 9 }, (_, age) => [1 - age / 8, age / 8]),
  )
})

test('half of the past is forgotten in a day, and who served once is a stranger again after two', () => {
  const ranking = new Ranking(windowMs)
  const dayMs = limits.rankingPastHalfMs.value
  serve(ranking, 1, 1)
  serve(ranking, 2, 8)
  assert.ok(Math.abs(ranking.total(dayMs) - 4.5) < 0.01)
  assert.ok(Math.abs(ranking.total(2.1 * dayMs) - 8 / 2 ** 2.1) < 0.01)
  assert.deepEqual(order(ranking, 2.1 * dayMs), [2])
})

test('who served yesterday is likelier than who never did, and less likely than who does today', () => {
  const ranking = new Ranking(windowMs)
  const dayMs = limits.rankingPastHalfMs.value
  miss(ranking, 9, 1_000)
  serve(ranking, 1, 10)
  serve(ranking, 2, 10, dayMs)
  for (const number of [1, 2]) miss(ranking, number, 30, dayMs)
  assert.deepEqual(order(ranking, dayMs), [2, 1])
  assert.ok(ranking.chance(ranking.get(peer(1))) > 10 * ranking.chance(undefined, 30))
})

test('who serves now overtakes who served an hour ago', () => {
  const ranking = new Ranking(windowMs)
  serve(ranking, 1, 8)
  miss(ranking, 1, 8)
  serve(ranking, 2, 4, 6_000)
  miss(ranking, 2, 4, 6_000)
  miss(ranking, 1, 4, 6_000)
  assert.deepEqual(order(ranking, 6_000), [2, 1])
})

test('strangers are less likely the less any of them has had, and one that was asked in vain is less likely than others', () => {
  const ranking = new Ranking(windowMs)
  const atFirst = ranking.chance(undefined)
  miss(ranking, 9, 1_000)
  assert.equal(ranking.size, 0)
  const now = ranking.chance(undefined)
  assert.ok(now < atFirst / 5, `${now}, at first ${atFirst}`)
  assert.ok(ranking.chance(undefined, 300) < now / 2)
  serve(ranking, 1, 1)
  assert.ok(ranking.chance(undefined) > now, 'one of them had something')
})

test('an estimate of one answer is far below one of a hundred, and both are below the truth of a peer that has everything', () => {
  const ranking = new Ranking(windowMs)
  miss(ranking, 9, 1_000)
  serve(ranking, 1, 1)
  serve(ranking, 2, 100)
  const [best, other] = ranking.ranked(0).map((entry) => ranking.chance(entry))
  assert.ok(best! > 0.6 && best! < 1)
  assert.ok(other! < best! / 10)
})

test('a full ranking takes a newcomer for its last, never for its best', () => {
  const ranking = new Ranking(windowMs)
  for (let number = 0; number < limits.rankedPeersMax.value; number++) serve(ranking, number, 1)
  serve(ranking, 7, 5)
  serve(ranking, 60_000, 1)
  assert.equal(ranking.size, limits.rankedPeersMax.value)
  assert.equal(ranking.ranked(0)[0]!.peer, peer(7))
  assert.ok(ranking.get(peer(60_000)) !== undefined)
})

test('what an earlier visit left is aged by the time between, that of strangers too', () => {
  const first = new Ranking(windowMs)
  serve(first, 1, 1)
  serve(first, 2, 1, 3_000)
  miss(first, 9, 800, 3_000)
  const second = new Ranking(windowMs)
  second.restoreStrangers(first.strangers, 5_000, 100)
  for (const entry of first.ranked(3_000)) second.restore(entry.peer, undefined, entry, 5_000, 100)
  assert.deepEqual(order(second, 100), [2, 1], 'the other is older than the window')
  assert.deepEqual(
    [1, 2].map((number) => second.get(peer(number))!.served),
    [0, 3 / 8],
  )
  assert.ok(Math.abs(second.total(100) - 2) < 0.001)
  assert.ok(second.chance(undefined) < new Ranking(windowMs).chance(undefined) / 2)
})

test('chances are above zero and below one, and in order, whatever happens', () => {
  const step = fc.record({ who: fc.nat(20), what: fc.constantFrom('served', 'missed'), after: fc.nat(3_000) })
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
      const ranking = new Ranking(windowMs)
      let now = 0
      for (const { who, what, after } of steps) (what === 'served' ? serve : miss)(ranking, who, 1, (now += after))
      const ranked = ranking.ranked(now)
      const chances = ranked.map((entry) => ranking.chance(entry))
      assert.ok([...chances, ranking.chance(undefined)].every((chance) => chance > 0 && chance < 1))
      assert.ok(ranked.every(({ slices, asks }) => slices.length === rankingSlices && asks.length === rankingSlices))
      assert.ok(
        ranked.every(({ served, asked, past }) => served + past.served > 0 && served <= asked && past.served <= past.asked),
      )
      assert.deepEqual(
        [...chances].sort((a, b) => b - a),
        chances,
        'best first',
      )
    }),
  )
})
