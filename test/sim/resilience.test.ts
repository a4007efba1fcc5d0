import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DialWitness } from '../../sim/clients/dial-witness.ts'
import { resilience } from '../../sim/experiments/resilience.ts'
import type { OrderId } from '../../worker/engine/machine.ts'
import { keyOf, type Peer, type PeerIdBytes } from '../../worker/engine/peer.ts'

const peerOf = (number: number): Peer => {
  const id = Uint8Array.of(0x12, 0x20, number) as unknown as PeerIdBytes
  return { id, key: keyOf(id) }
}

const rule = { firstMs: 10, maxMs: 40 }
const dial = (witness: DialWitness, order: number, number: number, now: number) =>
  witness.effect({ type: 'dial', order: order as OrderId, info: { peer: peerOf(number), addresses: [] } }, now)
const fail = (witness: DialWitness, order: number, now: number) =>
  witness.event({ type: 'dial-failed', order: order as OrderId, reason: 'refused' }, now)

test('the witness finds a dial while a breaker is open, and one that comes when it may not', () => {
  const witness = new DialWitness(rule)
  dial(witness, 1, 1, 0)
  fail(witness, 1, 5)
  dial(witness, 2, 1, 14)
  assert.equal(witness.dialsWhileOpen, 1)
  fail(witness, 2, 20)
  dial(witness, 3, 1, 40)
  assert.equal(witness.dialsWhileOpen, 1, '20 ms after the second failure it may be dialed')
  dial(witness, 4, 2, 40)
  assert.equal(witness.dialsWhileOpen, 1, 'another peer')
  assert.equal(witness.probes, 2)
  assert.deepEqual(witness.gapsMs, [[9], [20]])
})

test('the witness finds two dials of one peer at a time, forgives with a connection, and holds given-up dials against nobody', () => {
  const witness = new DialWitness(rule)
  dial(witness, 1, 1, 0)
  dial(witness, 2, 1, 1)
  assert.equal(witness.secondDials, 1)
  fail(witness, 1, 2)
  witness.event({ type: 'peer-connected', peer: peerOf(1) }, 3)
  dial(witness, 3, 1, 4)
  assert.equal(witness.dialsWhileOpen, 0)
  witness.effect({ type: 'cancel-dial', order: 3 as OrderId }, 5)
  dial(witness, 4, 1, 6)
  assert.equal(witness.dialsWhileOpen, 0)
})

test('an engine among servers half of which refuse never dials one whose breaker is open (E7, E8)', () => {
  const { tables } = resilience.run({ seed: 3, seeds: 1, peers: 150 }, () => {})
  const [delays, gaps, breaker] = tables.map(({ rows }) => rows)
  const numbers = new Map(breaker!.map(([what, number]) => [what, number as number]))
  assert.equal(numbers.get('dials while a breaker was open'), 0)
  assert.equal(numbers.get('second dials beside a dial of the same peer'), 0)
  assert.ok(numbers.get('half-open probes: first dial after a failure')! > 100)
  for (const [, least, , earliest] of gaps! as number[][]) assert.ok(earliest! >= least!)
  const [, , seen, leastMs] = delays![0] as [string, string, number, number]
  assert.ok(seen > 50 && leastMs >= 1 && leastMs < 1.1, `${seen} resets, least ${leastMs} ms`)
})
