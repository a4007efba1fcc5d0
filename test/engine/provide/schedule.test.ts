import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { keyFromDigest } from '../../../worker/engine/peer.ts'
import { cellCount } from '../../../worker/engine/provide/contract.ts'
import { cellOf, Schedule } from '../../../worker/engine/provide/schedule.ts'

const hour = 3_600_000
const now = 1_700_000_000_000
const zero = keyFromDigest(new Uint8Array(0))

function schedule(cells: readonly { cell: number; provided?: number; queued?: number; sweptAt?: number }[], held = 0): Schedule {
  const made = new Schedule({ self: zero, intervalMs: 22 * hour })
  for (const cell of cells) made.set({ provided: 1, queued: 0, sweptAt: 0, ...cell }, held)
  return made
}

test('an empty schedule has nothing to do, ever', () => {
  assert.equal(schedule([]).next(now), undefined)
  assert.equal(schedule([]).nextAt(now), undefined)
})

test('what expires soon goes first, then what nobody was told of, then what is due', () => {
  const cells = schedule([
    { cell: 1, sweptAt: now - 28 * hour },
    { cell: 2, provided: 1, queued: 1 },
    { cell: 3, sweptAt: now - 40 * hour },
    { cell: 4, sweptAt: now - 47 * hour },
  ])
  const order: unknown[] = []
  for (let next = cells.next(now); next !== undefined; next = cells.next(now)) {
    order.push([next.cell, next.source])
    cells.told(next.cell, 1)
    cells.swept(next.cell, now)
  }
  assert.deepEqual(order, [
    [4, 'provided'],
    [3, 'provided'],
    [2, 'queue'],
    [1, 'provided'],
  ])
})

test('the keyspace is counted in 64 parts: kept, told and not due, gone', () => {
  const { keyspace } = schedule([
    { cell: 0, provided: 3, queued: 1, sweptAt: now - hour },
    { cell: 63, provided: 4, queued: 4 },
    { cell: 64, provided: 2, sweptAt: now - 50 * hour },
    { cell: 4095, provided: 5, sweptAt: now - hour },
  ]).counts(now)
  assert.equal(keyspace.length, 64)
  const used = keyspace.map((part, index) => ({ index, ...part })).filter(({ kept }) => kept > 0)
  assert.deepEqual(used, [
    { index: 0, kept: 7, told: 2, expired: 0 },
    { index: 1, kept: 2, told: 0, expired: 2 },
    { index: 63, kept: 5, told: 5, expired: 0 },
  ])
})

test('a cell is due once a cycle, at its own moment, and never later than 36 h after it was swept', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: cellCount - 1 }), fc.integer({ min: 0, max: 100 * hour }), (cell, ago) => {
      const made = schedule([{ cell, sweptAt: now - ago }])
      const dueAt = made.dueAt(cell)
      const after = dueAt - (now - ago)
      assert.ok(after >= (22 / 4) * hour && after <= 1.25 * 22 * hour, `${after / hour} h after it was swept`)
      assert.ok(Math.abs((dueAt % (22 * hour)) - (22 * hour * cell) / cellCount) <= 1, 'interval × (prefix XOR own id) / 2^bits')
      made.swept(cell, dueAt)
      assert.ok(Math.abs(made.dueAt(cell) - dueAt - 22 * hour) <= 1, 'from then on it keeps its moment')
    }),
    { numRuns: 200 },
  )
})

test('own cells are spread over the whole cycle, and those of others lie elsewhere', () => {
  const self = keyFromDigest(Uint8Array.of(0b1010_1010))
  const made = new Schedule({ self, intervalMs: 22 * hour })
  for (let cell = 0; cell < cellCount; cell++) made.set({ cell, provided: 1, queued: 0, sweptAt: now }, 0)
  const quarters = [0, 0, 0, 0]
  for (let cell = 0; cell < cellCount; cell++) quarters[Math.floor(((made.dueAt(cell) % (22 * hour)) * 4) / (22 * hour))]!++
  assert.deepEqual(quarters, [1_024, 1_024, 1_024, 1_024])
  assert.notEqual(made.dueAt(7), schedule([{ cell: 7, sweptAt: now }]).dueAt(7))
})

test('queued keys that somebody else is telling are left alone for so long, and resting cells too', () => {
  const held = schedule([{ cell: 9, provided: 1, queued: 1 }], now + 1_000)
  assert.equal(held.next(now), undefined)
  assert.equal(held.nextAt(now), now + 1_000)
  assert.deepEqual(held.next(now + 1_000), { cell: 9, source: 'queue' })
  held.rest(9, now + 5_000)
  assert.equal(held.next(now + 1_000), undefined)
  assert.equal(held.nextAt(now + 1_000), now + 5_000)
})

test('a cell that was swept at a time still to come is due, as one that has run out, whatever the keystore says again (P2)', () => {
  const state = { cell: 5, provided: 3, queued: 1, sweptAt: now + 30 * 24 * hour }
  const made = schedule([state, { cell: 6, sweptAt: now + 30_000 }])
  made.correct(now)
  made.set(state, 0)
  assert.deepEqual(made.next(now), { cell: 5, source: 'provided' })
  const { expired, due } = made.counts(now)
  assert.deepEqual([expired, due], [1, 1], 'half a minute is no fault')
  made.told(5, 1)
  assert.ok(!made.isFirst(5) && !made.isDone(5, 'queue'), 'a queued key that is told says nothing of the others')
  made.swept(5, now)
  made.set({ ...state, queued: 0 }, 0)
  assert.equal(made.next(now), undefined)
  assert.ok(made.nextAt(now)! < now + 36 * hour)
})

test('a clock that goes back makes nothing rest, or be held, for longer than it would from now on', () => {
  const made = schedule([{ cell: 9, queued: 1 }], now + 24 * hour)
  made.rest(10, now + 24 * hour)
  made.set({ cell: 10, provided: 1, queued: 1, sweptAt: 0 }, 0)
  made.correct(now)
  assert.equal(made.nextAt(now), now + 75_000)
  assert.deepEqual(made.next(now + 75_000), { cell: 9, source: 'queue' })
  made.told(9, 1)
  made.swept(9, now)
  assert.equal(made.nextAt(now), now + 300_000)
})

test('one region may tell what is due soon and does not rest, and of the queue whatever does not', () => {
  const made = schedule([
    { cell: 1, sweptAt: now - 30 * hour },
    { cell: 2, sweptAt: now - 12 * hour },
    { cell: 3, sweptAt: now - hour },
    { cell: 4, sweptAt: now - 30 * hour },
    { cell: 5, sweptAt: now - 30 * hour },
  ])
  made.rest(4, now + 1)
  const openOf = (source: 'provided' | 'queue'): number[] => {
    const open = made.openWith({ cell: 1, source }, now, (cell) => cell === 5)
    return [...open].filter((cell) => cell > 0 && cell < 6)
  }
  assert.deepEqual(
    [openOf('provided'), openOf('queue')],
    [
      [1, 2],
      [1, 2, 3],
    ],
  )
})

test('counts say what is expired and due', () => {
  const { keyspace: _, ...counts } = schedule([
    { cell: 1, provided: 10, sweptAt: now - 49 * hour },
    { cell: 2, provided: 5, queued: 2, sweptAt: now },
    { cell: 3, provided: 3, queued: 3 },
  ]).counts(now)
  assert.deepEqual(counts, { provided: 18, queued: 5, used: 3, expired: 1, due: 1, dueKeys: 10 })
})

test('a cell is the first twelve bits', () => {
  assert.equal(cellOf(keyFromDigest(Uint8Array.of(0xab, 0xcd))), 0xabc)
})
