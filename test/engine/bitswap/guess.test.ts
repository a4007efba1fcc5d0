import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionId } from '../../../worker/engine/bitswap/contract.ts'
import { limits } from '../../../worker/engine/limits.ts'
import type { Peer } from '../../../worker/engine/peer.ts'
import { Rng } from '../../../worker/engine/rng.ts'
import {
  BitswapNetwork,
  countSent,
  infoOf,
  messageOf,
  testBlock,
  type BitswapNode,
  type Party,
  type ScriptedPeer,
  type TestBlock,
} from '../../support/bitswap-network.ts'

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
    network.run(since + 2 * limits.cancelWaitMs.value)
    assert.ok(node.ended.get(want)!.at <= since + roundTrip + 5)
    assert.deepEqual([countSent(node, 'block'), countSent(node, 'have')], [guesses, limits.whispersMax.value])
    const stopped = node.sentMessages().filter(({ message }) => message.full || message.wantlist.some(({ cancel }) => cancel))
    const askedInVain = guesses - 1 + limits.whispersMax.value
    assert.equal(new Set(stopped.map(({ peer }) => peer)).size, askedInVain, 'only who was asked is told to stop')
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

test('who replaces its wantlist has cancelled what is not in it: it is asked before whoever still wants it', () => {
  const network = new BitswapNetwork({ latencyMs: [roundTrip / 2, roundTrip / 2], searchMs: 5_000 })
  const [block, other] = [testBlock(network.rng), testBlock(network.rng)]
  const node = network.node([], { guesses: 1 })
  const [done, waiting] = [network.scripted(() => undefined), network.scripted(() => undefined)]
  for (const party of [done, waiting]) network.connect(node, party)
  const wish = ({ cid }: TestBlock) => ({ cid, priority: 1, cancel: false, wantType: 'have' as const, sendDontHave: false })
  done.send(node.peer, { wantlist: [wish(block)] }, 0)
  done.send(node.peer, { wantlist: [wish(other)], full: true }, 10)
  waiting.send(node.peer, { wantlist: [wish(block)] }, 20)
  waiting.send(node.peer, { wantlist: [wish(block)], full: true }, 30)
  network.run(200)
  node.want(block.cid)
  network.run(210)
  const asked = node.sentMessages().filter(({ message }) => message.wantlist.some(({ wantType }) => wantType === 'block'))
  assert.deepEqual(
    asked.map(({ peer }) => peer),
    [done.peer],
  )
})

/** A node that has heard from these peers that they wanted the block, and two others; latency is 10 ms one way. */
function afterHearing(block: TestBlock, wanters: (network: BitswapNetwork) => readonly Party[]): Heard {
  const network = new BitswapNetwork({ latencyMs: [10, 10], searchMs: 5_000 })
  const node = network.node([], { guesses: 2 })
  const heard = wanters(network)
  for (const party of [...heard, network.node(), network.node()]) network.connect(node, party)
  const wish = { cid: block.cid, priority: 1, cancel: false, wantType: 'block' as const, sendDontHave: true }
  for (const { peer } of heard)
    for (const cancel of [false, true])
      node.hears({ type: 'message-received', peer, message: messageOf({ wantlist: [{ ...wish, cancel }] }) })
  return { network, node, block }
}

interface Heard {
  readonly network: BitswapNetwork
  readonly node: BitswapNode
  readonly block: TestBlock
}

/** Wants the block as if it were not here; returns who is guessed at, and how long it takes. */
function fetched({ network, node, block }: Heard): { guessed: readonly Peer[]; ms: number } {
  node.store.clear()
  const since = network.now
  const guesses = node.machine.status().counters.guessedWants
  const want = node.want(block.cid)
  network.run(since + 5)
  const sent = node.sentMessages().filter(({ at }) => at >= since)
  const asked = sent.filter(({ message }) => message.wantlist.some(({ cancel, wantType }) => !cancel && wantType === 'block'))
  network.run(since + 10_000)
  const isGuessed = node.machine.status().counters.guessedWants > guesses
  return { guessed: isGuessed ? asked.map(({ peer }) => peer) : [], ms: node.ended.get(want)!.at - since }
}

const block = testBlock(new Rng(1))

test('a guess that had its time, and is still open when another sends the block, was a miss', () => {
  const heard = afterHearing(block, (network) => [network.scripted(() => undefined)])
  heard.network.connect(heard.node, heard.network.node([block]))
  const { guessed, ms } = fetched(heard)
  assert.ok(guessed.length === 1 && ms > limits.guessDeadlineMs.value && ms < limits.answerTimeoutDefaultMs.value, `${ms} ms`)
  assert.deepEqual(fetched(heard).guessed, [])
})

test('who is slower than another guess is not thought to have nothing', () => {
  const heard = afterHearing(block, (network) => [network.scripted(() => undefined), network.node([block])])
  const { guessed, ms } = fetched(heard)
  assert.ok(guessed.length === 2 && ms < limits.guessDeadlineMs.value, `${ms} ms`)
  assert.equal(fetched(heard).guessed.length, 2)
})

test('nor is who sends something else meanwhile', () => {
  let busy: Party | undefined
  const heard = afterHearing(block, (network) => {
    busy = network.scripted(() => undefined)
    return [busy]
  })
  const { network, node } = heard
  network.connect(node, network.node([block]))
  network.after(100, () => node.hears({ type: 'message-arriving', peer: busy!.peer }))
  const { guessed, ms } = fetched(heard)
  assert.ok(guessed.length === 1 && ms > limits.guessDeadlineMs.value, `${ms} ms`)
  assert.deepEqual(fetched(heard).guessed, [busy!.peer])
})

/** A node with others around it, one of which said that it wants the block and never answers. */
function withSilentWanter(): { network: BitswapNetwork; node: BitswapNode; wanter: ScriptedPeer; block: TestBlock } {
  const network = new BitswapNetwork({ latencyMs: [roundTrip / 2, roundTrip / 2], searchMs: 5_000 })
  const block = testBlock(network.rng)
  const node = network.node()
  const wanter = network.scripted(() => undefined)
  for (const party of [wanter, ...Array.from({ length: 8 }, () => network.node())]) network.connect(node, party)
  wanter.send(node.peer, { wantlist: [{ cid: block.cid, priority: 1, cancel: false, wantType: 'block', sendDontHave: true }] }, 0)
  network.run(100)
  return { network, node, wanter, block }
}

/** After how many milliseconds it gets the want-block. */
function blockAskedAfter(node: BitswapNode, { peer }: Party, since: number): number | undefined {
  const asked = node.sentMessages().find((sent) => {
    return sent.peer === peer && sent.message.wantlist.some(({ cancel, wantType }) => !cancel && wantType === 'block')
  })
  return asked && asked.at - since
}

test('a connected provider that the page names is asked first, and nobody is guessed at beside it', () => {
  const { network, node, wanter, block } = withSilentWanter()
  const provider = network.node([block])
  network.connect(node, provider)
  const since = network.now
  const want = node.want(block.cid, { providers: [provider] })
  network.run()
  assert.ok(node.ended.get(want)!.at <= since + roundTrip + 5)
  assert.equal(blockAskedAfter(node, wanter, since), undefined)
})

test('one that is not connected is dialed beside the guesses, and gets the want-block as soon as it is connected', () => {
  const { network, node, wanter, block } = withSilentWanter()
  const provider = network.node([block])
  const since = network.now
  const want = node.want(block.cid, { providers: [provider] })
  network.run()
  assert.equal(blockAskedAfter(node, wanter, since), 1)
  assert.equal(blockAskedAfter(node, provider, since), 1 + network.options.dialMs)
  assert.ok(node.ended.get(want)!.at <= since + network.options.dialMs + roundTrip + 5)
  assert.equal(countSent(node, 'block'), 2)
})

test('while a guess is open other candidates are dialed, and nobody who is merely a member of the session', () => {
  const { network, node, block } = withSilentWanter()
  const [candidate, member] = [network.node(), network.node()]
  network.connect(node, candidate)
  candidate.want(block.cid)
  network.run(500)
  network.disconnect(node, candidate)
  node.hears({ type: 'open-session', session: 1 as SessionId, providers: [infoOf(member.peer)] })
  const since = network.now
  node.want(block.cid, { session: 1 })
  network.run()
  const dialedAt = (peer: Peer) =>
    node.effects.find(({ effect }) => effect.type === 'need-connection' && effect.info.peer === peer)?.at
  assert.equal(dialedAt(candidate.peer), since + 1)
  assert.ok(dialedAt(member.peer)! > since + limits.guessDeadlineMs.value)
})
