import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultDiscoveryOptions } from '../../../worker/engine/bitswap/bitswap.ts'
import { BroadcastPlanner, type BroadcastAsk } from '../../../worker/engine/bitswap/broadcast.ts'
import type { DiscoveryOptions } from '../../../worker/engine/bitswap/contract.ts'
import { Discovery } from '../../../worker/engine/bitswap/discovery.ts'
import { Link, Pace } from '../../../worker/engine/bitswap/link.ts'
import { newWantPeer, type WantPeer } from '../../../worker/engine/bitswap/want-peer.ts'
import { BytesMap } from '../../../worker/engine/bytes-map.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { PeerCache, type PeerIdBytes } from '../../../worker/engine/peer.ts'
import { Rng } from '../../../worker/engine/rng.ts'

/** A planner with connected peers, of which `record` says how often each was asked and how often it had it. */
class Bench {
  readonly discovery: Discovery
  readonly planner: BroadcastPlanner
  readonly links = new BytesMap<Link>()
  readonly all: Link[] = []
  readonly asked = new BytesMap<WantPeer>()

  constructor(peers: number, options: Partial<DiscoveryOptions> = {}) {
    const cache = new PeerCache()
    this.discovery = new Discovery({ ...defaultDiscoveryOptions, ...options }, cache)
    this.planner = new BroadcastPlanner(new Rng(1), this.discovery)
    for (let number = 0; number < peers; number++) {
      const peer = cache.intern(new Uint8Array([0x12, 0x20, ...new Uint8Array(30), number >> 8, number & 255]) as PeerIdBytes)
      const link = new Link(peer, new Pace(), false)
      this.links.set(peer.id, link)
      this.all.push(link)
    }
  }

  record(number: number, served: number, asked: number, contexts: readonly string[] = []): void {
    const link = this.all[number]!
    for (let time = 0; time < served; time++) this.discovery.served(link.peer, undefined, link, contexts, 0)
    for (let time = served; time < asked; time++) this.discovery.missed(link.peer, link, contexts, 0)
  }

  choose(ask: Partial<BroadcastAsk> = {}, now = 0) {
    const { asked, links } = this
    const common = {
      asked,
      links,
      contexts: [],
      isAlone: true,
      steps: 0,
      dials: 0,
      searchesSince: undefined,
      mayAskRest: true,
      atMost: 1_000,
    }
    const step = this.planner.choose({ ...common, ...ask }, now)
    assert.ok(step.kind === 'step')
    for (const link of step.links)
      asked.set(link.peer.id, { ...newWantPeer(link.peer, 'broadcast', undefined, link), askedAt: now })
    return { ...step, numbers: step.links.map((link) => this.all.indexOf(link)) }
  }
}

test('where one peer has nearly everything it goes alone, and for the block', () => {
  const bench = new Bench(200)
  bench.record(7, 90, 100)
  for (let number = 10; number < 200; number++) bench.record(number, 0, 20)
  const first = bench.choose()
  assert.deepEqual(first.numbers, [7])
  assert.equal(first.toSendBlock, bench.all[7])
  const second = bench.choose({ steps: 1 })
  assert.ok(second.numbers.length > 5, 'the others are equally unlikely')
  assert.equal(second.toSendBlock, undefined)
})

test('the likeliest go first, and each peer once', () => {
  const bench = new Bench(100)
  for (let number = 0; number < 30; number++) bench.record(number, 1 + number, 60)
  for (let number = 30; number < 100; number++) bench.record(number, 0, 60)
  const order: number[] = []
  for (let steps = 0; order.length < 100; steps++) order.push(...bench.choose({ steps }).numbers)
  assert.deepEqual(
    order.slice(0, 30),
    Array.from({ length: 30 }, (_, index) => 29 - index),
  )
  assert.equal(new Set(order).size, 100)
})

test('among strangers those that were asked in vain most often come last', () => {
  const bench = new Bench(100)
  bench.record(0, 30, 30)
  for (let number = 1; number < 100; number++) bench.record(number, 0, number < 51 ? 200 : 0)
  bench.choose()
  const { numbers } = bench.choose({ steps: 1 })
  assert.ok(numbers.every((number) => number >= 51))
})

test('the more a second is worth, the more are asked at once', () => {
  const sizes = [1, 4, 16, 64].map((peersPerSecond) => {
    const bench = new Bench(400, { peersPerSecond })
    bench.record(0, 30, 300)
    return bench.choose().numbers.length
  })
  assert.deepEqual(
    sizes,
    [...sizes].sort((a, b) => a - b),
  )
  assert.ok(sizes[3]! > 5 * sizes[0]!, sizes.join(' '))
})

test('the longer answers take, the more are asked at once, and the longer a step waits', () => {
  const stepOf = (answerMs: number) => {
    const bench = new Bench(400)
    bench.record(0, 30, 300)
    for (let answer = 0; answer < limits.durationWindowMin.value; answer++) bench.discovery.answered(answerMs)
    return { size: bench.choose().numbers.length, ms: bench.planner.stepMs }
  }
  const [near, far] = [stepOf(60), stepOf(900)]
  assert.ok(far.size > near.size)
  assert.deepEqual([near.ms, far.ms], [75, 1_125])
})

test('leaders: the best few, those that had enough, or the fewest with a share of it all', () => {
  const choose = (leaders: DiscoveryOptions['leaders']) => {
    const bench = new Bench(50, { leaders })
    for (let number = 0; number < 20; number++) bench.record(number, 20 - number, 20)
    return bench.choose().numbers
  }
  assert.deepEqual(choose({ type: 'top', peers: 3 }), [0, 1, 2])
  assert.deepEqual(choose({ type: 'threshold', blocks: 19 }), [0, 1])
  assert.deepEqual(choose({ type: 'coverage', share: 0.09 }), [0])
  assert.deepEqual(choose({ type: 'coverage', share: 0.2 }), [0, 1, 2])
})

test('of those that had enough each goes first, though another is likelier that had less; the likeliest, if nobody had enough', () => {
  const bench = new Bench(50, { leaders: { type: 'threshold', blocks: 10 } })
  bench.record(0, 40, 250)
  bench.record(1, 12, 100)
  for (let number = 2; number < 14; number++) bench.record(number, 9, 9)
  const first = bench.choose()
  assert.deepEqual(first.numbers, [0, 1])
  assert.ok([undefined, bench.all[0]].includes(first.toSendBlock))
  const few = new Bench(50, { leaders: { type: 'threshold', blocks: 10 } })
  for (const [number, served] of [8, 9, 7].entries()) few.record(number, served, 9)
  assert.deepEqual(few.choose().numbers, [1])
})

test('who served in a context is asked before who serves more in all', () => {
  const bench = new Bench(50)
  bench.record(0, 50, 60)
  bench.record(1, 2, 10, ['nft'])
  assert.equal(bench.choose({ contexts: ['nft'] }).numbers[0], 1)
  assert.equal(new Bench(1).choose({ contexts: ['unknown'] }).numbers.length, 1)
})

test('a cold start asks a handful at least, or all at once where a flood was chosen for it', () => {
  assert.ok(new Bench(500).choose().numbers.length >= limits.broadcastStepFirst.value)
  const flood = new Bench(500, { coldStart: 'flood' })
  assert.equal(flood.choose().numbers.length, 500)
  const warm = new Bench(500, { coldStart: 'flood' })
  warm.record(0, limits.rankingWarmWants.value, 30)
  assert.ok(warm.choose().numbers.length < 20)
})

/** One peer nearly always has it, the others rarely; one answer in ten comes after ten seconds. */
function benchWithLateAnswers(): Bench {
  const bench = new Bench(400, { peersPerSecond: 16 })
  bench.record(0, 95, 100)
  for (let number = 1; number < 400; number++) bench.record(number, number < 40 ? 1 : 0, 400)
  for (let answer = 0; answer < 100; answer++) bench.discovery.answered(answer % 10 === 0 ? 10_000 : 100)
  return bench
}

test('while the likely one may only be late, the unlikely ones are asked slowly; once it is too late for that, by the dozen', () => {
  const bench = benchWithLateAnswers()
  assert.deepEqual(bench.choose().numbers, [0])
  const early = bench.choose({ steps: 1 }, 500)
  assert.ok(early.isPatient)
  const late = benchWithLateAnswers()
  late.choose()
  const { numbers } = late.choose({ steps: 1 }, 11_000)
  assert.ok(numbers.length >= 2 * early.numbers.length, `${numbers.length} are asked, and ${early.numbers.length}`)
})

test('while the search is about to name a provider few are asked, and none the fewer when it mostly names none', () => {
  const sizeWith = (found: number): number => {
    const bench = new Bench(400, { peersPerSecond: 16 })
    bench.record(0, 95, 100)
    for (let number = 1; number < 400; number++) bench.record(number, number < 40 ? 1 : 0, 400)
    for (let search = 0; search < 100; search++) bench.discovery.searched(search < found ? 2_000 : undefined)
    bench.choose()
    return bench.choose({ steps: 1, searchesSince: 0 }, 500).numbers.length
  }
  assert.ok(sizeWith(0) >= 3 * sizeWith(90), `${sizeWith(0)} are asked, and ${sizeWith(90)}`)
})

/** Peer 0 has sent the last block; so many times who had was asked for the next, and had it not. */
function benchAfterMisses(misses: number): Bench {
  const bench = new Bench(60)
  for (let number = 0; number < 60; number++) bench.record(number, number < 30 ? 1 : 0, 20)
  for (let miss = 0; miss < misses; miss++) bench.discovery.judgeLatest(true, false)
  bench.discovery.delivered(bench.all[0]!.peer, [], 0)
  return bench
}

test('who sent the last block goes alone while that was right of late; where it mostly was not, others are asked with it', () => {
  assert.deepEqual(benchAfterMisses(0).choose().numbers, [0], 'nothing is known yet')
  assert.ok(benchAfterMisses(1).choose().isHunch, 'it is asked for the block yet')
  const some = benchAfterMisses(2).choose()
  assert.ok(some.numbers.includes(0) && some.numbers.length > 1, `${some.numbers.length} are asked`)
  assert.equal(benchAfterMisses(9).choose().toSendBlock, undefined, 'in the end it is not even asked for the block')
  assert.deepEqual(benchAfterMisses(9).choose({ isAlone: false }).numbers, [0], 'of several wants at once nothing is known yet')
  const reading = new Bench(60)
  for (let number = 0; number < 60; number++) reading.record(number, number < 30 ? 1 : 0, 20)
  for (let want = 0; want < 4; want++) reading.discovery.judgeLatest(true, true)
  reading.discovery.delivered(reading.all[40]!.peer, [], 0)
  const { numbers, isHunch, toSendBlock } = reading.choose()
  assert.deepEqual([numbers, isHunch, toSendBlock], [[40], false, reading.all[40]])
})
