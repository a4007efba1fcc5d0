import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ConnectionNeeds } from '../../../worker/engine/kad/connection-needs.ts'
import { DeniedPeers } from '../../../worker/engine/kad/denied-peers.ts'
import { commonPrefixLength } from '../../../worker/engine/kad/distance.ts'
import { Maintenance, type MaintenanceEvent } from '../../../worker/engine/kad/maintenance.ts'
import { Outbox } from '../../../worker/engine/kad/outbox.ts'
import { PeerBook } from '../../../worker/engine/kad/peer-book.ts'
import { PreimageSearch } from '../../../worker/engine/kad/preimage-search.ts'
import { Requests } from '../../../worker/engine/kad/requests.ts'
import { RoutingTable } from '../../../worker/engine/kad/routing-table.ts'
import { ServerChecks } from '../../../worker/engine/kad/server-checks.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { type OrderId, OrderIds } from '../../../worker/engine/machine.ts'
import { type Address, keyOf, PeerCache } from '../../../worker/engine/peer.ts'
import { Rng } from '../../../worker/engine/rng.ts'
import { drain, eightBitCache, info8, peer8 } from '../../support/kad-peers.ts'

test('an outbox gives its effects in order, also when some come while it is drained', () => {
  const outbox = new Outbox<number>()
  outbox.push(1)
  outbox.push(2)
  assert.equal(outbox.poll(), 1)
  outbox.push(3)
  assert.deepEqual(drain(outbox), [2, 3])
  assert.equal(outbox.poll(), undefined)
})

describe('connection needs', () => {
  test('the first need of a peer is told, a more urgent one again, others share it', () => {
    const needs = new ConnectionNeeds<string>()
    assert.equal(needs.add('a', info8(1), 'maintenance', 0), true)
    assert.equal(needs.add('b', info8(1), 'maintenance', 0), false)
    assert.equal(needs.add('c', info8(1), 'urgent', 0), true)
    assert.equal(needs.add('d', info8(1), 'normal', 0), false)
    assert.deepEqual(needs.settle(peer8(1)), ['a', 'b', 'c', 'd'])
    assert.equal(needs.settle(peer8(1)), undefined)
  })

  test('whoever comes later learns when the dial began, or that it waits for a place', () => {
    const needs = new ConnectionNeeds<string>()
    assert.equal(needs.dialedAt(peer8(1)), undefined)
    needs.add('a', info8(1), 'urgent', 5)
    assert.equal(needs.dialedAt(peer8(1)), 5)
    needs.add('b', info8(1), 'urgent', 6)
    assert.deepEqual(needs.dialMoved(peer8(1), undefined), ['a', 'b'])
    assert.equal(needs.dialedAt(peer8(1)), undefined)
    assert.deepEqual(needs.dialMoved(peer8(1), 9), ['a', 'b'])
    assert.equal(needs.dialedAt(peer8(1)), 9)
    assert.deepEqual(needs.dialMoved(peer8(2), 9), [])
  })

  test('a need is withdrawn when its last user drops it', () => {
    const needs = new ConnectionNeeds<string>()
    needs.add('a', info8(1), 'urgent', 0)
    needs.add('b', info8(1), 'urgent', 0)
    assert.equal(needs.drop('a', peer8(1)), false)
    assert.equal(needs.drop('a', peer8(1)), false)
    assert.equal(needs.drop('b', peer8(1)), true)
    assert.equal(needs.drop('b', peer8(1)), false)
    assert.equal(needs.size, 0)
  })
})

describe('pending requests', () => {
  const request = (order: number, sentAt: number) => {
    return { order: order as OrderId, user: 'a', peer: peer8(1), type: 'find-node', sentAt } as const
  }

  test('the oldest expires first, at its time and not before', () => {
    const requests = new Requests<string>()
    requests.add(request(1, 0))
    requests.add(request(2, 5))
    const timeout = limits.kadRequestTimeoutMs.value
    assert.equal(requests.nextDeadline(), timeout)
    assert.equal(requests.closeExpired(timeout - 1), undefined)
    assert.equal(requests.closeExpired(timeout)?.order, 1)
    assert.equal(requests.closeExpired(timeout), undefined)
    assert.equal(requests.nextDeadline(), timeout + 5)
  })

  test('closed orders are remembered up to a bound', () => {
    const requests = new Requests<string>()
    for (let order = 1; order <= limits.kadClosedOrdersMax.value + 1; order++) {
      requests.add(request(order, 0))
      requests.close(order as OrderId)
    }
    assert.equal(requests.wasClosed(1 as OrderId), false)
    assert.equal(requests.wasClosed(2 as OrderId), true)
    assert.equal(requests.close(2 as OrderId), undefined)
    assert.equal(requests.nextDeadline(), undefined)
  })
})

test('a preimage shares exactly as many bits as asked for, found a few hashes at a time', () => {
  const self = keyOf(Uint8Array.of(1))
  for (const cpl of [0, 1, 5, 9]) {
    const search = new PreimageSearch({ cpl, self, rng: new Rng(cpl), peers: new PeerCache() })
    let found = search.step()
    while (found === 'unfinished') found = search.step()
    assert.ok(found !== 'given-up')
    assert.equal(commonPrefixLength(self, found.key), cpl)
    assert.deepEqual(found.key, keyOf(found.bytes))
  }
})

test('a search for a preimage that does not exist is given up', () => {
  // Keys of eight bits share eight bits with zero or fewer: twelve is impossible.
  const search = new PreimageSearch({ cpl: 12, self: peer8(0).key, rng: new Rng(1), peers: eightBitCache() })
  let steps = 1
  while (search.step() === 'unfinished') steps++
  assert.ok(steps <= 2 ** 16 / limits.preimageHashesPerStep.value)
})

describe('maintenance in every state, with every event', () => {
  type State = 'idle' | 'looking-up-self' | 'searching-key' | 'looking-up-key'
  const create = (tableSize: number) =>
    new Maintenance({ self: peer8(0), rng: new Rng(1), peers: eightBitCache(), tableSize, now: 0 })
  const ended = (buckets: readonly number[]): MaintenanceEvent => ({ type: 'lookup-ended', buckets })

  function inState(state: State): { maintenance: Maintenance; now: number } {
    const maintenance = create(50)
    drain(maintenance)
    if (state === 'looking-up-self') return { maintenance, now: 0 }
    maintenance.handle(ended(state === 'idle' ? [] : [20, 0, 5]), 1)
    if (state === 'looking-up-key') maintenance.handle({ type: 'tick' }, 1 + limits.preimageStepMs.value)
    drain(maintenance)
    return { maintenance, now: 1 + limits.preimageStepMs.value }
  }
  const deadlines: Record<State, number | undefined> = {
    idle: limits.tableRefreshIntervalMs.value,
    'looking-up-self': undefined,
    'searching-key': 1 + limits.preimageStepMs.value,
    'looking-up-key': undefined,
  }
  /** How many lookups the event starts, and when the machine then wants a tick. */
  const expected: Record<State, Record<MaintenanceEvent['type'], [number, number | undefined]>> = {
    idle: {
      tick: [0, limits.tableRefreshIntervalMs.value],
      'network-changed': [1, undefined],
      'table-size': [0, 1 + limits.preimageStepMs.value + limits.tableRepairFirstMs.value],
      'lookup-ended': [0, limits.tableRefreshIntervalMs.value],
    },
    'looking-up-self': {
      tick: [0, undefined],
      'network-changed': [0, undefined],
      'table-size': [0, undefined],
      'lookup-ended': [0, limits.preimageStepMs.value],
    },
    'searching-key': {
      tick: [1, undefined],
      'network-changed': [1, undefined],
      'table-size': [1, undefined],
      'lookup-ended': [1, undefined],
    },
    'looking-up-key': {
      tick: [0, undefined],
      'network-changed': [0, undefined],
      'table-size': [0, undefined],
      'lookup-ended': [0, 1 + 2 * limits.preimageStepMs.value],
    },
  }
  const events: Record<MaintenanceEvent['type'], MaintenanceEvent> = {
    tick: { type: 'tick' },
    'network-changed': { type: 'network-changed' },
    'table-size': { type: 'table-size', size: 3 },
    'lookup-ended': ended([20, 0, 5]),
  }
  for (const state of Object.keys(expected) as State[]) {
    test(state, () => {
      for (const type of Object.keys(events) as MaintenanceEvent['type'][]) {
        const { maintenance, now } = inState(state)
        assert.equal(maintenance.nextDeadline(), deadlines[state], 'the set-up')
        maintenance.handle(events[type], now)
        assert.deepEqual([drain(maintenance).length, maintenance.nextDeadline()], expected[state][type], `${state}, ${type}`)
      }
    })
  }

  test('a start with few peers goes through the bootstrap peers, one with many refreshes the buckets', () => {
    const [few, many] = [create(3), create(30)]
    assert.equal(few.isBootstrapping, true)
    assert.equal(drain(few)[0]?.isRepair, true)
    assert.equal(many.isBootstrapping, false)
    assert.equal(drain(many)[0]?.isRepair, false)
  })

  test('a repair that helped sets the delay back', () => {
    const maintenance = create(3)
    maintenance.handle(ended([3]), 0)
    assert.equal(maintenance.nextDeadline(), limits.tableRepairFirstMs.value)
    maintenance.handle({ type: 'table-size', size: 20 }, 1)
    assert.equal(maintenance.nextDeadline(), limits.tableRefreshIntervalMs.value)
    maintenance.handle({ type: 'table-size', size: 3 }, 2)
    assert.equal(maintenance.nextDeadline(), 2 + limits.tableRepairFirstMs.value)
  })
})

describe('the peer book', () => {
  test('holds a dial that failed against an entry only if it was made at one of the entry’s own addresses', () => {
    const table = new RoutingTable({ self: peer8(0), k: 20, outbox: new Outbox() })
    const checks = new ServerChecks({ orders: new OrderIds() })
    const book = new PeerBook({ table, checks, denied: new DeniedPeers(), bootstrapPeers: [] })
    const { peer, addresses } = info8(0x80)
    const elsewhere = [{ bytes: Uint8Array.of(9), dialable: true }]
    const fail = (tried?: readonly Address[]) => {
      for (let count = 0; count < limits.tableFailuresMax.value; count++) {
        book.dialFailed({ type: 'connection-failed', peer, reason: 'refused', tried }, count)
        table.admit(info8(0x81), count + 1)
      }
      return table.get(peer) === undefined ? 'gone' : 'known'
    }
    for (const [tried, outcome] of [
      [elsewhere, 'known'],
      [[...elsewhere, ...addresses], 'gone'],
      [undefined, 'gone'],
    ] as const) {
      table.admit({ peer, addresses }, 0)
      assert.equal(fail(tried), outcome)
    }
  })
})
