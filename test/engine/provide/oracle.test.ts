import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { drawCase, judge } from '../../../sim/experiments/oracle-case.ts'
import { SweepWorld, type SweepWorldOptions } from '../../../sim/world/sweep-world.ts'
import { compareKeys, firstOf, lastOf } from '../../../worker/engine/provide/bits.ts'
import { type Key, keyFromDigest } from '../../../worker/engine/peer.ts'
import type { RegionReport } from '../../../worker/engine/provide/contract.ts'
import type { Rng } from '../../../worker/engine/rng.ts'

/** The slow way, without tries: all servers that live, sorted by distance. */
function nearestServers(world: SweepWorld, key: Key, k: number): Set<number> {
  const { population } = world.world
  const distance = (server: number): number[] => Array.from(population.keyOf(server), (word, index) => (word ^ key[index]!) >>> 0)
  const sorted = Array.from({ length: population.size }, (_, server) => ({ server, distance: distance(server) }))
    .filter(({ server }) => population.isOnline(server, world.now))
    .sort((a, b) => a.distance.map((word, index) => word - b.distance[index]!).find((difference) => difference !== 0) ?? 0)
  return new Set(sorted.slice(0, k).map(({ server }) => server))
}

function bits(value: number, length: number): number[] {
  return Array.from({ length }, (_, position) => (value >> (length - 1 - position)) & 1)
}

const clustered = (_: number, rng: Rng): number[] => [...bits(rng.below(3) * 5, 4), ...bits(rng.below(4), 6)]
const skewed = (index: number, rng: Rng): number[] => (index % 10 === 0 ? bits(rng.below(2), 1) : bits(0b10110, 5))
/** Each of them alone on a side of what the others share: every bucket has one peer. */
const comb = (index: number): number[] => [...bits(0, index), 1]

const topologies: Readonly<Record<string, Partial<SweepWorldOptions> & { peers: number }>> = {
  random: { peers: 300 },
  clustered: { peers: 200, prefixOf: clustered },
  skewed: { peers: 250, prefixOf: skewed },
  'keys in a corner': { peers: 300, keyPrefixOf: () => bits(0b101, 3) },
  'all of one prefix': { peers: 60, prefixOf: () => bits(0xabcde, 20) },
  'all near one key, keys elsewhere': { peers: 50, prefixOf: () => bits(0x3f, 6), keyPrefixOf: () => bits(0, 6) },
  'a comb': { peers: 30, prefixOf: comb },
  'fewer than k': { peers: 7 },
  'k of them': { peers: 20 },
  'one more than k': { peers: 21 },
  'one peer': { peers: 1 },
  'two peers': { peers: 2 },
}

function sweepAll(options: SweepWorldOptions, count: number): SweepWorld {
  const world = new SweepWorld({ ...options, remembersEvery: 1, traces: true })
  world.fill(count, true)
  world.start()
  assert.ok(world.runUntilIdle(24 * 3_600_000), JSON.stringify(world.machine.status(world.now)))
  return world
}

/** Each key reached its true nearest peers and nobody else; what is reported was sent, once; regions hold what they say. */
function check(world: SweepWorld, k: number): void {
  const { keystore, counts } = world
  for (let index = 0; index < keystore.size; index++) {
    const holders = new Set(world.holders.get(index)?.keys())
    assert.deepEqual(holders, nearestServers(world, keystore.keyAt(index), k))
  }
  const { totals } = world.machine.status(world.now)
  const { keys, stored, missed, failed, uncertain } = totals
  const pairs = keystore.size * Math.min(k, world.world.population.size)
  const faultless = { keys: keystore.size, stored: pairs, missed: 0, failed: 0, uncertain: 0 }
  assert.deepEqual({ keys, stored, missed, failed, uncertain }, faultless)
  assert.equal(counts.addProviders, stored, 'nothing is sent twice')
}

for (const [name, options] of Object.entries(topologies)) {
  test(`oracle: ${name}: whatever k and however many keys, each reaches its true nearest peers, and nobody else`, () => {
    const settings = fc.record({
      seed: fc.nat(),
      k: fc.oneof(fc.constantFrom(1, 2, 3, 20), fc.integer({ min: 1, max: 20 })),
      count: fc.oneof(fc.constantFrom(1, 2), fc.integer({ min: 3, max: 120 })),
    })
    fc.assert(
      fc.property(settings, ({ seed, k, count }) => check(sweepAll({ seed, ...options, k }, count), k)),
      { numRuns: 12 },
    )
  })
}

test('oracle: a nearer peer that differs from the nearest known one after more than ten bits is looked for', () => {
  check(sweepAll({ seed: 1_819_458_758, peers: 200, prefixOf: clustered, k: 1 }, 61), 1)
})

test('oracle: dead servers in the tables of the others change nothing: records go to the nearest that live', () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 10, max: 20 }), (seed, k) => {
      const world = sweepAll({ seed, peers: 200, k, dead: 0.15 }, 60)
      let [told, held] = [0, 0]
      for (let index = 0; index < world.keystore.size; index++) {
        const holders = world.holders.get(index)
        held += holders?.size ?? 0
        for (const server of nearestServers(world, world.keystore.keyAt(index), k)) told += holders?.has(server) === true ? 1 : 0
      }
      // Full buckets with dead entries have no place for everybody who lives; keys of which that is known are reported as uncertain.
      const { stored, uncertain } = world.machine.status(world.now).totals
      assert.ok(told >= 0.97 * (60 - uncertain) * k, `${told} of ${60 * k}, ${uncertain} keys uncertain`)
      assert.ok(uncertain <= 12, `${uncertain} of 60 keys uncertain`)
      assert.equal(world.counts.addProviders, held, 'nothing is sent twice')
      assert.ok(stored <= held)
    }),
    // One in which seven keys of sixty are uncertain, and miss a third of their servers.
    { numRuns: 20, examples: [[1_784_149_465, 10]] },
  )
})

/** As many cases as it takes to be quick; `npm run sim -- sweep-oracle` runs any number of them. */
const cases = Number(process.env['ORACLE_CASES'] ?? 400)
const firstSeed = Number(process.env['ORACLE_SEED'] ?? randomInt(2 ** 31))

test('oracle: drawn networks whose servers die, cannot be dialed, are late or answer in part: what is certain is true (P7)', () => {
  const keys = { certain: 0, uncertain: 0 }
  for (let seed = firstSeed; seed < firstSeed + cases; seed++) {
    const { certain, uncertain, broken } = judge(drawCase(seed, 120))
    assert.deepEqual(broken, [], `again: npm run sim -- sweep-oracle --seeds 1 --seed ${seed}`)
    keys.certain += certain
    keys.uncertain += uncertain
  }
  assert.ok(keys.certain > keys.uncertain, `or this shows nothing: ${JSON.stringify(keys)}, first seed ${firstSeed}`)
})

/** Seeds that once broke it, by what was wrong. They are counterexamples as long as cases are drawn in the same way. */
const onceBroken: Readonly<Record<string, readonly number[]>> = {
  'a nearer peer ten bits below the last that was known was not looked for': [539, 617, 671, 676, 978, 1160],
  'answers with fewer than k were taken as whole tables, and the keyspace as theirs': [
    219, 228, 256, 263, 266, 302, 1_019_121, 1_027_899,
  ],
  'where nobody bore witness the nearest known were taken as the nearest': [43, 75, 225, 526, 608],
  'keys that rest were looked for without end while offline': [10_943, 11_177, 13_357, 14_032, 14_081],
}

for (const [what, seeds] of Object.entries(onceBroken)) {
  test(`oracle: no more: ${what}`, () => {
    for (const seed of seeds) assert.deepEqual(judge(drawCase(seed, 120)).broken, [], `seed ${seed}`)
  })
}

test('a region is told as a whole, once, whichever of its cells comes first; every key lies in that of a report', () => {
  // As dense as 25,600 servers, so that a region has a few cells; which one comes first depends on our own id, hence on the seed.
  const corner = (): number[] => bits(0b10110, 5)
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    const world = sweepAll({ seed, peers: 800, prefixOf: corner, keyPrefixOf: corner }, 500)
    const reports = world.effects.flatMap((effect) => (effect.type === 'region-ended' ? [effect.report] : []))
    assert.equal(new Set(reports.map(({ prefix }) => prefix)).size, reports.length, `seed ${seed}: a region came twice`)
    assert.equal(
      reports.reduce((sum, { keys }) => sum + keys, 0),
      500,
    )
    const ranges = reports.map(rangeOf)
    for (let index = 0; index < world.keystore.size; index++) {
      const key = world.keystore.keyAt(index)
      assert.ok(ranges.some(({ from, to }) => compareKeys(from, key) <= 0 && compareKeys(key, to) <= 0))
    }
  }
})

function rangeOf({ prefix }: RegionReport): { from: Key; to: Key } {
  const key = keyFromDigest(new Uint8Array(32))
  for (const [position, bit] of Array.from(prefix).entries()) if (bit === '1') key[position >> 5]! |= 1 << (31 - (position & 31))
  const whole = Uint32Array.from(key) as Key
  return { from: firstOf(whole, prefix.length), to: lastOf(whole, prefix.length) }
}

test('a page is never larger than its limit, and keys come in order', () => {
  const world = sweepAll({ seed: 5, peers: 30 }, 5_000)
  assert.equal(world.counts.keysLoadedMax, 1_024)
  const loads = world.effects.flatMap((effect) => (effect.type === 'load-keys' ? [effect] : []))
  assert.ok(loads.every(({ from, to }) => compareKeys(from, to) <= 0))
  assert.ok(loads.length < 20, `${loads.length} loads of a region of five pages`)
})
