import assert from 'node:assert/strict'
import { test } from 'node:test'
import { smallNetworks } from '../../sim/experiments/small-networks.ts'

test('in a small network with silent peers each of them costs its dial once, not every search after it', () => {
  const { rows } = smallNetworks({ seed: 1, seeds: 1, peers: 0 })
  const value = (row: number, column: number) => (rows[row]![column] as { mean: number }).mean
  const [end, dials, recall] = [2, 4, 5]
  // 40 servers: searches after the first, in virtual time. A dial takes up to 1.5 s here, and 12 of 40 servers are silent.
  assert.ok(value(1, end) < 0.7, `${value(1, end)} s`)
  assert.ok(value(1, dials) < 3, `${value(1, dials)} dials`)
  assert.ok(value(1, recall) > 0.95, `${value(1, recall)}`)
})
