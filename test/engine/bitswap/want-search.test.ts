import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionId, WantId } from '../../../worker/engine/bitswap/contract.ts'
import { WantPeers } from '../../../worker/engine/bitswap/want-peers.ts'
import { WantSearch } from '../../../worker/engine/bitswap/want-search.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { BitswapNetwork, testBlock, type BitswapNode, type TestBlock } from '../../support/bitswap-network.ts'

function searchOf(cid = new Uint8Array([1, 2, 3])): WantSearch {
  return new WantSearch({ cid, key: cid.subarray(2), sessions: new Set(), peers: new WantPeers() })
}

function searchNow(search: WantSearch): void {
  search.hurry(0)
  search.begin(0)
  search.aim()
}

/** Rows: how the search came to be in the state. Columns: begin is due?, is something left, is it under way, has one ended. */
const states: Record<string, (search: WantSearch) => void> = {
  unwatched: () => {},
  waiting: (search) => search.wait(500, 0),
  hurried: (search) => search.hurry(0),
  searching: searchNow,
  over: (search) => {
    searchNow(search)
    search.ended(false, 0)
  },
  resting: (search) => {
    searchNow(search)
    search.ended(false, 0)
    search.rest(0)
  },
}

const table: Record<string, string> = {
  unwatched: 'idle left . .',
  waiting: 'idle left . .',
  hurried: 'due left . .',
  searching: 'idle . begun .',
  over: 'idle . . ended',
  resting: 'idle . begun ended',
}

for (const [name, reach] of Object.entries(states)) {
  test(`a search that is ${name} is in the state the table says`, () => {
    const search = searchOf()
    reach(search)
    const found = [search.isLeft ? 'left' : '.', search.isUnderWay ? 'begun' : '.', search.hasEnded ? 'ended' : '.']
    assert.equal([search.begin(100) ? 'due' : 'idle', ...found].join(' '), table[name])
  })
}

test('a search begins when its delay is over, rests longer each time, and is given up after three walks', () => {
  const search = searchOf()
  search.wait(500, 0)
  search.wait(9_000, 0)
  assert.equal(search.deadline, 500, 'the first word counts')
  assert.deepEqual([search.begin(499), search.begin(500), search.begin(600)], [false, true, false])
  search.aim()
  search.ended(false, 600)
  const rests: number[] = []
  while (search.rest(1_000)) {
    rests.push(search.deadline! - 1_000)
    assert.ok(search.begin(search.deadline!))
    search.aim()
    search.ended(false, 1_000)
  }
  assert.deepEqual(rests, [limits.providerSearchRestMs.value, 2 * limits.providerSearchRestMs.value])
})

function searched(node: BitswapNode): Uint8Array[] {
  return node.effects.flatMap(({ effect }) => (effect.type === 'search-providers' ? [effect.cid] : []))
}

function open(node: BitswapNode, session: number, root: TestBlock): void {
  node.hears({ type: 'open-session', session: session as SessionId, root: root.cid })
}

/** Wants the block, and lets the network come to rest. */
function get(network: BitswapNetwork, node: BitswapNode, { cid }: TestBlock, session = 1): WantId {
  const want = node.want(cid, { session })
  network.run()
  return want
}

test('the first search of a session is for its root, later ones for the block', () => {
  const network = new BitswapNetwork()
  const [root, first, second] = [testBlock(network.rng), testBlock(network.rng), testBlock(network.rng)]
  const node = network.node()
  const provider = network.node([root, first])
  network.provide(root.cid, provider)
  open(node, 1, root)
  assert.equal(node.ended.get(get(network, node, first))?.from, provider.peer)
  get(network, node, second)
  assert.deepEqual(searched(node).slice(0, 2), [root.cid, second.cid])
})

test('where the root came from a connected peer before its search had found anybody, the next search is for the root', () => {
  const network = new BitswapNetwork({ latencyMs: [10, 10], searchMs: 300 })
  const [root, child] = [testBlock(network.rng), testBlock(network.rng)]
  const node = network.node()
  const [neighbour, provider] = [network.node([root]), network.node([root, child])]
  network.connect(node, neighbour)
  network.provide(root.cid, provider)
  open(node, 1, root)
  assert.equal(node.ended.get(get(network, node, root))?.from, neighbour.peer)
  assert.equal(node.ended.get(get(network, node, child))?.from, provider.peer)
  assert.deepEqual(searched(node), [root.cid, root.cid])
})

test('where nobody provides the root, the block itself is searched for at once, and the root never again', () => {
  const network = new BitswapNetwork({ searchMs: 300 })
  const [root, first, second] = [testBlock(network.rng), testBlock(network.rng), testBlock(network.rng)]
  const node = network.node([root])
  for (const { cid, bytes } of [first, second]) network.provide(cid, network.node([{ cid, bytes }]))
  open(node, 1, root)
  assert.ok(node.ended.get(get(network, node, first))!.at < 1_000)
  assert.ok(node.ended.has(get(network, node, second)))
  assert.deepEqual(searched(node), [root.cid, first.cid, second.cid])
})

test('where those who provide the root have nothing, the block itself is searched for without a rest', () => {
  const network = new BitswapNetwork({ searchMs: 300 })
  const [root, child] = [testBlock(network.rng), testBlock(network.rng)]
  const node = network.node([root])
  network.provide(root.cid, network.node())
  network.provide(child.cid, network.node([child]))
  open(node, 1, root)
  assert.ok(node.ended.get(get(network, node, child))!.at < limits.providerSearchRestMs.value)
  assert.deepEqual(searched(node), [root.cid, child.cid])
})

test('nor does it wait for all that are asked, where a provider of the root denies late', () => {
  const network = new BitswapNetwork({ searchMs: 300 })
  const [root, child] = [testBlock(network.rng), testBlock(network.rng)]
  const node = network.node([root])
  let deniedAt = 0
  const provider = network.scripted(({ wantlist }, from, self) => {
    if (wantlist.some(({ cancel }) => cancel)) return undefined
    deniedAt = network.now + 1_500
    self.send(from, { presences: wantlist.map(({ cid }) => ({ cid, type: 'dont-have' })) }, 1_500)
    return undefined
  })
  network.provide(root.cid, provider)
  network.provide(child.cid, network.node([child]))
  for (let index = 0; index < 300; index++) {
    const mute = network.scripted(() => undefined)
    network.connect(node, mute)
  }
  open(node, 1, root)
  get(network, node, child)
  const searches = node.effects.flatMap(({ at, effect }) => (effect.type === 'search-providers' ? [at] : []))
  assert.ok(
    searches.length === 2 && searches[1]! - deniedAt <= network.options.latencyMs[1],
    `at ${searches}, denied at ${deniedAt}`,
  )
})

test('a provider that has delivered in the session and denies this block makes it be searched for again, as any other does', () => {
  const network = new BitswapNetwork({ searchMs: 300 })
  const [first, second] = [testBlock(network.rng), testBlock(network.rng)]
  const node = network.node()
  const [good, later] = [network.node([first]), network.node([second])]
  network.connect(node, good)
  node.hears({ type: 'open-session', session: 1 as SessionId })
  assert.ok(node.ended.has(get(network, node, first)))
  network.provide(second.cid, good)
  network.after(2_000, () => network.provide(second.cid, later))
  assert.equal(node.ended.get(get(network, node, second))?.from, later.peer)
})

test('a search for the root itself, as a block, is one for the root', () => {
  const network = new BitswapNetwork({ searchMs: 4_000 })
  const [root, other, next] = [testBlock(network.rng), testBlock(network.rng), testBlock(network.rng)]
  const node = network.node()
  open(node, 1, root)
  const want = node.want(other.cid, { session: 1 })
  network.after(3, () => {
    Object.assign(network.options, { searchMs: 500 })
    node.want(root.cid, { session: 1 })
  })
  network.after(2_000, () => node.hears({ type: 'cancel-want', want }))
  network.after(3_000, () => node.want(next.cid, { session: 1 }))
  network.run()
  assert.deepEqual(searched(node).slice(2), [next.cid])
})

test('who sent the root may have nothing else: before a block is not found, the root is searched for to the end', () => {
  const network = new BitswapNetwork({ searchMs: 300 })
  const [root, child, absent] = [testBlock(network.rng), testBlock(network.rng), testBlock(network.rng)]
  const node = network.node()
  network.provide(root.cid, network.node([root]))
  open(node, 1, root)
  assert.ok(node.ended.has(get(network, node, root)))
  const other = network.node([root, child])
  network.provide(root.cid, other)
  assert.equal(node.ended.get(get(network, node, child))?.from, other.peer)
  assert.equal(node.failed.get(get(network, node, absent))?.code, 'not-found')
  assert.equal(node.failed.get(get(network, node, absent))?.code, 'not-found')
  const again = searched(node).slice(3)
  assert.deepEqual(searched(node).slice(0, 3), [root.cid, child.cid, root.cid])
  assert.equal(again.filter((cid) => cid === root.cid).length, 1, 'the search that came to its end was the last')
})

test('blocks that are wanted at once in a session all hear of the root before they are not found', () => {
  const network = new BitswapNetwork({ searchMs: 300 })
  const [root, ...children] = Array.from({ length: 4 }, () => testBlock(network.rng)) as [TestBlock, ...TestBlock[]]
  const node = network.node()
  network.provide(root.cid, network.node([root]))
  open(node, 1, root)
  get(network, node, root)
  network.provide(root.cid, network.node(children))
  const wants = children.map(({ cid }) => node.want(cid, { session: 1 }))
  network.run()
  for (const want of wants) assert.ok(node.ended.has(want))
})

test('one block wanted in two sessions takes the root of the first, and the second still has its own', () => {
  const network = new BitswapNetwork({ searchMs: 300 })
  const [rootA, rootB, shared, leafB] = Array.from({ length: 4 }, () => testBlock(network.rng)) as [
    TestBlock,
    TestBlock,
    TestBlock,
    TestBlock,
  ]
  const node = network.node()
  network.provide(rootA.cid, network.node([rootA, shared]))
  network.provide(rootB.cid, network.node([rootB, shared, leafB]))
  open(node, 1, rootA)
  open(node, 2, rootB)
  const first = node.want(shared.cid, { session: 1 })
  assert.ok(node.ended.has(get(network, node, shared, 2)) && node.ended.has(first))
  assert.ok(node.ended.has(get(network, node, leafB, 2)))
  assert.deepEqual(searched(node), [rootA.cid, rootB.cid])
})

test('a block that nobody has is not found after one search each for it and the roots of its sessions', () => {
  const network = new BitswapNetwork()
  const [rootA, rootB, absent] = [testBlock(network.rng), testBlock(network.rng), testBlock(network.rng)]
  const node = network.node()
  open(node, 1, rootA)
  open(node, 2, rootB)
  const first = node.want(absent.cid, { session: 1 })
  const second = get(network, node, absent, 2)
  for (const want of [first, second]) assert.equal(node.failed.get(want)?.code, 'not-found')
  assert.deepEqual(searched(node), [rootA.cid, absent.cid, rootB.cid])
})

test('a search for the root that has failed is not lost, and not repeated by the same want', () => {
  const network = new BitswapNetwork({ searchMs: 1_000 })
  const [root, first, second] = [testBlock(network.rng), testBlock(network.rng), testBlock(network.rng)]
  const node = network.node()
  network.provide(root.cid, network.node([root, second]))
  open(node, 1, root)
  const want = node.want(first.cid, { session: 1 })
  network.run(100)
  const search = node.effects.flatMap(({ effect }) => (effect.type === 'search-providers' ? [effect.search] : []))[0]!
  node.hears({ type: 'provider-search-ended', search, failure: { code: 'no-peers', message: '' } })
  network.run()
  assert.ok(node.failed.has(want))
  assert.ok(node.ended.has(get(network, node, second)))
  assert.deepEqual(searched(node), [root.cid, first.cid, root.cid])
})
