import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyOf } from '../../worker/engine/peer.ts'
import { commonPrefixLength, compareKeysTo } from '../../worker/engine/kad/distance.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { randomKey } from '../../sim/world/population.ts'
import { aminoWorld, measuredStaleness, stableWorld, type WorldSettings } from '../../sim/world/settings.ts'
import { World } from '../../sim/world/world.ts'

const world = (settings: Partial<WorldSettings> = {}) => new World({ ...stableWorld, seed: 7, peers: 600, ...settings })

test('servers are in the order of their keys, which are the hashes of their ids', () => {
  const { population } = world({ peers: 100 })
  for (let server = 0; server < population.size; server++) {
    assert.deepEqual(population.keyOf(server), keyOf(population.idOf(server)))
    assert.equal(population.find(population.keyOf(server)), server)
    if (server > 0) assert.ok(compareKeysTo(keyZero, population.keyOf(server - 1), population.keyOf(server)) < 0)
  }
})

const keyZero = new Uint32Array(8) as ReturnType<typeof keyOf>

test('the true nearest are those of a full sort', () => {
  const { population } = world()
  const rng = new Rng(3)
  for (let round = 0; round < 50; round++) {
    const target = randomKey(rng)
    const isEven = (server: number) => server % 2 === 0
    const all = Array.from({ length: population.size }, (_, server) => server).sort((a, b) => population.compareTo(target, a, b))
    assert.deepEqual(population.nearest(target, 20), all.slice(0, 20))
    assert.deepEqual(population.nearest(target, 20, isEven), all.filter(isEven).slice(0, 20))
  }
})

test('a bucket holds at most k servers of its prefix, all of them where there are fewer, never its owner, always the same', () => {
  const { population, tables } = world()
  for (const server of [0, 17, 599]) {
    const owner = tables.ownerOf(server)
    let entries = 0
    for (let bucket = 0; bucket <= owner.deepest; bucket++) {
      const held = tables.bucket(owner, bucket, 0)
      const inPrefix = countOf(
        population.size,
        (other) => commonPrefixLength(population.keyOf(server), population.keyOf(other)) === bucket,
      )
      assert.equal(held.length, Math.min(20, inPrefix))
      assert.equal(new Set(held).size, held.length)
      for (const other of held) assert.equal(commonPrefixLength(population.keyOf(server), population.keyOf(other)), bucket)
      assert.deepEqual(world().tables.bucket(owner, bucket, 0), held)
      entries += held.length
    }
    assert.ok(entries > 80)
  }
})

test('an answer names the k nearest of the whole table, as a sort of all its entries gives them', () => {
  const { population, tables } = world({ dead: 0.3, missingEntries: true })
  const rng = new Rng(5)
  for (let round = 0; round < 100; round++) {
    const owner = tables.ownerOf(rng.below(population.size))
    const target = round % 4 === 0 ? population.keyOf(rng.below(population.size)) : randomKey(rng)
    const all: number[] = []
    for (let bucket = 0; bucket <= owner.deepest; bucket++) all.push(...tables.bucket(owner, bucket, 0))
    const expected = all.sort((a, b) => population.compareTo(target, a, b)).slice(0, 20)
    assert.deepEqual(tables.nearest(owner, target, 20, 0), expected)
  }
})

test('tables hold as many offline servers as was measured, and servers know their neighbours as was measured', () => {
  const peers = 8_000
  const { population, tables } = new World({ ...aminoWorld, seed: 11, peers, churn: false })
  const stale = { near: [0, 0], far: [0, 0] }
  let complete = 0
  const servers = 400
  for (let server = 0; server < servers; server++) {
    const owner = tables.ownerOf(server * 20)
    const note = (bucket: number, count: number[]) => {
      const held = tables.bucket(owner, bucket, 0)
      count[0]! += held.filter((other) => !population.isOnline(other, 0)).length
      count[1]! += held.length
    }
    note(0, stale.near)
    note(9, stale.far)
    const nearest = population.nearest(owner.key, 20, (other) => other !== owner.server && population.isOnline(other, 0))
    const known = new Set(tables.nearest(owner, owner.key, 60, 0))
    if (nearest.every((other) => known.has(other))) complete++
  }
  assert.ok(Math.abs(stale.near[0]! / stale.near[1]! - measuredStaleness(0)) < 0.01)
  assert.ok(Math.abs(stale.far[0]! / stale.far[1]! - measuredStaleness(9)) < 0.03)
  assert.ok(Math.abs(complete / servers - 0.61) < 0.1, `${complete} of ${servers} know their 20 nearest`)
})

test('with churn, as many servers as told are offline at any time, and not always the same', () => {
  const { population } = world({ churn: true, dead: 0.26, peers: 3_000 })
  const offline = [0, 3_600_000, 36_000_000].map((time) =>
    countOf(population.size, (server) => !population.isOnline(server, time)),
  )
  for (const count of offline) assert.ok(Math.abs(count / 3_000 - 0.26) < 0.03, `${count}`)
  const both = countOf(population.size, (server) => !population.isOnline(server, 0) && !population.isOnline(server, 36_000_000))
  assert.ok(both < 0.8 * offline[0]!)
})

function countOf(size: number, matches: (server: number) => boolean): number {
  let count = 0
  for (let server = 0; server < size; server++) if (matches(server)) count++
  return count
}
