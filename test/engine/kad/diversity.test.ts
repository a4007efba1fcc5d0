import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GroupCounts, groupsOf, withoutCrowds } from '../../../worker/engine/kad/diversity.ts'
import { ClosestPeers } from '../../../worker/engine/kad/queries/closest-peers.ts'
import { limits } from '../../../worker/engine/limits.ts'
import type { PeerInfo } from '../../../worker/engine/peer.ts'
import { bitsOf, peer8 } from '../../support/kad-peers.ts'
import { QueryBench } from '../../support/kad-query-bench.ts'

const info = (bits: number, ...groups: (number | undefined)[]): PeerInfo => {
  return { peer: peer8(bits), addresses: groups.map((group) => ({ bytes: Uint8Array.of(bits), dialable: true, group })) }
}

test('the groups of a peer are told once each', () => {
  assert.deepEqual(groupsOf(info(1, 5, undefined, 7, 5).addresses), [5, 7])
})

test('a group without peers takes no memory', () => {
  const counts = new GroupCounts()
  counts.change([3, 4], 1)
  counts.change([3], 1)
  counts.change([3, 4], -1)
  assert.deepEqual([counts.of(3), counts.of(4)], [1, 0])
})

test('a crowd is left out as a whole, everybody else stays', () => {
  const infos = [info(1, 5), info(2, 5, 6), info(3, 6), info(4, undefined), info(5, 5)]
  assert.deepEqual(
    withoutCrowds(infos, 2).map(({ peer }) => bitsOf(peer)),
    [3, 4],
  )
  assert.equal(withoutCrowds(infos, 3).length, 5)
})

test('of a reply with more than three peers of one network none of them is asked, and all are counted', () => {
  const query = new QueryBench((context, id) => new ClosestPeers({ context, query: id, key: Uint8Array.of(0), now: 0 }))
  const crowd = Array.from({ length: limits.replyGroupMax.value + 1 }, (_, index) => info(index + 1, 9))
  const closer = [...crowd, info(0x20, 8)].map(({ peer, addresses }) => ({ id: peer.id, addresses }))
  query.seeds(0x70).ready(0x70).answer(0x70, { closer })
  const dialed = query.of('need-connection').map((output) => bitsOf(output.info.peer))
  assert.deepEqual(dialed, [0x70, 0x20])
  assert.equal(query.world.counters.rejectedCloserPeers, crowd.length)
})
