import assert from 'node:assert/strict'
import { test } from 'node:test'
import { totalOf, type Messages } from '../../sim/bitswap/measured.ts'
import { runFlood, runOurs, type Outcome } from '../../sim/bitswap/run.ts'
import { sniffed } from '../../sim/bitswap/traffic.ts'
import { available, byBitswap, found, messagesOf } from '../../sim/experiments/bitswap.ts'
import { inspect } from '../../sim/experiments/want-inspection.ts'
import { mean } from '../../sim/core/statistics.ts'

const setting = { seed: 3, traffic: sniffed, peers: 856, warmUp: 150, requests: 150 }
const arm = { label: 'ours', connections: 856, dht: true, discovery: {} }

test("the flood gives the report's message table and success within two percent (C2, C3)", () => {
  const run = runFlood({ ...setting, requests: 20_000 }, 856)
  const report: Partial<Messages> = { wantHave: 856.07, wantBlock: 8.3, cancel: 849.74, have: 3.95, block: 1.74 }
  for (const [name, expected] of Object.entries(report)) {
    const got = mean(byBitswap(run).map(({ messages }) => messages[name as keyof Messages]))
    assert.ok(Math.abs(got / expected - 1) < 0.02, `${name}: ${got}, not ${expected}`)
  }
  const share = (some: readonly unknown[], all: readonly unknown[]) => some.length / all.length
  assert.ok(Math.abs(share(byBitswap(run), available(run)) - 0.9837) < 0.005)
  assert.ok(Math.abs(share(available(run), run) - 0.7091) < 0.01)
})

test('our engine finds as much with a twentieth of the messages, and the same seed gives the same run', () => {
  const run = runOurs(setting, arm)
  assert.ok(messagesOf(run) < 1720 / 12, `${messagesOf(run)} messages a request, with the cold start in it`)
  assert.ok(found(run).length / available(run).length > 0.93)
  const summary = (outcomes: readonly Outcome[]) =>
    outcomes.map(({ measured }) => [measured.latencyMs, totalOf(measured.messages)])
  assert.deepEqual(summary(runOurs(setting, arm)), summary(run))
})

test('want inspection: who wanted it is asked at once, which takes one round trip less and fewer messages than the flood', () => {
  const flood = inspect({ seed: 1, bytes: 49_000, discovery: { broadcast: 'flood', guesses: 0 } })
  const ours = inspect({ seed: 1, bytes: 49_000, discovery: { guesses: 1 } })
  assert.ok(ours.meanMs < 0.75 * flood.meanMs, `${ours.meanMs} ms, by flooding ${flood.meanMs} ms`)
  assert.ok(ours.messages.wantHave < 0.25 * flood.messages.wantHave)
  assert.equal(ours.ended, flood.ended)
})
