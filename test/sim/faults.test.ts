import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultSeeds } from '../../sim/experiments/fault-seeds.ts'
import { faultWorld } from '../../sim/experiments/fault-world.ts'
import { Trace } from '../../sim/core/trace.ts'
import { Faults, noFaults } from '../../sim/world/faults.ts'

test('worlds that once broke something hold now', () => {
  for (const { seed, was } of faultSeeds) {
    assert.deepEqual(faultWorld(seed).violations, [], `seed ${seed}: ${was}`)
  }
})

test('in random worlds with random faults no invariant breaks and every query ends', () => {
  let queries = 0
  for (let seed = 2_000; seed < 2_006; seed++) {
    const outcome = faultWorld(seed)
    assert.deepEqual(outcome.violations, [], `again: npm run sim -- faults --seeds 1 --seed ${seed}`)
    queries += outcome.queries
  }
  assert.ok(queries > 100, `${queries} queries`)
})

test('the same holds when events of the same moment come in an order of chance, and the order is another', () => {
  let coincidences = 0
  for (let seed = 3_000; seed < 3_004; seed++) {
    const outcome = faultWorld(seed, { shuffle: { seed, gridMs: 32 } })
    assert.deepEqual(outcome.violations, [], `again: npm run sim -- order --seeds 1 --seed ${seed}`)
    coincidences += outcome.coincidences
  }
  assert.ok(coincidences > 500, `${coincidences} coincidences`)
  const digest = (seed: number) => faultWorld(3_000, { shuffle: { seed, gridMs: 32 }, trace: new Trace() }).digest
  assert.equal(digest(1), digest(1))
  assert.notEqual(digest(1), digest(2))
})

test('what is held up by a clogged link or a frozen peer comes later, never earlier, and not after the faults are over', () => {
  const faults = new Faults({ ...noFaults, clogged: 0.5, frozen: 0.5 }, 3, 60_000)
  let heldUp = 0
  for (let server = 0; server < 200; server++) {
    const at = faults.passableAt(1, server, 30_000)
    assert.ok(at >= 30_000 && at <= 75_000)
    if (at > 30_000) heldUp++
    assert.equal(faults.passableAt(1, server, 80_000), 80_000)
  }
  assert.ok(heldUp > 100 && heldUp < 190, `${heldUp} of 200`)
})

test('nothing happens after the faults are over', () => {
  const faults = new Faults({ clogged: 1, frozen: 1, lying: 1, late: 1, twice: 1, dropped: 1, reset: 1 }, 3, 1_000)
  assert.ok(faults.happens('dropped', 1, 999) && faults.isLying(4, 999))
  assert.ok(!faults.happens('dropped', 1, 1_000) && !faults.isLying(4, 1_000))
})
