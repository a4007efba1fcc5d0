import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConnectionsBench as Bench } from '../../support/connections-bench.ts'

test('a peer that could not be dialed is dialed where it was not yet, and nowhere again before its time', () => {
  const bench = new Bench()
  const dialedAt: number[][] = []
  bench.onDial = ({ addresses }) => dialedAt.push(addresses.map(({ bytes }) => bytes[0]!))
  bench.need(1, { at: [1, 2] })
  assert.deepEqual(bench.failed(1), ['failed 1 for kad: refused'])
  assert.deepEqual(bench.need(1, { at: [2, 1] }), ['failed 1 for kad: backoff'])
  assert.deepEqual(bench.need(1, { at: [1, 3] }), ['dial 1'])
  assert.deepEqual(bench.failed(1), ['failed 1 for kad: refused'])
  assert.deepEqual(bench.need(1, { at: [3, 2] }), ['failed 1 for kad: backoff'])
  assert.deepEqual(bench.need(1, { at: [4] }), ['dial 1'])
  bench.succeeded(1)
  bench.tell('peer-disconnected', 1)
  assert.deepEqual(bench.need(1, { at: [1] }), ['dial 1'])
  assert.deepEqual(dialedAt, [[1, 2], [3], [4], [1]])
})
