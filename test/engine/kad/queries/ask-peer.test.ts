import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AskPeer } from '../../../../worker/engine/kad/queries/ask-peer.ts'
import { info8, peer8 } from '../../../support/kad-peers.ts'
import { QueryBench } from '../../../support/kad-query-bench.ts'

function asking(): QueryBench<AskPeer> {
  return new QueryBench((context, query) => new AskPeer({ context, query, info: info8(1), key: peer8(2).id }))
}

const nothing = { type: 'ask-peer', closer: undefined }

test('a peer that there was no place to dial was not tried; one that was dialed, or did not answer, was', () => {
  const overloaded = asking().send({ type: 'connection-failed', peer: peer8(1), reason: 'overloaded' })
  assert.deepEqual(overloaded.ended(), { ...nothing, wasNotTried: true })
  const refused = asking().send({ type: 'connection-failed', peer: peer8(1), reason: 'refused' })
  assert.deepEqual(refused.ended(), { ...nothing, wasNotTried: false })
  const queued = (): QueryBench<AskPeer> => asking().send({ type: 'dial-queued', peer: peer8(1) })
  assert.deepEqual(queued().send({ type: 'expired' }).ended(), { ...nothing, wasNotTried: true })
  const begun = queued().send({ type: 'dial-begun', peer: peer8(1), agoMs: 0 })
  assert.deepEqual(begun.send({ type: 'expired' }).ended(), { ...nothing, wasNotTried: false })
  assert.deepEqual(asking().ready(1).send({ type: 'expired' }).ended(), { ...nothing, wasNotTried: false })
})
