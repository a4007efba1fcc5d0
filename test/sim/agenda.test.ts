import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Agenda, timeStep } from '../../sim/core/agenda.ts'

test('actions happen in the order of time, and of planning within a moment, whatever the order of planning was', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 200 }), (delays) => {
      const agenda = new Agenda()
      const happened: { delay: number; index: number }[] = []
      for (const [index, delay] of delays.entries()) agenda.plan(delay, () => happened.push({ delay, index }))
      agenda.run(1_000)
      const expected = delays.map((delay, index) => ({ delay, index })).sort((a, b) => a.delay - b.delay || a.index - b.index)
      assert.deepEqual(happened, expected)
      assert.equal(agenda.size, 0)
      assert.equal(agenda.now, 1_000)
    }),
    { numRuns: 200 },
  )
})

test('what an action plans takes its place among what is planned already', () => {
  const agenda = new Agenda()
  const happened: string[] = []
  agenda.plan(10, () => {
    happened.push('a')
    agenda.plan(0, () => happened.push('a0'))
    agenda.plan(5, () => happened.push('a5'))
  })
  agenda.plan(10, () => happened.push('b'))
  agenda.plan(12, () => happened.push('c'))
  agenda.run(100)
  assert.deepEqual(happened, ['a', 'b', 'a0', 'c', 'a5'])
})

test('time is a multiple of its step, never before an action was due, and stands where it was told to stop', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), (delay) => {
      const agenda = new Agenda()
      let at = -1
      agenda.plan(delay, () => {
        at = agenda.now
      })
      agenda.run(2e6)
      assert.equal(at % timeStep, 0)
      assert.ok(at >= delay && at <= delay + timeStep)
    }),
  )
  const agenda = new Agenda()
  agenda.plan(10, () => assert.fail('not yet'))
  agenda.run(9)
  assert.equal(agenda.now, 9)
  assert.equal(agenda.size, 1)
})

test('with a shuffle the order of time holds, and that within a moment is drawn: the same from the same seed', () => {
  const delays = Array.from({ length: 300 }, (_, index) => index % 40)
  const run = (seed: number) => {
    const agenda = new Agenda(0, { seed, gridMs: 8 })
    const happened: number[] = []
    for (const [index, delay] of delays.entries()) agenda.plan(delay, () => happened.push(index))
    agenda.run(100)
    assert.ok(agenda.coincidences >= 290, `${agenda.coincidences}`)
    return happened
  }
  const happened = run(1)
  const moments = happened.map((index) => Math.ceil(delays[index]! / 8))
  assert.deepEqual(
    moments,
    moments.toSorted((a, b) => a - b),
  )
  assert.equal(new Set(happened).size, delays.length)
  assert.deepEqual(run(1), happened)
  assert.notDeepEqual(run(2), happened)
})
