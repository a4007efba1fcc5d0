import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionId } from '../../../worker/engine/bitswap/contract.ts'
import { limits } from '../../../worker/engine/limits.ts'
import type { Peer } from '../../../worker/engine/peer.ts'
import { BitswapNetwork, countSent, testBlock, type BitswapNode, type TestBlock } from '../../support/bitswap-network.ts'

/** Whom a node asks after what it has learned. Latency is 50 ms one way where it matters: a round trip is 100 ms. */

const roundTrip = 100
const steady = { latencyMs: [50, 50] as const, searchMs: 2_000 }

/** `node`, a peer that wanted `block` and got it, and others that have it not; all connected. */
function afterOthersWanted(others = 12): { network: BitswapNetwork; node: BitswapNode; wanter: BitswapNode; block: TestBlock } {
  const network = new BitswapNetwork(steady)
  const block = testBlock(network.rng)
  const node = network.node([], { guesses: 3 })
  const seed = network.node([block])
  const wanter = network.node()
  const crowd = Array.from({ length: others }, () => network.node())
  for (const party of [wanter, ...crowd]) network.connect(node, party)
  for (const party of [node, seed]) network.connect(wanter, party)
  wanter.want(block.cid)
  network.run(1_000)
  assert.equal(wanter.ended.size, 1)
  return { network, node, wanter, block }
}

function elapsed(node: BitswapNode, want: number, since: number): number {
  return [...node.ended].find(([id]) => id === want)![1].at - since
}

test('who wanted a block is asked for it at once: one round trip, one want-block, nobody else but one ear', () => {
  const { network, node, wanter, block } = afterOthersWanted()
  const since = network.now
  const want = node.want(block.cid)
  network.run()
  assert.equal(node.ended.get(want)?.from, wanter.peer)
  assert.ok(elapsed(node, want, since) <= roundTrip + 5, `${elapsed(node, want, since)} ms`)
  assert.equal(countSent(node, 'block'), 1)
  assert.ok(countSent(node, 'have') <= limits.whispersMax.value)
  const { counters } = node.machine.status()
  assert.deepEqual([counters.guessedWants, counters.guessHits, counters.wantsSuccess], [1, 1, 1])
})

test('a miss of all that were guessed costs one round trip and nothing else', () => {
  const { network, node, wanter, block } = afterOthersWanted(3)
  wanter.store.clear()
  const holder = network.node([block])
  network.connect(node, holder)
  const since = network.now
  const want = node.want(block.cid)
  network.run()
  assert.equal(node.ended.get(want)?.from, holder.peer)
  assert.ok(elapsed(node, want, since) <= 3 * roundTrip + 10, `${elapsed(node, want, since)} ms`)
  assert.equal(node.machine.status().counters.guessHits, 0)
})

test('a silent candidate is waited for until the short deadline, and no longer', () => {
  const network = new BitswapNetwork(steady)
  const block = testBlock(network.rng)
  const node = network.node([], { guesses: 3 })
  const mute = network.scripted(() => undefined)
  const holder = network.node([block])
  network.connect(node, mute)
  mute.send(node.peer, { wantlist: [{ cid: block.cid, priority: 1, cancel: false, wantType: 'block', sendDontHave: true }] }, 0)
  network.run(100)
  network.connect(node, holder)
  const since = network.now
  const want = node.want(block.cid)
  network.run()
  assert.equal(node.ended.get(want)?.from, holder.peer)
  assert.ok(elapsed(node, want, since) <= 2 * limits.guessDeadlineMs.value + 2 * roundTrip + 10)
})

test("the prototype's fault 1, no garbage collection: what nobody speaks of any more is forgotten", () => {
  const { network, node, block } = afterOthersWanted()
  assert.equal(node.machine.status().registryCids, 1)
  network.after(2 * limits.cancelWaitMs.value + limits.registryCacheTimeFirstMs.value, () => node.want(block.cid))
  network.run(3 * limits.registryCacheTimeFirstMs.value)
  assert.equal(node.machine.status().counters.guessedWants, 0, 'it was too old to be believed')
})

test("the prototype's fault 2, a batch that stops at the first CID without candidates: each want is looked up for itself", () => {
  const { network, node, wanter, block } = afterOthersWanted()
  const unknown = testBlock(network.rng)
  const since = network.now
  const [, second] = [node.want(unknown.cid), node.want(block.cid)]
  network.run(since + 200)
  assert.equal(node.ended.get(second!)?.from, wanter.peer)
  assert.ok(elapsed(node, second!, since) <= roundTrip + 5)
})

test("the prototype's fault 3, candidates outside of the session: one DONT_HAVE ends nothing, and they are members afterwards", () => {
  const { network, node, wanter, block } = afterOthersWanted(1)
  const empty = network.node()
  network.connect(node, empty)
  const wish = { cid: block.cid, priority: 1, cancel: false, wantType: 'block' as const, sendDontHave: true }
  node.hears({
    type: 'message-received',
    peer: empty.peer,
    message: { wantlist: [wish], full: false, blocks: [], presences: [], pendingBytes: 0 },
  })
  node.hears({ type: 'open-session', session: 1 as SessionId })
  const since = network.now
  const want = node.want(block.cid, { session: 1 })
  network.run(since + 400)
  assert.equal(node.ended.get(want)?.from, wanter.peer, 'the other candidate had it')
  assert.equal(countSent(node, 'block'), 2)
  const next = testBlock(network.rng)
  wanter.store.set(next.cid, next.bytes)
  const second = node.want(next.cid, { session: 1 })
  const later = network.now
  network.run(later + 400)
  assert.ok(elapsed(node, second, later) <= roundTrip + 5, 'the session asks its member for the block directly')
})

test("the prototype's fault 4, candidates that are gone: they are dialed beside the others and hold nobody up", () => {
  const { network, node, wanter, block } = afterOthersWanted(2)
  network.disconnect(node, wanter)
  wanter.isDialable = false
  const holder = network.node([block])
  network.connect(node, holder)
  const since = network.now
  const want = node.want(block.cid)
  network.run()
  assert.equal(node.ended.get(want)?.from, holder.peer)
  assert.ok(elapsed(node, want, since) <= 2 * roundTrip + 10)
  assert.ok(node.effects.some(({ effect }) => effect.type === 'need-connection' && effect.info.peer === wanter.peer))
})

test("the prototype's fault 5, registries that freeze: a want that was only guessed is still heard by somebody", () => {
  const { network, node, block } = afterOthersWanted(6)
  const crowd = network.nodes.slice(3)
  const knew = crowd.map((other) => other.machine.status().registryCids)
  node.want(block.cid)
  network.run()
  const knows = crowd.map((other) => other.machine.status().registryCids)
  const grown = knows.filter((cids, index) => cids > knew[index]!).length
  assert.equal(grown, limits.whispersMax.value)
})

test('who does not listen to wants remembers nothing of them', () => {
  const network = new BitswapNetwork(steady)
  const block = testBlock(network.rng)
  const node = network.node([], { listenToWants: false })
  const wanter = network.node()
  network.connect(node, wanter)
  wanter.want(block.cid)
  network.run(300)
  assert.equal(node.machine.status().registryCids, 0)
  node.hears({ type: 'stopping' })
  assert.ok(!node.remembered.has('registry'))
})

/** A node that has got blocks from `best`, which is one of many that are connected. */
function warm(context?: string): { network: BitswapNetwork; node: BitswapNode; best: BitswapNode } {
  const network = new BitswapNetwork(steady)
  const blocks = Array.from({ length: limits.rankingWarmWants.value }, () => testBlock(network.rng))
  const node = network.node()
  const best = network.node(blocks)
  network.connect(node, best)
  // One after the other: of many at once only the first few say anything about whom to ask.
  for (const { cid } of blocks) {
    node.want(cid, context === undefined ? {} : { context })
    network.run()
  }
  for (let index = 0; index < 60; index++) network.connect(node, network.node())
  return { network, node, best }
}

test('who served lately is asked for the block first and alone; the others are not asked before the search had its time', () => {
  const { network, node, best } = warm()
  const block = testBlock(network.rng)
  best.store.set(block.cid, block.bytes)
  const begunAt = network.now
  const want = node.want(block.cid)
  network.run()
  assert.equal(node.ended.get(want)?.from, best.peer)
  assert.ok(elapsed(node, want, begunAt) <= roundTrip + 5, 'one round trip')
  assert.deepEqual([countSent(node, 'block', block.cid), countSent(node, 'have', block.cid)], [1, 0])
  assert.equal(countSent(node, 'cancel', block.cid), 0)
  const rare = testBlock(network.rng)
  const since = network.now
  node.want(rare.cid)
  network.run(since + limits.unrankedAfterMs.value - 1)
  assert.deepEqual([countSent(node, 'block', rare.cid), countSent(node, 'have', rare.cid)], [1, 0])
  network.run(since + limits.unrankedAfterMs.value + 10)
  assert.equal(countSent(node, 'have', rare.cid), limits.broadcastStepFirst.value)
  network.run(network.now + 60_000 + limits.cancelWaitMs.value)
  assert.equal(countSent(node, 'have', rare.cid), 60, 'in the end everybody was asked')
  assert.equal(countSent(node, 'cancel', rare.cid), 61)
})

/** Whom `node` asks for `cid`, and what, at the moment in which it begins to, if that is `afterMs` from now. */
function askedAtOnce(
  network: BitswapNetwork,
  node: BitswapNode,
  cid: Uint8Array,
  afterMs: number,
  context?: string,
): (readonly [Peer, 'block' | 'have'])[] {
  const begunAt = network.now + afterMs
  network.after(afterMs, () => node.want(cid, context === undefined ? {} : { context }))
  network.run(begunAt + 1)
  return asksSince(node, begunAt).map(({ peer, wantType }) => [peer, wantType] as const)
}

function asksSince(node: BitswapNode, since: number): { at: number; peer: Peer; wantType: 'block' | 'have' }[] {
  return node.sentMessages().flatMap(({ at, peer, message }) => {
    const wants = at < since ? [] : message.wantlist.filter(({ cancel }) => !cancel)
    return wants.map(({ wantType }) => ({ at, peer, wantType }))
  })
}

test('a provider that the DHT names gets its want-block at once, although one that is unlikely to have it was asked (B3)', () => {
  const network = new BitswapNetwork({ ...steady, searchMs: 20 })
  const [first, second] = [testBlock(network.rng), testBlock(network.rng)]
  const node = network.node()
  const ranked = network.node([first])
  for (const party of [ranked, network.node(), network.node()]) network.connect(node, party)
  node.want(first.cid)
  network.run()
  const provider = network.node([second])
  network.connect(node, provider)
  network.provide(second.cid, provider)
  const since = network.now + 2 * limits.burstGapMs.value + 1
  askedAtOnce(network, node, second.cid, since - network.now - 1)
  network.run()
  const blockAsks = asksSince(node, since).filter(({ wantType }) => wantType === 'block')
  assert.deepEqual(
    blockAsks.map(({ at, peer }) => [at - since, peer]),
    [
      [0, ranked.peer],
      [20, provider.peer],
    ],
  )
  const { from, at } = [...node.ended.values()].at(-1)!
  assert.equal(from, provider.peer)
  assert.ok(at <= since + 20 + roundTrip + 1)
})

test('who sent the last block is asked for the next at once and alone, in the same context, not much later, until it denies one (B5)', () => {
  const network = new BitswapNetwork({ ...steady, searchMs: 10_000 })
  const blocks = Array.from({ length: 22 }, () => testBlock(network.rng))
  const node = network.node()
  const [often, once] = [network.node(blocks.slice(0, 16)), network.node(blocks.slice(16))]
  const party = { often, once, other: network.node() }
  for (const connected of Object.values(party)) network.connect(node, connected)
  const after = (index: number, afterMs: number, context?: string): string[] => {
    const cid = blocks[index]?.cid ?? testBlock(network.rng).cid
    const asked = askedAtOnce(network, node, cid, afterMs, context)
    network.run(network.now + 5 * roundTrip)
    return asked.map(([peer, type]) => `${Object.entries(party).find(([, one]) => one.peer === peer)?.[0]} ${type}`).toSorted()
  }
  const byRanking = ['often block', 'once have', 'other have']
  for (let index = 0; index <= 16; index++) after(index, 0)
  assert.deepEqual(after(17, 0), ['once block'])
  assert.deepEqual(after(18, 2 * limits.burstGapMs.value), byRanking)
  assert.deepEqual(after(19, 0), ['once block'])
  assert.deepEqual(after(20, 0, 'nft'), byRanking)
  assert.deepEqual(after(21, 0), byRanking)
  assert.deepEqual(after(99, 0), ['once block'], 'which has it not')
  assert.equal(after(99, 0).length, 3)
})

test('a context has a ranking of its own, and who leads there is asked before who leads in all', () => {
  const { network, node, best } = warm()
  const artist = network.node([testBlock(network.rng)])
  const [piece] = [...artist.store.keys()]
  network.connect(node, artist)
  node.want(piece!, { context: 'nft' })
  network.run()
  const next = testBlock(network.rng)
  artist.store.set(next.cid, next.bytes)
  const since = node.effects.length
  node.want(next.cid, { context: 'nft' })
  network.run()
  const asked = node.effects.slice(since).flatMap(({ effect }) => (effect.type === 'send-message' ? [effect.peer] : []))
  assert.ok(asked.includes(artist.peer) && !asked.includes(best.peer))
})

test('a flood asks all connected peers at once, and only when it was chosen', () => {
  const network = new BitswapNetwork({ ...steady, searchMs: 10 })
  const node = network.node([], { broadcast: 'flood' })
  for (let index = 0; index < 400; index++)
    network.connect(
      node,
      network.scripted(() => undefined),
    )
  node.want(testBlock(network.rng).cid)
  network.run(100)
  assert.equal(countSent(node, 'have'), 400)
})

test('of ranked peers only, the others are never asked once the ranking is warm', () => {
  const network = new BitswapNetwork({ ...steady, searchMs: 10 })
  const blocks = Array.from({ length: limits.rankingWarmWants.value }, () => testBlock(network.rng))
  const node = network.node([], { broadcast: 'ranked' })
  network.connect(node, network.node(blocks))
  for (const { cid } of blocks) {
    node.want(cid)
    network.run()
  }
  for (let index = 0; index < 20; index++) network.connect(node, network.node())
  const rare = testBlock(network.rng)
  node.want(rare.cid)
  network.run()
  assert.deepEqual([countSent(node, 'block', rare.cid), countSent(node, 'have', rare.cid), node.failed.size], [1, 0, 1])
})

test('a cold start by DHT asks connected peers only after the search', () => {
  const network = new BitswapNetwork({ ...steady, searchMs: 200 })
  const node = network.node([], { coldStart: 'dht' })
  const block = testBlock(network.rng)
  const provider = network.node([block])
  network.provide(block.cid, provider)
  for (let index = 0; index < 10; index++) network.connect(node, network.node())
  const want = node.want(block.cid)
  network.run()
  assert.equal(node.ended.get(want)?.from, provider.peer)
  assert.equal(countSent(node, 'have'), 0)
})

test('what was learned is there at the next visit: the ranked peer is dialed, and asked before anybody else', () => {
  const { network, node, best } = warm('nft')
  node.hears({ type: 'stopping' })
  const { memory } = node.remembered.get('ranking')!
  const block = testBlock(network.rng)
  best.store.set(block.cid, block.bytes)
  const next = network.node()
  next.hears({ type: 'discovery-restored', memory, agoMs: 60_000 })
  assert.equal(next.machine.status().rankedPeers, 1)
  const want = next.want(block.cid)
  network.run()
  assert.equal(next.ended.get(want)?.from, best.peer)
  next.hears({ type: 'stopping' })
  const again = next.remembered.get('ranking')!.memory
  assert.ok(again.part === 'ranking' && memory.part === 'ranking')
  assert.deepEqual(
    again.contexts.map(({ name }) => name),
    memory.contexts.map(({ name }) => name),
  )
})

test('registry and latencies outlive a visit too, with their age', () => {
  const { network, node, wanter, block } = afterOthersWanted()
  node.hears({ type: 'stopping' })
  const { memory } = node.remembered.get('registry')!
  const next = network.node([], { guesses: 1, searchDelay: 'p50' })
  next.hears({ type: 'discovery-restored', memory, agoMs: 1_000 })
  const samples = Array.from({ length: 10 }, (_, index) => [index, 70] as const)
  next.hears({ type: 'discovery-restored', memory: { part: 'latencies', samples }, agoMs: 1_000 })
  assert.equal(next.machine.status().searchDelayMs, 70)
  network.connect(next, wanter)
  const want = next.want(block.cid)
  network.run()
  assert.equal(next.ended.get(want)?.from, wanter.peer)
  assert.equal(next.machine.status().counters.guessHits, 1)
})

test('the search waits for its delay, but not where nobody is left to wait for', () => {
  const network = new BitswapNetwork({ ...steady, searchMs: 10 })
  const searchAt = (node: BitswapNode) => node.effects.find(({ effect }) => effect.type === 'search-providers')?.at
  const patient = network.node([], { searchDelay: 500 })
  network.connect(
    patient,
    network.scripted(() => undefined),
  )
  patient.want(testBlock(network.rng).cid)
  network.run()
  assert.equal(searchAt(patient), 501)
  const lonely = network.node([], { searchDelay: 500 })
  const since = network.now
  lonely.want(testBlock(network.rng).cid)
  network.run()
  assert.equal(searchAt(lonely), since + 1)
  const denied = network.node([], { searchDelay: 5_000 })
  network.connect(denied, network.node())
  const asked = network.now
  denied.want(testBlock(network.rng).cid)
  network.run()
  assert.ok(searchAt(denied)! <= asked + roundTrip + limits.broadcastStepMs.value + 10, 'all said no')
})

test('a block that arrives before the delay is over needs no search at all', () => {
  const network = new BitswapNetwork(steady)
  const block = testBlock(network.rng)
  const node = network.node([], { searchDelay: 500 })
  network.connect(node, network.node([block]))
  node.want(block.cid)
  network.run()
  assert.equal(node.ended.size, 1)
  assert.ok(!node.effects.some(({ effect }) => effect.type === 'search-providers'))
})
