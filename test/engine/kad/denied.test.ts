import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BytesMap } from '../../../worker/engine/bytes-map.ts'
import { DeniedPeers } from '../../../worker/engine/kad/denied-peers.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { KadNetwork } from '../../support/kad-network.ts'
import { effectsOf } from '../../support/kad-scenarios.ts'
import { peer8 } from '../../support/kad-peers.ts'

test('peers that the page denied are never dialed, asked, kept or told of (B7)', () => {
  const probe = new KadNetwork({ seed: 4, peers: 100 })
  const denied = new BytesMap<true>()
  for (const { peer } of probe.peers.slice(2, 40)) denied.set(peer.id, true)
  const network = new KadNetwork({ seed: 4, peers: 100, denied })
  network.start(network.storedEntries(20))
  network.handle({ type: 'dht-server-seen', info: network.peers[5]! })
  const query = network.queryId()
  network.handle({ type: 'closest-peers', query, key: Uint8Array.of(1) })
  network.finish(query)
  network.run(network.now + 700_000)
  const isDenied = (id: Uint8Array) => denied.has(id)
  assert.ok(!effectsOf(network, 'need-connection').some(({ info }) => isDenied(info.peer.id)))
  assert.ok(!effectsOf(network, 'send-request').some(({ peer }) => isDenied(peer.id)))
  assert.ok(!effectsOf(network, 'persist-table-entry').some(({ info }) => isDenied(info.peer.id)))
  assert.ok(network.items(query).length > 0)
  assert.ok(!network.items(query).some((item) => item.type === 'peer' && isDenied(item.info.peer.id)))
  assert.ok(network.kad.status().counters.rejectedCloserPeers > 0)
})

test('peers that the network refused are remembered up to a bound, those that were named always', () => {
  const named = new BytesMap<true>()
  named.set(peer8(9).id, true)
  const denied = new DeniedPeers(named)
  const peer = (number: number) => peer8(1, number >> 8, number & 255).id
  for (let number = 0; number <= limits.deniedPeersMax.value; number++) denied.add(peer(number))
  assert.deepEqual(
    [peer(0), peer(1), peer8(9).id].map((id) => denied.has(id)),
    [false, true, true],
  )
})

test('keys are hashed once a peer, and distances computed once a candidate and lookup (E3)', () => {
  const network = new KadNetwork({ seed: 2, peers: 80 })
  network.start()
  network.run(60_000)
  const before = network.kad.status().counters
  const queries = Array.from({ length: 5 }, () => network.queryId())
  for (const query of queries) network.handle({ type: 'closest-peers', query, key: Uint8Array.of(7) })
  for (const query of queries) network.finish(query)
  const after = network.kad.status().counters
  // What the network itself hashes to answer is in here: one target a request.
  const asked = after.requestsSent - before.requestsSent
  assert.ok(after.keysHashed - before.keysHashed <= asked + queries.length)
  assert.ok(after.distancesComputed - before.distancesComputed <= queries.length * network.peers.length)
  assert.ok(after.distancesCompared > before.distancesCompared)
})
