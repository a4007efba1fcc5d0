import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anyOf, awaitedAnswers, worthwhileSpeed } from '../../../worker/engine/bitswap/broadcast-speed.ts'
import { defaultDiscoveryOptions } from '../../../worker/engine/bitswap/bitswap.ts'
import { Discovery } from '../../../worker/engine/bitswap/discovery.ts'
import { newWantPeer, type WantPeer, type WantPeerState } from '../../../worker/engine/bitswap/want-peer.ts'
import { BytesMap } from '../../../worker/engine/bytes-map.ts'
import { PeerCache, type PeerIdBytes } from '../../../worker/engine/peer.ts'

test('no other speed costs less in questions and time', () => {
  for (const [share, byMs, peers, among, worth] of [
    [0.1, 3_000, 600, 0.05, 2],
    [0.9, 400, 20, 0.5, 4],
    [0.001, 10_000, 850, 0.9, 1],
  ] as const) {
    const cost = (speed: number): number => (share * speed * byMs) / 1_000 + (worth * among * peers) / (2 * speed)
    const speed = worthwhileSpeed([{ share, byMs }], { peers, share: among }, worth)
    for (const other of [0.5, 0.9, 1.1, 2]) assert.ok(cost(speed) < cost(other * speed))
  }
})

test('where no answer is late nothing is asked in vain: there is no limit', () => {
  assert.equal(worthwhileSpeed([{ share: 0, byMs: 0 }], { peers: 10, share: 0.5 }, 4), Number.POSITIVE_INFINITY)
})

test('the chance that one of several has it is that not all of them have it not', () => {
  assert.equal(anyOf([]), 0)
  assert.ok(Math.abs(anyOf([{ chance: 0.5 }, { chance: 0.5 }]) - 0.75) < 1e-9)
})

test('late is who was asked and may still answer, also when its time was up; not who has denied, or is gone', () => {
  const discovery = new Discovery(defaultDiscoveryOptions, new PeerCache())
  const peer = new PeerCache().intern(new Uint8Array([0x12, 0x20, ...new Uint8Array(32)]) as PeerIdBytes)
  for (let time = 0; time < 30; time++) discovery.served(peer, undefined, undefined, [], 0)
  for (let answer = 0; answer < 20; answer++) discovery.answered(answer < 10 ? 100 : 5_000)
  const lateAt = (now: number, state: WantPeerState) => {
    const entry: WantPeer = { ...newWantPeer(peer, 'broadcast', undefined, undefined), state, askedAt: 0 }
    const asked = new BytesMap<WantPeer>()
    asked.set(peer.id, entry)
    return awaitedAnswers(asked, discovery, now).late
  }
  const silent = lateAt(1_000, { type: 'denied', by: 'silence' })
  assert.ok(silent.share > 0.4 && silent.share <= 0.5, `${silent.share}`)
  assert.equal(Math.round(silent.byMs), 4_000)
  assert.equal(lateAt(6_000, { type: 'denied', by: 'silence' }).share, 0)
  assert.equal(lateAt(1_000, { type: 'denied', by: 'dont-have' }).share, 0)
  assert.equal(lateAt(1_000, { type: 'gone' }).share, 0)
})
