import assert from 'node:assert/strict'
import { test } from 'node:test'
import { soakServers } from '../../sim/experiments/soak-servers.ts'
import { growing, soakOne } from '../../sim/experiments/soak-run.ts'
import { limits } from '../../worker/engine/limits.ts'

test('hours with sleep, outages, crowds and wants break no bound, and every query ends once', () => {
  const outcome = soakOne({ seed: 5, peers: 150, hours: 5 })
  assert.deepEqual(outcome.violations, [], 'again: npm run sim -- soak')
  assert.ok(outcome.queries > 100 && outcome.wants > 50 && outcome.requests > 1_000)
  assert.ok(outcome.sleeps > 0 && outcome.outages > 0)
  assert.ok(outcome.most.kadQueriesMax! > 2 * limits.kadSearchesMax.value, 'it was asked for more than it searches for at once')
  for (const name of ['cachedPeersMax', 'failedPeersMax', 'uselessPeersMax', 'registryCidsMax', 'rankedPeersMax'] as const)
    assert.ok(outcome.most[name]! > 0, `${name} was not tried`)
})

test('a broken bound is found, whichever it is', () => {
  for (const name of ['cachedPeersMax', 'pendingDialsMax', 'registryCidsMax', 'failedPeersMax', 'kadRequestsMax'] as const) {
    const { violations } = soakOne({ seed: 5, peers: 200, hours: 0.5 }, { ...limits, [name]: { value: 1 } })
    assert.deepEqual(violations, [`more than ${name}`])
  }
})

test('servers forget what has expired, and a broken bound of theirs is found', () => {
  const outcome = soakServers({ seed: 6, peers: 4, hours: 4 })
  assert.deepEqual(outcome.violations, [])
  assert.ok(outcome.most.serverProvidersMax! > 20 && outcome.most.serverValuesMax! > 10)
  const broken = soakServers({ seed: 6, peers: 4, hours: 4 }, { ...limits, serverProvidersMax: { value: 20 } })
  assert.deepEqual(broken.violations, ['more than serverProvidersMax'])
})

test('growth is told from a memory that is full, and from one that has found its size', () => {
  const quarter = (cachedPeersMax: number, failedPeersMax: number, uselessPeersMax: number) => {
    return { cachedPeersMax, failedPeersMax, uselessPeersMax }
  }
  const full = limits.cachedPeersMax.value
  const quarters = [quarter(100, 10, 100), quarter(9_000, 20, 200), quarter(full, 30, 190), quarter(full, 40, 210)]
  assert.deepEqual(growing(quarters), ['failedPeersMax'])
})
