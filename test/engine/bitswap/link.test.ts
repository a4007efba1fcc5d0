import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Link, Pace } from '../../../worker/engine/bitswap/link.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { PeerCache, type PeerIdBytes } from '../../../worker/engine/peer.ts'

const peer = new PeerCache().intern(new Uint8Array([0x12, 0x20, ...new Uint8Array(32).fill(5)]) as PeerIdBytes)
const block = 262_144

function places(link: Link): number {
  let count = 0
  for (; !link.isFull; count++) link.blockAsked()
  for (let index = 0; index < count; index++) link.blockSettled()
  return count
}

test('messages that come in one burst do not make a peer look fast', () => {
  const link = new Link(peer, new Pace(), false)
  link.delivered(8, 8 * block, 0, 1_000)
  const before = places(link)
  for (let at = 1_001; at < 1_000 + limits.speedMeasureMs.value; at++) link.delivered(1, block, 0, at)
  assert.equal(places(link), before)
})

test('a peer that turns out faster soon gets more, one that slows down less', () => {
  const link = new Link(peer, new Pace(), false)
  link.delivered(1, 2_000, 0, 100)
  assert.equal(places(link), limits.wantBlocksPerPeerFirst.value)
  for (let at = 200; at <= 600; at += 100) link.delivered(4, 4 * block, 100, at)
  const fast = places(link)
  assert.ok(fast > 30, `${fast} places`)
  for (let at = 1_600; at <= 9_600; at += 1_000) link.delivered(1, block, 100, at)
  assert.ok(places(link) < fast / 4)
})
