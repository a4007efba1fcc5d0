import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ClosestPeers } from '../../../../worker/engine/kad/queries/closest-peers.ts'
import type { Query, QueryEvent, QueryStage } from '../../../../worker/engine/kad/queries/contract.ts'
import { Correction } from '../../../../worker/engine/kad/queries/correction.ts'
import { FindPeer } from '../../../../worker/engine/kad/queries/find-peer.ts'
import { FindProviders } from '../../../../worker/engine/kad/queries/find-providers.ts'
import { GetValue } from '../../../../worker/engine/kad/queries/get-value.ts'
import { Provide } from '../../../../worker/engine/kad/queries/provide.ts'
import { PutValue } from '../../../../worker/engine/kad/queries/put-value.ts'
import { TableLookup } from '../../../../worker/engine/kad/queries/table-lookup.ts'
import { info8, key8, peer8 } from '../../../support/kad-peers.ts'
import { oneOfEach, QueryBench } from '../../../support/kad-query-bench.ts'

const key = Uint8Array.of(0)
const value = Uint8Array.of(7)
const record = { key, value }

const closestPeers = () => new QueryBench((context, query) => new ClosestPeers({ context, query, key, now: 0 }))
const tableLookup = () => new QueryBench((context) => new TableLookup({ context, key, target: key8(0), now: 0 }))
const findPeer = () => new QueryBench((context, query) => new FindPeer({ context, query, peer: peer8(9), now: 0 }))
const findProviders = () =>
  new QueryBench((context, query) => new FindProviders({ context, query, multihash: key, limit: 5, now: 0 }))
const getValue = () => new QueryBench((context, query) => new GetValue({ context, query, key, quorum: 2, now: 0 }))
const putValue = () => new QueryBench((context, query) => new PutValue({ context, query, key, value, now: 0 }))
const provide = (addresses: number) =>
  new QueryBench((context, query) => new Provide({ context, query, multihash: key, now: 0 }), { addresses })
const correction = () => new QueryBench((context) => new Correction({ context, record, holders: [info8(1), info8(2)] }))

/** Two peers under way, the first has been asked. */
const walking = <Q extends Query>(bench: QueryBench<Q>) => bench.seeds(1, 2).ready(1)
const ended = <Q extends Query>(bench: QueryBench<Q>) => walking(bench).send({ type: 'expired' })
/** Both have answered the lookup; the first was sent the record. */
const storing = <Q extends Query>(bench: QueryBench<Q>) => walking(bench).ready(2).answer(1).answer(2).ready(1)
const judging = (bench: QueryBench<GetValue>) => walking(bench).ready(2).answer(1, { record }).answer(2)

type Table = Partial<
  Record<QueryStage, { setUp: () => QueryBench<Query>; leads: Partial<Record<QueryEvent['type'], QueryStage>> }>
>

/** Per query: every stage it knows, and the events that lead out of it. All others leave it where it is. */
const tables: Record<string, Table> = {
  'closest-peers': {
    walking: { setUp: () => walking(closestPeers()), leads: { expired: 'ended' } },
    ended: { setUp: () => ended(closestPeers()), leads: {} },
  },
  'table-lookup': {
    walking: { setUp: () => walking(tableLookup()), leads: { expired: 'ended' } },
    ended: { setUp: () => ended(tableLookup()), leads: {} },
  },
  'find-peer': {
    walking: { setUp: () => walking(findPeer()), leads: { expired: 'ended' } },
    ended: { setUp: () => ended(findPeer()), leads: {} },
  },
  'find-providers': {
    walking: { setUp: () => walking(findProviders()), leads: { expired: 'ended' } },
    ended: { setUp: () => ended(findProviders()), leads: {} },
  },
  'get-value': {
    walking: { setUp: () => walking(getValue()), leads: { expired: 'ended' } },
    judging: { setUp: () => judging(getValue()), leads: { expired: 'ended', 'record-judged': 'ended' } },
    ended: { setUp: () => ended(getValue()), leads: {} },
  },
  'put-value': {
    walking: { setUp: () => walking(putValue()), leads: { expired: 'ended' } },
    storing: { setUp: () => storing(putValue()), leads: { expired: 'ended' } },
    ended: { setUp: () => ended(putValue()), leads: {} },
  },
  provide: {
    gated: { setUp: () => provide(0), leads: { expired: 'ended', 'own-addresses-changed': 'walking' } },
    walking: { setUp: () => walking(provide(1)), leads: { expired: 'ended' } },
    storing: { setUp: () => storing(provide(1)), leads: { expired: 'ended' } },
    ended: { setUp: () => ended(provide(1)), leads: {} },
  },
  correction: {
    storing: { setUp: () => correction().ready(1), leads: { expired: 'ended' } },
    ended: { setUp: () => correction().send({ type: 'expired' }), leads: {} },
  },
}

for (const [name, table] of Object.entries(tables)) {
  describe(`${name}, in every stage, with every event`, () => {
    for (const [stage, row] of Object.entries(table) as [QueryStage, NonNullable<Table[QueryStage]>][]) {
      test(stage, () => {
        for (const type of Object.keys(oneOfEach) as QueryEvent['type'][]) {
          const bench = row.setUp()
          assert.equal(bench.machine.stage, stage, 'the set-up')
          const outputs = bench.outputs.length
          oneOfEach[type](bench)
          assert.equal(bench.machine.stage, row.leads[type] ?? stage, `${stage}, ${type}`)
          if (stage === 'ended') assert.equal(bench.outputs.length, outputs, `${type} after the end says nothing`)
          if (bench.machine.stage === 'ended') assert.equal(bench.machine.nextDeadline(), undefined)
        }
      })
    }
  })
}

describe('the transitions that take several events', () => {
  test('a walk whose peers have all answered ends, or goes on to store', () => {
    for (const bench of [closestPeers(), tableLookup(), findPeer(), findProviders(), getValue()]) {
      assert.equal(walking<Query>(bench).ready(2).answer(1).answer(2).machine.stage, 'ended')
    }
    for (const bench of [putValue(), provide(1)]) {
      assert.equal(walking<Query>(bench).ready(2).answer(1).answer(2).machine.stage, 'storing')
    }
  })

  test('a walk without any seeds ends with the failure "no-peers"', () => {
    for (const bench of [closestPeers(), findPeer(), findProviders(), getValue(), putValue(), provide(1)]) {
      bench.send({ type: 'seeds-missing' })
      assert.equal(bench.machine.stage, 'ended')
      assert.equal(bench.failure(), 'no-peers')
    }
  })

  test('a walk that expires without any answer ends with the failure "timeout"', () => {
    for (const bench of [closestPeers(), findPeer(), findProviders(), getValue(), putValue(), provide(1)]) {
      assert.equal(ended<Query>(bench).failure(), 'timeout')
    }
  })

  test('storing ends when every target is settled', () => {
    assert.equal(storing(putValue()).answer(1, { record }).ready(2).answer(2, { record }).machine.stage, 'ended')
    assert.equal(storing(provide(1)).sent(1).ready(2).sent(2).machine.stage, 'ended')
    assert.equal(correction().ready(1).answer(1, { record }).ready(2).answer(2, { record }).machine.stage, 'ended')
  })
})
