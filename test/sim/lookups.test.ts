import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareLookups, ruleNames } from '../../sim/experiments/lookup-run.ts'
import { mean } from '../../sim/core/statistics.ts'
import { Trace } from '../../sim/core/trace.ts'
import { smallWorld } from '../../sim/small-world.ts'
import { aminoWorld, stableWorld } from '../../sim/world/settings.ts'
import { World } from '../../sim/world/world.ts'

test('the same seed gives the same trace, another seed another', () => {
  const first = smallWorld(1, 120, 2)
  assert.deepEqual(smallWorld(1, 120, 2), first)
  assert.notEqual(smallWorld(2, 120, 2).digest, first.digest)
  assert.ok(first.words > 10_000)
})

/** With 50 dials at a time in a browser, which holds them back for seconds, some of js-libp2p's time out. */
const recallMin = { ours: 0.95, 'go-like': 0.99, 'js-like': 0.8 }

test('in a stable world of 300 servers every rule finds the 20 nearest, and ends', () => {
  const world = new World({ ...stableWorld, seed: 3, peers: 300 })
  const measured = compareLookups(world, { clients: 2, lookups: 6, rules: ruleNames })
  for (const rule of ruleNames) {
    assert.equal(measured[rule].length, 12)
    const recall = mean(measured[rule].map((one) => one.recall))
    assert.ok(recall >= recallMin[rule], `${rule}: ${recall}`)
    for (const { durationMs, hops, requests } of measured[rule]) {
      assert.ok(durationMs > 100 && durationMs < 20_000, `${rule}: ${durationMs} ms`)
      assert.ok(hops >= 1 && hops <= 4 && requests >= 20, `${rule}: ${hops} hops, ${requests} requests`)
    }
  }
})

test('whatever the rule, a lookup among offline, slow and undialable servers ends before the rule’s last timeout', () => {
  const world = new World({ ...aminoWorld, seed: 4, peers: 300, dialable: 0.4, mute: 0.05 })
  const measured = compareLookups(world, { clients: 1, lookups: 5, rules: ruleNames })
  for (const { durationMs } of measured.ours) assert.ok(durationMs <= 60_000)
  for (const { durationMs } of measured['go-like']) assert.ok(durationMs < 180_000)
  for (const { durationMs } of measured['js-like']) assert.ok(durationMs <= 180_000)
})

test('which rivals run beside it changes nothing for our engine', () => {
  const traced = (rules: typeof ruleNames) => {
    const trace = new Trace()
    compareLookups(new World({ ...aminoWorld, seed: 5, peers: 200 }), { clients: 1, lookups: 3, rules, trace })
    return trace.digest()
  }
  assert.equal(traced(['ours']), traced(ruleNames))
})
