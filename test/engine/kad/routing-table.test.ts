import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { KadEffect } from '../../../worker/engine/kad/contract.ts'
import { comparePeersTo } from '../../../worker/engine/kad/distance.ts'
import { Outbox } from '../../../worker/engine/kad/outbox.ts'
import { RoutingTable } from '../../../worker/engine/kad/routing-table.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { type Peer, type PeerIdBytes, type PeerInfo, keyFromDigest } from '../../../worker/engine/peer.ts'
import { bitsOf, drain, info8, key8, peer8 } from '../../support/kad-peers.ts'

function newTable(k = 2, self = 0): { table: RoutingTable; outbox: Outbox<KadEffect> } {
  const outbox = new Outbox<KadEffect>()
  return { table: new RoutingTable({ self: peer8(self), k, outbox }), outbox }
}

const nearest = (table: RoutingTable, target: number, count: number) =>
  table.nearest(key8(target), count).map(({ peer }) => bitsOf(peer))

test('entries are sorted into buckets by their common prefix length with us', () => {
  const { table } = newTable()
  for (const bits of [0x80, 0x81, 0x40, 0x01]) assert.ok(table.admit(info8(bits), 0))
  assert.deepEqual(table.bucketSizes(), [2, 1, 0, 0, 0, 0, 0, 1])
  assert.equal(table.size, 4)
})

test('we ourselves never enter', () => {
  const { table } = newTable()
  assert.equal(table.admit(info8(0), 0), false)
  assert.equal(table.wouldAdmit(info8(0), 0), false)
  assert.equal(table.size, 0)
})

test('a full bucket of living entries refuses a newcomer', () => {
  const { table } = newTable()
  table.admit(info8(0x80), 0)
  table.admit(info8(0x81), 0)
  assert.equal(table.wouldAdmit(info8(0x82), 1), false)
  assert.equal(table.admit(info8(0x82), 1), false)
  assert.deepEqual(nearest(table, 0x80, 9), [0x80, 0x81])
})

test('an entry that failed since its last answer gives its place to a newcomer', () => {
  const { table, outbox } = newTable()
  table.admit(info8(0x80), 0)
  table.admit(info8(0x81), 0)
  table.failed(peer8(0x80), 1)
  drain(outbox)
  assert.ok(table.wouldAdmit(info8(0x82), 2))
  assert.ok(table.admit(info8(0x82), 2))
  assert.deepEqual(nearest(table, 0x80, 9), [0x81, 0x82])
  // One out, one in: the size has not changed, so nobody is told so.
  assert.deepEqual(
    drain(outbox).map(({ type }) => type),
    ['forget-table-entry', 'persist-table-entry'],
  )
})

test('an entry that answered again after a failure keeps its place', () => {
  const { table } = newTable()
  table.admit(info8(0x80), 0)
  table.admit(info8(0x81), 0)
  table.failed(peer8(0x80), 1)
  table.admit(info8(0x80), 2)
  assert.equal(table.admit(info8(0x82), 3), false)
})

test('of several doubtful entries the one with most failures goes first, then the one that is silent longest', () => {
  const { table } = newTable(3)
  for (const [index, bits] of [0x80, 0x81, 0x82].entries()) table.admit(info8(bits), index)
  for (const bits of [0x82, 0x81, 0x82]) table.failed(peer8(bits), 5)
  table.admit(info8(0x90), 6)
  assert.deepEqual(nearest(table, 0x80, 9), [0x80, 0x81, 0x90])
  table.failed(peer8(0x80), 7)
  table.admit(info8(0x91), 8)
  assert.deepEqual(nearest(table, 0x80, 9), [0x81, 0x90, 0x91])
})

test('an entry that has not answered within the liveness grace may be replaced', () => {
  const { table } = newTable(1)
  table.admit(info8(0x80), 0)
  const grace = limits.tableLivenessGraceMs.value
  assert.equal(table.admit(info8(0x81), grace - 1), false)
  assert.equal(table.admit(info8(0x81), grace), true)
})

test('repeated failures evict an entry once another peer has answered meanwhile', () => {
  const { table, outbox } = newTable()
  table.admit(info8(0x80), 0)
  table.admit(info8(0x40), 0)
  drain(outbox)
  table.failed(peer8(0x80), 1)
  table.admit(info8(0x40), 2)
  table.failed(peer8(0x80), 3)
  assert.equal(table.size, 2)
  table.failed(peer8(0x80), 4)
  assert.deepEqual(nearest(table, 0x80, 9), [0x40])
  assert.deepEqual(
    drain(outbox).map(({ type }) => type),
    ['forget-table-entry', 'table-changed'],
  )
})

test('our own outage empties no table: while nobody answers, nobody is evicted', () => {
  const { table } = newTable(20)
  for (const bits of [0x80, 0x40, 0x20]) table.admit(info8(bits), 0)
  for (let round = 1; round <= 10; round++) {
    for (const bits of [0x80, 0x40, 0x20]) table.failed(peer8(bits), round)
  }
  assert.equal(table.size, 3)
})

test('an entry is persisted when it enters and then at most once per interval', () => {
  const { table, outbox } = newTable()
  const interval = limits.tablePersistIntervalMs.value
  const persisted = () => drain(outbox).filter(({ type }) => type === 'persist-table-entry').length
  table.admit(info8(0x80), 0)
  assert.equal(persisted(), 1)
  for (let time = 1; time < 100; time++) table.admit(info8(0x80), time)
  assert.equal(persisted(), 0)
  table.admit(info8(0x80), interval)
  table.admit(info8(0x80), interval + 1)
  assert.equal(persisted(), 1)
})

test('restored entries are used at once, yet give their places to peers that answer', () => {
  const { table, outbox } = newTable(2)
  const entries = [0x80, 0x81, 0x82].map((bits, index) => ({ info: info8(bits), lastUsefulAt: 100 + index }))
  table.restore([...entries, { info: info8(0), lastUsefulAt: 200 }], 50)
  // The most recently useful ones take the places; nothing is written back.
  assert.deepEqual(nearest(table, 0x80, 9), [0x81, 0x82])
  assert.deepEqual(drain(outbox), [{ type: 'table-changed', size: 2 }])
  table.admit(info8(0x81), 51)
  assert.ok(table.admit(info8(0x83), 52))
  assert.equal(table.admit(info8(0x84), 53), false)
  assert.deepEqual(nearest(table, 0x80, 9), [0x81, 0x83])
})

test('an entry removed is forgotten in the store too, an unknown one is nobody', () => {
  const { table, outbox } = newTable()
  table.admit(info8(0x80), 0)
  drain(outbox)
  table.remove(peer8(0x80))
  assert.deepEqual(drain(outbox), [
    { type: 'forget-table-entry', peer: peer8(0x80) },
    { type: 'table-changed', size: 0 },
  ])
  table.remove(peer8(0x80))
  table.failed(peer8(0x81), 1)
  assert.deepEqual(drain(outbox), [])
})

test('addresses that others name of an entry push none of its own out; those that it tells itself come first', () => {
  const { table } = newTable()
  const max = limits.addressesPerPeerMax.value
  const lies = Array.from({ length: max }, (_, index) => ({ bytes: Uint8Array.of(0xee, index), dialable: true }))
  const { peer, addresses: own } = info8(0x80)
  table.admit({ peer, addresses: own }, 0)
  table.admit({ peer, addresses: lies }, 1)
  assert.deepEqual(table.get(peer)?.addresses, [...own, ...lies.slice(0, max - 1)])
  const told = [{ bytes: Uint8Array.of(0x80, 9), dialable: true }]
  table.learnAddresses({ peer, addresses: told })
  assert.deepEqual(table.get(peer)?.addresses.slice(0, 2), [...told, ...own])
})

test('addresses that identify tells of an entry are added to it', () => {
  const { table } = newTable()
  table.admit(info8(0x80), 0)
  table.learnAddresses(info8(0x80, { addresses: 3 }))
  assert.equal(table.get(peer8(0x80))?.addresses.length, 3)
  assert.equal(table.get(peer8(0x81)), undefined)
})

const digest = fc.uint8Array({ minLength: 4, maxLength: 4 })

test('the nearest n are those of a full sort, for any target', () => {
  fc.assert(
    fc.property(
      digest,
      fc.array(digest, { maxLength: 150 }),
      digest,
      fc.integer({ min: 1, max: 30 }),
      (self, ids, target, count) => {
        const toPeer = (id: Uint8Array): Peer => ({ id: id as PeerIdBytes, key: keyFromDigest(id) })
        const table = new RoutingTable({ self: toPeer(self), k: 5, outbox: new Outbox<KadEffect>() })
        const inside: PeerInfo[] = []
        for (const id of ids) {
          const info = { peer: toPeer(id), addresses: [] }
          const isNew = table.get(info.peer) === undefined
          if (table.admit(info, 0) && isNew) inside.push(info)
        }
        const targetKey = keyFromDigest(target)
        const expected = inside.toSorted((a, b) => comparePeersTo(targetKey, a.peer, b.peer)).slice(0, count)
        assert.deepEqual(
          table.nearest(targetKey, count).map(({ peer }) => peer.id),
          expected.map(({ peer }) => peer.id),
        )
        assert.equal(table.size, inside.length)
      },
    ),
    { numRuns: 200 },
  )
})

test('whatever happens, no bucket holds more than k and the size is their sum', () => {
  const action = fc.record({
    type: fc.constantFrom('admit', 'admit', 'failed', 'remove'),
    bits: fc.integer({ min: 0, max: 255 }),
    wait: fc.constantFrom(0, 1, limits.tableLivenessGraceMs.value),
  })
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
      const { table, outbox } = newTable(3, 0x5a)
      let now = 0
      let told = 0
      for (const { type, bits, wait } of actions) {
        now += wait
        if (type === 'admit') table.admit(info8(bits), now)
        else if (type === 'failed') table.failed(peer8(bits), now)
        else table.remove(peer8(bits))
        for (const effect of drain(outbox)) if (effect.type === 'table-changed') told = effect.size
        assert.ok(table.bucketSizes().every((size) => size <= 3))
        assert.equal(
          table.bucketSizes().reduce((sum, size) => sum + size, 0),
          table.size,
        )
        assert.equal(told, table.size)
      }
    }),
  )
})

describe('of one group of IP addresses', () => {
  const info = (bits: number, ...groups: number[]): PeerInfo => {
    return {
      peer: peer8(bits),
      addresses: groups.map((group, index) => ({ bytes: Uint8Array.of(bits, index), dialable: true, group })),
    }
  }

  test('two peers have a place in a bucket and three in the table; peers without a group are not counted', () => {
    const { table } = newTable(20)
    assert.deepEqual(
      [info(0x80, 7), info(0x81, 8, 7), info(0x82, 7), info8(0x83), info(0x40, 7), info(0x20, 9, 7), info(0x21, 9)].map(
        (peer) => {
          return [table.wouldAdmit(peer, 0), table.admit(peer, 0)]
        },
      ),
      [true, true, false, true, true, false, true].map((admitted) => [admitted, admitted]),
    )
  })

  test('a place is free again when its peer has gone, or gives way', () => {
    const { table } = newTable(2)
    for (const bits of [0x80, 0x81, 0x40]) table.admit(info(bits, 7), 0)
    table.failed(peer8(0x80), 1)
    assert.ok(table.admit(info(0x82, 7), 2), 'in place of the doubtful one of its own group')
    assert.equal(table.admit(info(0x20, 7), 3), false)
    table.remove(peer8(0x40))
    assert.ok(table.admit(info(0x20, 7), 4))
  })

  test('what is kept from an earlier visit obeys it, too', () => {
    const { table } = newTable(20)
    table.restore(
      [0x80, 0x81, 0x82].map((bits) => ({ info: info(bits, 7), lastUsefulAt: bits })),
      0,
    )
    assert.deepEqual(nearest(table, 0x80, 9), [0x81, 0x82])
  })

  test('an entry cannot come in with one address and add those of a crowded group later', () => {
    const { table } = newTable(20)
    for (const bits of [0x80, 0x81]) table.admit(info(bits, 7), 0)
    table.admit(info(0x82, 5), 0)
    table.learnAddresses(info(0x82, 5, 7))
    table.admit(info(0x82, 7, 6), 1)
    assert.deepEqual(
      table.get(peer8(0x82))?.addresses.map(({ group }) => group),
      [5, 6],
    )
  })

  test('whatever peers come and go, the bounds hold', () => {
    const step = fc.record({
      bits: fc.integer({ min: 1, max: 255 }),
      groups: fc.uniqueArray(fc.nat(6), { maxLength: 3 }),
      action: fc.constantFrom('admit', 'admit', 'learn', 'fail', 'remove'),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { table } = newTable(4)
        for (const [now, { bits, groups, action }] of steps.entries()) {
          if (action === 'admit') table.admit(info(bits, ...groups), now)
          else if (action === 'learn') table.learnAddresses(info(bits, ...groups))
          else if (action === 'fail') table.failed(peer8(bits), now)
          else table.remove(peer8(bits))
        }
        const entries = table.nearest(key8(0), 999)
        for (let group = 0; group <= 6; group++) {
          const members = entries.filter(({ addresses }) => addresses.some((address) => address.group === group))
          assert.ok(members.length <= limits.tableGroupMax.value)
          const buckets = Map.groupBy(members, ({ peer }) => Math.clz32(bitsOf(peer)))
          for (const bucket of buckets.values()) assert.ok(bucket.length <= limits.tableGroupPerBucketMax.value)
        }
      }),
      { numRuns: 200 },
    )
  })
})
