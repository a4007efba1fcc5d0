import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lognormalOf, unitOf } from '../../sim/core/draws.ts'
import { estimate, percentile } from '../../sim/core/statistics.ts'

test('percentiles interpolate between the nearest ranks', () => {
  assert.equal(percentile([4, 1, 3, 2], 0), 1)
  assert.equal(percentile([4, 1, 3, 2], 0.5), 2.5)
  assert.equal(percentile([4, 1, 3, 2], 1), 4)
  assert.ok(Number.isNaN(percentile([], 0.5)))
})

test('an interval of 95 % over seeds is Student’s, and of one seed nothing is known', () => {
  const { mean, half, seeds } = estimate([1, 2, 3, 4, 5])
  assert.deepEqual([mean, seeds], [3, 5])
  assert.ok(Math.abs(half - 2.78 * Math.sqrt(2.5 / 5)) < 1e-9)
  assert.ok(Number.isNaN(estimate([1]).half))
})

test('draws are uniform, and lognormal ones have the median they were told', () => {
  const units = Array.from({ length: 10_000 }, (_, index) => unitOf(1, index))
  assert.ok(Math.abs(percentile(units, 0.5) - 0.5) < 0.02)
  assert.ok(Math.abs(percentile(units, 0.9) - 0.9) < 0.02)
  const delays = units.map((_, index) => lognormalOf(100, 1, 2, index))
  assert.ok(Math.abs(percentile(delays, 0.5) - 100) < 5)
  // Φ(1) = 0.8413: a deviate of one sigma.
  assert.ok(Math.abs(percentile(delays, 0.8413) / (100 * Math.E) - 1) < 0.06)
})
