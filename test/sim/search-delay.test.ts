import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Crowd } from '../../sim/bitswap/crowd.ts'
import { drawRequest, sniffed } from '../../sim/bitswap/traffic.ts'
import { mean } from '../../sim/core/statistics.ts'
import { Rng } from '../../worker/engine/rng.ts'

/** How much longer the delay is after a move to a zone three times as far: of 40 minutes, the last 20. */
function growth(seed: number, windowMinutes: number): number {
  const rng = new Rng(seed)
  const discovery = { searchDelay: 'p50' as const, latencyWindowMs: windowMinutes * 60_000 }
  const crowd = new Crowd({ seed, peers: 856, connections: 96, dht: true, discovery })
  const seen: number[] = []
  for (let minute = 0; minute < 160; minute++) {
    if (minute === 120) crowd.tripFactor = 3
    const running = crowd.request(drawRequest({ ...sniffed, noProvider: 0 }, rng, 856))
    crowd.agenda.run(crowd.agenda.now + 60_000)
    crowd.measured(running)
    seen.push(crowd.searchDelayMs)
  }
  return mean(seen.slice(140)) / mean(seen.slice(80, 120))
}

test('after a move to a zone three times as far the dynamic delay follows, the sooner the shorter its window (C7)', () => {
  const [short, long] = [20, 120].map((window) => mean([1, 2, 3, 4, 5, 6, 7, 8].map((seed) => growth(seed, window)))) as [
    number,
    number,
  ]
  assert.ok(short > 1.5, `${short} times as long`)
  assert.ok(short > 1.2 * long, `${short}, and ${long} with a longer window`)
})
