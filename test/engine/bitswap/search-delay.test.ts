import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SearchDelay } from '../../../worker/engine/bitswap/search-delay.ts'
import { limits } from '../../../worker/engine/limits.ts'

const hour = 3_600_000

test('a static delay is what was said, whatever is measured', () => {
  const delay = new SearchDelay(200)
  for (let sample = 0; sample < 100; sample++) delay.note(900, sample)
  assert.equal(delay.ms(100), 200)
})

test('a dynamic delay is half a second until enough is known, then the percentile', () => {
  for (const [setting, expected] of [
    ['p50', 500],
    ['p75', 750],
    ['p90', 900],
  ] as const) {
    const delay = new SearchDelay(setting)
    for (let sample = 1; sample < limits.latencySamplesMin.value; sample++) delay.note(10, 0)
    assert.equal(delay.ms(0), limits.searchDelayFirstMs.value)
    const full = new SearchDelay(setting)
    for (let sample = 1; sample <= 100; sample++) full.note(10 * ((sample * 37) % 100 || 100), sample)
    assert.equal(full.ms(100), expected)
  }
})

test('after a move to another zone the delay follows when the old latencies leave the window', () => {
  const delay = new SearchDelay('p75', hour)
  for (let sample = 0; sample < 60; sample++) delay.note(100, sample * 60_000)
  assert.equal(delay.ms(hour), 100)
  for (let sample = 60; sample < 120; sample++) delay.note(400, sample * 60_000)
  assert.equal(delay.ms(2 * hour), 400)
})

test('the window and the number of samples are bounded, and nothing is put off longer than the bound', () => {
  const delay = new SearchDelay('p90')
  for (let sample = 0; sample < 10_000; sample++) delay.note(60_000, sample)
  assert.equal(delay.samples().length, limits.latencySamplesMax.value)
  assert.equal(delay.ms(10_000), limits.searchDelayMaxMs.value)
  assert.equal(delay.ms(10_000 + 2 * limits.latencyWindowMs.value), limits.searchDelayFirstMs.value)
  assert.equal(delay.samples().length, 0)
})

test('samples of an earlier visit count with their age', () => {
  const delay = new SearchDelay('p50', hour)
  const samples = Array.from({ length: 20 }, (_, index) => ({ at: -index * 60_000, latencyMs: index < 10 ? 80 : 300 }))
  delay.restore(samples, 1_000)
  assert.equal(delay.ms(1_000), 80)
  assert.equal(delay.ms(hour - 6 * 60_000), limits.searchDelayFirstMs.value, 'those left are too few')
})
