import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionId } from '../../../worker/engine/bitswap/contract.ts'
import {
  nextSessionPeerState,
  Session,
  type SessionPeerEvent,
  type SessionPeerState,
} from '../../../worker/engine/bitswap/session.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { PeerCache, type Peer, type PeerIdBytes } from '../../../worker/engine/peer.ts'
import { BitswapNetwork, countSent, testBlock, type ScriptedPeer, type TestBlock } from '../../support/bitswap-network.ts'
import { PacedPeer } from '../../support/paced-peer.ts'

const peers = new PeerCache()
const peerNumber = (index: number): Peer => peers.intern(new Uint8Array([0x12, 0x20, index >> 8, index & 0xff]) as PeerIdBytes)

const events: readonly SessionPeerEvent[] = ['joined', 'have', 'block', 'dont-have', 'timed-out']
const last = limits.sessionMissesMax.value - 1

/** State before, then state and misses in a row after each event in the order above. */
const table: readonly [SessionPeerState, string][] = [
  [{ type: 'member', misses: 0 }, 'member-0 member-0 good-0 member-1 member-1'],
  [{ type: 'member', misses: last }, `member-${last} member-0 good-0 pruned pruned`],
  [{ type: 'good', misses: 0 }, 'good-0 good-0 good-0 good-1 member-1'],
  [{ type: 'good', misses: last }, `good-${last} good-0 good-0 pruned pruned`],
  [{ type: 'pruned' }, 'pruned member-0 good-0 pruned pruned'],
]

for (const [state, row] of table) {
  test(`a session peer that is ${nameOf(state)} goes where the table says, for every event`, () => {
    assert.deepEqual(
      events.map((event) => nameOf(nextSessionPeerState(state, event))),
      row.split(' '),
    )
  })
}

function nameOf(state: SessionPeerState): string {
  return state.type === 'pruned' ? state.type : `${state.type}-${state.misses}`
}

test('a full session takes in a peer that delivered and turns away one that only might', () => {
  const session = new Session({ root: undefined, context: undefined, burst: undefined })
  for (let index = 0; index < limits.sessionPeersMax.value; index++) session.note(peerNumber(index), 'joined')
  assert.equal(session.note(peerNumber(900), 'have'), false)
  assert.equal(
    [...session.candidates()].some(({ peer }) => peer === peerNumber(900)),
    false,
  )
  assert.equal(session.note(peerNumber(901), 'block'), true)
  assert.equal(
    [...session.candidates()].some(({ peer }) => peer === peerNumber(901)),
    true,
  )
  assert.equal([...session.candidates()].length, limits.sessionPeersMax.value)
})

test('later blocks of a session are asked for directly where the first came from, without broadcast or search', () => {
  const network = new BitswapNetwork()
  const blocks = Array.from({ length: 20 }, () => testBlock(network.rng))
  const node = network.node()
  const server = network.node(blocks)
  for (const other of [server, ...Array.from({ length: 8 }, () => network.node())]) network.connect(node, other)
  node.hears({ type: 'open-session', session: 1 as SessionId })
  node.want(blocks[0]!.cid, { session: 1 })
  network.run()
  const before = node.effects.length
  for (const { cid } of blocks.slice(1)) node.want(cid, { session: 1 })
  network.run()
  assert.equal(node.ended.size, 20)
  const later = node.effects.slice(before).map(({ effect }) => effect)
  assert.equal(later.filter(({ type }) => type === 'search-providers').length, 0)
  const asked = later.flatMap((effect) => (effect.type === 'send-message' ? effect.message.wantlist : []))
  assert.equal(asked.length, 19, 'nothing but one want-block for each')
  assert.ok(asked.every(({ wantType, cancel }) => wantType === 'block' && !cancel))
})

test('want-blocks of a session are spread over the peers that delivered, more to the faster one', () => {
  const network = new BitswapNetwork({ latencyMs: [10, 10] })
  const blocks = Array.from({ length: 60 }, () => testBlock(network.rng, 50_000))
  const node = network.node()
  const without = (lacks: number) => blocks.filter((_, index) => index !== lacks)
  const fast = new PacedPeer(network, { blocks: without(1), msPerBlock: 10 })
  const slow = new PacedPeer(network, { blocks: without(0), msPerBlock: 40 })
  for (const { party } of [fast, slow]) network.connect(node, party)
  node.hears({ type: 'open-session', session: 1 as SessionId })
  for (const { cid } of blocks.slice(0, 2)) node.want(cid, { session: 1 })
  network.run()
  for (const { cid } of blocks.slice(2)) node.want(cid, { session: 1 })
  network.run()
  assert.equal(node.ended.size, 60)
  assert.ok(slow.sent > 3, `the slow one takes part: ${slow.sent}`)
  assert.ok(fast.sent > 2 * slow.sent, `the fast one takes more: ${fast.sent} to ${slow.sent}`)
  assert.ok(fast.sent + slow.sent <= 62, 'hardly a block is sent twice')
})

test('a member that has denied the blocks of a DAG and gets them half a minute later does not send them, too', () => {
  const network = new BitswapNetwork({ latencyMs: [20, 40] })
  const blocks = Array.from({ length: 20 }, () => testBlock(network.rng, 50_000))
  const node = network.node()
  const [without, server] = [network.node(), network.node(blocks)]
  for (const other of [without, server]) network.connect(node, other)
  node.hears({ type: 'open-session', session: 1 as SessionId })
  for (const { cid } of blocks) node.want(cid, { session: 1, providers: [without, server] })
  network.run(30_000)
  assert.equal(node.ended.size, 20)
  const toWithout = node.sentMessages().filter(({ peer }) => peer === without.peer)
  const asked = toWithout.flatMap(({ message }) =>
    message.wantlist.filter(({ cancel, wantType }) => !cancel && wantType === 'block'),
  )
  assert.ok(asked.length > 4, `${asked.length} were asked of it`)
  for (const { cid, bytes } of blocks) {
    without.store.set(cid, bytes)
    without.hears({ type: 'block-added', cid, bytes })
  }
  network.run()
  assert.equal(without.machine.status().counters.blocksSent, 0)
})

test('a provider that one want of a session was given is a member: the next want asks it alone, without a search', () => {
  const network = new BitswapNetwork({ latencyMs: [50, 50] })
  const [first, second] = [testBlock(network.rng, 20_000), testBlock(network.rng, 20_000)]
  const node = network.node([], { searchDelay: 1_000 })
  const provider = network.node([first, second])
  for (let index = 0; index < 40; index++) network.connect(node, network.node())
  node.hears({ type: 'open-session', session: 1 as SessionId })
  node.want(first.cid, { session: 1, providers: [provider] })
  network.run()
  const since = network.now
  const want = node.want(second.cid, { session: 1 })
  network.run()
  assert.equal(node.ended.get(want)?.from, provider.peer)
  assert.ok(node.ended.get(want)!.at <= since + 105, 'one round trip')
  assert.deepEqual([countSent(node, 'block', second.cid), countSent(node, 'have', second.cid)], [1, 0])
})

test('closing a session aborts its wants and tells those who were asked', () => {
  const network = new BitswapNetwork()
  const node = network.node()
  network.connect(
    node,
    network.scripted(() => undefined),
  )
  node.hears({ type: 'open-session', session: 1 as SessionId })
  const want = node.want(testBlock(network.rng).cid, { session: 1 })
  network.run(100)
  node.hears({ type: 'close-session', session: 1 as SessionId })
  network.run()
  assert.equal(node.failed.get(want)?.code, 'aborted')
  assert.equal(countSent(node, 'cancel'), 1)
  assert.deepEqual([node.machine.status().wants, node.machine.status().sessions], [0, 0])
})

test('a want in a session that is not open fails as an invalid argument', () => {
  const network = new BitswapNetwork()
  const node = network.node()
  const want = node.want(testBlock(network.rng).cid, { session: 9 })
  assert.equal(node.failed.get(want)?.code, 'invalid-argument')
})

/** Delivers the first block that it is asked for, and then nothing more. */
function dryingUp(network: BitswapNetwork, blocks: readonly TestBlock[]): ScriptedPeer {
  let isDry = false
  return network.scripted(({ wantlist }) => {
    const wanted = wantlist.find(({ cancel }) => !cancel)
    if (isDry || wanted === undefined) return undefined
    isDry = true
    return { blocks: blocks.filter(({ cid }) => cid === wanted.cid) }
  })
}

test('wants that queue for a peer go elsewhere when it stalls', () => {
  const network = new BitswapNetwork()
  const blocks = Array.from({ length: 41 }, () => testBlock(network.rng))
  const node = network.node()
  network.connect(node, dryingUp(network, blocks))
  node.hears({ type: 'open-session', session: 1 as SessionId })
  node.want(blocks[0]!.cid, { session: 1 })
  network.run()
  network.connect(node, network.node(blocks))
  const begun = network.now
  for (const { cid } of blocks.slice(1)) node.want(cid, { session: 1 })
  network.run()
  assert.equal(node.ended.size, 41)
  const latest = Math.max(...[...node.ended.values()].map(({ at }) => at))
  assert.ok(latest - begun <= limits.answerTimeoutMaxMs.value + 1_000, `took ${latest - begun} ms`)
})

test('wants that queue for a peer go elsewhere when it is lost', () => {
  const network = new BitswapNetwork({ latencyMs: [50, 50] })
  const blocks = Array.from({ length: 41 }, () => testBlock(network.rng))
  const node = network.node()
  const first = dryingUp(network, blocks)
  network.connect(node, first)
  node.hears({ type: 'open-session', session: 1 as SessionId })
  node.want(blocks[0]!.cid, { session: 1 })
  network.run()
  network.connect(node, network.node(blocks))
  for (const { cid } of blocks.slice(1)) node.want(cid, { session: 1 })
  const begun = network.now
  network.after(10, () => network.disconnect(node, first))
  network.run()
  assert.equal(node.ended.size, 41)
  const latest = Math.max(...[...node.ended.values()].map(({ at }) => at))
  assert.ok(latest - begun <= 10 * 100, `took ${latest - begun} ms`)
})

test('a HAVE that comes when the block is there already tells the session where more of its blocks are', () => {
  const network = new BitswapNetwork({ latencyMs: [10, 10] })
  const blocks = Array.from({ length: 40 }, () => testBlock(network.rng, 50_000))
  const node = network.node()
  const served = (peer: ScriptedPeer): number =>
    peer.received.flatMap(({ message }) => message.wantlist).filter(({ wantType, cancel }) => wantType === 'block' && !cancel)
      .length
  const [near, far, liar] = [10, 35, 35].map((delayMs, index) =>
    network.scripted(({ wantlist }, from, self) => {
      const asked = wantlist.filter(({ cancel }) => !cancel)
      if (asked.length === 0) return undefined
      const presences = asked.filter(({ wantType }) => wantType === 'have').map(({ cid }) => ({ cid, type: 'have' as const }))
      const sent = asked
        .filter(({ wantType }) => wantType === 'block')
        .flatMap(({ cid }) => blocks.find((block) => block.cid === cid)!)
      // The last one says that it has what nobody has asked of it.
      self.send(
        from,
        index === 2 ? { presences: [{ cid: blocks[39]!.cid, type: 'have' }] } : { presences, blocks: sent },
        delayMs,
      )
      return undefined
    }),
  ) as [ScriptedPeer, ScriptedPeer, ScriptedPeer]
  for (const peer of [near, far, liar]) network.connect(node, peer)
  node.hears({ type: 'open-session', session: 1 as SessionId })
  node.want(blocks[0]!.cid, { session: 1 })
  network.run(42)
  assert.equal(node.ended.size, 1)
  network.run(200)
  for (const { cid } of blocks.slice(1)) node.want(cid, { session: 1 })
  network.run()
  assert.equal(node.ended.size, 40)
  assert.ok(served(far) >= limits.wantBlocksPerPeerFirst.value, `${served(far)} blocks were asked of who was late`)
  assert.equal(served(liar), 0, 'nobody gets into a session by a HAVE for what it was not asked for')
  assert.ok(node.machine.status().counters.duplicateBlocksReceived === 0)
})

test('a file comes in a few round trips also over links that take longer than a second', () => {
  const network = new BitswapNetwork({ latencyMs: [600, 600] })
  const blocks = Array.from({ length: 200 }, () => testBlock(network.rng, 1_000))
  const node = network.node()
  network.connect(node, network.node(blocks))
  node.hears({ type: 'open-session', session: 1 as SessionId })
  node.want(blocks[0]!.cid, { session: 1 })
  network.run(10_000)
  for (const { cid } of blocks.slice(1)) node.want(cid, { session: 1 })
  network.run()
  const tookMs = Math.max(...[...node.ended.values()].map(({ at }) => at)) - 10_000
  assert.ok(tookMs <= 6.5 * 1_200, `${tookMs} ms`)
})

/** Somebody has wanted the first of the blocks; of the others nothing was heard. */
function afterOneWasWanted(has: 'all' | 'first') {
  const network = new BitswapNetwork({ latencyMs: [50, 50] })
  const blocks = Array.from({ length: 30 }, () => testBlock(network.rng))
  const node = network.node()
  const wanter = network.node()
  const seeder = network.node(blocks)
  for (const other of [wanter, ...Array.from({ length: 12 }, () => network.node())]) network.connect(node, other)
  network.connect(wanter, seeder)
  network.connect(node, seeder)
  wanter.want(blocks[0]!.cid)
  network.run(5_000)
  if (has === 'all') for (const { cid, bytes } of blocks) wanter.store.set(cid, bytes)
  node.hears({ type: 'open-session', session: 1 as SessionId })
  const since = network.now
  for (const { cid } of blocks) node.want(cid, { session: 1 })
  network.run()
  return { node, times: [...node.ended.values()].map(({ at }) => at - since).sort((a, b) => a - b) }
}

test('where one want of a session guesses at a peer, those that follow do so too: their blocks come in the same round trip', () => {
  const { node, times } = afterOneWasWanted('all')
  assert.equal(times.length, 30)
  assert.ok(times[limits.wantBlocksPerPeerFirst.value - 1]! <= 110, `${times.join()}`)
  assert.equal(node.machine.status().counters.duplicateBlocksReceived, 0)
})

test('where that peer has nothing more, those that guessed wait for those that go ahead: few ask around', () => {
  const { node, times } = afterOneWasWanted('first')
  assert.equal(times.length, 30)
  assert.ok(countSent(node, 'have') <= 3 * limits.sessionScoutsMax.value * 14, `${countSent(node, 'have')} want-haves`)
})
