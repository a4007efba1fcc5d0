import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultDiscoveryOptions } from '../../worker/engine/bitswap/bitswap.ts'
import type { DiscoveryOptions } from '../../worker/engine/bitswap/contract.ts'
import { fetchUnevenly } from '../../sim/experiments/uneven-holders.ts'
import { staleAsks } from '../../sim/experiments/stale-signs.ts'
import { inspect } from '../../sim/experiments/want-inspection.ts'

const engine = (discovery: Partial<DiscoveryOptions>) => ({ engine: { ...defaultDiscoveryOptions, ...discovery } })
const prototype = (asked: number) => ({ prototype: { kept: asked === 0 ? 0 : 10, asked } })
const picture = (kind: Parameters<typeof inspect>[0]['kind']) => inspect({ seed: 1, bytes: 49_000, kind })

test('want inspection: who wanted it is asked at once, which takes one round trip less and fewer messages than the flood', () => {
  const [flood, ours] = [picture(engine({ broadcast: 'flood', guesses: 0 })), picture(engine({ guesses: 1 }))]
  assert.ok(ours.meanMs < 0.75 * flood.meanMs, `${ours.meanMs} ms, by flooding ${flood.meanMs} ms`)
  assert.ok(ours.messages.wantHave < 0.25 * flood.messages.wantHave)
  assert.equal(ours.ended, flood.ended)
})

test("the prototype's own rules bring what it reported at least, and its baseline is our flood", () => {
  const [baseline, inspected] = [picture(prototype(0)), picture(prototype(3))]
  const flood = picture(engine({ broadcast: 'flood', guesses: 0 }))
  // Of ours some cancels are spared by a message that replaces the wantlist.
  assert.ok(flood.messages.cancel <= baseline.messages.cancel)
  assert.deepEqual({ ...flood.messages, cancel: 0 }, { ...baseline.messages, cancel: 0 })
  assert.ok(inspected.meanMs < 0.75 * baseline.meanMs)
  assert.ok(inspected.messages.wantHave < 0.25 * baseline.messages.wantHave)
  assert.equal(inspected.ended, 30)
})

test('signs that are all wrong are believed at first, and no more when it is known how long a block is kept (D7)', () => {
  const setting = { latencyMs: 100, jitter: 0, bytesPerMs: 104_858, storeMs: 0 }
  const asks = staleAsks({ seed: 1, ...setting, kind: engine({ guesses: 1 }) })
  assert.ok(asks[0]! > 0.5, 'it was asked in vain at first')
  assert.ok(asks.at(-1)! < 0.05, 'and no more when it had learned how long a block is kept')
  const never = staleAsks({ seed: 1, ...setting, kind: prototype(3) })
  assert.ok(never.at(-1)! > 2.5, 'the prototype never learns it')
})

test('a file from a quick holder and three slow ones comes about as soon as all of them together can send it, and hardly a block twice', () => {
  const links = { latencyMs: 20, jitter: 0.1, bytesPerMs: 104_858, storeMs: 5 }
  for (const uplinks of [
    [10_000, 200, 200, 200],
    [5_000, 500, 500, 500],
  ]) {
    const fetch = (ahead: number) => fetchUnevenly({ ...links, seed: 7, uplinks, ahead, kind: engine({}) })
    const [few, all] = [fetch(32), fetch(200)]
    assert.ok(few.tookMs < 1.06 * few.leastMs, `${few.tookMs} ms, 32 at a time, at least ${few.leastMs}`)
    assert.ok(all.tookMs < 1.25 * all.leastMs, `${all.tookMs} ms, at least ${all.leastMs}`)
    assert.ok(few.duplicates < 5 && all.duplicates < 10, `${few.duplicates} and ${all.duplicates} came twice`)
  }
})

test('the dynamic n is about as quick as the best fixed one, and sends fewer blocks twice than two guesses', () => {
  const file = (guesses: DiscoveryOptions['guesses']) => inspect({ seed: 7, bytes: 10_000_000, kind: engine({ guesses }) })
  const [one, two, three, dynamic] = [file(1), file(2), file(3), file('dynamic')]
  assert.ok(dynamic.meanMs < 1.02 * Math.min(one.meanMs, two.meanMs, three.meanMs))
  assert.ok(dynamic.duplicates < two.duplicates / 2)
})
