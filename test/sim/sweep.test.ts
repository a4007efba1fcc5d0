import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aloneOnce, sweepOnce } from '../../sim/experiments/sweep-run.ts'
import { aminoWorld, stableWorld } from '../../sim/world/settings.ts'

test('a sweep reaches every server once, with few lookups and less than one FIND_NODE for four servers (A8, A9, A10)', () => {
  const world = { ...stableWorld, seed: 3, peers: 1_000 }
  const once = sweepOnce(world, 8_000)
  assert.equal(once.contacted, 1_000)
  assert.ok(once.connections <= 1_050, `${once.connections} connections`)
  assert.ok(once.lookups <= 1_000 / 20, `${once.lookups} lookups`)
  assert.ok(once.requests <= 1_000 / 4, `${once.requests} requests`)
  assert.equal(once.addProviders, 20 * 8_000, 'one ADD_PROVIDER a CID and server (A12)')
  assert.deepEqual([once.nearestTold, once.dialableTold], [20, 1])
  assert.deepEqual(sweepOnce(world, 8_000), once)
})

test('one lookup a CID takes a lookup and some twenty connections for each, and is scaled up from a sample', () => {
  const world = { ...stableWorld, seed: 3, peers: 1_000 }
  const few = aloneOnce(world, 100)
  assert.equal(few.lookups, 100)
  assert.equal(few.addProviders, 2_000)
  assert.ok(few.requests > 20 * 100 && few.connections > 15 * 100)
  assert.equal(aloneOnce(world, 4_000).lookups, 4_000)
})

test('with stale tables and servers that come and go nearly all of those that can be dialed are told', () => {
  const once = sweepOnce({ ...aminoWorld, seed: 4, peers: 1_500 }, 3_000)
  assert.ok(once.dialableTold > 0.98, `${once.dialableTold}`)
  assert.ok(once.stored > 98, `${once.stored} % reported`)
})

test('time grows with the records, and falls with the bandwidth (A14)', () => {
  const world = { ...stableWorld, seed: 3, peers: 300 }
  const slow = sweepOnce({ ...world, uplink: 20 }, 4_000).minutes
  const fast = sweepOnce({ ...world, uplink: 200 }, 4_000).minutes
  const more = sweepOnce({ ...world, uplink: 20 }, 8_000).minutes
  assert.ok(slow / fast > 4, `${slow} and ${fast} minutes`)
  assert.ok(more / slow > 1.8 && more / slow < 2.2, `${more} and ${slow} minutes`)
})
