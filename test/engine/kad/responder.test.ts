import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { ExchangeId, RecordVerdict } from '../../../worker/engine/kad/contract.ts'
import { comparePeersTo } from '../../../worker/engine/kad/distance.ts'
import { Kad } from '../../../worker/engine/kad/kad.ts'
import type { KadRequest, KadResponse } from '../../../worker/engine/kad/message.ts'
import { RecordStore } from '../../../worker/engine/kad/record-store.ts'
import { Responder, type ResponderEffect } from '../../../worker/engine/kad/responder.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { type OrderId, OrderIds } from '../../../worker/engine/machine.ts'
import type { Peer, PeerIdBytes, PeerInfo } from '../../../worker/engine/peer.ts'
import { Rng } from '../../../worker/engine/rng.ts'
import { bitsOf, drain, eightBitCache, info8, peer8 } from '../../support/kad-peers.ts'
import { kadPeer8 } from '../../support/kad-query-bench.ts'

const content = Uint8Array.of(0x40, 1)
const record = (value: number, key = 0x50) => ({ key: Uint8Array.of(key, 9), value: Uint8Array.of(value) })
const valid = (rank: bigint): RecordVerdict => ({ valid: true, rank: [rank] })
const age = limits.serverRecordAgeMs.value
const addressAge = limits.serverProviderAddressAgeMs.value

/** The server 0xff, which knows the peers that it was made with; 0x77 asks. */
class Bench {
  readonly responder: Responder
  readonly effects: ResponderEffect[] = []
  now = 0
  #exchange = 0

  constructor(table: readonly PeerInfo[] = [], k = 3) {
    const nearest = (target: Peer['key'], count: number) =>
      table.toSorted((a, b) => comparePeersTo(target, a.peer, b.peer)).slice(0, count)
    const known = (peer: Peer) => table.find((info) => bitsOf(info.peer) === bitsOf(peer))
    const surroundings = { k, rng: new Rng(1), peers: eightBitCache(), orders: new OrderIds() }
    this.responder = new Responder({ ...surroundings, self: () => info8(0xff), nearest, known }, 0)
  }

  ask(request: KadRequest, from = 0x77): this {
    const exchange = ++this.#exchange as ExchangeId
    this.responder.handle({ type: 'request-received', exchange, from: peer8(from), request }, this.now)
    this.effects.push(...drain(this.responder))
    return this
  }

  judge(verdict: RecordVerdict): this {
    const orders = this.effects.flatMap((effect) => (effect.type === 'judge-record' ? [effect.order] : []))
    this.responder.handle({ type: 'record-judged', order: orders.at(-1) ?? (0 as OrderId), verdict }, this.now)
    this.effects.push(...drain(this.responder))
    return this
  }

  /** The last answer; `undefined` if the last thing was no answer. */
  answer(): KadResponse | undefined {
    const last = this.effects.at(-1)
    return last?.type === 'send-response' ? last.response : undefined
  }

  closer(): number[] | undefined {
    return this.answer()?.closer.map(({ id }) => id[0]!)
  }

  refusals(): number {
    return this.effects.filter(({ type }) => type === 'refuse-request').length
  }
}

describe('find-node', () => {
  const key = (bits: number) => Uint8Array.of(bits)

  test('gives the k nearest, without the asker and those without an address', () => {
    const table = [info8(0x10), info8(0x11, { addresses: 0 }), info8(0x12), info8(0x77), info8(0x20), info8(0x40)]
    const bench = new Bench(table).ask({ type: 'find-node', key: key(0x13) })
    assert.deepEqual(bench.closer(), [0x12, 0x10, 0x20])
    assert.deepEqual(bench.ask({ type: 'find-node', key: key(0x76) }).closer(), [0x40, 0x20, 0x12])
  })

  test('gives ourselves and nobody else to whoever asks for us: that we are a server', () => {
    assert.deepEqual(new Bench([info8(0xfe)]).ask({ type: 'find-node', key: peer8(0xff).id }).closer(), [0xff])
  })

  test('puts the wanted peer first when we know it, and never tells a peer about itself', () => {
    const bench = new Bench([info8(0x77), info8(0x10), info8(0x20)])
    assert.deepEqual(bench.ask({ type: 'find-node', key: peer8(0x20).id }).closer(), [0x20, 0x10])
    assert.deepEqual(bench.ask({ type: 'find-node', key: peer8(0x77).id }).closer(), [0x20, 0x10])
  })

  test('gives an empty list when we know nobody', () => {
    assert.deepEqual(new Bench().ask({ type: 'find-node', key: key(1) }).closer(), [])
  })
})

describe('add-provider and get-providers', () => {
  const add = (provider: ReturnType<typeof kadPeer8>): KadRequest => ({ type: 'add-provider', key: content, provider })
  const get: KadRequest = { type: 'get-providers', key: content }
  const providers = (bench: Bench) =>
    bench
      .ask(get)
      .answer()
      ?.providers.map(({ id, addresses }) => [id[0], addresses.length])

  test('a provider is stored, never answered, and told with its addresses beside closer peers', () => {
    const bench = new Bench([info8(0x41)]).ask(add(kadPeer8(0x77, { addresses: 2 })))
    assert.deepEqual(bench.effects, [])
    assert.deepEqual(providers(bench), [[0x77, 2]])
    assert.deepEqual(bench.closer(), [0x41])
  })

  test('what is said of another peer is ignored, and so is a record without addresses', () => {
    const bench = new Bench().ask(add(kadPeer8(0x78))).ask(add(kadPeer8(0x77, { addresses: 0 })))
    assert.deepEqual(providers(bench), [])
  })

  test('addresses are forgotten after 24 hours and the record after 48, unless it comes again', () => {
    const bench = new Bench().ask(add(kadPeer8(0x77))).ask(add(kadPeer8(0x78)), 0x78)
    bench.now = addressAge
    bench.ask(add(kadPeer8(0x78)), 0x78)
    const sorted = () => providers(bench)?.toSorted((a, b) => a[0]! - b[0]!)
    assert.deepEqual(sorted(), [
      [0x77, 0],
      [0x78, 1],
    ])
    bench.now = age
    assert.deepEqual(sorted(), [[0x78, 0]])
  })

  test('of many providers a bounded number is told, by chance', () => {
    const bench = new Bench()
    for (let number = 0; number < 200; number++) {
      const peer = peer8(1, number)
      bench.responder.records.addProvider(content, peer, info8(1).addresses, 0)
    }
    const first = bench.ask(get).answer()?.providers ?? []
    const second = bench.ask(get).answer()?.providers ?? []
    assert.equal(first.length, limits.serverProvidersTold.value)
    assert.notDeepEqual(first, second)
  })
})

describe('put-value and get-value', () => {
  const put = (value: number): KadRequest => ({ type: 'put-value', record: record(value) })
  const held = (bench: Bench) => bench.ask({ type: 'get-value', key: record(0).key }).answer()?.record?.value[0]

  test('a valid value is stored and echoed, an invalid one refused', () => {
    const bench = new Bench().ask(put(1)).judge({ valid: false, reason: 'no' })
    assert.deepEqual([bench.refusals(), held(bench)], [1, undefined])
    bench.ask(put(2)).judge(valid(1n))
    assert.deepEqual(bench.answer()?.record, record(2))
    assert.deepEqual([bench.answer()?.type, held(bench)], ['put-value', 2])
  })

  test('an older value than ours is refused, a newer or equally current one takes its place', () => {
    const bench = new Bench().ask(put(5)).judge(valid(5n))
    bench.ask(put(4)).judge(valid(4n))
    assert.deepEqual([bench.refusals(), held(bench)], [1, 5])
    bench.ask(put(6)).judge(valid(5n))
    assert.equal(held(bench), 6)
    bench.ask(put(7)).judge(valid(7n))
    assert.equal(held(bench), 7)
  })

  test('a value is forgotten after 48 hours; then an older one is welcome', () => {
    const bench = new Bench().ask(put(5)).judge(valid(5n))
    bench.now = age - 1
    assert.equal(held(bench), 5)
    bench.now = age
    assert.equal(held(bench), undefined)
    bench.ask(put(4)).judge(valid(4n))
    assert.equal(held(bench), 4)
  })

  test('so many values are judged at once; more are refused, and a verdict nobody waits for is nothing', () => {
    const bench = new Bench()
    for (let count = 0; count <= limits.serverJudgementsMax.value; count++) bench.ask(put(1))
    assert.equal(bench.refusals(), 1)
    const before = bench.effects.length
    bench.responder.handle({ type: 'record-judged', order: 9_999 as OrderId, verdict: valid(1n) }, 0)
    assert.deepEqual(drain(bench.responder), [])
    assert.equal(bench.effects.length, before)
  })
})

test('what has expired leaves memory within an hour', () => {
  const bench = new Bench().ask({ type: 'add-provider', key: content, provider: kadPeer8(0x77) })
  bench.ask({ type: 'put-value', record: record(1) }).judge(valid(1n))
  assert.deepEqual(bench.responder.records.counts(), { providers: 1, values: 1 })
  for (
    let tick = bench.responder.nextDeadline();
    tick < age + limits.serverSweepMs.value;
    tick = bench.responder.nextDeadline()
  ) {
    bench.responder.handle({ type: 'tick' }, tick)
  }
  assert.deepEqual(bench.responder.records.counts(), { providers: 0, values: 0 })
})

test('the records of others are bounded: the content and the value that lie back longest go first', () => {
  const store = new RecordStore()
  const key = (number: number) => Uint8Array.of(number >> 16, (number >> 8) & 255, number & 255)
  const { serverProvidersMax, serverProvidersPerKeyMax, serverValuesMax } = limits
  for (let number = 0; number <= serverProvidersMax.value; number++) store.addProvider(key(number), peer8(1), [], 0)
  assert.equal(store.counts().providers, serverProvidersMax.value)
  assert.deepEqual([store.providersOf(key(0), 0).length, store.providersOf(key(1), 0).length], [0, 1])
  for (let number = 0; number <= serverProvidersPerKeyMax.value; number++) {
    store.addProvider(content, { ...peer8(2), id: key(number) as PeerIdBytes }, [], 0)
  }
  assert.equal(store.providersOf(content, 0).length, serverProvidersPerKeyMax.value)
  assert.ok(store.counts().providers <= serverProvidersMax.value)
  for (let number = 0; number <= serverValuesMax.value; number++) store.putValue({ key: key(number), value: key(0) }, [], 0)
  assert.deepEqual([store.value(key(0), 0), store.counts().values], [undefined, serverValuesMax.value])
})

test('the count of provider records is exact, whatever comes and goes', () => {
  const step = fc.record({ key: fc.nat(5), peer: fc.nat(5), wait: fc.constantFrom(0, 0, age / 3), sweeps: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const store = new RecordStore()
      let now = 0
      for (const { key, peer, wait, sweeps } of steps) {
        now += wait
        store.addProvider(Uint8Array.of(key), peer8(peer), [], now)
        if (sweeps) store.dropExpired(now)
      }
      store.dropExpired(now)
      const found = [0, 1, 2, 3, 4, 5].reduce((sum, key) => sum + store.providersOf(Uint8Array.of(key), now).length, 0)
      assert.equal(store.counts().providers, found)
    }),
  )
})

describe('Kad as a server', () => {
  function started(server: boolean): Kad {
    const peers = eightBitCache()
    const kad = new Kad({ options: { k: 20, alpha: 10, beta: 3 }, rng: new Rng(1), peers, orders: new OrderIds(), server })
    kad.handle({ type: 'start', self: peer8(0xff), bootstrapPeers: [], tableEntries: [] }, 0)
    kad.handle({ type: 'own-addresses-changed', addresses: info8(0xff).addresses }, 0)
    drain(kad)
    return kad
  }
  const received = (kad: Kad, request: KadRequest) => {
    kad.handle({ type: 'request-received', exchange: 1 as ExchangeId, from: peer8(0x77), request }, 0)
    return drain(kad)
  }

  test('a client refuses, a server answers, and both count', () => {
    const [client, server] = [started(false), started(true)]
    const request: KadRequest = { type: 'find-node', key: peer8(0xff).id }
    assert.deepEqual(received(client, request), [{ type: 'refuse-request', exchange: 1 }])
    const [answer] = received(server, request)
    assert.ok(answer?.type === 'send-response' && answer.response.closer[0]?.addresses.length === 1)
    assert.deepEqual([client.status().counters.requestsRefused, server.status().counters.requestsServed], [1, 1])
  })

  test('what others have stored with us is found by our own searches', () => {
    const server = started(true)
    received(server, { type: 'add-provider', key: content, provider: kadPeer8(0x77) })
    server.handle({ type: 'find-providers', query: 1 as never, multihash: content, limit: 1 }, 0)
    const found = drain(server).find((effect) => effect.type === 'query-item')
    assert.ok(found?.item.type === 'provider' && bitsOf(found.item.provider.peer) === 0x77)
    const [judge] = received(server, { type: 'put-value', record: record(3) })
    assert.ok(judge?.type === 'judge-record')
    server.handle({ type: 'record-judged', order: judge.order, verdict: valid(1n) }, 0)
    assert.equal(drain(server)[0]?.type, 'send-response')
    server.handle({ type: 'get-value', query: 2 as never, key: record(3).key, quorum: 16 }, 0)
    const again = drain(server).find((effect) => effect.type === 'judge-record')
    assert.deepEqual(again?.value, record(3).value)
  })
})
