import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { sha256 } from '@noble/hashes/sha2.js'
import type { SessionId, WantId } from '../../worker/engine/bitswap/contract.ts'
import type { EngineEffect, EngineEvent } from '../../worker/engine/contract.ts'
import { Engine } from '../../worker/engine/engine.ts'
import { limits } from '../../worker/engine/limits.ts'
import type { PeerIdBytes } from '../../worker/engine/peer.ts'
import type { QueryId } from '../../worker/engine/query.ts'
import { EngineWorld } from '../support/engine-world.ts'
import { drain } from '../support/kad-peers.ts'

type Effect<Type extends EngineEffect['type']> = Extract<EngineEffect, { type: Type }>

const bytes = new TextEncoder().encode('a block of the world')
const cid = CID.createV1(0x55, Digest.create(0x12, sha256(bytes)))

function ended(query: QueryId): (effect: EngineEffect) => effect is Effect<'query-ended'> {
  return (effect): effect is Effect<'query-ended'> => effect.type === 'query-ended' && effect.query === query
}

function wantEnded(want: WantId): (effect: EngineEffect) => effect is Effect<'want-ended'> {
  return (effect): effect is Effect<'want-ended'> => effect.type === 'want-ended' && effect.want === want
}

/** A visit: providers of a CID, its block in a session, then everybody near a key, with some peers that are no help. */
function visit(seed: number): EngineWorld {
  const world = new EngineWorld({ seed, peers: 60, undialableShare: 0.2, silentShare: 0.1 })
  const holders = world.peers.filter((peer) => peer.dialable && !peer.silent).slice(10, 13)
  world.addContent(cid, bytes, holders)
  world.start()
  world.send({ type: 'find-providers', query: 1 as QueryId, multihash: cid.multihash.bytes, limit: 2 })
  world.runUntil(ended(1 as QueryId))
  world.send({ type: 'open-session', session: 1 as SessionId })
  world.send({ type: 'want-block', want: 1 as WantId, cid: cid.bytes, session: 1 as SessionId, providers: [] })
  world.runUntil(wantEnded(1 as WantId))
  world.send({ type: 'closest-peers', query: 2 as QueryId, key: Uint8Array.of(1, 2, 3) })
  world.runUntil(ended(2 as QueryId))
  return world
}

test('the whole engine finds providers, fetches a block and closes in on a key', () => {
  const { effects } = visit(1)
  const providers = effects.filter((effect) => effect.type === 'query-item' && effect.query === 1)
  assert.equal(providers.length, 2)
  const block = effects.find(wantEnded(1 as WantId))!
  assert.deepEqual(block.bytes, bytes)
  assert.notEqual(block.from, undefined)
  const near = effects.filter((effect) => effect.type === 'query-item' && effect.query === 2)
  // Servers name their 20 nearest, and those that failed are no result.
  assert.ok(near.length >= 14 && near.length <= 20, `${near.length} peers`)
})

test('the same seed and the same events give the same effects, byte for byte (E1, golden)', () => {
  assert.equal(visit(7).trace(), visit(7).trace())
  assert.notEqual(visit(7).trace(), visit(8).trace())
  // Changes with every intended change of behaviour; then look at what changed before the new hash goes in.
  assert.equal(visit(7).trace(), '96d36752bccb50cf845fab96098a04f633be8d174446872d13224ccfb0d48d21')
})

test('Kademlia and Bitswap share one budget of dials (E6)', () => {
  const world = visit(3)
  assert.ok(
    world.effects.filter((effect) => effect.type === 'dial').length > limits.pendingDialsMax.value,
    'more dials than places, or this shows nothing',
  )
  assert.ok(world.dialsPendingMax <= limits.pendingDialsMax.value, `${world.dialsPendingMax} were pending`)
})

test('a search that Bitswap started is invisible to the page, and ends with the block', () => {
  const { effects } = visit(5)
  assert.ok(effects.every((effect) => !('query' in effect) || effect.query > 0))
})

test('all providers that one answer names are known to a want before it asks any of them', () => {
  const world = new EngineWorld({ seed: 4, peers: 60, discovery: { coldStart: 'dht' } })
  const holders = world.peers.slice(10, 13)
  world.addContent(cid, bytes, holders)
  world.start()
  for (const { id } of holders) {
    const peer = world.engine.peers.intern(id)
    world.send({ type: 'peer-connected', peer })
    world.send({ type: 'bitswap-peer-connected', peer })
  }
  world.send({ type: 'want-block', want: 1 as WantId, cid: cid.bytes, session: undefined, providers: [] })
  world.runUntil(wantEnded(1 as WantId))
  const progress = world.effects.flatMap((effect) => (effect.type === 'want-progress' ? [effect.progress.type] : []))
  assert.deepEqual(progress.slice(0, 5), ['searching-providers', 'provider-found', 'provider-found', 'provider-found', 'asking'])
})

test('a block is found although more providers than a search asks for have no address that can be dialed', () => {
  const world = new EngineWorld({ seed: 3, peers: 60 })
  const holders = world.peers.slice(10, 30)
  for (const holder of holders.slice(1)) world.withoutTransport.add(holder)
  world.addContent(cid, bytes, [...holders.slice(1), holders[0]!])
  world.start()
  world.send({ type: 'want-block', want: 1 as WantId, cid: cid.bytes, session: undefined, providers: [] })
  const end = world.runUntil((effect) => effect.type === 'want-ended' || effect.type === 'want-failed')
  assert.equal(end?.type === 'want-ended' && end.from?.id, holders[0]!.id)
})

test('a peer that Bitswap dialed at wrong addresses is dialed by Kademlia at those of its table', () => {
  const engine = new Engine({ seed: 1 })
  const peer = engine.peers.intern(Uint8Array.of(0, 1, 1) as PeerIdBytes)
  const self = engine.peers.intern(Uint8Array.of(0, 1, 2) as PeerIdBytes)
  const [wrong, right] = [1, 2].map((number) => [{ bytes: Uint8Array.of(number), dialable: true }])
  const dials: Effect<'dial'>[] = []
  const handle = (event: EngineEvent) => {
    engine.handle(event, 0)
    for (const effect of drain(engine)) {
      if (effect.type === 'dial') dials.push(effect)
      else if (effect.type === 'load-block') handle({ type: 'block-loaded', order: effect.order, bytes: undefined })
    }
  }
  handle({ type: 'want-block', want: 1 as WantId, cid: cid.bytes, session: undefined, providers: [{ peer, addresses: wrong! }] })
  handle({ type: 'start', self, bootstrapPeers: [], tableEntries: [{ id: peer.id, addresses: right!, lastUsefulAt: 0 }] })
  handle({ type: 'closest-peers', query: 1 as QueryId, key: Uint8Array.of(1) })
  for (const { order } of [...dials]) handle({ type: 'dial-failed', order, reason: 'refused' })
  assert.deepEqual(
    dials.map(({ info }) => info.addresses),
    [wrong, right],
  )
})
