import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BytesMap, equalBytes } from '../../worker/engine/bytes-map.ts'

/** Short keys over few letters, and long ones that share their last eight bytes: both collide often. */
const key = fc.oneof(
  fc.uint8Array({ maxLength: 2 }),
  fc.uint8Array({ minLength: 1, maxLength: 2 }).map((head) => Uint8Array.from([...head, 1, 2, 3, 4, 5, 6, 7, 8])),
)
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('set' as const), key, value: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('delete' as const), key }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('shift' as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('get' as const), key }) },
)

test('a map keyed by bytes does what a Map keyed by text does', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const map = new BytesMap<number>()
      const model = new Map<string, number>()
      for (const action of steps) {
        if (action.type === 'set') {
          map.set(action.key, action.value)
          model.set(String(action.key), action.value)
        } else if (action.type === 'delete') {
          assert.equal(map.delete(action.key), model.delete(String(action.key)))
        } else if (action.type === 'get') {
          assert.equal(map.get(action.key), model.get(String(action.key)))
          assert.equal(map.has(action.key), model.has(String(action.key)))
        } else {
          const shifted = map.shift()
          assert.equal(shifted === undefined, model.size === 0)
          if (shifted !== undefined) {
            assert.equal(shifted[1], model.get(String(shifted[0])))
            model.delete(String(shifted[0]))
          }
        }
        assert.equal(map.size, model.size)
      }
      const entries = [...map.entries()].map(([bytes, value]) => [String(bytes), value] as const)
      assert.deepEqual(new Map(entries), model)
      assert.equal(entries.length, model.size)
    }),
    { numRuns: 200 },
  )
})

test('shift takes the oldest keys first', () => {
  const map = new BytesMap<number>()
  for (let index = 0; index < 50; index++) map.set(Uint8Array.of(index), index)
  map.delete(Uint8Array.of(0))
  map.set(Uint8Array.of(0), 0)
  const order = Array.from({ length: 50 }, () => map.shift()?.[1])
  assert.deepEqual(order, [...Array.from({ length: 49 }, (_, index) => index + 1), 0])
  assert.equal(map.shift(), undefined)
})

test('a cleared map is empty and can be filled again', () => {
  const map = new BytesMap<number>()
  map.set(Uint8Array.of(1), 1)
  map.clear()
  assert.equal(map.size, 0)
  assert.equal(map.get(Uint8Array.of(1)), undefined)
  map.set(Uint8Array.of(1), 2)
  assert.deepEqual([...map.values()], [2])
  assert.deepEqual([...map.keys()], [Uint8Array.of(1)])
})

test('bytes are equal by content and length', () => {
  assert.ok(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2)))
  assert.ok(!equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3)))
  assert.ok(!equalBytes(Uint8Array.of(1), Uint8Array.of(1, 0)))
})
