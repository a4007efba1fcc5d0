import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sweep, sweepOnce } from '../../sim/experiments/sweep.ts'

test('a sweep reaches every server once, with few lookups and less than one FIND_NODE a server (A8, A9, A10)', () => {
  const once = sweepOnce(3, 1_000, 8_000)
  assert.equal(once.contacted, 1_000)
  assert.ok(once.connections <= 1_050, `${once.connections} connections`)
  assert.ok(once.lookups <= 1_000 / 20, `${once.lookups} lookups`)
  assert.ok(once.requests <= 1_000, `${once.requests} requests`)
  assert.equal(once.addProviders, 20 * 8_000, 'one ADD_PROVIDER a CID and server (A12)')
  assert.deepEqual(sweepOnce(3, 1_000, 8_000), once)
})

test('the table says which rows were run and which were computed', () => {
  const small = sweep.run({ seed: 1, seeds: 1, peers: 300 }, () => {})
  const kinds = small.tables[0]!.rows.map((row) => row.slice(0, 2))
  assert.deepEqual(kinds.slice(3), [
    [100_000, 'run'],
    [500_000, 'computed'],
    [1_000_000, 'computed'],
    [10_000_000, 'computed'],
  ])
})
