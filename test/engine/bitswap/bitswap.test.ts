import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../worker/engine/limits.ts'
import { BitswapNetwork, countSent, testBlock } from '../../support/bitswap-network.ts'

test('a stored block ends the want without the network', () => {
  const network = new BitswapNetwork()
  const block = testBlock(network.rng)
  const node = network.node([block])
  const other = network.node([block])
  network.connect(node, other)
  const want = node.want(block.cid)
  network.run()
  assert.equal(node.ended.get(want)?.from, undefined)
  assert.equal(node.ended.get(want)?.bytes, block.bytes)
  assert.deepEqual(
    node.effects.map(({ effect }) => effect.type),
    ['load-block', 'want-ended'],
  )
})

test('a connected peer that has the block is asked whether it has, then for the block; the search is stopped by it', () => {
  const network = new BitswapNetwork()
  const block = testBlock(network.rng)
  const node = network.node()
  const other = network.node([block])
  network.connect(node, other)
  const want = node.want(block.cid)
  network.run()
  assert.equal(node.ended.get(want)?.from, other.peer)
  assert.equal(countSent(node, 'have'), 1)
  assert.equal(countSent(node, 'block'), 1)
  assert.equal(countSent(node, 'cancel'), 0, 'who answered with the block needs no cancel')
  assert.equal(node.store.get(block.cid), block.bytes)
  const types = node.effects.map(({ effect }) => effect.type)
  assert.ok(types.includes('search-providers') && types.includes('stop-provider-search'))
})

test('a small block answers the question whether it is there', () => {
  const network = new BitswapNetwork()
  const block = testBlock(network.rng, limits.inlineBlockBytesMax.value)
  const node = network.node()
  network.connect(node, network.node([block]))
  node.want(block.cid)
  network.run()
  assert.equal(node.ended.size, 1)
  assert.equal(countSent(node, 'block'), 0)
})

test('a provider that the search finds is dialed and asked for the block', () => {
  const network = new BitswapNetwork()
  const block = testBlock(network.rng)
  const node = network.node()
  const provider = network.node([block])
  network.provide(block.cid, provider)
  const want = node.want(block.cid)
  network.run()
  assert.equal(node.ended.get(want)?.from, provider.peer)
  assert.equal(countSent(node, 'have'), 0)
  assert.deepEqual(
    node.progress.map(({ type }) => type),
    ['searching-providers', 'provider-found', 'asking'],
  )
})

test('a want with nobody connected and nobody providing ends in not-found as soon as the search and the grace are over', () => {
  const network = new BitswapNetwork()
  const node = network.node()
  const want = node.want(testBlock(network.rng).cid)
  network.run()
  assert.equal(node.failed.get(want)?.code, 'not-found')
  assert.equal(node.failed.get(want)?.at, 1 + 2 * network.options.searchMs + limits.notFoundGraceMs.value)
})
