import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../worker/engine/limits.ts'
import { BitswapNetwork, countSent, testBlock, type TestBlock } from '../../support/bitswap-network.ts'

/** Many wants at once, without a session of the page's and without anything known: the first few go ahead. */

const scouts = limits.sessionScoutsMax.value
const many = 100

test('of many blocks wanted at once only the first few are asked around for, and all come once, from who has them', () => {
  const network = new BitswapNetwork()
  const blocks = Array.from({ length: many }, () => testBlock(network.rng))
  const node = network.node()
  for (let index = 0; index < 30; index++) network.connect(node, network.node(index % 8 === 3 ? blocks : []))
  for (const { cid } of blocks) node.want(cid)
  network.run()
  assert.equal(node.ended.size, many)
  assert.ok(countSent(node, 'have') <= 30 * scouts, `${countSent(node, 'have')} want-haves`)
  assert.ok((countSent(node, 'have') + countSent(node, 'block')) / many <= 5)
  assert.ok(node.machine.status().counters.blocksReceived <= many * 1.05)
  const searches = node.effects.filter(({ effect }) => effect.type === 'search-providers').length
  assert.ok(searches <= scouts, `${searches} searches`)
})

test('a few blocks wanted at once are asked for each by itself, whatever comes of the others', () => {
  const network = new BitswapNetwork({ latencyMs: [10, 10] })
  const blocks = Array.from({ length: scouts }, () => testBlock(network.rng))
  const node = network.node()
  for (const block of blocks) network.connect(node, network.node([block]))
  for (const { cid } of blocks) node.want(cid)
  network.run()
  assert.equal(countSent(node, 'have'), scouts * scouts, 'everybody is asked for everything')
  assert.equal(countSent(node, 'block'), scouts, 'and nobody for what he was not known to have')
})

test('where what the first ones find is of no use to the others, those ask around by themselves a round trip later', () => {
  const network = new BitswapNetwork({ latencyMs: [10, 10] })
  const blocks = Array.from({ length: many }, () => testBlock(network.rng, 100))
  const node = network.node()
  for (let index = 0; index < 20; index++) network.connect(node, network.node(blocks.filter((_, at) => at % 20 === index)))
  for (const { cid } of blocks) node.want(cid)
  network.run()
  assert.equal(node.ended.size, many)
  const latest = Math.max(...[...node.ended.values()].map(({ at }) => at))
  assert.ok(latest <= limits.scoutsWaitMs.value + limits.unrankedAfterMs.value + 1_000, `the last came at ${latest} ms`)
})

test('wants that nobody can serve begin to ask around in growing crowds, and all end', () => {
  const network = new BitswapNetwork()
  const node = network.node()
  for (let index = 0; index < 5; index++) network.connect(node, network.node())
  for (let index = 0; index < many; index++) node.want(testBlock(network.rng).cid)
  network.run(limits.scoutsWaitMs.value / 2)
  assert.equal(countSent(node, 'have'), 5 * scouts)
  network.run()
  assert.equal(node.failed.size, many)
})

test('blocks that are in the store already do not use up those who go ahead', () => {
  const network = new BitswapNetwork({ latencyMs: [10, 10] })
  const blocks = Array.from({ length: 40 }, () => testBlock(network.rng))
  const node = network.node(blocks.slice(0, 20))
  network.connect(node, network.node(blocks))
  for (const { cid } of blocks) node.want(cid)
  network.run()
  assert.equal(node.ended.size, 40)
  assert.ok(countSent(node, 'have') <= scouts, `${countSent(node, 'have')} want-haves`)
  assert.ok([...node.ended.values()].every(({ at }) => at < limits.scoutsWaitMs.value))
})

test('contexts do not follow each other', () => {
  const network = new BitswapNetwork({ latencyMs: [10, 10] })
  const blocks: readonly TestBlock[] = Array.from({ length: 4 * scouts }, () => testBlock(network.rng))
  const node = network.node()
  network.connect(node, network.node(blocks.slice(0, 2 * scouts)))
  network.connect(node, network.node(blocks.slice(2 * scouts)))
  for (const [index, { cid }] of blocks.entries()) node.want(cid, { context: index < 2 * scouts ? 'one' : 'two' })
  network.run()
  assert.equal(node.ended.size, blocks.length)
  assert.equal(countSent(node, 'block'), blocks.length, 'nobody is asked for what is of another context')
})

test('what the root of a DAG led to serves the blocks that are wanted right after it, and not those after them', () => {
  const network = new BitswapNetwork({ latencyMs: [10, 10] })
  const blocks = Array.from({ length: many }, () => testBlock(network.rng, 100))
  const [old, root, ...leaves] = blocks as [TestBlock, TestBlock, ...TestBlock[]]
  const node = network.node()
  const before = network.node([old])
  for (const other of [before, network.node([root, ...leaves])]) network.connect(node, other)
  let startedAt = 0
  for (const wanted of [[old], [root], leaves]) {
    startedAt = network.now
    const wants = wanted.map(({ cid }) => node.want(cid))
    network.run(network.now + limits.burstGapMs.value - 100)
    if (wanted === leaves) assert.ok(node.ended.get(wants[scouts]!)!.at - startedAt < 2 * 20, 'one round trip, and the store')
    // The clock stands still while nothing happens.
    network.after(300, () => undefined)
    network.run(network.now + 300)
  }
  assert.equal(node.ended.size, many)
  const asked = node.sentMessages().flatMap(({ peer, message }) => (peer === before.peer ? message.wantlist : []))
  assert.ok(asked.filter(({ cancel }) => !cancel).length <= 2 + scouts, 'who had something before is asked by the first few only')
})

test('where wants at once are of many places, who sent one is not asked for the next on that account, until they are of one place', () => {
  const network = new BitswapNetwork({ latencyMs: [10, 10] })
  const node = network.node()
  const scattered: TestBlock[] = []
  const peers = Array.from({ length: 20 }, () => {
    const own = Array.from({ length: 10 }, () => testBlock(network.rng))
    scattered.push(...own)
    return network.node(own)
  })
  const file = Array.from({ length: 60 }, () => testBlock(network.rng))
  const holder = network.node(file)
  for (const peer of [...peers, holder]) network.connect(node, peer)
  const inCrowds = (blocks: readonly TestBlock[], each: number) => {
    for (let from = 0; from < blocks.length; from += each) {
      for (const { cid } of blocks.slice(from, from + each)) node.want(cid)
      network.run(network.now + limits.burstGapMs.value - 100)
      // The clock stands still while nothing happens.
      network.after(400, () => undefined)
      network.run(network.now + 400)
    }
  }
  network.rng.shuffle(scattered)
  inCrowds(scattered.slice(0, 100), 10)
  const before = countSent(node, 'block')
  inCrowds(scattered.slice(100), 10)
  assert.equal(node.ended.size, 200)
  const blocks = countSent(node, 'block') - before
  assert.ok(blocks < 250, `${blocks} want-blocks for 100 blocks`)
  const [haves, found] = [countSent(node, 'have'), node.ended.size]
  inCrowds(file, 10)
  assert.equal(node.ended.size - found, file.length)
  const asked = countSent(node, 'have') - haves
  assert.ok(asked < 6 * scouts * peers.length, `${asked} want-haves for ${file.length} blocks of one file`)
})
