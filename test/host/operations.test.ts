import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CallContext } from '../../worker/host/amino-service.ts'
import type { ProgressData } from '../../worker/contract/service.ts'
import type { EngineEvent } from '../../worker/engine/contract.ts'
import type { WantId } from '../../worker/engine/bitswap/contract.ts'
import { PeerCache, type PeerIdBytes } from '../../worker/engine/peer.ts'
import type { LookupStats, QueryId } from '../../worker/engine/query.ts'
import { Operations, type Command } from '../../worker/host/operations.ts'
import { ServiceError } from '../../worker/host/service-error.ts'

const peer = new PeerCache().intern(Uint8Array.of(0, 1, 7) as PeerIdBytes)
const stats: LookupStats = { requests: 1, responses: 1, dials: 1, failures: 0, undialable: 0, durationMs: 5 }
const closest: Command = { type: 'closest-peers', key: Uint8Array.of(1) }
const want: Command = { type: 'want-block', cid: Uint8Array.of(1), session: undefined, providers: [] }

function bench(max = 8): { operations: Operations; events: EngineEvent[]; lastId: () => number } {
  const events: EngineEvent[] = []
  const operations = new Operations({ dispatch: (event) => events.push(event), max })
  const lastId = (): number => {
    const event = events.at(-1)!
    return 'want' in event ? event.want : 'query' in event ? event.query : assert.fail('no id')
  }
  return { operations, events, lastId }
}

function context(overrides: Partial<CallContext> = {}): CallContext {
  return { signal: new AbortController().signal, onProgress: undefined, ...overrides }
}

function code(expected: string): (error: unknown) => boolean {
  return (error) => error instanceof ServiceError && error.plain.code === expected
}

test('a query becomes a command with an id, and ends with its result', async () => {
  const { operations, events, lastId } = bench()
  const items: unknown[] = []
  const running = operations.run(closest, context(), (item) => items.push(item.type))
  const query = lastId() as QueryId
  assert.deepEqual(events, [{ ...closest, query }])
  operations.take({ type: 'query-item', query, item: { type: 'peer', info: { peer, addresses: [] }, outcome: 'responded' } })
  operations.take({ type: 'query-ended', query, result: { type: 'closest-peers', peers: 1, stats } })
  assert.deepEqual(await running, { type: 'closest-peers', peers: 1, stats })
  assert.deepEqual(items, ['peer'])
  assert.equal(operations.size, 0)
})

test('what the engine says of an operation that has ended is ignored', async () => {
  const { operations, lastId } = bench()
  const running = operations.run(closest, context())
  const query = lastId() as QueryId
  operations.take({ type: 'query-failed', query, failure: { code: 'no-peers', message: 'none' }, stats: undefined })
  operations.take({ type: 'query-ended', query, result: { type: 'closest-peers', peers: 1, stats } })
  await assert.rejects(running, code('no-peers'))
})

test('an abort rejects at once and cancels in the engine: a query', async () => {
  const { operations, events, lastId } = bench()
  const controller = new AbortController()
  const running = operations.run(closest, context({ signal: controller.signal }))
  const query = lastId()
  controller.abort()
  await assert.rejects(running, code('aborted'))
  assert.deepEqual(events.at(-1), { type: 'cancel', query })
})

test('an abort rejects at once and cancels in the engine: a want', async () => {
  const { operations, events, lastId } = bench()
  const controller = new AbortController()
  const running = operations.run(want, context({ signal: controller.signal }))
  const id = lastId()
  assert.equal(operations.wants, 1)
  controller.abort()
  await assert.rejects(running, code('aborted'))
  assert.deepEqual(events.at(-1), { type: 'cancel-want', want: id })
  assert.equal(operations.wants, 0)
})

test('a signal that is aborted already starts nothing', async () => {
  const { operations, events } = bench()
  await assert.rejects(operations.run(closest, context({ signal: AbortSignal.abort() })), code('aborted'))
  assert.deepEqual(events, [])
})

test('more than the bound are refused, and a place is free again when one ends', async () => {
  const { operations, lastId } = bench(1)
  const first = operations.run(want, context())
  await assert.rejects(operations.run(closest, context()), code('too-many-queries'))
  operations.take({ type: 'want-ended', want: lastId() as WantId, cid: Uint8Array.of(1), bytes: Uint8Array.of(2), from: peer })
  await first
  const second = operations.run(closest, context())
  operations.cancelAll(new ServiceError('stopped', 'stopped'))
  await assert.rejects(second, code('stopped'))
})

test('a part of another operation takes no place', async () => {
  const { operations } = bench(2)
  const runs = [operations.run(want, context())]
  for (let part = 0; part < 5; part++) runs.push(operations.run(want, context(), undefined, true))
  runs.push(operations.run(closest, context()))
  await assert.rejects(operations.run(closest, context()), code('too-many-queries'))
  operations.cancelAll(new ServiceError('stopped', 'stopped'))
  for (const run of runs) await assert.rejects(run, code('stopped'))
  const next = [operations.run(want, context()), operations.run(want, context())]
  await assert.rejects(operations.run(want, context()), code('too-many-queries'))
  operations.cancelAll(new ServiceError('stopped', 'stopped'))
  for (const run of next) await assert.rejects(run, code('stopped'))
})

test('work in turn waits for a place instead of being refused, takes half of them, and goes in the order of its coming', async () => {
  const { operations, events } = bench(4)
  const ids = () => events.flatMap((event) => (event.type === 'want-block' ? [event.want] : []))
  const end = (id: WantId) =>
    operations.take({ type: 'want-ended', want: id, cid: Uint8Array.of(1), bytes: Uint8Array.of(2), from: peer })
  const done: number[] = []
  const works = Array.from({ length: 5 }, (_, index) =>
    operations.inTurn(new AbortController().signal, async () => {
      await operations.run(want, context())
      done.push(index)
    }),
  )
  assert.equal(ids().length, 2)
  const alone = [operations.run(closest, context()), operations.run(closest, context())]
  end(ids()[0]!)
  await works[0]
  assert.equal(ids().length, 3)
  const third = operations.run(closest, context())
  await assert.rejects(third, code('too-many-queries'))
  for (let next = 1; next < 5; next++) {
    end(ids()[next]!)
    await works[next]
  }
  assert.deepEqual(done, [0, 1, 2, 3, 4])
  operations.cancelAll(new ServiceError('stopped', 'stopped'))
  for (const one of alone) await assert.rejects(one, code('stopped'))
})

test('work in turn waits while single operations take all places, until its signal, or until all is cancelled', async () => {
  const { operations, events } = bench(1)
  const single = operations.run(closest, context())
  const controller = new AbortController()
  const work = () => operations.run(want, context())
  const [given, waiting] = [operations.inTurn(controller.signal, work), operations.inTurn(new AbortController().signal, work)]
  controller.abort()
  await assert.rejects(given, code('aborted'))
  await assert.rejects(operations.inTurn(controller.signal, work), code('aborted'))
  operations.cancelAll(new ServiceError('stopped', 'stopped'))
  await assert.rejects(waiting, code('stopped'))
  await assert.rejects(single, code('stopped'))
  assert.deepEqual(
    events.map(({ type }) => type),
    ['closest-peers', 'cancel'],
  )
})

test('progress is told in plain data', async () => {
  const { operations, lastId } = bench()
  const told: ProgressData[] = []
  const running = operations.run(closest, context({ onProgress: (progress) => told.push(progress) }))
  const query = lastId() as QueryId
  operations.take({ type: 'query-progress', query, progress: { type: 'dialing', peer } })
  operations.take({
    type: 'query-progress',
    query,
    progress: { type: 'responded', peer, closerPeers: 2, providers: 1, rttMs: 3 },
  })
  operations.take({ type: 'query-progress', query, progress: { type: 'failed', peer, reason: 'reset' } })
  operations.cancelAll(new ServiceError('stopped', 'stopped'))
  await assert.rejects(running)
  assert.deepEqual(told, [
    { type: 'dialing', peer: peer.id },
    { type: 'responded', peer: peer.id, closerPeers: 2, providers: 1, rttMs: 3 },
    { type: 'failed', peer: peer.id, reason: 'reset' },
  ])
})
