import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionId } from '../../../worker/engine/bitswap/contract.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { BitswapNetwork, testBlock, type Party, type TestBlock } from '../../support/bitswap-network.ts'

test('answers that come when their time was up teach how late answers are', () => {
  const network = new BitswapNetwork({ latencyMs: [10, 10], searchMs: 10_000 })
  const node = network.node()
  const slow = network.scripted(({ wantlist }) => {
    const asked = wantlist.filter(({ cancel }) => !cancel)
    if (asked.length === 0) return undefined
    slow.send(node.peer, { presences: asked.map(({ cid }) => ({ cid, type: 'have' as const })) }, 4_000)
    return undefined
  })
  network.connect(node, slow)
  for (let count = 0; count < limits.durationWindowMin.value; count++) {
    const want = node.want(testBlock(network.rng).cid)
    network.run(network.now + 5_000)
    node.hears({ type: 'cancel-want', want })
    network.run(network.now + 1_000)
  }
  // A step now waits for as long as it may: what is thought usual is what came, and not the little that came in time.
  const since = network.now
  for (let index = 0; index < 40; index++)
    network.connect(
      node,
      network.scripted(() => undefined),
    )
  node.want(testBlock(network.rng).cid)
  network.run(since + limits.broadcastStepMaxMs.value - 10)
  const early = node
    .sentMessages()
    .filter(({ at, message }) => at >= since && message.wantlist.some(({ cancel }) => !cancel)).length
  network.run(since + limits.broadcastStepMaxMs.value + 10)
  const all = node
    .sentMessages()
    .filter(({ at, message }) => at >= since && message.wantlist.some(({ cancel }) => !cancel)).length
  assert.ok(early < all, `${early} of ${all} within a step`)
})

test('who had a block because it wanted the same is not ranked for it: of other content that says nothing', () => {
  const network = new BitswapNetwork({ latencyMs: [10, 10] })
  const block = testBlock(network.rng)
  const node = network.node()
  const wanter = network.node()
  const seed = network.node([block])
  network.connect(wanter, seed)
  network.connect(wanter, node)
  wanter.want(block.cid)
  network.run(1_000)
  const want = node.want(block.cid)
  network.run()
  assert.equal(node.ended.get(want)?.from, wanter.peer)
  assert.equal(node.machine.status().counters.guessHits, 1)
  assert.equal(node.machine.status().rankedPeers, 0)
})

test('what becomes of a want that goes to the network is counted by the classes of the study of 2022 (B17)', () => {
  const network = new BitswapNetwork()
  const [kept, near, far, nowhere, promised, given, withdrawn] = Array.from({ length: 7 }, () => testBlock(network.rng))
  const node = network.node([kept!])
  network.connect(node, network.node([near!]))
  network.provide(far!.cid, network.node([far!]))
  network.provide(promised!.cid, network.node())
  const classOf = (block: TestBlock, providers: readonly Party[] = [], cancelled = false): readonly number[] => {
    const classes = () => {
      const { counters } = node.machine.status()
      return [counters.wantsSuccess, counters.wantsFailure, counters.wantsNoProvider, counters.wantsFetchFailed]
    }
    const before = classes()
    const want = node.want(block.cid, { providers })
    if (cancelled) node.hears({ type: 'cancel-want', want })
    network.run(network.now + 120_000)
    return classes().map((count, index) => count - before[index]!)
  }
  assert.deepEqual(classOf(near!), [1, 0, 0, 0], 'a connected peer had it')
  assert.deepEqual(classOf(far!), [0, 1, 0, 0], 'only a provider that the search has found had it')
  assert.deepEqual(classOf(nowhere!), [0, 0, 1, 0], 'nobody provides it')
  assert.deepEqual(classOf(promised!), [0, 0, 0, 1], 'who provides it has it not')
  assert.deepEqual(classOf(given!, [network.node([given!])]), [0, 1, 0, 0], 'a provider that had to be dialed')
  assert.deepEqual(classOf(kept!), [0, 0, 0, 0], 'it was here already')
  assert.deepEqual(classOf(withdrawn!, [], true), [0, 0, 0, 0], 'nobody waited for the end')
})

test('the classes are the same in a session, which knows more of a provider than that it is one (B17)', () => {
  const network = new BitswapNetwork({ latencyMs: [10, 10], searchMs: 20 })
  const [found, denied] = [testBlock(network.rng), testBlock(network.rng)]
  const node = network.node()
  const provider = network.node([found])
  for (const { cid } of [found, denied]) network.provide(cid, provider, provider)
  node.hears({ type: 'open-session', session: 1 as SessionId })
  node.want(found.cid, { session: 1 })
  network.run(5_000)
  const want = node.want(denied.cid, { session: 1 })
  network.run()
  const { wantsSuccess, wantsFailure, wantsNoProvider, wantsFetchFailed } = node.machine.status().counters
  assert.deepEqual([wantsSuccess, wantsFailure, wantsNoProvider, wantsFetchFailed], [0, 1, 0, 1])
  assert.match(node.failed.get(want)!.message, /1 peers were said to provide it/)
  const told = node.progress.filter(({ type }) => type === 'provider-found')
  assert.equal(told.length, 2, 'once for each block, however often it is named')
})

test('of wants that have nothing to do with each other each is soon asked of others, too, beside who sent the last block', () => {
  const network = new BitswapNetwork({ latencyMs: [10, 10], searchMs: 10_000 })
  const blocks = Array.from({ length: 6 }, () => testBlock(network.rng))
  const node = network.node()
  const isEven = (_: unknown, index: number) => index % 2 === 0
  network.connect(node, network.node(blocks.filter(isEven)))
  network.connect(node, network.node(blocks.filter((block, index) => !isEven(block, index))))
  for (let index = 0; index < 3; index++) network.connect(node, network.node())
  const askedAtOnce = blocks.map(({ cid }) => {
    const since = network.now
    const want = node.want(cid)
    network.run(since + 15)
    const asked = node.sentMessages().filter(({ at, message }) => at >= since && message.wantlist.some(({ cancel }) => !cancel))
    network.run(since + 500)
    assert.ok(node.ended.has(want))
    return asked.length
  })
  assert.equal(askedAtOnce[1], 1, 'at first it is asked alone')
  assert.ok(askedAtOnce.at(-1)! > 1, `${askedAtOnce.join(', ')} are asked at once`)
})
