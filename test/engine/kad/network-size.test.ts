import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NetworkSize, normedDistance } from '../../../worker/engine/kad/network-size.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { key8 } from '../../support/kad-peers.ts'
import { Rng } from '../../../worker/engine/rng.ts'
import { KadNetwork } from '../../support/kad-network.ts'
import { effectsOf } from '../../support/kad-scenarios.ts'

const k = 20
const min = limits.networkSizeSamplesMin.value

/** The k smallest of `peers` random distances. */
function sample(rng: Rng, peers: number): number[] {
  return Array.from({ length: peers }, () => rng.unit())
    .sort((a, b) => a - b)
    .slice(0, k)
}

test('distances are shares of the key space', () => {
  assert.equal(normedDistance(key8(0), key8(0x80)), 0.5)
  assert.equal(normedDistance(key8(0xc0), key8(0x80)), 0.25)
  assert.equal(normedDistance(key8(7), key8(7)), 0)
})

test('the estimate is near the truth, whatever the size', () => {
  const rng = new Rng(1)
  for (const peers of [100, 1_000, 10_000]) {
    const size = new NetworkSize(k)
    for (let count = 0; count < 100; count++) size.note(sample(rng, peers), 1, count)
    const estimate = size.estimate(100) ?? 0
    assert.ok(Math.abs(estimate - peers) < 0.1 * peers, `${estimate} instead of ${peers}`)
  }
})

test('with too few lookups, or lookups that found too few peers, nothing is known but what was kept', () => {
  const rng = new Rng(2)
  const size = new NetworkSize(k)
  for (let count = 1; count < min; count++) size.note(sample(rng, 500), 1, 0)
  for (let count = 0; count < 10; count++) size.note(sample(rng, 500).slice(1), 1, 0)
  assert.equal(size.estimate(0), undefined)
  const warm = new NetworkSize(k)
  warm.restore(777)
  assert.equal(warm.estimate(0), 777)
  for (let count = 0; count < min; count++) warm.note(sample(rng, 500), 1, 0)
  assert.notEqual(warm.estimate(0), 777)
})

test('samples are forgotten after two hours, and at most the last 150 count', () => {
  const rng = new Rng(3)
  const size = new NetworkSize(k)
  const age = limits.networkSizeSampleAgeMs.value
  for (let count = 0; count < 500; count++) size.note(sample(rng, 100), 1, 0)
  for (let count = 0; count < limits.networkSizeSamplesMax.value; count++) size.note(sample(rng, 2_000), 1, 1)
  assert.ok((size.estimate(1) ?? 0) > 1_500)
  assert.ok(size.estimate(age) !== undefined)
  assert.equal(size.estimate(age + 1), undefined)
})

test('a lookup of little weight says little', () => {
  const rng = new Rng(4)
  const size = new NetworkSize(k)
  for (let count = 0; count < 20; count++) {
    size.note(sample(rng, 1_000), 1, 0)
    size.note(sample(rng, 50), 2 ** -10, 0)
  }
  const estimate = size.estimate(0) ?? 0
  assert.ok(estimate > 700 && estimate < 1_300, `${estimate}`)
})

test('one and the same lookup again and again has no deviation, and still an estimate', () => {
  const size = new NetworkSize(k)
  const distances = Array.from({ length: k }, (_, index) => (index + 1) / 1_000)
  for (let count = 0; count < min; count++) size.note(distances, 1, 0)
  assert.equal(size.estimate(0), 999)
})

test('Kad learns the size from its lookups, shows it, and tells when to keep it; the next visit knows it at once', () => {
  const network = new KadNetwork({ seed: 5, peers: 150 })
  network.start()
  network.run(60_000)
  for (let byte = 0; byte < 20; byte++) {
    const query = network.queryId()
    network.handle({ type: 'closest-peers', query, key: Uint8Array.of(byte) })
    network.finish(query)
  }
  const size = network.kad.status().networkSize ?? 0
  assert.ok(Math.abs(size - 150) < 40, `${size}`)
  const kept = effectsOf(network, 'persist-network-size')
  assert.ok(kept.length >= 1 && kept.length < 10, `${kept.length} writes`)
  assert.ok(Math.abs(kept.at(-1)!.size - size) <= 0.1 * kept.at(-1)!.size)
  const next = new KadNetwork({ seed: 5, peers: 150 })
  next.handle({ type: 'start', self: next.self, bootstrapPeers: [], tableEntries: [], networkSize: 321 })
  assert.equal(next.kad.status().networkSize, 321)
  assert.equal(effectsOf(next, 'persist-network-size').length, 0)
})
