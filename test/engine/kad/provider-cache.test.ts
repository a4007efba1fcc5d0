import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ProviderCache } from '../../../worker/engine/kad/provider-cache.ts'
import { FindProviders } from '../../../worker/engine/kad/queries/find-providers.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { bitsOf, info8, peer8 } from '../../support/kad-peers.ts'
import { kadPeer8, QueryBench } from '../../support/kad-query-bench.ts'
import { settled } from '../../support/kad-scenarios.ts'

const from = peer8(0xee)
const content = (number: number) => Uint8Array.of(0x12, number >> 8, number & 255)
const age = limits.providerCacheAgeMs.value
const found = (cache: ProviderCache, number: number, now = 0) =>
  cache.find(content(number), now).map(({ provider }) => bitsOf(provider.peer))

describe('the provider cache', () => {
  test('forgets each provider at its time, and finds the latest last', () => {
    const cache = new ProviderCache()
    cache.add(content(1), info8(1), from, 0)
    cache.add(content(1), info8(2), from, 5)
    assert.deepEqual(found(cache, 1, age - 1), [1, 2])
    assert.deepEqual(found(cache, 1, age), [2])
    cache.add(content(1), info8(1), from, age)
    assert.deepEqual(found(cache, 1, age), [2, 1])
    assert.deepEqual(found(cache, 2), [])
  })

  test('is bounded in contents and in providers of each', () => {
    const cache = new ProviderCache()
    for (let number = 0; number <= limits.providerCacheMax.value; number++) cache.add(content(number), info8(1), from, 0)
    assert.equal(cache.size, limits.providerCacheMax.value)
    assert.deepEqual([found(cache, 0), found(cache, 1)], [[], [1]])
    for (let bits = 1; bits <= limits.cachedProvidersPerKeyMax.value + 1; bits++) cache.add(content(1), info8(bits), from, 0)
    assert.equal(found(cache, 1).length, limits.cachedProvidersPerKeyMax.value)
    assert.ok(!found(cache, 1).includes(1))
  })

  test('drops content whose providers are all too old as soon as other content comes', () => {
    const cache = new ProviderCache()
    for (const number of [1, 2, 3]) cache.add(content(number), info8(1), from, number)
    cache.add(content(1), info8(2), from, 9)
    cache.add(content(4), info8(1), from, age + 2)
    assert.equal(cache.size, 3)
    cache.add(content(5), info8(1), from, age + 8)
    assert.deepEqual([found(cache, 1, age + 8), found(cache, 3, age + 8)], [[2], []])
    assert.equal(cache.size, 3)
  })

  test('does not keep a provider without addresses, and rests after it has answered alone', () => {
    const cache = new ProviderCache()
    cache.add(content(1), info8(1, { addresses: 0 }), from, 0)
    assert.equal(cache.size, 0)
    cache.add(content(1), info8(2), from, 0)
    cache.sufficed(content(1), 10)
    const rest = limits.providerCacheRestMs.value
    assert.deepEqual([found(cache, 1, 9 + rest), found(cache, 1, 10 + rest)], [[], [2]])
  })
})

function search(limit: number, denied = 0): QueryBench<FindProviders> {
  return new QueryBench((context, query) => {
    if (denied > 0) context.world.denied.add(peer8(denied).id)
    for (const bits of [1, 2]) context.world.providers.add(content(1), info8(bits), from, 0)
    return new FindProviders({ context, query, multihash: content(1), limit, now: 0 })
  })
}
const told = (bench: QueryBench<FindProviders>) =>
  bench.items().map((item) => (item.type === 'provider' ? bitsOf(item.provider.peer) : undefined))

describe('a search for providers', () => {
  test('tells what is remembered at once and goes on for more', () => {
    const bench = search(3)
    assert.deepEqual(told(bench), [1, 2])
    bench
      .seeds(0x70)
      .ready(0x70)
      .answer(0x70, { providers: [kadPeer8(2), kadPeer8(3)] })
    assert.deepEqual(told(bench), [1, 2, 3])
    assert.equal(bench.ended()?.type, 'find-providers')
  })

  test('ends without a request when that is enough', () => {
    const bench = search(2)
    assert.equal(bench.machine.stage, 'ended')
    const ended = bench.ended()
    assert.ok(ended?.type === 'find-providers' && ended.providers === 2 && ended.stats.requests === 0)
    assert.equal(bench.of('need-seeds').length, 0)
  })

  test('does not tell denied peers', () => {
    assert.deepEqual(told(search(2, 1)), [2])
  })

  test('refreshes what it sees again, with its new addresses', () => {
    const bench = search(9)
    bench.now = age - 1
    bench
      .seeds(0x70)
      .ready(0x70)
      .answer(0x70, { providers: [kadPeer8(2, { addresses: 3 })] })
    const cached = bench.world.providers.find(content(1), age)
    assert.deepEqual(
      cached.map(({ provider }) => [bitsOf(provider.peer), provider.addresses.length]),
      [[2, 3]],
    )
  })
})

test('the second search for the same content is answered at once, and the third asks the network again', () => {
  const network = settled({ peers: 80 })
  const multihash = content(7)
  for (const server of network.nearest(network.cache.keyOf(multihash), 20)) {
    server.providers.set(multihash, [{ id: peer8(1).id, addresses: info8(1).addresses }])
  }
  const took = () => {
    const [query, startedAt] = [network.queryId(), network.now]
    network.handle({ type: 'find-providers', query, multihash, limit: 1 })
    const { result } = network.finish(query)
    assert.equal(result?.type === 'find-providers' && result.providers, 1)
    return network.now - startedAt
  }
  const times = [took(), took(), took()]
  assert.ok(times[0]! > 0 && times[1] === 0 && times[2]! > 0, `${times}`)
})
