import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type SweepWorldOptions, SweepWorld } from '../../../sim/world/sweep-world.ts'
import type { Key } from '../../../worker/engine/peer.ts'

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

test('a cell with a key that was missed in one page is not swept by the next: all of it is told again after five minutes', () => {
  // All in one cell, and one region: 1 + 899 keys, then 600 for which fourteen servers are nearest that take nothing at first.
  const cell = Array.from({ length: 12 }, () => 0)
  const bits = (value: number): number[] => [value & 4, value & 2, value & 1].map((bit) => (bit > 0 ? 1 : 0))
  const prefixOf = (index: number): number[] => [
    ...cell,
    ...(index < 14 ? [1, 1, 0] : index === 14 ? [0, 1] : [1, 0, ...bits(index)]),
  ]
  const keyPrefixOf = (index: number): number[] => [
    ...cell,
    ...(index === 0 ? [0] : index < 900 ? [1, 0] : [1, 1, 1, 0, 0, 0, 0, 0, 0]),
  ]
  const made = new SweepWorld({ seed: 7, peers: 23, k: 2, remembersEvery: 1, prefixOf, keyPrefixOf })
  made.fill(1_500, false)
  const isBad = (key: Key): boolean => (key[0]! >>> 17) % 8 === 0b110
  const pages: { keys: number; missed: number }[] = []
  const failing = new Set<number>()
  let swept = 0
  made.onEffect = (effect) => {
    if (effect.type === 'tell-peer' && pages.length === 0 && isBad(effect.info.peer.key)) failing.add(effect.order)
    if (effect.type === 'region-ended') pages.push(effect.report)
    if (effect.type === 'keys-sent') swept += effect.swept.length
  }
  const handle = made.machine.handle.bind(made.machine)
  made.machine.handle = (event, now) =>
    handle(event.type === 'peer-told' && failing.has(event.order) ? { ...event, sent: 0 } : event, now)
  made.start()
  assert.ok(made.network.agenda.run(hour, () => pages.length === 2))
  assert.deepEqual(
    pages.map(({ keys }) => keys),
    [1_024, 476],
  )
  assert.ok(pages[0]!.missed > 0 && pages[1]!.missed === 0)
  const endedAt = made.now
  made.network.agenda.run(endedAt + 299_000)
  assert.deepEqual([pages.length, swept], [2, 0])
  made.network.agenda.run(endedAt + 600_000)
  assert.deepEqual([pages.length, swept], [4, 1])
  for (let key = 0; key < 1_500; key++) assert.ok(made.keystore.toldAt[key]! > 0)
})
