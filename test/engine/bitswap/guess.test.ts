import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../worker/engine/limits.ts'
import { BitswapNetwork, countSent, testBlock } from '../../support/bitswap-network.ts'

const roundTrip = 100

for (const guesses of [1, 2, 3, 4]) {
  test(`with ${guesses} as a fixed choice so many of the peers that wanted the same are asked for the block at once, and no more`, () => {
    const network = new BitswapNetwork({ latencyMs: [roundTrip / 2, roundTrip / 2], searchMs: 5_000 })
    const block = testBlock(network.rng, 20_000)
    const node = network.node([], { guesses })
    const others = Array.from({ length: 20 }, () => network.node())
    for (const other of others) network.connect(node, other)
    const wish = { cid: block.cid, priority: 1, cancel: false, wantType: 'block' as const, sendDontHave: true }
    const message = { wantlist: [wish], full: false, blocks: [], presences: [], pendingBytes: 0 }
    const wanters = others.slice(0, 6)
    for (const { peer } of wanters) node.hears({ type: 'message-received', peer, message })
    for (const wanter of wanters) wanter.store.set(block.cid, block.bytes)
    network.run(1_000)
    const want = node.want(block.cid)
    const since = network.now
    network.run(since + 10_000)
    assert.ok(node.ended.get(want)!.at <= since + roundTrip + 5)
    assert.deepEqual([countSent(node, 'block'), countSent(node, 'have')], [guesses, limits.whispersMax.value])
    const askedInVain = guesses - 1 + limits.whispersMax.value
    assert.equal(countSent(node, 'cancel'), askedInVain, 'only who was asked is told to stop')
  })
}

test('with none as a fixed choice nobody is guessed at, whatever was heard', () => {
  const network = new BitswapNetwork()
  const block = testBlock(network.rng, 20_000)
  const node = network.node([], { guesses: 0 })
  const wanter = network.node()
  network.connect(node, wanter)
  wanter.want(block.cid)
  network.run()
  wanter.store.set(block.cid, block.bytes)
  const want = node.want(block.cid)
  network.run()
  assert.equal(node.ended.get(want)?.from, wanter.peer)
  assert.equal(node.machine.status().counters.guessedWants, 0)
})
