import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Days, hour, liveDays, minute } from '../../sim/experiments/sweep-days.ts'
import { aminoWorld } from '../../sim/world/settings.ts'

const world = { ...aminoWorld, seed: 9, peers: 300 }
const days: Days = { way: 'sweep', cids: 600, openMs: 20 * minute, everyMs: 3 * hour, lastsMs: 96 * hour }

test('open for 20 minutes in every 3 hours nothing expires in four days of churn (A13)', () => {
  const outcome = liveDays(world, days)
  const { neverTold, outdated, expired, thin } = outcome
  assert.deepEqual({ neverTold, outdated, expired, thin }, { neverTold: 0, outdated: 0, expired: 0, thin: 0 })
  assert.ok(outcome.rounds > 3.5 && outcome.rounds < 6, `${outcome.rounds} rounds`)
  assert.ok(outcome.oldestHours < 36, `${outcome.oldestHours} h`)
})

test('beyond the bound of the uplink what was told is kept, and the rest waits', () => {
  // 1 byte a millisecond, 305 a record, 20 records a CID, 320 minutes in 48 h: 3,148 CIDs.
  const below = liveDays({ ...world, uplink: 1 }, { ...days, cids: 2_000 })
  const above = liveDays({ ...world, uplink: 1 }, { ...days, cids: 4_500 })
  assert.deepEqual([below.neverTold, below.outdated, above.outdated], [0, 0, 0])
  assert.ok(above.neverTold > 500, `${above.neverTold} never told`)
})

test('one lookup a CID, as often as there is time for it, loses what exceeds some hundreds', () => {
  const { outdated, expired } = liveDays(world, { ...days, way: 'alone', cids: 1_500, openMs: 10 * minute })
  assert.ok(outdated > 500 && expired > 5, `${outdated} outdated, ${expired} % expired`)
})
