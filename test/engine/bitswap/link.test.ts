import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Link, Pace } from '../../../worker/engine/bitswap/link.ts'
import { Want } from '../../../worker/engine/bitswap/want.ts'
import { limits } from '../../../worker/engine/limits.ts'
import type { OrderId } from '../../../worker/engine/machine.ts'
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
  const wants = Array.from({ length: limits.wantBlocksPerPeerFirst.value }, (_, index) => want(index))
  for (const one of wants) {
    assert.equal(link.isFull, false)
    link.asked.add(one)
  }
  assert.equal(link.isFull, true)
  assert.equal(link.isOverfull, false, 'where nobody else can be asked')
  link.asked.delete(wants[3]!)
  assert.equal(link.isFull, false)
})

test('when a block comes is told by its place and by what those before took, of a silent peer by its silence', () => {
  const link = new Link(peer, new Pace(), false)
  for (let index = 0; index < 10; index++) ask(link, want(index), 1_000)
  assert.equal(link.blockComesInMs(10, 1_300), 300)
  link.delivered(1, block, 1_000, 1_400)
  assert.equal(link.blockComesInMs(9, 1_400), 0, 'all the others may be about to come')
  link.delivered(1, block, 1_000, 1_600)
  assert.equal(link.blockComesInMs(8, 1_600), 8 * 200)
  assert.equal(link.blockComesInMs(8, 1_700), 8 * 200 - 100)
  assert.equal(link.blockComesInMs(1, 2_400), 600, 'nothing came for four times as long as usual')
})

test('blocks that come as soon as they can after the question say nothing about how long one takes behind others', () => {
  const pace = new Pace()
  const link = new Link(peer, pace, false)
  for (let at = 1_000; at < 5_000; at += 200) link.delivered(1, block, at - 200, at)
  ask(link, want(1), 5_000)
  ask(link, want(2), 5_000)
  assert.equal(link.blockComesInMs(2, 5_200), 0)
  assert.equal(pace.msPerByte, new Pace().msPerByte)
})

test('peers whose blocks come in bursts, one peer after the other, are soon known to be as quick as each other', () => {
  const links = Array.from({ length: 3 }, () => new Link(peer, new Pace(), false))
  let now = 1_000
  const burst = (link: Link, blocks: number) => {
    for (let index = 0; index < blocks; index++) link.delivered(1, block, 0, (now += 20))
  }
  const quicker = () => links.filter((link) => links.some((other) => link.isTwiceAsQuickAs(other)))
  for (const link of [...links, ...links]) burst(link, 20)
  for (const link of [...links, ...links]) {
    burst(link, 1)
    assert.deepEqual(quicker(), [], 'although nothing had come from this one for long')
    burst(link, 19)
  }
  const slow = new Link(peer, new Pace(), false)
  for (let at = 1_000; at <= now; at += 500) slow.delivered(1, block, 0, at)
  assert.ok(links.every((link) => link.isTwiceAsQuickAs(slow)))
})

function want(number: number): Want {
  return new Want({ cid: new Uint8Array([number]), key: new Uint8Array([number]), load: number as OrderId, now: 0 })
}

function ask(link: Link, asking: Want, at: number): void {
  const entry = asking.peers.join(peer, 'session', undefined, link)!
  asking.apply(entry, 'block-asked', at)
  asking.apply(entry, 'message-sent', at)
}
