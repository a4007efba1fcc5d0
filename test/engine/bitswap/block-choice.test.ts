import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isBetter } from '../../../worker/engine/bitswap/block-choice.ts'
import { Link, Pace } from '../../../worker/engine/bitswap/link.ts'
import { newWantPeer, type WantPeer } from '../../../worker/engine/bitswap/want-peer.ts'
import { PeerCache, type PeerIdBytes } from '../../../worker/engine/peer.ts'
import { BitswapNetwork, testBlock, type ScriptedPeer } from '../../support/bitswap-network.ts'

const cache = new PeerCache()
const pace = new Pace()

/** A provider that has answered earlier questions after so long. */
function provider(number: number, latencyMs: number | undefined): WantPeer {
  const peer = cache.intern(new Uint8Array([0x12, 0x20, ...new Uint8Array(31), number]) as PeerIdBytes)
  const link = new Link(peer, pace, false)
  if (latencyMs !== undefined) link.answered(0, latencyMs)
  return newWantPeer(peer, 'provider', undefined, link)
}

function best(...peers: WantPeer[]): WantPeer {
  return peers.reduce((one, other) => (isBetter(other, one) ? other : one))
}

test('of peers with the same reason the nearer is asked for the block; one of which nothing is known is thought to be as near as they are on average', () => {
  const [far, near, unknown] = [provider(1, 900), provider(2, 60), provider(3, undefined)]
  assert.equal(best(far, near, unknown), near)
  assert.equal(best(far, unknown), unknown)
  assert.equal(best(unknown, near), near)
})

test('a HAVE goes before nearness', () => {
  const [far, near] = [provider(1, 900), provider(2, 60)]
  far.state = { type: 'have' }
  assert.equal(best(far, near), far)
})

test('a peer is not far because its blocks waited behind others', () => {
  const [busy, far] = [provider(1, undefined), provider(2, 900)]
  busy.link!.delivered(1, 262_144, 0, 100)
  for (let block = 1; block <= 20; block++) {
    busy.link!.answered(0, 100 * block)
    busy.link!.delivered(1, 262_144, 0, 100 * block)
  }
  assert.equal(best(busy, far), busy)
})

test('of several providers that one answer of the DHT names the nearest is asked for the block, whoever comes first in it', () => {
  const network = new BitswapNetwork({ latencyMs: [1, 1], searchMs: 100_000 })
  const node = network.node()
  const [far, near] = [600, 20].map((afterMs) => {
    const party: ScriptedPeer = network.scripted(({ wantlist }) => {
      const presences = wantlist.filter(({ cancel }) => !cancel).map(({ cid }) => ({ cid, type: 'dont-have' as const }))
      if (presences.length > 0) party.send(node.peer, { presences }, afterMs)
      return undefined
    })
    network.connect(node, party)
    return party
  })
  const searchOf = (cid: Uint8Array) => {
    node.want(cid)
    network.run(network.now + 5)
    const search = node.effects.findLast(({ effect }) => effect.type === 'search-providers')?.effect
    assert.ok(search?.type === 'search-providers')
    return search.search
  }
  searchOf(testBlock(network.rng).cid)
  network.run(2_000)
  const wanted = testBlock(network.rng).cid
  const search = searchOf(wanted)
  const since = network.now
  node.hears({ type: 'providers-found', search, providers: [far!, near!].map(({ peer }) => ({ peer, addresses: [] })) })
  network.run(since + 5)
  const asked = node
    .sentMessages()
    .filter(({ at, message }) => at >= since && message.wantlist.some(({ wantType }) => wantType === 'block'))
  assert.deepEqual(
    asked.map(({ peer }) => peer),
    [near!.peer],
  )
})
