import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Priority } from '../../../worker/engine/connections/contract.ts'
import { Outbox } from '../../../worker/engine/kad/outbox.ts'
import type { KadEffect } from '../../../worker/engine/kad/contract.ts'
import { RequestDesk, type User } from '../../../worker/engine/kad/request-desk.ts'
import type { Run, RunPurpose } from '../../../worker/engine/kad/run.ts'
import { newWorld } from '../../../worker/engine/kad/world.ts'
import { limits } from '../../../worker/engine/limits.ts'
import type { OrderId } from '../../../worker/engine/machine.ts'
import type { QueryId } from '../../../worker/engine/query.ts'
import { drain, peer8 } from '../../support/kad-peers.ts'
import { KadNetwork } from '../../support/kad-network.ts'
import { settled } from '../../support/kad-scenarios.ts'

describe('the desk of requests', () => {
  const outbox = new Outbox<KadEffect>()
  const purposes: Record<Priority, RunPurpose> = {
    urgent: { type: 'command', query: 1 as QueryId },
    normal: { type: 'table-lookup', isRepair: true },
    maintenance: { type: 'correction' },
  }
  const userOf = (priority: Priority): User => ({ purpose: purposes[priority], orders: new Set() }) as unknown as Run
  const newDesk = () => new RequestDesk({ outbox, counters: newWorld(20).counters })
  const request = { type: 'find-node', key: Uint8Array.of(1) } as const
  const send = (desk: RequestDesk, order: number, user: User) =>
    desk.send({ type: 'send-request', order: order as OrderId, peer: peer8(1), request }, user, 0)
  const sent = () => drain(outbox).flatMap((effect) => (effect.type === 'send-request' ? [effect.order as number] : []))
  const [max, maintenanceMax] = [limits.kadRequestsMax.value, limits.kadMaintenanceRequestsMax.value]

  test('what a person waits for goes first, then in the order in which they came', () => {
    const desk = newDesk()
    for (let order = 1; order <= max; order++) send(desk, order, userOf('urgent'))
    assert.equal(sent().length, max)
    send(desk, 1_001, userOf('maintenance'))
    send(desk, 1_002, userOf('normal'))
    send(desk, 1_003, userOf('urgent'))
    send(desk, 1_004, userOf('urgent'))
    assert.deepEqual(sent(), [])
    assert.deepEqual([desk.inFlight, desk.size], [max, max + 4])
    for (let order = 1; order <= 4; order++) {
      desk.close(order as OrderId)
      desk.release(0)
    }
    assert.deepEqual(sent(), [1_003, 1_004, 1_002])
    for (let order = 5; order <= max - maintenanceMax + 3; order++) desk.close(order as OrderId)
    desk.release(0)
    assert.deepEqual(sent(), [])
    desk.close((max - maintenanceMax + 4) as OrderId)
    desk.release(0)
    assert.deepEqual(sent(), [1_001])
  })

  test('a lookup check is maintenance', () => {
    const desk = newDesk()
    for (let order = 1; order <= maintenanceMax; order++) send(desk, order, userOf('urgent'))
    send(desk, 1_001, 'server-check')
    assert.ok(!sent().includes(1_001))
    desk.close(1 as OrderId)
    desk.release(0)
    assert.deepEqual(sent(), [1_001])
  })

  test('one that still waits can be cancelled, and then nothing was ever sent', () => {
    const desk = newDesk()
    for (let order = 1; order <= max; order++) send(desk, order, userOf('urgent'))
    const user = userOf('urgent') as Run
    send(desk, 1_001, user)
    drain(outbox)
    assert.deepEqual([...user.orders], [1_001])
    assert.equal(desk.cancel(1_001 as OrderId), undefined)
    assert.deepEqual(drain(outbox), [])
    assert.deepEqual([...user.orders], [])
    assert.equal(desk.size, max)
  })
})

/** Ten times as many queries as are taken, in a world where most things go wrong. */
function overload(seed: number, times: number): void {
  const faults = { drop: 0.1, late: 0.1, twice: 0.1, fail: 0.1 }
  const network = new KadNetwork({ seed, peers: 60, dead: 0.2, mute: 0.1, slow: 0.1, undialable: 0.1, faults })
  network.handle({ type: 'own-addresses-changed', addresses: [{ bytes: Uint8Array.of(1), dialable: true }] })
  network.start()
  const given: QueryId[] = []
  const check = () => {
    const status = network.kad.status()
    assert.ok(status.activeQueries <= limits.kadQueriesMax.value)
    assert.ok(status.runningQueries <= limits.kadRunningQueriesMax.value + limits.kadInternalQueriesMax.value)
    assert.ok(status.requestsInFlight <= limits.kadRequestsMax.value)
    assert.ok(status.queuedQueries <= limits.kadQueriesMax.value + limits.kadInternalQueriesMax.value)
    return false
  }
  for (let index = 0; index < times * limits.kadQueriesMax.value; index++) {
    const query = network.queryId()
    given.push(query)
    const key = Uint8Array.of(0x12, index & 255, index >> 8)
    if (index % 3 === 0) network.handle({ type: 'get-value', query, key, quorum: 16 })
    else if (index % 3 === 1) network.handle({ type: 'provide', query, multihash: key })
    else network.handle({ type: 'find-providers', query, multihash: key, limit: 5 })
    check()
    if (index % 100 === 99) network.run(network.now + 500, check)
  }
  network.run(network.now + limits.kadQueueTimeoutMs.value + limits.kadQueryTimeoutMs.value + 1, check)
  const endings = given.map((query) => network.ending(query))
  assert.ok(
    endings.every((ending) => ending !== undefined),
    'every query ends',
  )
  const refused = endings.filter((ending) => ending?.failure?.code === 'too-many-queries').length
  assert.ok(refused > 0 && refused < given.length)
}

test('ten times as many queries as there are places: no bound is exceeded, and every query ends (A3)', () => {
  overload(1, 10)
})

test('the same for other seeds and loads', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 1_000_000 }), fc.integer({ min: 2, max: 3 }), overload), { numRuns: 4 })
})

test('queries take turns in the order in which they came, and all of them are answered', () => {
  const network = settled({ peers: 80 })
  const queries = Array.from({ length: 30 }, () => network.queryId())
  for (const [index, query] of queries.entries()) {
    network.handle({ type: 'closest-peers', query, key: Uint8Array.of(1, index) })
  }
  const { runningQueries, queuedQueries } = network.kad.status()
  assert.deepEqual([runningQueries, queuedQueries], [limits.kadSearchesMax.value, queries.length - limits.kadSearchesMax.value])
  network.run(network.now + 55_000)
  for (const query of queries) assert.equal(network.ending(query)?.result?.type, 'closest-peers')
})

test('an answer that is at hand, a cancellation and the end of its time do not wait for a turn', () => {
  const network = settled({ peers: 80, mute: 0.9 })
  const known = network.peers.find(({ peer }) =>
    network.effects.some((effect) => effect.type === 'persist-table-entry' && effect.info.peer === peer),
  )!
  for (let index = 0; index < limits.kadSearchesMax.value; index++) {
    network.handle({ type: 'closest-peers', query: network.queryId(), key: Uint8Array.of(1, index) })
  }
  const [atHand, cancelled, late] = [network.queryId(), network.queryId(), network.queryId()]
  network.handle({ type: 'find-peer', query: atHand, id: known.peer.id })
  assert.equal(network.ending(atHand)?.result?.type, 'find-peer')
  network.handle({ type: 'closest-peers', query: cancelled, key: Uint8Array.of(9) })
  network.handle({ type: 'provide', query: late, multihash: Uint8Array.of(9) })
  assert.equal(network.kad.status().queuedQueries, 2)
  network.handle({ type: 'cancel', query: cancelled })
  assert.equal(network.kad.status().queuedQueries, 1)
  network.finish(late)
})

test('a refresh under way hardly delays what a person waits for', () => {
  const took = (isRefreshing: boolean): number => {
    const network = settled({ peers: 100, seed: 3 })
    network.run(isRefreshing ? 600_050 : 590_000)
    assert.equal(network.kad.counts().runs, isRefreshing ? 1 : 0)
    const [query, startedAt] = [network.queryId(), network.now]
    network.handle({ type: 'closest-peers', query, key: Uint8Array.of(5) })
    network.finish(query)
    return network.now - startedAt
  }
  assert.ok(took(true) <= 1.5 * took(false), `${took(true)} beside ${took(false)} ms`)
})
