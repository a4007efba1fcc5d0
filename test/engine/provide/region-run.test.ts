import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type SweepWorldOptions, SweepWorld } from '../../../sim/world/sweep-world.ts'

const hour = 3_600_000

function world(options: Partial<SweepWorldOptions>, keys: number): SweepWorld {
  const made = new SweepWorld({ seed: 7, peers: 120, remembersEvery: 1, ...options })
  made.fill(keys, true)
  return made
}

test('a region of several pages that fails rests as a whole: its first page is not told again for each of its cells (P9)', () => {
  const made = world({ peers: 15 }, 3_000)
  const failedAt: number[] = []
  let tells = 0
  // Servers answer, and take no records.
  const handle = made.machine.handle.bind(made.machine)
  let takes = false
  made.machine.handle = (event, now) => handle(event.type === 'peer-told' && !takes ? { ...event, sent: 0 } : event, now)
  made.onEffect = (effect) => {
    if (effect.type === 'tell-peer') tells++
    if (effect.type === 'region-ended' && !takes) failedAt.push(made.now)
  }
  made.start()
  made.network.agenda.run(300_000)
  assert.deepEqual([failedAt.length, tells], [1, 15])
  takes = true
  assert.ok(made.runUntilIdle(hour))
  for (let key = 0; key < 3_000; key++) assert.equal(made.holders.get(key)?.size, 15)
})

test('keys that somebody else is telling are left alone by the region around them, too, until that is over', () => {
  const made = world({}, 40)
  const cells = made.keystore.cells()
  made.send({ type: 'provide-start', self: made.self, cells: [], wallMs: made.wallMs })
  made.send({ type: 'own-addresses-changed', addresses: [{ bytes: Uint8Array.of(1), dialable: true }] })
  made.send({ type: 'provide-cells', cells: cells.slice(1), holdMs: 75_000 })
  made.send({ type: 'provide-cells', cells: cells.slice(0, 1) })
  made.network.agenda.run(74_000)
  assert.equal(made.keystore.queued, 40 - cells[0]!.queued)
  assert.ok(made.runUntilIdle(hour))
})
