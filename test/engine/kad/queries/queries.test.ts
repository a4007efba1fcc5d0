import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RecordVerdict } from '../../../../worker/engine/kad/contract.ts'
import { ClosestPeers } from '../../../../worker/engine/kad/queries/closest-peers.ts'
import { FindPeer } from '../../../../worker/engine/kad/queries/find-peer.ts'
import { FindProviders } from '../../../../worker/engine/kad/queries/find-providers.ts'
import { GetValue } from '../../../../worker/engine/kad/queries/get-value.ts'
import { Provide } from '../../../../worker/engine/kad/queries/provide.ts'
import { PutValue } from '../../../../worker/engine/kad/queries/put-value.ts'
import { Outbox } from '../../../../worker/engine/kad/outbox.ts'
import { RoutingTable } from '../../../../worker/engine/kad/routing-table.ts'
import { limits } from '../../../../worker/engine/limits.ts'
import { bitsOf, info8, peer8 } from '../../../support/kad-peers.ts'
import { kadPeer8, QueryBench } from '../../../support/kad-query-bench.ts'

const key = Uint8Array.of(0)
const rank = (...words: bigint[]): RecordVerdict => ({ valid: true, rank: words })
const invalid: RecordVerdict = { valid: false, reason: 'expired' }
const recordOf = (...value: number[]) => ({ record: { key, value: Uint8Array.from(value) } })

describe('closest-peers', () => {
  test('tells its peers in order of distance when it ends, and none before', () => {
    const bench = new QueryBench((context, query) => new ClosestPeers({ context, query, key, now: 0 }))
    bench
      .seeds(9)
      .ready(9)
      .answer(9, { closer: [kadPeer8(3), kadPeer8(6, { dialable: false }), kadPeer8(0xff)] })
    assert.equal(bench.items().length, 0)
    bench.ready(3).answer(3, { closer: [kadPeer8(6, { dialable: false })] })
    const told = bench.items().map((item) => (item.type === 'peer' ? [bitsOf(item.info.peer), item.outcome] : []))
    assert.deepEqual(told, [
      [3, 'responded'],
      [6, 'undialable'],
      [9, 'responded'],
    ])
    assert.deepEqual(bench.ended(), {
      type: 'closest-peers',
      peers: 3,
      stats: { requests: 2, responses: 2, dials: 0, failures: 0, undialable: 1, durationMs: 0 },
    })
  })

  test('an answer longer than twice k is cut, and we ourselves are never a candidate', () => {
    const bench = new QueryBench((context, query) => new ClosestPeers({ context, query, key, now: 0 }), { k: 2 })
    bench
      .seeds(9)
      .ready(9)
      .answer(9, { closer: [0xff, 0x11, 0x12, 0x13, 0x14, 0x15].map((bits) => kadPeer8(bits)) })
    assert.equal(bench.world.counters.rejectedCloserPeers, 3)
    assert.ok(!bench.asked().includes(0xff))
  })

  test('a table entry is dialed at the addresses of the table first, however many others an answer names for it', () => {
    const bench = new QueryBench((context, query) => new ClosestPeers({ context, query, key, now: 0 }))
    const table = new RoutingTable({ self: peer8(0xff), k: 20, outbox: new Outbox() })
    table.admit(info8(3), 0)
    bench.world.table = table
    const max = limits.addressesPerPeerMax.value
    const lies = Array.from({ length: max }, (_, index) => ({ bytes: Uint8Array.of(0xee, index), dialable: true }))
    bench
      .seeds(9)
      .ready(9)
      .answer(9, { closer: [{ id: peer8(3).id, addresses: lies }] })
    const dialed = bench.of('need-connection').find(({ info }) => bitsOf(info.peer) === 3)?.info.addresses
    assert.deepEqual(dialed, [...info8(3).addresses, ...lies.slice(0, max - 1)])
  })

  test('what expires ends with the peers it has', () => {
    const bench = new QueryBench((context, query) => new ClosestPeers({ context, query, key, now: 0 }))
    bench.seeds(1, 2).ready(2).answer(2).send({ type: 'expired' })
    assert.equal(bench.ended()?.type, 'closest-peers')
  })
})

describe('find-providers', () => {
  const create = (limit: number) =>
    new QueryBench((context, query) => new FindProviders({ context, query, multihash: key, limit, now: 0 }))
  const told = (bench: QueryBench<FindProviders>) =>
    bench.items().map((item) => (item.type === 'provider' ? [bitsOf(item.provider.peer), item.provider.addresses.length] : []))

  test('distinct providers are told at once, with who named them', () => {
    const bench = create(10).seeds(1, 2).ready(1, 2)
    bench.answer(1, { providers: [kadPeer8(0x50), kadPeer8(0x51)], closer: [kadPeer8(3)] })
    assert.deepEqual(told(bench), [
      [0x50, 1],
      [0x51, 1],
    ])
    bench.answer(2, { providers: [kadPeer8(0x51), kadPeer8(0x52)] })
    assert.deepEqual(told(bench), [
      [0x50, 1],
      [0x51, 1],
      [0x52, 1],
    ])
    const [, , last] = bench.items()
    assert.equal(last?.type === 'provider' && bitsOf(last.from), 2)
  })

  test('the limit ends it, and nothing more is sent', () => {
    const bench = create(2).seeds(1).ready(1)
    const sent = bench.of('need-connection').length
    bench.answer(1, { providers: [kadPeer8(0x50), kadPeer8(0x51), kadPeer8(0x52)], closer: [kadPeer8(2)] })
    assert.equal(told(bench).length, 2)
    assert.equal(bench.ended()?.type, 'find-providers')
    assert.equal(bench.of('need-connection').length, sent)
  })

  test('a provider without addresses waits for some, and is told without when none come', () => {
    const bench = create(10).seeds(1, 2).ready(1, 2)
    bench.answer(1, { providers: [0x50, 0x51, 0x52].map((bits) => kadPeer8(bits, { addresses: 0 })) })
    assert.deepEqual(told(bench), [])
    // The one comes as provider, the other as closer peer; undialable, so that it is not asked itself.
    bench.answer(2, { providers: [kadPeer8(0x51, { addresses: 2 })], closer: [kadPeer8(0x52, { dialable: false })] })
    assert.deepEqual(told(bench), [
      [0x51, 2],
      [0x52, 1],
      [0x50, 0],
    ])
    assert.equal(bench.ended()?.type, 'find-providers')
  })

  const createForBitswap = () =>
    new QueryBench(
      (context, query) => new FindProviders({ context, query, multihash: key, limit: 2, countsDialable: true, now: 0 }),
    )
  const undialable = { dialable: false }

  test('where only those count that can be dialed, others neither end it nor are told without end', () => {
    const bench = createForBitswap().seeds(1, 2, 3).ready(1, 2, 3)
    bench.answer(1, { providers: [0x50, 0x51, 0x52].map((bits) => kadPeer8(bits, undialable)) })
    bench.answer(2, { providers: [kadPeer8(0x53, undialable), kadPeer8(0x54)] })
    assert.equal(bench.ended(), undefined)
    bench.answer(3, { providers: [kadPeer8(0x55)] })
    assert.deepEqual(
      told(bench).map(([bits]) => bits),
      [0x50, 0x51, 0x54, 0x55],
    )
    const ended = bench.ended()
    assert.equal(ended?.type === 'find-providers' && ended.providers, 4)
  })

  test('of those that cannot be dialed it tells again when they can', () => {
    const bench = createForBitswap().seeds(1, 2, 3).ready(1, 2, 3)
    bench.answer(1, { providers: [kadPeer8(0x50, undialable), kadPeer8(0x51)] })
    bench.answer(2, { providers: [kadPeer8(0x50), kadPeer8(0x51)] })
    const items = bench
      .items()
      .map((item) => item.type === 'provider' && [bitsOf(item.provider.peer), item.provider.addresses[0]!.dialable])
    assert.deepEqual(items, [
      [0x50, false],
      [0x51, true],
      [0x50, true],
    ])
    const ended = bench.ended()
    assert.equal(ended?.type === 'find-providers' && ended.providers, 2)
  })

  test('a search that ran to its end without finding any is no failure', () => {
    const result = create(1).seeds(1).ready(1).answer(1).ended()
    assert.equal(result?.type === 'find-providers' && result.providers, 0)
  })
})

describe('find-peer', () => {
  const create = () => new QueryBench((context, query) => new FindPeer({ context, query, peer: peer8(0x20), now: 0 }))
  const found = (bench: QueryBench<FindPeer>) => {
    const result = bench.ended()
    return result?.type === 'find-peer' ? result.info.addresses.length : undefined
  }

  test('it ends on the first addresses, without a connection to the peer', () => {
    const bench = create().seeds(1, 2).ready(1, 2)
    bench.answer(1, { closer: [kadPeer8(0x20, { addresses: 0 })] })
    assert.equal(found(bench), undefined)
    bench.answer(2, { closer: [kadPeer8(0x20, { addresses: 2, dialable: false })] })
    assert.equal(found(bench), 2)
    assert.ok(!bench.of('need-connection').some(({ info }) => bitsOf(info.peer) === 0x20))
  })

  test('seeds and providers tell addresses, too', () => {
    assert.equal(found(create().seeds(0x20)), 1)
    assert.equal(
      found(
        create()
          .seeds(1)
          .ready(1)
          .answer(1, { providers: [kadPeer8(0x20)] }),
      ),
      1,
    )
  })

  test('nobody knows: not found', () => {
    assert.equal(create().seeds(1).ready(1).answer(1).failure(), 'not-found')
  })
})

describe('get-value', () => {
  const create = (quorum: number) => new QueryBench((context, query) => new GetValue({ context, query, key, quorum, now: 0 }))
  const result = (bench: QueryBench<GetValue>) => {
    const ended = bench.ended()
    return ended?.type === 'get-value' ? { value: [...ended.value], confirmations: ended.confirmations } : undefined
  }

  test('the highest rank wins, whatever the order in which values come', () => {
    const verdicts = [rank(1n, 9n), rank(2n, 0n), rank(2n, 1n)]
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
    ]) {
      const bench = create(99).seeds(1, 2, 3).ready(1, 2, 3)
      for (const [position, index] of order.entries()) bench.answer(position + 1, recordOf(index))
      for (const [position, index] of order.entries()) bench.judged(position, verdicts[index]!)
      assert.deepEqual(result(bench), { value: [2], confirmations: 1 })
    }
  })

  test('each distinct value is judged once, and equal ones confirm each other', () => {
    const bench = create(99).seeds(1, 2, 3).ready(1, 2, 3)
    for (const bits of [1, 2, 3]) bench.answer(bits, recordOf(5))
    assert.equal(bench.of('judge-record').length, 1)
    bench.judged(0, rank(1n))
    assert.deepEqual(result(bench), { value: [5], confirmations: 3 })
  })

  test('a quorum of valid records ends it early', () => {
    const bench = create(2).seeds(1, 2, 3, 4).ready(1, 2, 3, 4)
    bench.answer(1, recordOf(5)).judged(0, rank(1n)).answer(2, recordOf(6)).judged(1, invalid).answer(3, recordOf(5))
    assert.deepEqual(result(bench), { value: [5], confirmations: 2 })
  })

  test('a record under another key is counted and never judged', () => {
    const bench = create(1)
      .seeds(1)
      .ready(1)
      .answer(1, { record: { key: Uint8Array.of(9), value: Uint8Array.of(1) } })
    assert.equal(bench.of('judge-record').length, 0)
    assert.equal(bench.world.counters.invalidRecords, 1)
    assert.equal(bench.failure(), 'not-found')
  })

  test('only invalid values: the failure says so', () => {
    const bench = create(1).seeds(1, 2).ready(1, 2).answer(1, recordOf(1)).answer(2, recordOf(1)).judged(0, invalid)
    assert.equal(bench.failure(), 'invalid-record')
    assert.equal(bench.world.counters.invalidRecords, 2)
  })

  test('holders of old and of invalid values are to be corrected, after the answer', () => {
    const bench = create(99).seeds(1, 2, 3, 4).ready(1, 2, 3, 4)
    bench.answer(1, recordOf(1)).answer(2, recordOf(2)).answer(3, recordOf(3)).answer(4)
    bench.judged(0, rank(1n)).judged(1, rank(2n)).judged(2, invalid)
    const [corrections] = bench.of('correct-holders')
    assert.deepEqual(
      corrections?.holders.map(({ peer }) => bitsOf(peer)),
      [1, 3],
    )
    assert.deepEqual(corrections?.record, { key, value: Uint8Array.of(2) })
    const types = bench.outputs.map(({ type }) => type)
    assert.ok(types.indexOf('query-ended') < types.indexOf('correct-holders'))
  })

  test('no more holders than the bound are corrected', () => {
    const bits = Array.from({ length: limits.correctedHoldersMax.value + 11 }, (_, index) => index + 1)
    const create = () => new QueryBench((context, query) => new GetValue({ context, query, key, quorum: 99, now: 0 }), { k: 40 })
    const bench = create().seeds(...bits)
    for (const peer of bits) bench.ready(peer).answer(peer, recordOf(peer === 1 ? 2 : 1))
    bench.judged(0, rank(2n)).judged(1, rank(1n))
    assert.equal(bench.of('correct-holders')[0]?.holders.length, limits.correctedHoldersMax.value)
  })

  test('a flood of distinct values is judged only up to the bound', () => {
    const bits = Array.from({ length: limits.valuesPerQueryMax.value + 10 }, (_, index) => index + 1)
    const bench = create(999).seeds(...bits)
    for (const peer of bits) bench.ready(peer).answer(peer, recordOf(peer))
    assert.ok(bench.of('judge-record').length <= limits.valuesPerQueryMax.value)
  })

  test('what expires answers with the best value so far', () => {
    const bench = create(99).seeds(1, 2).ready(1, 2).answer(1, recordOf(7)).judged(0, rank(1n)).send({ type: 'expired' })
    assert.deepEqual(result(bench), { value: [7], confirmations: 1 })
  })
})

describe('put-value', () => {
  const value = Uint8Array.of(7)
  const create = () => new QueryBench((context, query) => new PutValue({ context, query, key, value, now: 0 }))
  const walked = () => {
    const undialable = kadPeer8(4, { dialable: false })
    return create()
      .seeds(1, 2, 3)
      .ready(1, 2, 3)
      .answer(1, { closer: [undialable] })
      .answer(2, { closer: [undialable] })
      .answer(3)
  }
  const counts = (bench: QueryBench<PutValue>) => {
    const ended = bench.ended()
    return ended?.type === 'put-value' ? ended.counts : undefined
  }

  test('only a true echo counts as stored; undialable and failed peers are counted apart', () => {
    const bench = walked().ready(1, 2, 3)
    bench.answer(1, recordOf(7)).answer(2, recordOf(8))
    bench.send({ type: 'request-failed', order: bench.request(3).order, peer: peer8(3), reason: 'reset' })
    assert.deepEqual(counts(bench), { targeted: 4, stored: 1, undialable: 1, failed: 2, pending: 0 })
  })

  test('a peer that is lost meanwhile and cannot be dialed again has failed', () => {
    const bench = walked().ready(1, 2).answer(1, recordOf(7)).answer(2, recordOf(7))
    bench.send({ type: 'connection-failed', peer: peer8(3), reason: 'refused' })
    assert.deepEqual(counts(bench), { targeted: 4, stored: 2, undialable: 1, failed: 1, pending: 0 })
  })

  test('what expires while storing tells what was stored so far', () => {
    const bench = walked().ready(1).answer(1, recordOf(7)).send({ type: 'expired' })
    assert.deepEqual(counts(bench), { targeted: 4, stored: 1, undialable: 1, failed: 2, pending: 0 })
  })

  test('no more than the bound is stored at once', () => {
    const bits = Array.from({ length: 20 }, (_, index) => index + 1)
    const bench = create().seeds(...bits)
    for (const peer of bits) bench.ready(peer).answer(peer)
    const needs = bench.of('need-connection').length - bits.length
    assert.equal(needs, limits.storeRequestsMax.value)
    bench.ready(1).answer(1, recordOf(7))
    assert.equal(bench.of('need-connection').length - bits.length, needs + 1)
  })
})

describe('provide', () => {
  const create = (addresses: number) =>
    new QueryBench((context, query) => new Provide({ context, query, multihash: key, now: 0 }), { addresses })

  test('without an address of our own it fails after a while, having asked nobody', () => {
    const bench = create(0)
    assert.equal(bench.machine.nextDeadline(), limits.provideAddressWaitMs.value)
    bench.now = limits.provideAddressWaitMs.value - 1
    assert.equal(bench.send({ type: 'tick' }).failure(), undefined)
    bench.now++
    assert.equal(bench.send({ type: 'tick' }).failure(), 'not-dialable')
    assert.equal(bench.asked().length, 0)
  })

  test('the record names us with the addresses of the moment, and each peer told counts', () => {
    const bench = create(0)
    bench.world.ownAddresses = info8(0xff, { addresses: 1 }).addresses
    bench.send({ type: 'own-addresses-changed' }).seeds(1, 2).ready(1, 2)
    bench.world.ownAddresses = info8(0xff, { addresses: 2 }).addresses
    const closer = [kadPeer8(3, { dialable: false })]
    bench.answer(1, { closer }).answer(2, { closer }).ready(1, 2).sent(1).sent(2)
    const sent = bench.of('send-request').flatMap(({ request }) => (request.type === 'add-provider' ? [request] : []))
    assert.deepEqual(
      sent.map(({ provider }) => [provider.id[0], provider.addresses.length]),
      [
        [0xff, 2],
        [0xff, 2],
      ],
    )
    const ended = bench.ended()
    assert.deepEqual(ended?.type === 'provide' && ended.counts, { targeted: 3, stored: 2, undialable: 1, failed: 0, pending: 0 })
  })

  test('addresses lost on the way: a record without one is not sent', () => {
    const bench = create(1).seeds(1).ready(1)
    bench.world.ownAddresses = []
    assert.equal(bench.answer(1).failure(), 'not-dialable')
  })
})
