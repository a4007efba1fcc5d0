import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { limits } from '../../../worker/engine/limits.ts'
import { ConnectionsBench as Bench, fill } from '../../support/connections-bench.ts'

describe('a dial that the peer has answered', () => {
  test('gives its place to the next at once, and its users are told', () => {
    const bench = new Bench()
    fill(bench)
    assert.deepEqual(bench.need(20), [])
    assert.deepEqual(bench.opened(1, 300), ['opened 1 for kad', 'dial 20'])
    assert.deepEqual(bench.opened(1, 400), [])
    assert.deepEqual(bench.succeeded(1, 500), ['ready 1 for kad'])
  })

  test('is not given up for one that waits, though others are as old', () => {
    const bench = new Bench()
    fill(bench)
    bench.opened(1, 300)
    bench.need(20)
    bench.need(21)
    assert.deepEqual(bench.tick(limits.dialLateMs.value).slice(0, 3), ['cancel 2', 'failed 2 for kad: timeout', 'dial 21'])
    assert.deepEqual(bench.succeeded(1, limits.dialLateMs.value + 1), ['ready 1 for kad'])
  })

  test('ends like any other when the handshake takes for ever', () => {
    const bench = new Bench()
    bench.need(1)
    bench.opened(1, 300)
    assert.equal(bench.machine.nextDeadline(), limits.dialTimeoutMs.value)
    assert.deepEqual(bench.tick(limits.dialTimeoutMs.value), ['cancel 1', 'failed 1 for kad: timeout'])
  })

  test('teaches how long peers take to answer: that is what the silent are told by', () => {
    const bench = new Bench()
    for (let number = 100; number < 100 + limits.durationWindowMin.value; number++) {
      bench.need(number)
      bench.opened(number, 500)
      bench.succeeded(number, 900)
    }
    fill(bench)
    bench.need(20)
    assert.equal(bench.machine.nextDeadline(), 562.5)
  })

  test('teaches nothing about those of which nothing is seen before they are connected: they are measured by their own', () => {
    const bench = new Bench()
    for (let number = 100; number < 100 + limits.durationWindowMin.value; number++) {
      bench.need(number)
      bench.opened(number, 500)
    }
    for (let number = 100; number < 100 + limits.durationWindowMin.value; number++) bench.succeeded(number, 900)
    for (let number = 1; number <= limits.pendingDialsMax.value; number++) bench.need(number, { quiet: true })
    bench.need(20)
    assert.equal(bench.machine.nextDeadline(), limits.dialLateMs.value)
  })

  test('waits with the others when there are too many of them: each costs handshakes', () => {
    const bench = new Bench()
    for (let number = 1; number <= limits.dialsMax.value; number++) {
      bench.need(number)
      bench.opened(number)
    }
    assert.deepEqual(bench.need(99), [])
    assert.deepEqual(bench.succeeded(1), ['ready 1 for kad', 'dial 99'])
  })
})

describe('where most dials fail', () => {
  /** So many failed, one after the other. */
  const failing = (failures: number): Bench => {
    const bench = new Bench()
    for (let number = 100; number < 100 + failures; number++) {
      bench.need(number)
      bench.failed(number)
    }
    return bench
  }
  const dialed = (bench: Bench, now = 0): number => {
    for (let number = 1; number <= 20; number++) bench.need(number, { now })
    return bench.machine.counts().dialing
  }

  test('fewer are pending, as Chromium would hold them back', () => {
    assert.equal(dialed(failing(0)), limits.pendingDialsMax.value)
    assert.equal(dialed(failing(2)), limits.pendingDialsMax.value - 2)
    assert.equal(dialed(failing(50)), limits.pendingDialsMin.value)
  })

  test('it is forgotten after two to four minutes', () => {
    assert.equal(dialed(failing(50), 119_999), limits.pendingDialsMin.value)
    assert.equal(dialed(failing(50), 239_999), limits.pendingDialsMin.value)
    assert.equal(dialed(failing(50), 240_000), limits.pendingDialsMax.value)
  })

  test('what the browser holds a dial back for is not held against the peer', () => {
    const bench = failing(50)
    bench.tellsOfQueue = true
    assert.deepEqual(bench.need(1), ['dial 1', 'begun 1 for kad, -5000 ms ago'])
    assert.equal(bench.machine.nextDeadline(), 5_000 + limits.dialTimeoutMs.value)
    for (const number of [2, 3, 4, 5]) bench.need(number)
    assert.equal(bench.machine.nextDeadline(), 5_000 + limits.dialLateMs.value)
  })
})
