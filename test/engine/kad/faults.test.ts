import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { KadCommand } from '../../../worker/engine/kad/contract.ts'
import { limits } from '../../../worker/engine/limits.ts'
import type { PeerInfo } from '../../../worker/engine/peer.ts'
import type { QueryId } from '../../../worker/engine/query.ts'
import { KadNetwork } from '../../support/kad-network.ts'

/** Random worlds, random faults, any order of arrival. A failure prints seed and settings; they replay it. */

const share = fc.constantFrom(0, 0, 0.1, 0.4, 1)
const chance = fc.constantFrom(0, 0, 0.1, 0.5)
const world = fc.record({
  seed: fc.integer({ min: 1, max: 1_000_000 }),
  peers: fc.integer({ min: 0, max: 60 }),
  dead: share,
  undialable: share,
  mute: share,
  slow: share,
  lying: share,
  bootstrap: fc.integer({ min: 0, max: 3 }),
  deadBootstrap: fc.boolean(),
  kad: fc.constantFrom({ k: 20, alpha: 10, beta: 3 }, { k: 4, alpha: 2, beta: 1 }, { k: 1, alpha: 1, beta: 1 }),
  faults: fc.record({ drop: chance, late: chance, twice: chance, fail: chance }),
  arrivalSeed: fc.integer(),
})
const kinds = [
  'find-providers',
  'closest-peers',
  'find-peer',
  'get-value',
  'put-value',
  'provide',
  'ask-peer',
  'tell-peer',
  'cancel',
  'check',
  'gone',
] as const
const action = fc.record({ kind: fc.constantFrom(...kinds), wait: fc.constantFrom(0, 0, 50, 2_000), byte: fc.nat(5) })

function commandOf(network: KadNetwork, kind: Exclude<KadCommand['type'], 'cancel'>, byte: number): KadCommand {
  const query = network.queryId()
  const key = Uint8Array.of(0x12, byte)
  switch (kind) {
    case 'find-providers':
      return { type: kind, query, multihash: key, limit: 1 + byte }
    case 'closest-peers':
      return { type: kind, query, key }
    case 'find-peer':
      return { type: kind, query, id: (network.peers[byte]?.peer ?? network.self).id }
    case 'get-value':
      return { type: kind, query, key, quorum: 1 + byte }
    case 'put-value':
      return { type: kind, query, key, value: Uint8Array.of(byte) }
    case 'provide':
      return { type: kind, query, multihash: key }
    case 'ask-peer':
      return { type: kind, query, info: infoOf(network, byte), key, lane: byte % 2 === 0 ? 'background' : 'idle' }
    case 'tell-peer': {
      const multihashes = Array.from({ length: 20 * byte }, (_, index) => Uint8Array.of(0x12, index))
      return { type: kind, query, info: infoOf(network, byte), multihashes, lane: 'background' }
    }
  }
}

function infoOf(network: KadNetwork, index: number): PeerInfo {
  const peer = network.peers[index]?.peer ?? network.self
  return { peer, addresses: [{ bytes: peer.id.slice(-6), dialable: index !== 3 }] }
}

test('whatever fails and whatever comes when, every query ends once and nothing is left over', () => {
  fc.assert(
    fc.property(world, fc.array(action, { minLength: 1, maxLength: 8 }), fc.boolean(), (settings, actions, isWarm) => {
      const network = new KadNetwork(settings)
      const given: QueryId[] = []
      const cancelled = new Set<QueryId>()
      if (actions.length % 2 === 0)
        network.handle({ type: 'own-addresses-changed', addresses: [{ bytes: Uint8Array.of(1), dialable: true }] })
      network.start(isWarm ? network.storedEntries(10) : [])
      for (const { kind, wait, byte } of actions) {
        const peer = network.peers[byte]
        if (kind === 'cancel') {
          const query = given[byte]
          if (query !== undefined && network.ending(query) === undefined) {
            cancelled.add(query)
            network.handle({ type: 'cancel', query })
          }
        } else if (kind === 'check') {
          if (peer !== undefined) network.handle({ type: 'dht-server-seen', info: peer })
        } else if (kind === 'gone') {
          if (peer !== undefined) network.handle({ type: 'dht-server-gone', peer: peer.peer })
        } else {
          const command = commandOf(network, kind, byte)
          given.push(command.query)
          network.handle(command)
        }
        network.run(network.now + wait)
      }
      // Four searches among liars may take all of their time, and those behind them wait for that.
      network.run(network.now + limits.kadQueueTimeoutMs.value + limits.kadQueryTimeoutMs.value + 1)
      for (const query of given) {
        const ends = network.effects.filter((effect) => {
          return (effect.type === 'query-ended' || effect.type === 'query-failed') && effect.query === query
        })
        assert.equal(ends.length, cancelled.has(query) ? 0 : 1, `query ${query} ended ${ends.length} times`)
      }
      // Corrections and refresh get their time, too; then every order and need has been settled or withdrawn.
      network.run(network.now + 100_000, () => network.kad.counts().runs === 0)
      const { runs, ...left } = network.kad.counts()
      assert.ok(runs <= 1)
      if (runs === 0) assert.deepEqual(left, { held: 0, needs: 0, requests: left.requests, judgements: 0 })
      if (runs === 0) assert.ok(left.requests <= limits.serverChecksMax.value)
      assert.ok(network.kad.status().buckets.every((size) => size <= settings.kad.k))
    }),
    { numRuns: 150 },
  )
})

test('after a query has ended nothing more is said of it', () => {
  fc.assert(
    fc.property(world, fc.nat(5), (settings, byte) => {
      const network = new KadNetwork(settings)
      network.start()
      const command = commandOf(network, 'find-providers', byte)
      network.handle(command)
      network.finish(command.query)
      const before = network.effects.length
      network.run(network.now + 30_000)
      const later = network.effects.slice(before)
      assert.ok(!later.some((effect) => 'query' in effect && effect.query === command.query))
    }),
    { numRuns: 100 },
  )
})

test('the order in which answers arrive changes who is asked, but in a stable network not who is found', () => {
  for (let seed = 1; seed <= 5; seed++) {
    const found = [1, 2, 3, 4].map((arrivalSeed) => {
      const network = new KadNetwork({ seed, arrivalSeed, peers: 80 })
      network.start()
      const query = network.queryId()
      network.handle({ type: 'closest-peers', query, key: Uint8Array.of(7) })
      network.finish(query)
      return network.items(query).map((item) => (item.type === 'peer' ? item.info.peer.id : undefined))
    })
    for (const peers of found) assert.deepEqual(peers, found[0], `seed ${seed}`)
  }
})
