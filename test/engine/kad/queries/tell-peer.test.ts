import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TellPeer } from '../../../../worker/engine/kad/queries/tell-peer.ts'
import { info8, peer8 } from '../../../support/kad-peers.ts'
import { QueryBench } from '../../../support/kad-query-bench.ts'

function telling(count: number): QueryBench<TellPeer> {
  const multihashes = Array.from({ length: count }, (_, index) => Uint8Array.of(0x12, index))
  return new QueryBench((context, query) => new TellPeer({ context, query, info: info8(1), multihashes }), { addresses: 1 })
}

/** All that have left so far are answered as sent. */
function allLeft(bench: QueryBench<TellPeer>): QueryBench<TellPeer> {
  let done = 0
  for (;;) {
    const open = bench.of('send-request').slice(done)
    if (open.length === 0) return bench
    done += open.length
    for (const { order, request } of open) {
      if (request.type === 'add-provider') bench.send({ type: 'notice-sent', order, peer: peer8(1) })
    }
  }
}

function types(bench: QueryBench<TellPeer>): string[] {
  return bench.of('send-request').map(({ request }) => request.type)
}

function refused(bench: QueryBench<TellPeer>): QueryBench<TellPeer> {
  return bench.send({ type: 'request-failed', order: bench.request(1).order, peer: peer8(1), reason: 'reset' })
}

test('what has left counts when a request behind it on the same stream is answered, and not before', () => {
  const bench = allLeft(telling(20).ready(1))
  assert.deepEqual(types(bench), [...Array.from({ length: 20 }, () => 'add-provider'), 'find-node'])
  assert.deepEqual(bench.of('send-request').at(-1)!.request, { type: 'find-node', key: peer8(1).id }, 'whose answer is short')
  assert.equal(bench.ended(), undefined)
  assert.deepEqual(bench.answer(1).ended(), { type: 'tell-peer', sent: 20, wasNotTried: false })
})

test('no more than five wait to leave at a time', () => {
  const bench = telling(40).ready(1)
  assert.equal(types(bench).length, 5)
  bench.send({ type: 'notice-sent', order: bench.of('send-request')[0]!.order, peer: peer8(1) })
  assert.equal(types(bench).length, 6)
})

test('without the answer all of it is told once more on another stream; without a second one nothing counts', () => {
  const again = refused(allLeft(telling(3).ready(1)))
  assert.equal(types(again).length, 7)
  assert.deepEqual(allLeft(again).answer(1).ended(), { type: 'tell-peer', sent: 3, wasNotTried: false })
  assert.deepEqual(refused(allLeft(refused(allLeft(telling(3).ready(1))))).ended(), {
    type: 'tell-peer',
    sent: 0,
    wasNotTried: false,
  })
})

test('a tab that gives the peer up says that nothing has arrived', () => {
  const lost = telling(3)
    .ready(1)
    .send({ type: 'connection-failed', peer: peer8(1), reason: 'refused' })
  assert.deepEqual(lost.ended(), { type: 'tell-peer', sent: 0, wasNotTried: false })
  assert.deepEqual(allLeft(telling(3).ready(1)).send({ type: 'expired' }).ended(), {
    type: 'tell-peer',
    sent: 0,
    wasNotTried: false,
  })
})

test('a peer that there was no place to dial was not tried; one whose dial began was', () => {
  const queued = (): QueryBench<TellPeer> => telling(3).send({ type: 'dial-queued', peer: peer8(1) })
  const overloaded = telling(3).send({ type: 'connection-failed', peer: peer8(1), reason: 'overloaded' })
  assert.deepEqual(overloaded.ended(), { type: 'tell-peer', sent: 0, wasNotTried: true })
  assert.deepEqual(queued().send({ type: 'expired' }).ended(), { type: 'tell-peer', sent: 0, wasNotTried: true })
  const begun = queued().send({ type: 'dial-begun', peer: peer8(1), agoMs: 0 })
  assert.deepEqual(begun.send({ type: 'expired' }).ended(), { type: 'tell-peer', sent: 0, wasNotTried: false })
})
