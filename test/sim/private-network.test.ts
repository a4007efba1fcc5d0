import assert from 'node:assert/strict'
import { test } from 'node:test'
import { current, found, PrivateRun, stored } from '../../sim/experiments/private-run.ts'
import { BrowserNetwork } from '../../sim/world/browser-network.ts'

const hourMs = 3_600_000

test('browsers that know only the first three of them fill their tables, provide, find, put and get', () => {
  const run = new PrivateRun(1, 40)
  run.pass(1_200_000)
  const { filled, gone } = run.tables()
  assert.ok(filled > 0.98 && gone === 0, `filled ${filled}, gone ${gone}`)
  const contents = run.keys(5)
  assert.deepEqual(stored(run.provide(contents)), [20, 20, 20, 20, 20])
  assert.equal(found(run.findProviders(contents)), 1)
  run.put(contents, 1)
  run.put(contents, 2)
  assert.equal(current(run.get(contents), 2), 1)
  assert.equal(found(run.findProviders(run.keys(3))), 0, 'what nobody provides')
})

test('when half of them leave without a word, what they stored together is still found, and tables forget them', () => {
  const run = new PrivateRun(2, 40)
  run.pass(1_200_000)
  const contents = run.keys(5)
  run.provide(contents)
  for (let count = 0; count < 20; count++) run.leave()
  assert.ok(run.tables().gone > 0.4)
  assert.equal(found(run.findProviders(contents)), 1)
  run.pass(2_400_000)
  assert.ok(run.tables().gone < 0.25, `${run.tables().gone}`)
})

test('a record lives for 48 hours from when it was last stored', () => {
  const run = new PrivateRun(3, 6)
  const [once, again] = [run.keys(2), run.keys(2)]
  for (const keys of [once, again]) {
    run.provide(keys)
    run.put(keys, 1)
  }
  run.pass(22 * hourMs)
  run.provide(again)
  run.put(again, 1)
  run.pass(25 * hourMs)
  assert.deepEqual([found(run.findProviders(once)), current(run.get(once), 1)], [1, 1])
  run.pass(2 * hourMs)
  assert.deepEqual([found(run.findProviders(once)), current(run.get(once), 1)], [0, 0])
  assert.deepEqual([found(run.findProviders(again)), current(run.get(again), 1)], [1, 1])
})

test('a peer keeps no more connections than it may, and both ends agree on which', () => {
  const network = new BrowserNetwork(4, { connectionsMax: 10 })
  const clients = Array.from({ length: 30 }, () => {
    const client = network.join()
    network.agenda.run(network.now + 1_000)
    return client
  })
  network.agenda.run(network.now + 1_300_000)
  const links = clients.map((client) => network.linksOf(client))
  assert.ok(Math.max(...links) <= 10 && Math.max(...links) > 5, links.join(' '))
  assert.equal(links.reduce((sum, count) => sum + count, 0) % 2, 0)
})
