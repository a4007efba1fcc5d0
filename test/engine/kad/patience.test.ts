import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Patience, stateDeadline, stateInTime } from '../../../worker/engine/kad/patience.ts'
import { Usefulness } from '../../../worker/engine/kad/usefulness.ts'
import type { CandidateState } from '../../../worker/engine/kad/candidates.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { newDialTimesByKind } from '../../../worker/engine/resilience/dial-times.ts'
import { peer8 } from '../../support/kad-peers.ts'
import { LookupBench as Bench } from '../../support/lookup-bench.ts'

/** Has seen answers and dials of so many milliseconds. */
function experienced(answerMs = 300, dialMs = 800): Patience {
  const dialTimes = newDialTimesByKind()
  const patience = new Patience(dialTimes)
  for (let count = 0; count < limits.durationWindowMin.value; count++) {
    patience.noteAnswer(answerMs)
    dialTimes.general.succeeded(dialMs)
  }
  return patience
}

const bounds = (patience: Patience) => [
  patience.slowAfterMs,
  patience.answerMs,
  patience.overdueAfterMs('general'),
  patience.dialMs('general'),
]

describe('patience', () => {
  test('is what the limits say until enough was seen', () => {
    assert.deepEqual(bounds(new Patience()), [
      limits.lookupSlowAfterMs.value,
      limits.lookupSlowAfterMs.value,
      limits.lookupDialOverdueMs.value,
      limits.dialLateMs.value,
    ])
  })

  test('follows what is seen, and has a floor', () => {
    assert.deepEqual(bounds(experienced()), [300, 750, 800, 900])
    assert.deepEqual(bounds(experienced(1, 1)), [
      limits.lookupSlowMinMs.value,
      limits.lookupAnswerMinMs.value,
      limits.lookupDialOverdueMinMs.value,
      limits.dialLateMinMs.value,
    ])
  })

  const since = 0
  const kind = 'general'
  const states: readonly [CandidateState, ...[number, CandidateState][]][] = [
    [{ type: 'waiting', since }, [300, { type: 'slow', since, isLate: false }]],
    [{ type: 'slow', since, isLate: false }, [750, { type: 'slow', since, isLate: true }]],
    [{ type: 'slow', since, isLate: true }],
    [{ type: 'dialing', since, pace: 'queued', kind }],
    [{ type: 'dialing', since, pace: 'prompt', kind }, [800, { type: 'dialing', since, pace: 'overdue', kind }]],
    [{ type: 'dialing', since, pace: 'overdue', kind }, [900, { type: 'dialing', since, pace: 'late', kind }]],
    [{ type: 'dialing', since, pace: 'late', kind }],
    [{ type: 'resting', until: 40 }, [40, { type: 'heard' }]],
    [{ type: 'heard' }],
    [{ type: 'ready' }],
    [{ type: 'responded', rttMs: 1 }],
    [{ type: 'failed', reason: 'timeout' }],
    [{ type: 'undialable' }],
  ]
  for (const [state, change] of states) {
    test(`${JSON.stringify(state)} becomes ${change === undefined ? 'nothing else' : JSON.stringify(change[1])} by time`, () => {
      const patience = experienced()
      assert.equal(stateDeadline(state, patience), change?.[0])
      if (change === undefined) return assert.equal(stateInTime(state, 1e9, patience), state)
      assert.equal(stateInTime(state, change[0] - 1, patience), state)
      assert.deepEqual(stateInTime(state, change[0], patience), change[1])
    })
  }
})

test('a request slower than most gives its place free at once, and holds the end up a little longer', () => {
  const bench = new Bench({ k: 2, alpha: 1, beta: 1 })
  for (let count = 0; count < limits.durationWindowMin.value; count++) bench.patience.noteAnswer(300)
  bench.seeds(1, 2, 3).ready(1).wait(300)
  assert.equal(bench.state(1), 'slow')
  bench.settle(2, 3)
  assert.notEqual(bench.lookup.phase, 'ended')
  bench.wait(449)
  assert.notEqual(bench.lookup.phase, 'ended')
  bench.wait(1)
  assert.equal(bench.lookup.phase, 'ended')
  assert.deepEqual(bench.outcomes(3), ['1 failed', '2 responded', '3 responded'])
})

test('all lookups learn from the answers of each', () => {
  const patience = new Patience()
  for (let count = 0; count < limits.durationWindowMin.value; count++) {
    const bench = new Bench({ beta: 1, patience }).seeds(1)
    bench.ready(1).wait(250).answer(1)
  }
  assert.equal(patience.slowAfterMs, 250)
})

test('what was due at a deadline is done by the tick that comes then, whatever fraction of a millisecond it began at', () => {
  const kind = 'general'
  const since = fc.double({ min: 0, max: 1e7, noNaN: true })
  const states = fc.oneof(
    since.map((at): CandidateState => ({ type: 'waiting', since: at })),
    since.map((at): CandidateState => ({ type: 'slow', since: at, isLate: false })),
    since.map((at): CandidateState => ({ type: 'dialing', since: at, pace: 'prompt', kind })),
    since.map((at): CandidateState => ({ type: 'dialing', since: at, pace: 'overdue', kind })),
  )
  const took = fc.double({ min: 100, max: 900, noNaN: true })
  fc.assert(
    fc.property(states, took, took, (state, answerMs, dialMs) => {
      const patience = experienced(answerMs, dialMs)
      const deadline = stateDeadline(state, patience)
      assert.notEqual(deadline, undefined)
      assert.notEqual(stateInTime(state, deadline!, patience), state)
    }),
  )
})

describe('usefulness', () => {
  test('a peer that was useless twice is doubtful until it is useful, or long ago', () => {
    const usefulness = new Usefulness()
    const peer = peer8(1)
    usefulness.useless(peer, 0)
    assert.equal(usefulness.isDoubtful(peer, 0), false)
    usefulness.useless(peer, 0)
    assert.equal(usefulness.isDoubtful(peer, limits.uselessHalfLifeMs.value - 1), true)
    assert.equal(usefulness.isDoubtful(peer, limits.uselessHalfLifeMs.value), false)
    usefulness.useful(peer)
    assert.equal(usefulness.isDoubtful(peer, 0), false)
    assert.equal(usefulness.size, 0)
  })

  test('is bounded, and forgets whoever was marked longest ago', () => {
    const usefulness = new Usefulness()
    const max = limits.uselessPeersMax.value
    const peer = (number: number) => peer8(1, number >> 8, number & 255)
    for (let number = 0; number <= max; number++) {
      usefulness.useless(peer(number), 0)
      usefulness.useless(peer(number), 0)
    }
    assert.equal(usefulness.size, max)
    assert.equal(usefulness.isDoubtful(peer(0), 0), false)
    assert.equal(usefulness.isDoubtful(peer(1), 0), true)
  })

  test('a doubtful peer is asked after the others, however near it is, but it is asked', () => {
    const bench = new Bench({ alpha: 2, beta: 2, doubtful: 1 }).seeds(1, 2, 3).ready(1, 2, 3)
    assert.deepEqual(bench.told('connect'), [2, 3, 1])
    bench.answer(2).answer(3)
    assert.deepEqual(
      bench.told('ask').toSorted((a, b) => a - b),
      [1, 2, 3],
    )
    assert.notEqual(bench.lookup.phase, 'ended')
  })
})
