import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { limits } from '../../../worker/engine/limits.ts'
import type { NetworkOptions } from '../../support/kad-network.ts'
import { effectsOf, settled, started } from '../../support/kad-scenarios.ts'

const key = Uint8Array.of(1, 2, 3)

describe('who enters the routing table', () => {
  const alone = (options: Partial<NetworkOptions> = {}) => started({ bootstrap: 0, ...options })

  test('a connected server enters after a lookup check for its own id', () => {
    const network = alone()
    const [server] = network.peers
    network.handle({ type: 'dht-server-seen', info: server! })
    const [request] = effectsOf(network, 'send-request')
    assert.deepEqual(request?.request, { type: 'find-node', key: server!.peer.id })
    assert.equal(network.kad.status().tableSize, 0)
    network.run(1_000)
    assert.equal(network.kad.status().tableSize, 1)
  })

  test('one that names nobody does not', () => {
    const network = alone()
    const [server] = network.peers
    network.handle({ type: 'dht-server-seen', info: server! })
    const order = effectsOf(network, 'send-request')[0]!.order
    const response = { type: 'find-node', key: server!.peer.id, closer: [], providers: [], record: undefined } as const
    network.handle({ type: 'response-received', order, response })
    assert.equal(network.kad.status().tableSize, 0)
  })

  test('one that is gone before its check ended does not, and one that left the protocol leaves the table', () => {
    const network = alone()
    const [first, second] = network.peers
    network.handle({ type: 'dht-server-seen', info: first! })
    network.handle({ type: 'dht-server-gone', peer: first!.peer })
    network.run(1_000)
    assert.equal(network.kad.status().tableSize, 0)
    network.handle({ type: 'dht-server-seen', info: second! })
    network.run(2_000)
    network.handle({ type: 'dht-server-gone', peer: second!.peer })
    assert.equal(network.kad.status().tableSize, 0)
    assert.deepEqual(
      effectsOf(network, 'forget-table-entry').map(({ peer }) => peer),
      [second!.peer],
    )
  })

  test('checks are bounded in number, asked and queued', () => {
    const network = alone({ peers: 200 })
    for (const info of network.peers) network.handle({ type: 'dht-server-seen', info })
    assert.equal(effectsOf(network, 'send-request').length, limits.serverChecksMax.value)
    network.run(60_000)
    const checks = effectsOf(network, 'send-request').filter(({ peer, request }) => {
      return request.type === 'find-node' && request.key === peer.id
    })
    assert.ok(checks.length <= limits.serverChecksMax.value + limits.serverChecksQueuedMax.value)
  })

  test('a server that a router names is dialed, takes the lookup check, and enters (D8)', () => {
    const network = alone()
    const [server] = network.peers
    network.handle({ type: 'dht-servers-named', infos: [server!] })
    assert.equal(effectsOf(network, 'need-connection')[0]?.info.peer, server!.peer)
    assert.equal(effectsOf(network, 'need-connection')[0]?.priority, 'maintenance')
    network.run(10_000, () => effectsOf(network, 'send-request').length > 0)
    assert.deepEqual(effectsOf(network, 'send-request')[0]?.request, { type: 'find-node', key: server!.peer.id })
    assert.equal(network.kad.status().tableSize, 0)
    network.run(10_000)
    assert.ok(network.kad.status().tableSize >= 1)
    const before = effectsOf(network, 'need-connection').length
    network.handle({ type: 'dht-servers-named', infos: [server!] })
    assert.equal(effectsOf(network, 'need-connection').length, before, 'who is in the table is not checked again')
  })

  test('named servers are checked a bounded number at a time, the same one once, and a dead one does not enter', () => {
    const network = alone({ peers: 200, dead: 1 })
    network.handle({ type: 'dht-servers-named', infos: [...network.peers, ...network.peers] })
    assert.ok(network.kad.counts().runs <= limits.kadInternalQueriesMax.value)
    assert.equal(effectsOf(network, 'need-connection').length, limits.kadMaintenanceQueriesMax.value)
    network.run(600_000)
    const entered = effectsOf(network, 'persist-table-entry').map(({ info }) => network.find(info.peer)?.kind)
    assert.ok(entered.every((kind) => kind === 'good'))
  })

  test('peers that answered a lookup enter, and are persisted', () => {
    const network = settled()
    const persisted = effectsOf(network, 'persist-table-entry').map(({ info }) => info.peer)
    assert.equal(new Set(persisted).size, persisted.length)
    assert.equal(persisted.length, network.kad.status().tableSize)
    assert.ok(persisted.every((peer) => network.find(peer)?.kind === 'good'))
  })

  test('a peer that answered a lookup without naming anybody takes the lookup check first', () => {
    const network = started({ peers: 1, bootstrap: 1 })
    const [only] = network.peers
    network.run(10_000, () => effectsOf(network, 'send-request').length === 2)
    assert.equal(network.kad.status().tableSize, 0)
    assert.deepEqual(effectsOf(network, 'send-request')[1]?.request, { type: 'find-node', key: only!.peer.id })
    // The lone server of a fresh network names itself.
    network.run(10_000)
    assert.equal(network.kad.status().tableSize, 1)
  })

  test('a denied peer leaves the table and is no candidate any more', () => {
    const network = settled()
    const query = network.queryId()
    network.handle({ type: 'closest-peers', query, key })
    const [need] = effectsOf(network, 'need-connection').slice(-1)
    const { peer } = need!.info
    network.handle({ type: 'connection-failed', peer, reason: 'denied' })
    network.finish(query)
    const again = network.queryId()
    const before = network.effects.length
    network.handle({ type: 'closest-peers', query: again, key })
    network.finish(again)
    assert.ok(!network.items(query).some((item) => item.type === 'peer' && item.info.peer === peer))
    const later = network.effects.slice(before)
    assert.ok(!later.some((effect) => effect.type === 'need-connection' && effect.info.peer === peer))
    assert.ok(network.kad.status().counters.rejectedCloserPeers > 0)
  })
})

describe('maintenance', () => {
  test('with few peers the table is repaired through the bootstrap peers, ever later', () => {
    const network = started({ deadBootstrap: true, peers: 30 })
    network.run(200_000)
    const [first] = network.bootstrapPeers
    const dials = network.effects.filter((effect) => effect.type === 'need-connection' && effect.info.peer === first!.peer)
    // After 0, 15, 40, 85 and 170 s: a dial takes 5 s, the waits are 10, 20, 40 and 80 s.
    assert.equal(dials.length, 5)
  })

  test('a repair goes before other maintenance until the table has peers, and is no more than that afterwards', () => {
    const network = started({ peers: 60 })
    network.run(60_000)
    let size = 0
    const seen = { repair: 0, maintenance: 0 }
    for (const effect of network.effects) {
      if (effect.type === 'table-changed') size = effect.size
      if (effect.type !== 'need-connection') continue
      const expected = size < limits.lowTablePeers.value ? 'repair' : 'maintenance'
      assert.equal(effect.priority, expected, `with ${size} peers`)
      seen[expected]++
    }
    assert.ok(seen.repair > 0 && seen.maintenance > 0)
  })

  test('every ten minutes the own id and a random key of each filled bucket are looked up, at low priority', () => {
    const network = settled({ peers: 300 })
    const before = network.effects.length
    const { buckets } = network.kad.status()
    network.run(limits.tableRefreshIntervalMs.value + 60_000)
    const later = network.effects.slice(before)
    const keys = new Set(
      later.flatMap((effect) => (effect.type === 'send-request' ? [String((effect.request as { key: Uint8Array }).key)] : [])),
    )
    assert.ok(keys.size >= 1 + buckets.filter((size) => size > 0).length, `${keys.size} keys`)
    assert.ok(later.every((effect) => effect.type !== 'need-connection' || effect.priority === 'maintenance'))
  })
})
