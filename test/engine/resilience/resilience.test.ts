import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { limits } from '../../../worker/engine/limits.ts'
import { backoffMs, Breakers, type BreakerState } from '../../../worker/engine/resilience/breakers.ts'
import { DialTimes } from '../../../worker/engine/resilience/dial-times.ts'
import { DurationWindow } from '../../../worker/engine/resilience/duration-window.ts'
import { retryDelayMs, type TransientFailure } from '../../../worker/engine/resilience/retry-delay.ts'

const id = (number: number) => Uint8Array.of(number >> 8, number & 255)
const one = id(1)
const options = { failuresToOpen: 2, firstMs: 10, maxMs: 40, peersMax: 3 }

describe('a breaker in every state, with every event', () => {
  const inState: Record<BreakerState['type'], () => Breakers> = {
    closed: () => new Breakers(options),
    open: () => {
      const breakers = new Breakers(options)
      breakers.failed(one, 0)
      breakers.failed(one, 0)
      return breakers
    },
    'half-open': () => {
      const breakers = inState.open()
      breakers.begun(one)
      return breakers
    },
  }
  const events: Record<string, (breakers: Breakers) => void> = {
    begun: (breakers) => breakers.begun(one),
    succeeded: (breakers) => breakers.succeeded(one),
    failed: (breakers) => breakers.failed(one, 10),
    abandoned: (breakers) => breakers.abandoned(one, 10),
  }
  /** The state afterwards, and whether a try is allowed at 9, 10, 29 and 30 ms. */
  const table: Record<BreakerState['type'], Record<string, [BreakerState['type'], string]>> = {
    closed: {
      begun: ['closed', 'yes yes yes yes'],
      succeeded: ['closed', 'yes yes yes yes'],
      failed: ['closed', 'yes yes yes yes'],
      abandoned: ['closed', 'yes yes yes yes'],
    },
    open: {
      begun: ['half-open', 'no no no no'],
      succeeded: ['closed', 'yes yes yes yes'],
      failed: ['open', 'no no no yes'],
      abandoned: ['open', 'no yes yes yes'],
    },
    'half-open': {
      begun: ['half-open', 'no no no no'],
      succeeded: ['closed', 'yes yes yes yes'],
      failed: ['open', 'no no no yes'],
      abandoned: ['open', 'no yes yes yes'],
    },
  }
  for (const state of Object.keys(table) as BreakerState['type'][]) {
    test(state, () => {
      for (const [event, [after, permitted]] of Object.entries(table[state])) {
        const breakers = inState[state]()
        assert.equal(breakers.stateOf(one), state, 'the set-up')
        events[event]!(breakers)
        assert.equal(breakers.stateOf(one), after, event)
        assert.equal([9, 10, 29, 30].map((now) => (breakers.permits(one, now) ? 'yes' : 'no')).join(' '), permitted, event)
      }
    })
  }

  test('the wait doubles up to its ceiling, and a success forgets it', () => {
    const breakers = inState.open()
    const waits = [10, 20, 40, 40]
    let now = 0
    for (const wait of waits) {
      assert.equal(breakers.permits(one, now + wait - 1), false)
      now += wait
      assert.equal(breakers.permits(one, now), true)
      breakers.begun(one)
      breakers.failed(one, now)
    }
    breakers.succeeded(one)
    breakers.failed(one, now)
    assert.equal(breakers.permits(one, now), true)
  })
})

test('breakers are bounded, and the failure that lies back longest is forgotten', () => {
  const breakers = new Breakers({ ...options, failuresToOpen: 1 })
  for (let number = 1; number <= 3; number++) breakers.failed(id(number), 0)
  breakers.failed(id(1), 0)
  breakers.failed(id(4), 0)
  assert.deepEqual(
    [1, 2, 3, 4].map((number) => breakers.stateOf(id(number))),
    ['open', 'closed', 'open', 'open'],
  )
  assert.equal(breakers.size, 3)
})

test('a backoff is capped however often it doubled', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 5_000].map((times) => backoffMs(times, 10, 60)),
    [10, 20, 40, 60, 60],
  )
})

test('the delay before a peer is tried again depends on what went wrong: 1 to 100 ms (E6)', () => {
  const delays = (failure: TransientFailure, tries: number) =>
    Array.from({ length: tries }, (_, made) => retryDelayMs(failure, made))
  assert.deepEqual(delays('stream', 2), [1, undefined])
  assert.deepEqual(delays('connection', 2), [20, undefined])
  assert.deepEqual(delays('congestion', 4), [25, 50, 100, 100])
  assert.equal(retryDelayMs('congestion', limits.congestionRetriesMax.value), undefined)
})

test('a bound follows the 90th percentile of the last durations, between floor and ceiling', () => {
  const window = new DurationWindow()
  for (let count = 1; count < limits.durationWindowMin.value; count++) window.add(10)
  assert.equal(window.bound(2, 5, 1_000), 1_000, 'too few')
  window.add(10)
  assert.equal(window.bound(2, 5, 1_000), 20)
  assert.equal(window.percentile(0.5), 10)
  assert.equal(window.bound(2, 50, 1_000), 50)
  assert.equal(window.bound(2, 5, 15), 15)
  for (let count = 0; count < limits.durationWindowMax.value; count++) window.add(100)
  assert.equal(window.bound(1, 5, 1_000), 100, 'the old ones are gone')
})

test('of any durations, nine in ten are within the bound', () => {
  const durations = fc.array(fc.integer({ min: 1, max: 5_000 }), {
    minLength: limits.durationWindowMin.value,
    maxLength: limits.durationWindowMax.value,
  })
  fc.assert(
    fc.property(durations, (list) => {
      const window = new DurationWindow()
      for (const duration of list) window.add(duration)
      const bound = window.bound(1, 0, 10_000)
      assert.ok(list.filter((duration) => duration <= bound).length >= 0.9 * list.length)
      assert.ok(list.filter((duration) => duration < bound).length < 0.9 * list.length)
    }),
  )
})

describe('dial times', () => {
  /** Dials of 10, 20, … 1000 ms, and so many silent ones. */
  const learned = (silent: number) => {
    const times = new DialTimes()
    for (let count = 1; count <= 100; count++) times.succeeded(10 * count)
    for (let count = 0; count < silent; count++) times.silent()
    return times
  }

  test('are what the limits say until enough dials have succeeded', () => {
    const times = new DialTimes()
    for (let count = 0; count < 50; count++) times.silent()
    for (let count = 1; count < limits.durationWindowMin.value; count++) times.succeeded(10)
    const { dialLateMs, lookupDialOverdueMs } = limits
    assert.deepEqual(
      [times.overdueMs, times.lateMs, times.hopelessMs],
      [lookupDialOverdueMs.value, dialLateMs.value, dialLateMs.value],
    )
  })

  test('the more peers are silent, the less is waited for one that has not answered', () => {
    const [few, many] = [learned(0), learned(60)]
    // Where nearly all answer, 99 in 100 are waited for, and a margin.
    assert.deepEqual([few.silentShare, few.lateMs, few.hopelessMs], [1 / 108, 1.125 * 990, 1.125 * 990])
    assert.ok(many.lateMs < few.lateMs && many.hopelessMs < few.hopelessMs && many.overdueMs < few.overdueMs)
    assert.ok(many.overdueMs < many.lateMs && many.lateMs < many.hopelessMs)
  })

  test('a dial is late when the chance that it still succeeds is one in ten', () => {
    const times = learned(60)
    const silent = times.silentShare
    const slower = (1 - silent) * (1 - times.lateMs / 1.125 / 1_000)
    assert.ok(Math.abs(slower / (slower + silent) - 0.1) < 0.02)
  })

  test('remember only the last outcomes', () => {
    const times = learned(28)
    for (let count = 0; count < limits.durationWindowMax.value; count++) times.succeeded(800)
    assert.equal(times.silentShare, 1 / (limits.durationWindowMax.value + 8))
  })

  test('however many are silent, half of those that answer are waited for', () => {
    assert.equal(learned(128).lateMs, 1.125 * 500)
  })
})

test('how many durations were longer, and by how much, is known of the last ones, and of too few nothing', () => {
  const window = new DurationWindow()
  for (let duration = 1; duration < limits.durationWindowMin.value; duration++) window.add(duration)
  assert.equal(window.beyond(0), undefined)
  for (let duration = 0; duration < limits.durationWindowMax.value; duration++) window.add(duration % 4 === 0 ? 900 : 100)
  assert.deepEqual(window.beyond(300), { share: 0.25, byMs: 600 })
  assert.deepEqual(window.beyond(900), { share: 0, byMs: 0 })
})
