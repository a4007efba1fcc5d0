import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SweepWorld, type SweepWorldOptions, hex } from '../../../sim/world/sweep-world.ts'
import { bytesOfKey, compareKeys } from '../../../worker/engine/provide/bits.ts'
import type { Key } from '../../../worker/engine/peer.ts'
import type { Rng } from '../../../worker/engine/rng.ts'

/** The slow way, without tries: all servers, sorted by distance. */
function nearestServers(world: SweepWorld, key: Key, k: number): Set<unknown> {
  const distance = (other: Key): number[] => Array.from(other, (word, index) => (word ^ key[index]!) >>> 0)
  const sorted = world.servers
    .filter(({ state }) => state === 'live')
    .map((server) => ({ server, distance: distance(server.info.peer.key) }))
    .sort((a, b) => a.distance.map((word, index) => word - b.distance[index]!).find((difference) => difference !== 0) ?? 0)
  return new Set(sorted.slice(0, k).map(({ server }) => server))
}

function bits(value: number, length: number): number[] {
  return Array.from({ length }, (_, position) => (value >> (length - 1 - position)) & 1)
}

const clustered = (_: number, rng: Rng): number[] => [...bits(rng.below(3) * 5, 4), ...bits(rng.below(4), 6)]
const skewed = (index: number, rng: Rng): number[] => (index % 10 === 0 ? bits(rng.below(2), 1) : bits(0b10110, 5))

const topologies: readonly [string, Partial<SweepWorldOptions>][] = [
  ['random', { servers: 300 }],
  ['clustered', { servers: 200, serverPrefix: clustered }],
  ['skewed', { servers: 250, serverPrefix: skewed }],
  ['keys in a corner', { servers: 300, keyPrefix: () => bits(0b101, 3) }],
  ['all of one prefix', { servers: 60, serverPrefix: () => bits(0xabcde, 20) }],
  ['all near one key, keys elsewhere', { servers: 50, serverPrefix: () => bits(0x3f, 6), keyPrefix: () => bits(0, 6) }],
  ['fewer than k', { servers: 7 }],
  ['k of them', { servers: 20 }],
  ['one more than k', { servers: 21 }],
  ['one peer', { servers: 1 }],
  ['two peers', { servers: 2 }],
]

for (const [name, options] of topologies) {
  for (const k of [1, 3, 20]) {
    for (const count of [1, 2, 40, 400]) {
      test(`oracle: ${name}, k = ${k}, ${count} keys: each key reaches its true nearest peers, and nobody else`, () => {
        const world = sweepAll({ seed: k * 1_000 + count, servers: 100, ...options, k, remembers: true }, count)
        for (const key of world.keys('provided')) {
          const holders = world.holders.get(hex(bytesOfKey(key)))
          assert.deepEqual(new Set(holders?.keys()), nearestServers(world, key, k))
        }
        const { totals } = world.machine.status(world.now)
        assert.deepEqual(
          { keys: totals.keys, stored: totals.stored, missed: totals.missed, failed: totals.failed },
          { keys: count, stored: count * Math.min(k, world.servers.length), missed: 0, failed: 0 },
        )
        assert.equal(world.counts.addProviders, totals.stored, 'nothing is sent twice')
      })
    }
  }
}

function sweepAll(options: SweepWorldOptions, count: number): SweepWorld {
  const world = new SweepWorld(options)
  world.add(world.newKeys(count), true)
  world.start()
  const isDone = (): boolean => world.keys('queue').length === 0 && world.machine.status(world.now).phase === 'idle'
  assert.ok(world.agenda.run(3_600_000, isDone), JSON.stringify(world.machine.status(world.now)))
  return world
}

test('a page is never larger than its limit, and keys come in order', () => {
  const world = sweepAll({ seed: 5, servers: 30, remembers: true }, 5_000)
  assert.equal(world.counts.keysLoadedMax, 1_024)
  const loads = world.effects.flatMap((effect) => (effect.type === 'load-keys' ? [effect] : []))
  assert.ok(loads.every(({ from, to }) => compareKeys(from, to) <= 0))
  assert.ok(loads.length < 20, `${loads.length} loads of a region of five pages`)
})
