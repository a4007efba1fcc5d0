import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type PendingSocket, WebSocketThrottle } from '../../sim/world/web-socket-throttle.ts'

const [least, middle, most] = [0, 0.5, 0.999_999]

function begin(throttle: WebSocketThrottle, count: number, now = 0): PendingSocket[] {
  return Array.from({ length: count }, () => throttle.begin(now, middle))
}

test('a socket waits by how many are pending, itself included: 2 ^ n / 65536 of 1 to 5 s', () => {
  const delays = begin(new WebSocketThrottle(), 17).map(({ delayMs }) => delayMs)
  assert.deepEqual(delays, [0, 0, 0, 0, 1, 2, 5, 11, 23, 46, 93, 187, 375, 750, 1_500, 3_000, 3_000])
  const throttle = new WebSocketThrottle()
  begin(throttle, 9)
  assert.equal(throttle.begin(0, least).delayMs, 15)
  assert.equal(throttle.begin(0, most).delayMs, 156)
})

test('one that is open is pending no more, and ends once', () => {
  const throttle = new WebSocketThrottle()
  const [first, second] = begin(throttle, 2)
  first!.opened(10)
  first!.failed(20)
  assert.equal(throttle.pending, 1)
  second!.failed(30)
  assert.equal(throttle.pending, 0)
})

test('each time that as many have failed as succeeded doubles the wait, for two to four minutes', () => {
  const throttle = new WebSocketThrottle()
  for (const socket of begin(throttle, 3)) socket.opened(0)
  for (const socket of begin(throttle, 12)) socket.failed(0)
  // 12 failed and 3 succeeded: three times.
  assert.equal(begin(throttle, 7).at(-1)!.delayMs, 46)
  assert.equal(throttle.begin(239_000, middle).delayMs, 93)
  assert.equal(throttle.begin(240_000, middle).delayMs, 23)
})
