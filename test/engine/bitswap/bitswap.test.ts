import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bitswap } from '../../../worker/engine/bitswap/bitswap.ts'
import type { BitswapEffect, BitswapEvent, SessionId, WantId } from '../../../worker/engine/bitswap/contract.ts'
import { OrderIds, type OrderId } from '../../../worker/engine/machine.ts'
import { multihashOf } from '../../../worker/engine/bitswap/cid-key.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { BitswapNetwork, countSent, infoOf, messageOf, testBlock } from '../../support/bitswap-network.ts'

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

test('a provider that was dialed for a block is asked at once, before it has said what it speaks (B25)', () => {
  const network = new BitswapNetwork()
  const block = testBlock(network.rng)
  const node = network.node()
  const provider = network.node([block])
  const ready = 1 + network.options.dialMs
  node.want(block.cid, { providers: [provider] })
  network.run()
  assert.deepEqual(
    node.sentMessages().map(({ at, peer }) => [at, peer]),
    [[ready, provider.peer]],
  )
})

test('a provider that turns out not to speak Bitswap fails the message, and holds nothing up (B25)', () => {
  const network = new BitswapNetwork({ messageFailure: 1 })
  const block = testBlock(network.rng)
  const node = network.node()
  const want = node.want(block.cid, { providers: [network.node([block])] })
  network.run()
  assert.equal(node.failed.get(want)?.code, 'not-found')
  assert.ok(node.sentMessages().length <= limits.messageFailuresMax.value, 'nor is it asked for ever')
  assert.ok((node.failed.get(want)?.at ?? Infinity) < 5_000)
})

test('a want with nobody connected and nobody providing ends in not-found as soon as the search and the grace are over', () => {
  const network = new BitswapNetwork()
  const node = network.node()
  const want = node.want(testBlock(network.rng).cid)
  network.run()
  assert.equal(node.failed.get(want)?.code, 'not-found')
  assert.equal(node.failed.get(want)?.at, 1 + 2 * network.options.searchMs + limits.notFoundGraceMs.value)
})

test('wants of one CID share one search and one want-block, however the CID is written', () => {
  const network = new BitswapNetwork()
  const digest = network.rng.bytes(32)
  const versionOne = new Uint8Array([0x01, 0x70, 0x12, 0x20, ...digest])
  const versionZero = new Uint8Array([0x12, 0x20, ...digest])
  const node = network.node()
  network.connect(node, network.node([{ cid: versionOne, bytes: new Uint8Array(4_000) }]))
  const wants = [node.want(versionOne), node.want(versionZero), node.want(versionOne)]
  network.run()
  assert.deepEqual(
    wants.map((want) => node.ended.has(want)),
    [true, true, true],
  )
  assert.deepEqual([countSent(node, 'have'), countSent(node, 'block')], [1, 1])
  const ends = node.effects.flatMap(({ effect }) => (effect.type === 'want-ended' ? [effect.cid] : []))
  assert.deepEqual(ends, [versionOne, versionZero, versionOne], 'each is answered as it was asked')
})

test('cancels go to those who were asked and did not send the block, and to nobody else', () => {
  const network = new BitswapNetwork({ latencyMs: [10, 10] })
  const block = testBlock(network.rng)
  const node = network.node()
  const holder = network.node([block])
  const denier = network.node()
  const silent = network.scripted(() => undefined)
  for (const party of [holder, denier, silent]) network.connect(node, party)
  node.want(block.cid)
  network.run(20)
  network.connect(
    node,
    network.scripted(() => assert.fail('a peer that was asked nothing is told nothing')),
  )
  network.run()
  const cancelled = node
    .sentMessages()
    .flatMap(({ peer, message }) => (message.wantlist.some(({ cancel }) => cancel) ? [peer] : []))
  assert.deepEqual(new Set(cancelled), new Set([denier.peer, silent.peer]))
  assert.equal(cancelled.length, 2)
})

test('a cancelled want says nothing more and withdraws search, dial and questions', () => {
  const network = new BitswapNetwork({ dialMs: 500 })
  const block = testBlock(network.rng)
  const node = network.node()
  const provider = network.node([block])
  const silent = network.scripted(() => undefined)
  network.connect(node, silent)
  const want = node.want(block.cid, { providers: [provider] })
  network.run(20)
  node.hears({ type: 'cancel-want', want })
  network.run()
  const types = node.effects.map(({ effect }) => effect.type)
  assert.ok(types.includes('stop-provider-search') && types.includes('drop-connection-need'))
  assert.equal(countSent(node, 'cancel'), 1)
  assert.deepEqual([node.ended.size, node.failed.size, node.machine.status().wants], [0, 0, 0])
  assert.equal(node.machine.nextDeadline(), undefined)
})

test('many connected peers of whom nothing is known are asked a part at a time, in the end all of them', () => {
  const network = new BitswapNetwork({ latencyMs: [5, 5] })
  const node = network.node()
  for (let index = 0; index < 300; index++)
    network.connect(
      node,
      network.scripted(() => undefined),
    )
  node.want(testBlock(network.rng).cid)
  network.run()
  const steps = new Map<number, number>()
  for (const { at, message } of node.sentMessages()) {
    if (message.wantlist.some(({ cancel }) => !cancel)) steps.set(at, (steps.get(at) ?? 0) + 1)
  }
  const sizes = [...steps.values()]
  assert.deepEqual(
    [...steps.keys()],
    sizes.map((_, step) => 1 + step * limits.broadcastStepMs.value),
  )
  assert.ok(sizes.slice(0, -1).every((size) => size >= limits.broadcastStepFirst.value && size < 60))
  assert.equal(
    sizes.reduce((a, b) => a + b),
    300,
  )
  assert.equal(node.failed.size, 1)
})

test('more connected peers than may be asked end in not-found as soon as so many were asked', () => {
  const network = new BitswapNetwork({ latencyMs: [5, 5] })
  const node = network.node()
  for (let index = 0; index < limits.broadcastPeersMax.value + 6; index++)
    network.connect(
      node,
      network.scripted(() => undefined),
    )
  const want = node.want(testBlock(network.rng).cid)
  network.run()
  assert.equal(countSent(node, 'have'), limits.broadcastPeersMax.value)
  assert.equal(node.failed.get(want)?.code, 'not-found')
})

test('a block that a peer of the first step has stops the broadcast there', () => {
  const network = new BitswapNetwork({ latencyMs: [5, 5] })
  const block = testBlock(network.rng)
  const node = network.node()
  for (let index = 0; index < 100; index++) network.connect(node, network.node([block]))
  node.want(block.cid)
  network.run()
  const asked = countSent(node, 'have')
  assert.ok(asked >= limits.broadcastStepFirst.value && asked < 60, `${asked} peers`)
  assert.equal(countSent(node, 'block'), 1)
  assert.equal(countSent(node, 'cancel'), asked - 1)
})

test('of many, no DONT_HAVE is asked for: silence says as much; of a few it is, for it ends a vain want sooner', () => {
  for (const peers of [limits.broadcastDenialsMax.value, limits.broadcastDenialsMax.value + 1]) {
    const network = new BitswapNetwork({ latencyMs: [5, 5] })
    const node = network.node()
    for (let index = 0; index < peers; index++) network.connect(node, network.node())
    node.want(testBlock(network.rng).cid)
    network.run()
    const isFew = peers === limits.broadcastDenialsMax.value
    assert.equal(node.machine.status().counters.dontHavesReceived, isFew ? peers : 0)
    assert.equal(countSent(node, 'have'), peers)
    const at = [...node.failed.values()][0]!.at
    assert.ok(isFew === at < limits.answerTimeoutDefaultMs.value, `${at} ms`)
  }
})

test('the block goes to the page even if the store refuses it, and is not offered to others then', () => {
  const network = new BitswapNetwork()
  const block = testBlock(network.rng)
  const node = network.node()
  node.isStoreBroken = true
  const holder = network.node([block])
  const asker = network.scripted(() => undefined)
  network.connect(node, holder)
  network.connect(node, asker)
  asker.send(node.peer, { wantlist: [{ cid: block.cid, priority: 1, cancel: false, wantType: 'block', sendDontHave: false }] }, 0)
  const want = node.want(block.cid)
  network.run()
  assert.equal(node.ended.get(want)?.bytes, block.bytes)
  assert.equal(asker.received.flatMap(({ message }) => message.blocks).length, 0)
})

test('blocks that nobody wants and duplicates are counted and never stored', () => {
  const network = new BitswapNetwork()
  const [wanted, other] = [testBlock(network.rng), testBlock(network.rng)]
  const node = network.node()
  const pusher = network.scripted(({ wantlist }) =>
    wantlist.some(({ cancel }) => !cancel) ? { blocks: [other, wanted, wanted] } : undefined,
  )
  network.connect(node, pusher)
  node.want(wanted.cid)
  network.run()
  const { counters } = node.machine.status()
  assert.deepEqual(
    [counters.blocksReceived, counters.unwantedBlocksReceived, counters.duplicateBlocksReceived, counters.bytesReceived],
    [3, 1, 1, 6_000],
  )
  assert.deepEqual([...node.store.keys()], [multihashOf(wanted.cid)])
})

test('a block that the page puts ends the wants for it', () => {
  const network = new BitswapNetwork()
  const block = testBlock(network.rng)
  const node = network.node()
  const want = node.want(block.cid)
  network.run(20)
  node.hears({ type: 'block-added', ...block })
  network.run()
  assert.equal(node.ended.get(want)?.from, undefined)
  assert.equal(node.effects.filter(({ effect }) => effect.type === 'store-block').length, 0)
})

test('the search is repeated at growing intervals while providers deny, and finds the one that came later', () => {
  const network = new BitswapNetwork()
  const block = testBlock(network.rng)
  const node = network.node()
  const late = network.node([block])
  network.provide(block.cid, network.node())
  const want = node.want(block.cid)
  network.after(8_000, () => network.provide(block.cid, late))
  network.run()
  const searches = node.effects.flatMap(({ at, effect }) => (effect.type === 'search-providers' ? [at] : []))
  assert.equal(searches.length, 3)
  assert.ok(searches[1]! - searches[0]! >= 5_000 && searches[2]! - searches[1]! >= 10_000)
  assert.equal(node.ended.get(want)?.from, late.peer)
})

test('a peer that connects while the want is about to give up is still asked', () => {
  const network = new BitswapNetwork()
  const block = testBlock(network.rng)
  const node = network.node()
  const holder = network.node([block])
  const want = node.want(block.cid)
  network.after(900, () => network.connect(node, holder))
  network.run()
  assert.equal(node.ended.get(want)?.from, holder.peer)
})

test('a provider that is lost before it answered is dialed again', () => {
  const network = new BitswapNetwork()
  const block = testBlock(network.rng)
  const node = network.node()
  const provider = network.node([block])
  const want = node.want(block.cid, { providers: [provider] })
  network.after(25, () => network.disconnect(node, provider))
  network.run()
  assert.equal(node.ended.get(want)?.from, provider.peer)
})

test('connections are needed for a few providers at a time, and for so many in all', () => {
  const network = new BitswapNetwork({ dialMs: 1_000_000 })
  const node = network.node()
  const pending = () => node.effects.filter(({ effect }) => effect.type === 'need-connection').length
  for (let index = 0; index < 20; index++) {
    const providers = Array.from({ length: 10 }, () => network.node())
    node.want(testBlock(network.rng).cid, { providers })
    network.run(network.now + 5)
    assert.equal(pending(), Math.min(4 * (index + 1), limits.bitswapPendingConnectionsMax.value))
  }
})

test('more wants than one peer accepts wait their turn, and all of them are answered', () => {
  const network = new BitswapNetwork()
  const blocks = Array.from({ length: 2_500 }, () => testBlock(network.rng, 2_000))
  const node = network.node()
  network.connect(node, network.node(blocks))
  for (const { cid } of blocks) node.want(cid)
  network.run()
  assert.equal(node.ended.size, blocks.length)
  assert.equal(countSent(node, 'block'), blocks.length, 'none is asked for twice')
})

test('more wants than the engine holds are refused with a code', () => {
  const network = new BitswapNetwork()
  const node = network.node()
  const wants = Array.from({ length: limits.wantsMax.value + 1 }, () => node.want(testBlock(network.rng, 1).cid))
  assert.equal(node.failed.get(wants.at(-1)!)?.code, 'too-many-queries')
  assert.equal(node.failed.size, 1)
})

test('late, unknown and repeated answers change nothing', () => {
  const network = new BitswapNetwork()
  const node = network.node()
  const order = 999 as OrderId
  const { peer } = network.node()
  const events: BitswapEvent[] = [
    { type: 'message-sent', order },
    { type: 'message-failed', order, reason: 'reset' },
    { type: 'block-loaded', order, bytes: undefined },
    { type: 'block-stored', order },
    { type: 'block-store-failed', order, reason: 'full' },
    { type: 'providers-found', search: order, providers: [{ peer, addresses: [] }] },
    { type: 'provider-search-ended', search: order },
    { type: 'connection-ready', peer },
    { type: 'connection-failed', peer, reason: 'refused' },
    { type: 'bitswap-peer-disconnected', peer },
    { type: 'cancel-want', want: 7 as WantId },
    { type: 'close-session', session: 7 as SessionId },
    { type: 'block-removed', cid: new Uint8Array(36) },
    { type: 'tick' },
  ]
  for (const event of events) node.hears(event)
  assert.deepEqual(node.effects, [])
})

test('a want-block that waits behind another message is taken back when the peer says DONT_HAVE meanwhile', () => {
  const network = new BitswapNetwork()
  const [one, two] = [network.scripted(() => undefined).peer, network.scripted(() => undefined).peer]
  const { cid } = testBlock(network.rng)
  const machine = new Bitswap({ rng: network.rng, peers: network.peers, orders: new OrderIds() })
  const messages: Extract<BitswapEffect, { type: 'send-message' }>[] = []
  const tell = (event: BitswapEvent): void => {
    machine.handle(event, 0)
    for (let effect = machine.poll(); effect !== undefined; effect = machine.poll()) {
      if (effect.type === 'send-message') messages.push(effect)
      if (effect.type === 'load-block') tell({ type: 'block-loaded', order: effect.order, bytes: undefined })
    }
  }
  const deny = messageOf({ presences: [{ cid, type: 'dont-have' }] })
  for (const peer of [one, two]) tell({ type: 'bitswap-peer-connected', peer })
  tell({ type: 'want-block', want: 1 as WantId, cid, session: undefined, providers: [infoOf(one), infoOf(two)] })
  assert.deepEqual(new Set(messages.map(({ message }) => message.wantlist[0]?.wantType)), new Set(['block', 'have']))
  const [holder, second] = messages.toSorted((a, b) =>
    a.message.wantlist[0]!.wantType.localeCompare(b.message.wantlist[0]!.wantType),
  )
  tell({ type: 'message-sent', order: holder!.order })
  tell({ type: 'message-received', peer: holder!.peer, message: deny })
  tell({ type: 'message-received', peer: second!.peer, message: deny })
  tell({ type: 'message-sent', order: second!.order })
  assert.equal(messages.length, 2)
})
