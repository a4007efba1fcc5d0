import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BitswapEffect, SessionId, WantId } from '../../../worker/engine/bitswap/contract.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { BitswapNetwork, countSent, infoOf, testBlock, type BitswapNode, type Party } from '../../support/bitswap-network.ts'

function probe(node: BitswapNode, cid: Uint8Array, party: Party, id = 900): void {
  node.hears({ type: 'probe', want: id as WantId, cid, provider: infoOf(party.peer) })
}

function outcomes(node: BitswapNode): Extract<BitswapEffect, { type: 'probe-ended' }>[] {
  return node.effects.flatMap(({ effect }) => (effect.type === 'probe-ended' ? [effect] : []))
}

test('a probe asks one peer for one block, and nothing and nobody else', () => {
  const network = new BitswapNetwork()
  const block = testBlock(network.rng)
  const node = network.node()
  const holder = network.node([block])
  for (let index = 0; index < 5; index++) network.connect(node, network.node([block]))
  probe(node, block.cid, holder)
  network.run()
  assert.deepEqual(
    outcomes(node).map(({ outcome, bytes }) => [outcome, bytes]),
    [['block', block.bytes]],
  )
  assert.deepEqual([countSent(node, 'have'), countSent(node, 'block'), countSent(node, 'cancel')], [0, 1, 0])
  const types = new Set(node.effects.map(({ effect }) => effect.type))
  assert.deepEqual(types, new Set(['need-connection', 'send-message', 'probe-ended']), 'no store, no search, nothing learned')
  const { counters, wants } = node.machine.status()
  assert.deepEqual([counters.probesSuccess, counters.unwantedBlocksReceived, wants], [1, 0, 0])
})

test('a peer that has nothing, says nothing or cannot be reached is told apart, and what was asked is withdrawn', () => {
  const network = new BitswapNetwork()
  const block = testBlock(network.rng)
  const node = network.node()
  const empty = network.node()
  const mute = network.scripted(() => undefined)
  const dead = network.node()
  dead.isDialable = false
  for (const [index, party] of [empty, mute, dead].entries()) probe(node, block.cid, party, 900 + index)
  network.run()
  const found = new Map(outcomes(node).map(({ want, outcome }) => [Number(want), outcome]))
  assert.deepEqual(
    [900, 901, 902].map((want) => found.get(want)),
    ['dont-have', 'silent', 'unreachable'],
  )
  assert.equal(countSent(node, 'cancel'), 2)
  const endedAt = node.effects.filter(({ effect }) => effect.type === 'probe-ended').map(({ at }) => at)
  assert.ok(Math.max(...endedAt) <= limits.probeTimeoutMs.value, 'and all of it within one deadline')
  assert.equal(node.machine.nextDeadline(), undefined)
})

test('a cancelled probe says nothing more and withdraws its question', () => {
  const network = new BitswapNetwork()
  const node = network.node()
  const mute = network.scripted(() => undefined)
  network.connect(node, mute)
  probe(node, testBlock(network.rng).cid, mute)
  network.run(100)
  node.hears({ type: 'cancel-want', want: 900 as WantId })
  network.run()
  assert.deepEqual([outcomes(node).length, countSent(node, 'cancel')], [0, 1])
})

test('a want and a probe of the same block leave each other their questions', () => {
  const network = new BitswapNetwork({ latencyMs: [20, 20] })
  const block = testBlock(network.rng)
  const node = network.node()
  const slow = network.scripted((message, from, self) => {
    if (message.wantlist.some(({ cancel }) => cancel)) assert.fail('the probe still waits')
    self.send(from, { blocks: [block] }, 500)
    return undefined
  })
  network.connect(node, slow)
  network.connect(node, network.node([block]))
  const want = node.want(block.cid)
  network.run(10)
  probe(node, block.cid, slow)
  network.run()
  assert.ok(node.ended.has(want))
  assert.deepEqual(
    outcomes(node).map(({ outcome }) => outcome),
    ['block'],
  )
})

test('a peer that has denied a want the same block is asked anew, and may still send it to the want later (B18)', () => {
  const network = new BitswapNetwork({ latencyMs: [20, 20], searchMs: 1_000_000 })
  const block = testBlock(network.rng)
  const node = network.node()
  const denier = network.node()
  network.connect(node, denier)
  const want = node.want(block.cid, { providers: [denier] })
  network.run(1_000)
  for (const id of [900, 901]) {
    probe(node, block.cid, denier, id)
    network.run(network.now + 1_000)
  }
  assert.deepEqual(
    outcomes(node).map(({ outcome, elapsedMs }) => [outcome, elapsedMs]),
    [
      ['dont-have', 41],
      ['dont-have', 41],
    ],
  )
  assert.deepEqual([countSent(node, 'block'), countSent(node, 'cancel')], [3, 2])
  network.after(2 * limits.deniedCancelWaitMs.value, () => {
    denier.store.set(block.cid, block.bytes)
    denier.hears({ type: 'block-added', ...block })
  })
  network.run()
  assert.equal(node.ended.get(want)?.from, denier.peer)
})

test('a peer without room for one more question is asked when it has some, and is not called silent until then (B18)', () => {
  const network = new BitswapNetwork({ searchMs: 1_000_000 })
  const node = network.node()
  const [asked, unasked] = [testBlock(network.rng), testBlock(network.rng)]
  const mute = network.scripted(() => undefined)
  network.connect(node, mute)
  const wants = Array.from({ length: limits.wantsPerPeerMax.value }, () => node.want(testBlock(network.rng).cid))
  network.run(20_000)
  assert.equal(countSent(node, 'have'), limits.wantsPerPeerMax.value, 'its list of our wants is full')
  const since = network.now
  probe(node, asked.cid, mute, 900)
  probe(node, unasked.cid, mute, 901)
  network.after(5_000, () => node.hears({ type: 'cancel-want', want: wants[0]! }))
  network.run(since + 4_999)
  assert.deepEqual([outcomes(node), countSent(node, 'block', asked.cid)], [[], 0])
  network.run(since + 5_100)
  assert.deepEqual([countSent(node, 'block', asked.cid), countSent(node, 'block', unasked.cid)], [1, 0])
  network.run(since + limits.probeTimeoutMs.value)
  assert.deepEqual(
    outcomes(node).map(({ outcome }) => outcome),
    ['silent', 'unreachable'],
  )
})

test('a question whose message fails is asked once more; a peer that takes none is not called silent (B18)', () => {
  for (const [failingMs, expected] of [
    [100, 'dont-have'],
    [60_000, 'unreachable'],
  ] as const) {
    const network = new BitswapNetwork({ messageFailure: 1 })
    const node = network.node()
    const peer = network.node()
    network.connect(node, peer)
    probe(node, testBlock(network.rng).cid, peer)
    network.after(failingMs, () => Object.assign(network.options, { messageFailure: 0 }))
    network.run()
    assert.deepEqual(
      outcomes(node).map(({ outcome }) => outcome),
      [expected],
    )
  }
})

test('nor does what a want has asked before count as the question of a probe (B18)', () => {
  const network = new BitswapNetwork({ latencyMs: [10, 10], searchMs: 1_000_000 })
  const node = network.node()
  const block = testBlock(network.rng)
  const denier = network.scripted(({ wantlist }) => ({
    presences: wantlist.map(({ cid }) => ({ cid, type: 'dont-have' as const })),
  }))
  network.connect(node, denier)
  node.want(block.cid, { providers: [denier] })
  network.run(200)
  const hears = node.hears.bind(node)
  node.hears = (event) => {
    if (event.type !== 'message-sent') hears(event)
  }
  probe(node, testBlock(network.rng).cid, denier, 900)
  probe(node, block.cid, denier, 901)
  network.run(network.now + limits.probeTimeoutMs.value)
  assert.deepEqual(
    outcomes(node).map(({ outcome }) => outcome),
    ['dont-have', 'unreachable'],
  )
})

test('a question that waits for its message to leave was not asked (B18)', () => {
  const network = new BitswapNetwork()
  const node = network.node()
  const stuck = network.scripted(() => undefined)
  network.connect(node, stuck)
  const hears = node.hears.bind(node)
  node.hears = (event) => {
    if (event.type !== 'message-sent') hears(event)
  }
  for (const id of [900, 901]) {
    probe(node, testBlock(network.rng).cid, stuck, id)
    network.run(limits.probeTimeoutMs.value - 1)
  }
  network.run(limits.messageAnswerTimeoutMs.value - 1)
  assert.deepEqual(
    outcomes(node).map(({ outcome }) => outcome),
    ['unreachable', 'unreachable'],
  )
})

test('a session passes its context on, and asks the providers it was given', () => {
  const network = new BitswapNetwork({ searchMs: 5_000 })
  const block = testBlock(network.rng)
  const node = network.node()
  const provider = network.node([block])
  node.hears({ type: 'open-session', session: 1 as SessionId, context: 'nft', providers: [infoOf(provider.peer)] })
  node.want(block.cid, { session: 1 })
  network.run(2_000)
  assert.equal(node.ended.size, 1)
  node.hears({ type: 'stopping' })
  const { memory } = node.remembered.get('ranking')!
  assert.ok(memory.part === 'ranking' && memory.contexts.some(({ name }) => name === 'nft'))
})
