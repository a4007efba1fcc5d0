import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EngineEvent } from '../../../worker/engine/contract.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { PeerCache, type PeerIdBytes } from '../../../worker/engine/peer.ts'
import { HeldPeers } from '../../../worker/host/network/held-peers.ts'

const cache = new PeerCache()
const [peer, other] = [1, 2].map((byte) => cache.intern(Uint8Array.of(byte) as PeerIdBytes)) as [never, never] as [
  ReturnType<PeerCache['intern']>,
  ReturnType<PeerCache['intern']>,
]
const connected: EngineEvent = { type: 'peer-connected', peer }
const speaks: EngineEvent = { type: 'bitswap-peer-connected', peer }

test('what is said of a held peer is told when it is released, in its order, and of others at once', () => {
  const told: EngineEvent[] = []
  const held = new HeldPeers((event) => told.push(event))
  const others: EngineEvent = { type: 'peer-connected', peer: other }
  held.hold(peer.id)
  held.tell(peer.id, connected)
  held.tell(other.id, others)
  held.tell(peer.id, speaks)
  assert.deepEqual(told, [others])
  held.hold(peer.id)
  held.release(peer.id)
  assert.deepEqual(told, [others, connected, speaks])
  held.release(peer.id)
  held.tell(peer.id, speaks)
  assert.equal(told.length, 4)
})

test('a held peer that goes was never there', () => {
  const told: EngineEvent[] = []
  const held = new HeldPeers((event) => told.push(event))
  held.hold(peer.id)
  held.tell(peer.id, connected)
  assert.equal(held.drop(peer.id), true)
  held.release(peer.id)
  assert.deepEqual([told, held.drop(peer.id)], [[], false])
})

test('a held peer that has too much to say is heard', () => {
  const told: EngineEvent[] = []
  const held = new HeldPeers((event) => told.push(event))
  held.hold(peer.id)
  for (let index = 0; index <= limits.heldEventsMax.value; index++) held.tell(peer.id, connected)
  assert.equal(told.length, limits.heldEventsMax.value + 1)
})
