import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { KadEffect } from '../../../worker/engine/kad/contract.ts'
import { limits } from '../../../worker/engine/limits.ts'
import type { QueryId } from '../../../worker/engine/query.ts'
import type { OrderId } from '../../../worker/engine/machine.ts'
import type { Peer } from '../../../worker/engine/peer.ts'
import { KadNetwork, kadPeer } from '../../support/kad-network.ts'
import { effectsOf, settled, started } from '../../support/kad-scenarios.ts'

const key = Uint8Array.of(1, 2, 3)
const multihash = Uint8Array.of(0x12, 2, 9, 9)

const isIn = (peers: readonly { readonly peer: Peer }[], peer: Peer) => peers.some((other) => other.peer === peer)

describe('cold start', () => {
  test('a query given before the start waits for it and is answered', () => {
    const network = new KadNetwork({ seed: 1, peers: 100 })
    const query = network.queryId()
    network.handle({ type: 'closest-peers', query, key })
    assert.deepEqual(network.effects, [])
    network.start()
    assert.equal(network.finish(query).result?.type, 'closest-peers')
    assert.equal(network.items(query).length, 20)
  })

  test('a query does not wait for the bootstrap lookup to end', () => {
    const network = started()
    const query = network.queryId()
    network.handle({ type: 'closest-peers', query, key })
    network.run(10_000, () => effectsOf(network, 'query-progress').some(({ progress }) => progress.type === 'asking'))
    assert.equal(network.kad.status().tableSize, 0)
  })

  test('with dead bootstrap peers it fails with "no-peers" and a sentence that says what to do', () => {
    const network = started({ deadBootstrap: true })
    const query = network.queryId()
    network.handle({ type: 'closest-peers', query, key })
    const { failure } = network.finish(query)
    assert.equal(failure?.code, 'no-peers')
    assert.match(failure?.message ?? '', /bootstrap addresses/)
    assert.ok(network.now <= 5_000)
  })

  test('with nobody to ask at all it fails at once', () => {
    const network = started({ bootstrap: 0 })
    const query = network.queryId()
    network.handle({ type: 'find-providers', query, multihash, limit: 1 })
    assert.equal(network.ending(query)?.failure?.code, 'no-peers')
  })

  test('with no bootstrap peers, a query is held while a connected server is checked, and then uses it', () => {
    const network = started({ bootstrap: 0 })
    const [server] = network.peers
    network.handle({ type: 'dht-server-seen', info: server! })
    const query = network.queryId()
    network.handle({ type: 'closest-peers', query, key })
    assert.equal(network.kad.counts().held, 1)
    assert.equal(network.finish(query).result?.type, 'closest-peers')
  })

  test('a held query fails when the check it waited for fails', () => {
    const network = started({ bootstrap: 0, mute: 1 })
    network.handle({ type: 'dht-server-seen', info: network.peers[5]! })
    const query = network.queryId()
    network.handle({ type: 'closest-peers', query, key })
    assert.equal(network.finish(query).failure?.code, 'no-peers')
    assert.equal(network.now, limits.kadRequestTimeoutMs.value)
  })
})

describe('warm start', () => {
  test('kept entries are asked before any bootstrapper has answered', () => {
    const network = started({ deadBootstrap: true }, (world) => world.storedEntries(30, ({ kind }) => kind === 'good'))
    assert.equal(network.kad.status().tableSize > 10, true)
    const query = network.queryId()
    network.handle({ type: 'closest-peers', query, key })
    network.run(10_000, () => effectsOf(network, 'query-progress').some(({ progress }) => progress.type === 'responded'))
    const isAnswer = (effect: KadEffect) => effect.type === 'query-progress' && effect.progress.type === 'responded'
    const before = network.effects.slice(0, network.effects.findIndex(isAnswer))
    const needs = before.filter((effect) => effect.type === 'need-connection').filter(({ priority }) => priority === 'urgent')
    assert.ok(needs.length > 0 && !needs.some(({ info }) => isIn(network.bootstrapPeers, info.peer)))
    assert.equal(network.finish(query).result?.type, 'closest-peers')
  })

  test('when all kept entries are dead, the bootstrap peers are the second try', () => {
    const network = started({ dead: 0.5, peers: 200 }, (world) => world.storedEntries(30, ({ kind }) => kind === 'dead'))
    const query = network.queryId()
    network.handle({ type: 'closest-peers', query, key })
    const { result } = network.finish(query)
    assert.equal(result?.type === 'closest-peers' && result.peers, 20)
  })
})

describe('lookups', () => {
  test('in a stable network the k nearest are found, all of them', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const network = settled({ seed, peers: 300 })
      const query = network.queryId()
      network.handle({ type: 'closest-peers', query, key })
      network.finish(query)
      const found = network.items(query).map((item) => (item.type === 'peer' ? item.info.peer : undefined))
      const expected = network.nearest(network.cache.keyOf(key), 20).map(({ peer }) => peer)
      assert.deepEqual(found, expected, `seed ${seed}`)
    }
  })

  test('with dead, undialable, mute and lying peers the living nearest are found in bounded time', () => {
    let [found, all] = [0, 0]
    for (let seed = 1; seed <= 10; seed++) {
      const network = settled({ seed, peers: 300, dead: 0.2, undialable: 0.2, mute: 0.05, slow: 0.05, lying: 0.02 })
      const query = network.queryId()
      const begun = network.now
      network.handle({ type: 'closest-peers', query, key })
      network.finish(query)
      assert.ok(network.now - begun < 20_000, `seed ${seed} took ${network.now - begun} ms`)
      const living = network.nearest(network.cache.keyOf(key), 20, ({ kind }) => kind !== 'dead')
      const peers = network.items(query).flatMap((item) => (item.type === 'peer' ? [item.info] : []))
      all += living.length
      found += living.filter(({ peer }) => isIn(peers, peer)).length
    }
    assert.ok(found / all > 0.95, `${found} of ${all}`)
  })

  test('two queries that need one peer share one need and its answer', () => {
    const network = started()
    const [first, second] = [network.queryId(), network.queryId()]
    network.handle({ type: 'closest-peers', query: first, key })
    network.handle({ type: 'closest-peers', query: second, key })
    // The bootstrap lookup needed them at a lower priority first.
    const needs = effectsOf(network, 'need-connection').map(({ priority }) => priority)
    assert.deepEqual(needs, ['repair', 'repair', 'urgent', 'urgent'])
    network.handle({ type: 'cancel', query: first })
    network.handle({ type: 'cancel', query: second })
    assert.equal(effectsOf(network, 'drop-connection-need').length, 0)
    assert.equal(network.kad.counts().needs, 2)
  })

  test('a cancelled query says nothing more, and everything of it is dropped', () => {
    const network = settled()
    const query = network.queryId()
    network.handle({ type: 'find-providers', query, multihash, limit: 5 })
    network.run(network.now + 1_000, () => network.kad.counts().requests > 2)
    const { requests, needs } = network.kad.counts()
    const before = network.effects.length
    network.handle({ type: 'cancel', query })
    const after = network.effects.slice(before).map(({ type }) => type)
    assert.equal(after.filter((type) => type === 'cancel-request').length, requests)
    assert.equal(after.filter((type) => type === 'drop-connection-need').length, needs)
    assert.equal(after.length, requests + needs)
    assert.deepEqual(network.kad.counts(), { runs: 0, held: 0, needs: 0, requests: 0, judgements: 0 })
    network.handle({ type: 'cancel', query })
    network.run(network.now + 60_000)
    assert.equal(network.ending(query), undefined)
  })

  test('a query cancelled while its values are judged leaves no judgement behind', () => {
    const network = settled()
    for (const peer of network.peers) peer.records.set(key, { key, value: Uint8Array.of(1) })
    const query = network.queryId()
    network.handle({ type: 'get-value', query, key, quorum: 9 })
    network.run(network.now + 5_000, () => network.kad.counts().judgements > 0)
    assert.equal(network.kad.counts().judgements, 1)
    network.handle({ type: 'cancel', query })
    assert.equal(network.kad.counts().judgements, 0)
  })

  test('progress tells of dials, requests and answers', () => {
    const network = started()
    const query = network.queryId()
    network.handle({ type: 'closest-peers', query, key })
    network.finish(query)
    const types = new Set(effectsOf(network, 'query-progress').map(({ progress }) => progress.type))
    assert.deepEqual([...types], ['dialing', 'asking', 'responded'])
  })
})

describe('bounds and bad input', () => {
  test('too many queries at once are refused, and others get on', () => {
    const network = new KadNetwork({ seed: 1, peers: 100 })
    const queries = Array.from({ length: limits.kadPageQueriesMax.value + 1 }, () => network.queryId())
    for (const query of queries) network.handle({ type: 'closest-peers', query, key })
    assert.equal(network.ending(queries.at(-1)!)?.failure?.code, 'too-many-queries')
    network.handle({ type: 'cancel', query: queries[0]! })
    const another = network.queryId()
    network.handle({ type: 'closest-peers', query: another, key })
    assert.equal(network.ending(another), undefined)
    assert.equal(network.kad.status().activeQueries, limits.kadPageQueriesMax.value)
  })

  test('places are left for what the engine looks for itself, and by what is in no hurry for what is', () => {
    const network = new KadNetwork({ seed: 1, peers: 100 })
    const isRefused = (query: QueryId, lane?: 'background') => {
      network.handle({ type: 'closest-peers', query, key, lane })
      return network.ending(query)?.failure?.code === 'too-many-queries'
    }
    for (let index = 0; index < limits.kadUnhurriedQueriesMax.value; index++) {
      assert.equal(isRefused(network.queryId(), 'background'), false)
    }
    assert.equal(isRefused(network.queryId(), 'background'), true)
    while (network.kad.status().activeQueries < limits.kadPageQueriesMax.value) assert.equal(isRefused(network.queryId()), false)
    assert.equal(isRefused(network.queryId()), true)
    for (let own = 1; network.kad.status().activeQueries < limits.kadQueriesMax.value; own++) {
      assert.equal(isRefused((-2 * own) as QueryId), false)
    }
    assert.equal(isRefused(-1_000 as QueryId), true)
  })

  test('arguments out of bounds fail with "invalid-argument"', () => {
    const network = settled()
    const commands = [
      { type: 'find-providers', multihash, limit: 0 },
      { type: 'find-providers', multihash: new Uint8Array(), limit: 1 },
      { type: 'get-value', key, quorum: 0 },
      { type: 'closest-peers', key: new Uint8Array() },
    ] as const
    for (const command of commands) {
      const query = network.queryId()
      network.handle({ ...command, query })
      assert.equal(network.ending(query)?.failure?.code, 'invalid-argument')
    }
  })

  test('a query whose dials are never answered ends when its time is over', () => {
    const network = settled()
    const query = network.queryId()
    network.kad.handle({ type: 'closest-peers', query, key }, network.now)
    // The effects go nowhere; only time passes.
    const begun = network.now
    const ends: KadEffect[] = []
    while (ends.length === 0) {
      network.now = network.kad.nextDeadline()!
      network.kad.handle({ type: 'tick' }, network.now)
      for (let effect = network.kad.poll(); effect !== undefined; effect = network.kad.poll()) {
        if (effect.type === 'query-failed') ends.push(effect)
      }
    }
    assert.equal(network.now - begun, limits.kadQueryTimeoutMs.value)
    assert.ok(ends[0]?.type === 'query-failed' && ends[0].failure.code === 'timeout')
  })

  test('late, duplicate and unknown answers are counted and change nothing', () => {
    const network = settled()
    const before = network.effects.length
    const [request] = effectsOf(network, 'send-request')
    const response = { type: 'find-node', key, closer: [], providers: [], record: undefined } as const
    const { order } = request!
    network.handle({ type: 'response-received', order, response })
    network.handle({ type: 'request-failed', order, reason: 'reset' })
    assert.equal(network.kad.status().counters.lateResponses, 2)
    const unknown = 1_000_000 as OrderId
    network.handle({ type: 'response-received', order: unknown, response })
    network.handle({ type: 'request-failed', order: unknown, reason: 'reset' })
    network.handle({ type: 'notice-sent', order: unknown })
    network.handle({ type: 'record-judged', order: unknown, verdict: { valid: true, rank: [] } })
    network.handle({ type: 'connection-ready', peer: network.peers[0]!.peer })
    assert.equal(network.kad.status().counters.unknownOrders, 5)
    assert.equal(network.effects.length, before)
  })

  test('a request without an answer fails after its time, and the host is told to forget it', () => {
    const network = started({ bootstrap: 0 })
    network.handle({ type: 'dht-server-seen', info: network.peers[0]! })
    // Lost on the way: the network double never hears of it.
    const [request] = effectsOf(network, 'send-request')
    network.kad.handle({ type: 'tick' }, limits.kadRequestTimeoutMs.value)
    assert.deepEqual(network.kad.poll(), { type: 'cancel-request', order: request!.order })
    assert.equal(network.kad.status().counters.requestsFailed, 1)
  })

  test('an answer of another type is a failed request: it is of no use to anybody, nor for the place in the table (K3, K4)', () => {
    const network = started({ bootstrap: 0 }, (world) => world.storedEntries(1))
    const [entry, checked, named] = network.peers
    const query = network.queryId()
    network.handle({ type: 'closest-peers', query, key })
    network.run(10_000, () => effectsOf(network, 'query-progress').some(({ progress }) => progress.type === 'asking'))
    network.handle({ type: 'dht-server-seen', info: checked! })
    const requests = effectsOf(network, 'send-request')
    assert.deepEqual(new Set(requests.map(({ peer }) => peer)), new Set([entry!.peer, checked!.peer]))
    const before = network.effects.length
    const response = { type: 'get-value', key, closer: [kadPeer(named!)], providers: [], record: undefined } as const
    for (const { order } of requests) network.handle({ type: 'response-received', order, response })
    const after = network.effects.slice(before)
    const isFailure = (effect: KadEffect) =>
      effect.type === 'query-progress' && effect.progress.type === 'failed' && effect.progress.reason === 'malformed'
    assert.ok(after.some(isFailure))
    assert.ok(!after.some(({ type }) => type === 'persist-table-entry' || type === 'need-connection'))
    const { requestsFailed, responsesReceived } = network.kad.status().counters
    assert.deepEqual([requestsFailed, responsesReceived], [requests.length, 0])
    assert.ok(network.kad.status().tableSize <= 1)
  })

  test('a machine is started once', () => {
    const network = started()
    assert.throws(() => network.start(), /started once/)
  })
})

describe('queries on a network', () => {
  test('what we provide is found by its multihash', () => {
    const network = settled()
    network.handle({ type: 'own-addresses-changed', addresses: [{ bytes: Uint8Array.of(9), dialable: true }] })
    const provide = network.queryId()
    network.handle({ type: 'provide', query: provide, multihash })
    const { result } = network.finish(provide)
    assert.deepEqual(result?.type === 'provide' && result.counts, {
      targeted: 20,
      stored: 20,
      undialable: 0,
      failed: 0,
      pending: 0,
    })
    const search = network.queryId()
    network.handle({ type: 'find-providers', query: search, multihash, limit: 1 })
    const found = network.finish(search).result
    assert.equal(found?.type === 'find-providers' && found.providers, 1)
    const [item] = network.items(search)
    assert.equal(item?.type === 'provider' && item.provider.peer, network.self)
  })

  test('to a search of Bitswap we are not named as a provider, neither by the network nor from the cache (K8)', () => {
    const network = settled()
    network.handle({ type: 'own-addresses-changed', addresses: [{ bytes: Uint8Array.of(9), dialable: true }] })
    const provide = network.queryId()
    network.handle({ type: 'provide', query: provide, multihash })
    network.finish(provide)
    const told = (countsDialable: boolean) => {
      const query = network.queryId()
      network.handle({ type: 'find-providers', query, multihash, limit: 10, countsDialable })
      network.finish(query)
      return network.items(query).length
    }
    assert.equal(told(true), 0)
    assert.equal(told(false), 1)
    assert.equal(told(true), 0, 'though the search before has left us in the cache')
  })

  test('a value put is got, and holders of older ones are corrected without anybody waiting', () => {
    const network = settled()
    const put = network.queryId()
    network.handle({ type: 'put-value', query: put, key, value: Uint8Array.of(5) })
    const { result } = network.finish(put)
    assert.deepEqual(result?.type === 'put-value' && result.counts, {
      targeted: 20,
      stored: 20,
      undialable: 0,
      failed: 0,
      pending: 0,
    })
    const holders = network.nearest(network.cache.keyOf(key), 20)
    for (const holder of holders.slice(0, 3)) holder.records.set(key, { key, value: Uint8Array.of(4) })
    const get = network.queryId()
    network.handle({ type: 'get-value', query: get, key, quorum: 99 })
    const got = network.finish(get).result
    assert.deepEqual(got?.type === 'get-value' && [...got.value], [5])
    assert.equal(got?.type === 'get-value' && got.confirmations, 17)
    network.run(network.now + 5_000)
    assert.deepEqual(
      holders.map((holder) => holder.records.get(key)?.value[0]),
      Array(20).fill(5),
    )
  })

  test('find-peer answers from the table without a request, for ourselves from our own addresses', () => {
    const network = settled()
    const [entry] = effectsOf(network, 'persist-table-entry')
    const before = network.kad.status().counters.requestsSent
    const query = network.queryId()
    network.handle({ type: 'find-peer', query, id: entry!.info.peer.id })
    assert.equal(network.ending(query)?.result?.type, 'find-peer')
    const self = network.queryId()
    network.handle({ type: 'find-peer', query: self, id: network.self.id })
    assert.equal(network.ending(self)?.failure?.code, 'not-found')
    assert.equal(network.kad.status().counters.requestsSent, before)
  })

  test('find-peer finds an undialable peer that others know', () => {
    const network = settled({ undialable: 0.3 })
    const wanted = network.peers.find(({ kind }) => kind === 'undialable')!
    const query = network.queryId()
    network.handle({ type: 'find-peer', query, id: wanted.peer.id })
    const { result } = network.finish(query)
    assert.deepEqual(result?.type === 'find-peer' && result.info.addresses, kadPeer(wanted).addresses)
  })
})
