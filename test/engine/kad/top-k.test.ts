import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { TopK } from '../../../worker/engine/kad/top-k.ts'

const ascending = (a: number, b: number) => a - b

test('the selection is what a full sort would begin with', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -50, max: 50 }), { maxLength: 300 }), fc.integer({ min: 1, max: 40 }), (items, k) => {
      const selection = new TopK<number>(k, ascending)
      for (const item of items) selection.offer(item)
      assert.deepEqual(selection.sorted(), items.toSorted(ascending).slice(0, k))
      assert.equal(selection.largest, selection.sorted().at(-1))
      assert.ok(selection.size <= k)
    }),
    { numRuns: 300 },
  )
})

test('an offer returns what fell out', () => {
  const selection = new TopK<number>(2, ascending)
  assert.equal(selection.offer(5), undefined)
  assert.equal(selection.offer(3), undefined)
  assert.equal(selection.offer(9), 9)
  assert.equal(selection.offer(4), 5)
  assert.deepEqual(selection.sorted(), [3, 4])
})

test('an item that is too large costs one comparison, whatever k is', () => {
  let comparisons = 0
  const selection = new TopK<number>(1_000, (a, b) => {
    comparisons++
    return a - b
  })
  for (let item = 0; item < 1_000; item++) selection.offer(item)
  comparisons = 0
  for (let item = 1_000; item < 2_000; item++) selection.offer(item)
  assert.equal(comparisons, 1_000)
})

test('a selection of none is our own mistake', () => {
  assert.throws(() => new TopK<number>(0, ascending), /at least one/)
})
