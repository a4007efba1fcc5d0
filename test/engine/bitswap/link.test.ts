import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Link, Pace } from '../../../worker/engine/bitswap/link.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { PeerCache, type PeerIdBytes } from '../../../worker/engine/peer.ts'

const peer = new PeerCache().intern(new Uint8Array([0x12, 0x20, ...new Uint8Array(32).fill(5)]) as PeerIdBytes)
const block = 262_144

test('messages that come in one burst do not make a peer look fast', () => {
  const link = new Link(peer, new Pace(), false)
  link.delivered(8, 8 * block, 0, 1_000)
  const before = link.expectedMs
  for (let at = 1_001; at < 1_000 + limits.speedMeasureMs.value; at++) link.delivered(1, block, 0, at)
  assert.equal(link.expectedMs, before)
})

test('of a peer that turns out faster blocks are soon expected earlier, of one that slows down later', () => {
  const link = new Link(peer, new Pace(), false)
  for (let at = 1_000; at <= 4_000; at += 1_000) link.delivered(1, block, at - 1_000, at)
  const slow = link.expectedMs
  for (let at = 4_100; at <= 4_600; at += 100) link.delivered(4, 4 * block, 4_000, at)
  const fast = link.expectedMs
  assert.ok(fast < slow / 10, `${fast} ms`)
  for (let at = 5_600; at <= 13_600; at += 1_000) link.delivered(1, block, at - 1_000, at)
  assert.ok(link.expectedMs > 5 * fast)
})

test('as many want-blocks are in flight as the window has places', () => {
  const link = new Link(peer, new Pace(), false)
  for (let index = 0; index < limits.wantBlocksPerPeerFirst.value; index++) {
    assert.equal(link.isFull, false)
    link.blockAsked()
  }
  assert.equal(link.isFull, true)
  link.blockSettled()
  assert.equal(link.isFull, false)
})
