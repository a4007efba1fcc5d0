import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Rng } from '../../worker/engine/rng.ts'

const draw = (rng: Rng, count: number) => Array.from({ length: count }, () => rng.uint32())

test('the same seed draws the same numbers, another seed others', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer(), (seed, other) => {
      assert.deepEqual(draw(new Rng(seed), 20), draw(new Rng(seed), 20))
      if (seed >>> 0 !== other >>> 0) assert.notDeepEqual(draw(new Rng(seed), 20), draw(new Rng(other), 20))
    }),
  )
})

test('a child draws on its own: later draws of the parent change nothing in it', () => {
  const first = new Rng(7)
  const second = new Rng(7)
  const child = first.child()
  const sameChild = second.child()
  draw(second, 100)
  assert.deepEqual(draw(child, 20), draw(sameChild, 20))
  assert.notDeepEqual(draw(new Rng(7).child(), 20), draw(new Rng(7), 20))
})

test('numbers stay in their bounds and reach all of them evenly', () => {
  const rng = new Rng(1)
  const hits = Array.from({ length: 10 }, () => 0)
  for (let count = 0; count < 10_000; count++) hits[rng.below(10)]!++
  assert.ok(
    hits.every((count) => count > 850 && count < 1150),
    hits.join(' '),
  )
  for (let count = 0; count < 1_000; count++) {
    const unit = rng.unit()
    assert.ok(unit >= 0 && unit < 1)
  }
})

test('bytes have the length asked for, and a shuffle keeps all items', () => {
  fc.assert(
    fc.property(fc.integer(), fc.array(fc.nat(), { maxLength: 50 }), fc.nat(100), (seed, items, length) => {
      const rng = new Rng(seed)
      assert.equal(rng.bytes(length).length, length)
      const sorted = (list: readonly number[]) => [...list].sort((a, b) => a - b)
      assert.deepEqual(sorted(rng.shuffle([...items])), sorted(items))
    }),
  )
})
