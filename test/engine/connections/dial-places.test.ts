import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DialPlaces } from '../../../worker/engine/connections/dial-places.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { WebSocketThrottle } from '../../../sim/world/web-socket-throttle.ts'

const max = limits.pendingDialsMax.value

function after(outcomes: { succeeded: number; failed: number }, now = 0): DialPlaces {
  const places = new DialPlaces()
  for (let count = 0; count < outcomes.succeeded; count++) places.succeeded(now)
  for (let count = 0; count < outcomes.failed; count++) places.failed(now)
  return places
}

test('there is one place less for each time that as many failed as succeeded, and one', () => {
  assert.equal(after({ succeeded: 9, failed: 9 }).count(0), max)
  assert.equal(after({ succeeded: 9, failed: 10 }).count(0), max - 1)
  assert.equal(after({ succeeded: 9, failed: 35 }).count(0), max - 3)
  assert.equal(after({ succeeded: 0, failed: 1_000 }).count(0), limits.pendingDialsMin.value)
})

test('with as many pending as there are places, no dial is held back for more than a sixth of a second', () => {
  for (const [succeeded, failed] of [
    [0, 0],
    [10, 15],
    [10, 60],
    [3, 20],
  ] as const) {
    const places = after({ succeeded, failed })
    const throttle = new WebSocketThrottle()
    for (let count = 0; count < succeeded; count++) throttle.begin(0, 0).opened(0)
    for (let count = 0; count < failed; count++) throttle.begin(0, 0).failed(0)
    const delays = Array.from({ length: places.count(0) }, () => throttle.begin(0, 0.999_999).delayMs)
    assert.ok(Math.max(...delays) <= 160, `${delays}`)
    assert.equal(places.heldBackMs(places.count(0), 0), 0)
  }
})

test('where even the fewest are held back it says for how long at most', () => {
  const places = after({ succeeded: 0, failed: 9 })
  assert.equal(places.heldBackMs(1, 0), 0)
  assert.equal(places.heldBackMs(2, 0), 156.25)
  assert.equal(places.heldBackMs(4, 0), 625)
  assert.equal(after({ succeeded: 0, failed: 500 }).heldBackMs(1, 0), 5_000)
})

test('failures count for two to four minutes, however long nothing happened in between', () => {
  const places = after({ succeeded: 0, failed: 3 })
  places.failed(130_000)
  assert.equal(places.count(130_000), max - 4)
  assert.equal(places.count(240_000), max - 1)
  assert.equal(places.count(3_600_000), max)
})
