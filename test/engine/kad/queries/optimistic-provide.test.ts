import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KadNetwork } from '../../../support/kad-network.ts'
import { QueryBench } from '../../../support/kad-query-bench.ts'
import { bitsOf } from '../../../support/kad-peers.ts'
import { effectsOf, settled } from '../../../support/kad-scenarios.ts'
import { kadPeer8 } from '../../../support/kad-query-bench.ts'
import { Provide } from '../../../../worker/engine/kad/queries/provide.ts'
import { limits } from '../../../../worker/engine/limits.ts'
import type { QueryId } from '../../../../worker/engine/query.ts'

const multihash = Uint8Array.of(0x12, 1, 9)

function experienced(peers: number): KadNetwork {
  const network = settled({ peers, seed: 11 })
  network.handle({ type: 'own-addresses-changed', addresses: [{ bytes: Uint8Array.of(4, 1), dialable: true }] })
  for (let byte = 0; byte < 12; byte++) {
    const query = network.queryId()
    network.handle({ type: 'closest-peers', query, key: Uint8Array.of(1, byte) })
    network.finish(query)
  }
  return network
}

function provide(network: KadNetwork, mode: 'classic' | 'optimistic'): { query: QueryId; took: number; requests: number } {
  const query = network.queryId()
  const startedAt = network.now
  const before = effectsOf(network, 'send-request').length
  network.handle({ type: 'provide', query, multihash, mode })
  network.finish(query)
  return { query, took: network.now - startedAt, requests: effectsOf(network, 'send-request').length - before }
}

function counts(network: KadNetwork, query: QueryId) {
  const { result } = network.ending(query) ?? {}
  assert.ok(result?.type === 'provide')
  return result.counts
}

test('an optimistic provide answers sooner than a classic one, and in the end as many hold the record', () => {
  const classic = experienced(300)
  const slow = provide(classic, 'classic')
  assert.equal(counts(classic, slow.query).pending, 0)
  const network = experienced(300)
  const fast = provide(network, 'optimistic')
  assert.ok(fast.took <= slow.took && fast.requests <= slow.requests, `${fast.took} of ${slow.took} ms`)
  const { targeted, stored, pending } = counts(network, fast.query)
  assert.ok(stored >= 0.75 * targeted && stored + pending === targeted)
  network.run(network.now + 10_000)
  const holders = network.peers.filter(({ providers }) => providers.has(multihash))
  assert.ok(holders.length >= 20, `${holders.length} hold the record`)
  const nearest = network.nearest(network.cache.keyOf(multihash), 20)
  assert.ok(nearest.filter((peer) => holders.includes(peer)).length >= 19)
  assert.deepEqual(network.kad.counts(), { runs: 0, held: 0, needs: 0, requests: 0, judgements: 0 })
})

test('while the size of the network is unknown, optimistic is classic', () => {
  const network = settled({ peers: 12 })
  network.handle({ type: 'own-addresses-changed', addresses: [{ bytes: Uint8Array.of(4, 1), dialable: true }] })
  assert.equal(network.kad.status().networkSize, undefined)
  const { query } = provide(network, 'optimistic')
  assert.deepEqual(counts(network, query), { targeted: 12, stored: 12, undialable: 0, failed: 0, pending: 0 })
})

/** A network of 16 peers, as far as the query knows: the eight-bit keys 0x10, 0x20, … */
function bench(k: number): QueryBench<Provide> {
  const created = new QueryBench(
    (context, query) => {
      context.world.networkSize.restore(16)
      return new Provide({ context, query, multihash: Uint8Array.of(0), mode: 'optimistic', now: 0 })
    },
    { k, addresses: 1 },
  )
  return created
}

const storedWith = (query: QueryBench<Provide>) =>
  query.of('send-request').flatMap(({ peer, request }) => (request.type === 'add-provider' ? [bitsOf(peer)] : []))

test('who has answered and is near enough gets the record at once, who is not waits for the end', () => {
  // Near is below 14.53 * 4 / 20 / 16 = 0.18 of the key space, hence below 0x2e.
  const query = bench(4).seeds(0x20, 0x30, 0xf0).ready(0x20, 0x30, 0xf0)
  query.answer(0x30)
  assert.deepEqual(storedWith(query), [])
  query.answer(0x20, { closer: [kadPeer8(0xf1)] }).ready(0x20)
  assert.deepEqual(storedWith(query), [0x20])
  assert.equal(query.machine.stage, 'walking')
})

test('the search ends as soon as the nearest are near enough on average; what it still asked is withdrawn', () => {
  // On average below 15.41 * 2 / 20 / 16 = 0.096, hence below 0x18.
  const query = bench(2).seeds(0x10, 0x40).ready(0x10, 0x40)
  query.answer(0x40)
  assert.equal(query.machine.stage, 'walking')
  query.answer(0x10, { closer: [kadPeer8(0x12)] })
  assert.equal(query.machine.stage, 'storing')
  assert.deepEqual(
    query.of('drop-connection-need').map(({ peer }) => bitsOf(peer)),
    [0x12],
  )
})

test('it does not end before the nearest that can be reached has answered, however near all are', () => {
  const query = bench(2).seeds(0x10, 0x11).ready(0x10, 0x11).answer(0x11)
  assert.equal(query.machine.stage, 'walking')
  query.answer(0x10)
  assert.equal(query.machine.stage, 'storing')
})

test('it answers when three quarters are done, stores the rest, and then ends without another word', () => {
  const query = bench(4).seeds(1, 2, 3, 4).ready(1, 2, 3, 4)
  query.answer(1)
  assert.equal(query.machine.stage, 'storing')
  query.ready(1, 2, 3, 4).sent(1).sent(2)
  assert.equal(query.of('query-answered').length, 0)
  query.sent(3)
  const [answered] = query.of('query-answered')
  assert.deepEqual(answered?.result.type === 'provide' && answered.result.counts, {
    targeted: 4,
    stored: 3,
    undialable: 0,
    failed: 0,
    pending: 1,
  })
  assert.equal(query.machine.stage, 'answered')
  query.sent(4)
  assert.equal(query.machine.stage, 'ended')
  assert.equal(query.of('internal-query-ended').length, 1)
  assert.equal(query.of('query-ended').length, 0)
})

test('a search that expires after the first were told says how many were', () => {
  const query = bench(4).seeds(0x20, 0xf0).ready(0x20, 0xf0).answer(0x20).ready(0x20).sent(0x20)
  query.send({ type: 'expired' })
  const ended = query.ended()
  assert.deepEqual(ended?.type === 'provide' && ended.counts, { targeted: 1, stored: 1, undialable: 0, failed: 0, pending: 0 })
})

test('only so many remainders are stored at once: beyond the bound of our own queries they end with the answer', () => {
  const network = experienced(300)
  const queries = Array.from({ length: 40 }, () => network.queryId())
  for (const [index, query] of queries.entries()) {
    network.handle({ type: 'provide', query, multihash: Uint8Array.of(0x12, 2, index), mode: 'optimistic' })
  }
  let ownMax = 0
  network.run(network.now + 30_000, () => {
    ownMax = Math.max(ownMax, network.kad.counts().runs - network.kad.status().activeQueries)
    return false
  })
  assert.ok(ownMax > 1 && ownMax <= limits.kadInternalQueriesMax.value, `${ownMax}`)
  for (const query of queries) assert.ok(counts(network, query).stored >= 15)
})
