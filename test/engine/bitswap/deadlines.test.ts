import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Deadlines } from '../../../worker/engine/bitswap/deadlines.ts'

test('the earliest deadline comes first, equal ones in the order in which they were set', () => {
  const deadlines = new Deadlines<string>()
  deadlines.set('b', 20)
  deadlines.set('a', 10)
  deadlines.set('c', 20)
  deadlines.set('d', 30)
  deadlines.set('d', undefined)
  assert.equal(deadlines.next(), 10)
  assert.deepEqual(
    [deadlines.takeDue(20), deadlines.takeDue(20), deadlines.takeDue(20), deadlines.takeDue(99)],
    ['a', 'b', 'c', undefined],
  )
  assert.equal(deadlines.next(), undefined)
})

test('what is hastened is due no later than before', () => {
  const deadlines = new Deadlines<string>()
  deadlines.hasten('a', 30)
  deadlines.hasten('a', 40)
  assert.equal(deadlines.next(), 30)
  deadlines.hasten('a', 10)
  assert.equal(deadlines.next(), 10)
})

test('whatever is set, moved and taken, it agrees with a plain list', () => {
  const steps = fc.array(
    fc.record({
      item: fc.nat(9),
      at: fc.option(fc.nat(50), { nil: undefined }),
      takeAt: fc.option(fc.nat(50), { nil: undefined }),
    }),
    {
      maxLength: 300,
    },
  )
  fc.assert(
    fc.property(steps, (sequence) => {
      const deadlines = new Deadlines<number>()
      let plain: { item: number; at: number }[] = []
      for (const { item, at, takeAt } of sequence) {
        deadlines.set(item, at)
        if (plain.find((entry) => entry.item === item)?.at !== at) {
          plain = plain.filter((entry) => entry.item !== item)
          if (at !== undefined) plain.push({ item, at })
        }
        const first = plain.toSorted((a, b) => a.at - b.at)[0]
        assert.equal(deadlines.next(), first?.at)
        if (takeAt === undefined) continue
        const expected = first !== undefined && first.at <= takeAt ? first : undefined
        assert.equal(deadlines.takeDue(takeAt), expected?.item)
        if (expected !== undefined) plain.splice(plain.indexOf(expected), 1)
      }
    }),
  )
})
