import assert from 'node:assert/strict'
import { test } from 'node:test'
import { atBestTimes, inSteps, oneByOne } from '../../sim/bitswap/bound.ts'
import { totalOf, type Messages } from '../../sim/bitswap/measured.ts'
import { runFlood, runOurs, type Arm, type Outcome } from '../../sim/bitswap/run.ts'
import { sniffed } from '../../sim/bitswap/traffic.ts'
import { available, byBitswap, found, messagesOf } from '../../sim/experiments/bitswap-tables.ts'
import { mean, percentile } from '../../sim/core/statistics.ts'

const setting = { seed: 3, traffic: sniffed, peers: 856, warmUp: 150, requests: 150 }
const arm = { label: 'ours', connections: 856, dht: true, discovery: {} }

test("the flood gives the report's message table and success within two percent, DONT_HAVEs within a hundredth of a message (C2, C3)", () => {
  const run = runFlood({ ...setting, requests: 20_000 }, 856)
  const report: Partial<Messages> = { wantHave: 856.07, wantBlock: 8.3, cancel: 849.74, have: 3.95, block: 1.74 }
  for (const [name, expected] of Object.entries(report)) {
    const got = mean(byBitswap(run).map(({ messages }) => messages[name as keyof Messages]))
    assert.ok(Math.abs(got / expected - 1) < 0.02, `${name}: ${got}, not ${expected}`)
  }
  // The report says 0.18: two percent of that would be less than it was rounded by.
  const dontHaves = mean(byBitswap(run).map(({ messages }) => messages.dontHave))
  assert.ok(Math.abs(dontHaves - 0.18) < 0.01, `dontHave: ${dontHaves}`)
  const share = (some: readonly unknown[], all: readonly unknown[]) => some.length / all.length
  assert.ok(Math.abs(share(byBitswap(run), available(run)) - 0.9837) < 0.005)
  assert.ok(Math.abs(share(available(run), run) - 0.7091) < 0.01)
})

test('our engine finds nearly as much with a twelfth of the messages in its first requests, and the same seed gives the same run', () => {
  const run = runOurs(setting, arm)
  assert.ok(messagesOf(run) < 1720 / 12, `${messagesOf(run)} messages a request, with the cold start in it`)
  assert.ok(found(run).length / available(run).length > 0.93)
  const summary = (outcomes: readonly Outcome[]) =>
    outcomes.map(({ measured }) => [measured.latencyMs, totalOf(measured.messages)])
  assert.deepEqual(summary(runOurs(setting, arm)), summary(run))
})

test('nobody can ask fewer than who knows all chances, and in steps that take a bearable time even he needs far more', () => {
  const run = available(runFlood({ ...setting, requests: 20_000 }, 856)).map(({ request }) => request)
  const [least, steps] = [oneByOne(run, 0.97), inSteps(run, 0.97, 4)]
  assert.ok(least.messages > 15 && least.messages < 25, `${least.messages} messages`)
  assert.ok(steps.messages > 1.5 * least.messages)
  assert.ok(Math.abs(least.found - 0.97) < 0.002 && steps.found > 0.96)
  const best = atBestTimes(run.slice(0, 2_000), 0.97, 500)
  assert.ok(best.found >= 0.969 && best.messages > oneByOne(run.slice(0, 2_000), 0.97).messages, `${best.messages} messages`)
  assert.ok(best.p50Ms > steps.p50Ms, 'few messages take time')
})

test('what was learned is worth as much after a restart, and without it the first requests cost several times as many messages', () => {
  // A few of the requests cost hundreds of messages: one seed says little.
  const restarted = (restart: NonNullable<Arm['restart']>) =>
    mean([1, 2, 3].map((seed) => messagesOf(runOurs({ ...setting, seed, requests: 60 }, { ...arm, restart }))))
  const hour = 3_600_000
  const [kept, overnight, forgotten] = [
    restarted({ keptAgoMs: 60_000 }),
    restarted({ keptAgoMs: 12 * hour }),
    restarted('forgotten'),
  ]
  assert.ok(2 * kept < forgotten, `${kept}, and ${forgotten} without what was learned`)
  assert.ok(2 * overnight < forgotten, `${overnight} after twelve hours, and ${forgotten} without what was learned`)
})

test('what neighbours wanted shortly before is had from them, mostly in one round trip and with a handful of messages', () => {
  const traffic = { ...sniffed, remembered: 1 }
  const [without, heard] = [sniffed, traffic].map((wanted) =>
    [1, 2, 3].flatMap((seed) =>
      runOurs({ ...setting, seed, traffic: wanted, warmUp: 150, requests: 100 }, { ...arm, dht: false }),
    ),
  ) as [Outcome[], Outcome[]]
  assert.ok(heard.every(({ request }) => request.wanter !== undefined))
  assert.ok(messagesOf(heard) < 0.7 * messagesOf(without), `${messagesOf(heard)} messages, and ${messagesOf(without)}`)
  const usual = percentile(
    byBitswap(heard).map(({ messages }) => totalOf(messages)),
    0.5,
  )
  assert.ok(usual <= 5, `${usual} messages mostly: a want-block, a block, and one who hears what is wanted`)
  assert.ok(found(heard).length / available(heard).length > 0.97)
})

test('the selfish checker tells what Bitswap missed from what nobody has and from what nobody sends', () => {
  const run = runOurs({ ...setting, warmUp: 30, requests: 150 }, { ...arm, dht: false, checks: true })
  for (const { request, measured } of run) {
    if (measured.isFound) assert.ok(request.kind === 'held')
    else if (request.kind === 'no-provider') assert.equal(measured.checked, undefined)
    else if (request.kind === 'only-by-dht') assert.equal(measured.checked, 'block')
    else if (request.kind === 'fetch-failed') assert.equal(measured.checked, 'dont-have')
  }
  assert.ok(run.some(({ measured }) => measured.checked === 'block'))
})
