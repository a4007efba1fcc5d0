import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BytesMap, equalBytes, saltHashes } from '../../worker/engine/bytes-map.ts'

/** A hash of four values: chains are long, and their heads, middles and ends are deleted. */
const poorHash = (bytes: Uint8Array): number => (bytes[0] ?? 0) & 3

/** Short keys over few letters, and long ones that share their last eight bytes. */
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
    fc.property(fc.array(step, { maxLength: 200 }), fc.boolean(), (steps, poor) => {
      const map = poor ? new BytesMap<number>(poorHash) : new BytesMap<number>()
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
            assert.equal(String(shifted[0]), model.keys().next().value, 'the oldest')
            assert.equal(shifted[1], model.get(String(shifted[0])))
            model.delete(String(shifted[0]))
          }
        }
        assert.equal(map.size, model.size)
      }
      const entries = [...map.entries()].map(([bytes, value]) => [String(bytes), value] as const)
      assert.deepEqual(entries, [...model], 'in the order of insertion')
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

test('a walk may delete what it stands on, what is before it and what is after it', () => {
  for (const poor of [false, true]) {
    const map = poor ? new BytesMap<number>(poorHash) : new BytesMap<number>()
    for (let index = 0; index < 10; index++) map.set(Uint8Array.of(index), index)
    const seen: number[] = []
    for (const [bytes, value] of map.entries()) {
      seen.push(value)
      if (value === 2) [1, 2, 3, 4].forEach((other) => map.delete(Uint8Array.of(other)))
      if (value === 5) map.set(Uint8Array.of(10), 10)
      if (value === 8) map.delete(bytes)
    }
    assert.deepEqual(seen, [0, 1, 2, 5, 6, 7, 8, 9, 10])
    assert.deepEqual([...map.values()], [0, 5, 6, 7, 9, 10])
  }
})

test('a new salt is for new maps, and changes nothing that can be seen', () => {
  const before = new BytesMap<number>()
  before.set(Uint8Array.of(1, 2, 3), 1)
  saltHashes(0x5eed)
  try {
    const after = new BytesMap<number>()
    after.set(Uint8Array.of(1, 2, 3), 2)
    assert.equal(before.get(Uint8Array.of(1, 2, 3)), 1)
    assert.equal(after.get(Uint8Array.of(1, 2, 3)), 2)
  } finally {
    saltHashes(0)
  }
})
