import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionId } from '../../../worker/engine/bitswap/contract.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { BitswapNetwork, countSent, testBlock, type Party, type Script } from '../../support/bitswap-network.ts'

/** Peers that lie or say nothing cost one bounded delay, and nothing else. */

const haveEverything: Script = ({ wantlist }) => ({
  presences: wantlist.filter(({ cancel }) => !cancel).map(({ cid }) => ({ cid, type: 'have' })),
})

test('a HAVE without a block delays by one timeout; then the next peer that said HAVE is asked, and the first is told to stop', () => {
  const network = new BitswapNetwork({ latencyMs: [10, 10] })
  const block = testBlock(network.rng)
  const node = network.node()
  const liar = network.scripted(haveEverything)
  const honest = network.node([block])
  network.connect(node, liar)
  node.want(block.cid)
  network.after(100, () => network.connect(node, honest))
  network.run()
  const [end] = [...node.ended.values()]
  assert.equal(end?.from, honest.peer)
  assert.ok(end!.at <= limits.answerTimeoutMaxMs.value + 500, `found after ${end!.at} ms`)
  const toLiar = liar.received.flatMap(({ message }) => message.wantlist)
  assert.deepEqual(
    toLiar.map(({ cancel, wantType }) => (cancel ? 'cancel' : wantType)),
    ['have', 'block', 'cancel'],
  )
})

test('a liar that is alone costs its patience and the want ends as not found', () => {
  const network = new BitswapNetwork()
  const node = network.node()
  network.connect(node, network.scripted(haveEverything))
  const want = node.want(testBlock(network.rng).cid)
  network.run()
  const failure = node.failed.get(want)
  assert.equal(failure?.code, 'not-found')
  assert.ok(failure!.at <= limits.blockPatienceMs.value + limits.notFoundGraceMs.value + 1_000)
})

test('a hundred peers that all say HAVE and send nothing cannot hold a want beyond its overall deadline', () => {
  const network = new BitswapNetwork()
  const node = network.node()
  for (let index = 0; index < 100; index++) network.connect(node, network.scripted(haveEverything))
  const want = node.want(testBlock(network.rng).cid)
  network.run()
  const failure = node.failed.get(want)
  assert.ok(failure !== undefined && failure.at <= limits.wantOverallTimeoutMs.value)
})

test('a peer that alternates HAVE and DONT_HAVE is asked for the block a few times and no more', () => {
  const network = new BitswapNetwork()
  const node = network.node()
  const waverer = network.scripted(({ wantlist }, from, self) => {
    for (const { cid, cancel } of wantlist) {
      if (cancel) continue
      for (let round = 0; round < 50; round++) {
        self.send(from, { presences: [{ cid, type: 'dont-have' }] }, 2 * round)
        self.send(from, { presences: [{ cid, type: 'have' }] }, 2 * round + 1)
      }
    }
    return undefined
  })
  network.connect(node, waverer)
  node.want(testBlock(network.rng).cid)
  network.run()
  assert.ok(countSent(node, 'block') <= limits.blockAsksMax.value)
  assert.equal(node.failed.size, 1)
})

test('a silent provider delays by one timeout', () => {
  const network = new BitswapNetwork()
  const block = testBlock(network.rng)
  const node = network.node()
  const providers = [network.scripted(() => undefined), network.node([block])]
  const want = node.want(block.cid, { providers })
  network.run()
  assert.equal(node.ended.get(want)?.from, providers[1]!.peer)
  assert.ok(node.ended.get(want)!.at <= limits.answerTimeoutMaxMs.value)
})

test('a silent peer that says it wants everything delays a few wants, and then no more', () => {
  const network = new BitswapNetwork({ latencyMs: [10, 10], searchMs: 5_000 })
  const blocks = Array.from({ length: 60 }, () => testBlock(network.rng))
  const node = network.node()
  const mute = network.scripted(() => undefined)
  for (const party of [mute, network.node(blocks)]) network.connect(node, party)
  const wishes = blocks.map(({ cid }) => ({ cid, priority: 1, cancel: false, wantType: 'block' as const, sendDontHave: false }))
  mute.send(node.peer, { wantlist: wishes }, 0)
  mute.send(node.peer, { wantlist: wishes.map((wish) => ({ ...wish, cancel: true })) }, 1)
  network.run(1_000)
  const tookMs = blocks.map(({ cid }) => {
    const since = network.now
    const want = node.want(cid)
    network.run(since + 5_000)
    return node.ended.get(want)!.at - since
  })
  const late = tookMs.filter((ms) => ms > limits.guessDeadlineMs.value)
  // One in eight is tried again.
  assert.ok(late.length > 0 && late.length < 40, `${late.length} of ${blocks.length} are late`)
  assert.ok(tookMs.slice(40).filter((ms) => ms > 100).length <= 3, tookMs.join(', '))
})

test('a peer that denies everything is left alone by its session after 16 misses in a row', () => {
  const network = new BitswapNetwork()
  const blocks = Array.from({ length: 60 }, () => testBlock(network.rng))
  const node = network.node()
  let hasFirst = true
  const denier = network.scripted(({ wantlist }) => {
    const entry = wantlist.find(({ cancel }) => !cancel)
    if (entry === undefined) return undefined
    if (hasFirst) {
      hasFirst = false
      return { blocks: [blocks[0]!] }
    }
    return { presences: wantlist.filter(({ cancel }) => !cancel).map(({ cid }) => ({ cid, type: 'dont-have' })) }
  })
  const honest = network.node(blocks)
  network.connect(node, denier)
  node.hears({ type: 'open-session', session: 1 as SessionId })
  node.want(blocks[0]!.cid, { session: 1 })
  network.run()
  network.connect(node, honest)
  for (const { cid } of blocks.slice(1)) {
    node.want(cid, { session: 1 })
    network.run()
  }
  assert.equal(node.ended.size, 60)
  const blockAsks = denier.received
    .flatMap(({ message }) => message.wantlist)
    .filter(({ wantType, cancel }) => wantType === 'block' && !cancel)
  assert.ok(blockAsks.length <= limits.sessionMissesMax.value, `${blockAsks.length} want-blocks to a peer that has nothing`)
})

test('presences for what was never asked are counted and believed by nobody', () => {
  const network = new BitswapNetwork()
  const block = testBlock(network.rng)
  const node = network.node()
  const pusher = network.scripted(() => undefined)
  node.want(block.cid)
  network.run(10)
  for (let index = 0; index < limits.broadcastStepFirst.value; index++)
    network.connect(
      node,
      network.scripted(() => undefined),
    )
  network.connect(node, pusher)
  const presences = Array.from({ length: 4_000 }, () => ({ cid: testBlock(network.rng, 1).cid, type: 'have' as const }))
  pusher.send(node.peer, { presences: [{ cid: block.cid, type: 'have' }, ...presences] }, 0)
  network.run(20)
  assert.equal(node.machine.status().counters.havesReceived, 4_001)
  assert.equal(countSent(node, 'block'), 0)
})

test('a peer that says the same thousands of times is heard a few times, and so are the page and the other wants', () => {
  for (const says of [['have'], ['dont-have'], ['have', 'dont-have']] as const) {
    const network = new BitswapNetwork()
    const node = network.node()
    const parrot = network.scripted(() => undefined)
    network.connect(node, parrot)
    const { cid } = testBlock(network.rng)
    node.want(cid)
    network.run(100)
    const presences = Array.from({ length: 4_096 }, (_, index) => ({ cid, type: says[index % says.length]! }))
    parrot.send(node.peer, { presences }, 0)
    network.run(200)
    const { havesReceived, dontHavesReceived } = node.machine.status().counters
    assert.equal(havesReceived + dontHavesReceived, 4_096)
    const told = node.progress.filter(({ type }) => type === 'have' || type === 'dont-have')
    assert.equal(told.length, limits.presencesHeardMax.value)
  }
})

test('a wantlist of a hundred thousand entries is cut at the bound, counted, and answered no further', () => {
  const network = new BitswapNetwork()
  const node = network.node()
  const flooder = network.scripted(() => undefined)
  network.connect(node, flooder)
  const wantlist = Array.from({ length: 100_000 }, (_, index) => ({
    cid: new Uint8Array([0x01, 0x55, 0x12, 0x20, ...new Uint8Array(29), index >> 16, (index >> 8) & 255, index & 255]),
    priority: index % 7,
    cancel: false,
    wantType: 'block' as const,
    sendDontHave: true,
  }))
  flooder.send(node.peer, { wantlist }, 0)
  network.run()
  const { counters } = node.machine.status()
  assert.equal(counters.wantsReceived, 100_000)
  assert.equal(counters.refusedWants, 100_000 - limits.wantsPerPeerMax.value)
  assert.equal(counters.presencesSent, limits.wantsPerPeerMax.value)
})

test('a peer that comes back again and again is listened to no more than one that stays', () => {
  const network = new BitswapNetwork()
  const node = network.node()
  const gossip = network.scripted(() => undefined)
  const teller = network.scripted(() => undefined)
  const wish = (cid: Uint8Array) => ({ cid, priority: 1, cancel: false, wantType: 'block' as const, sendDontHave: true })
  network.connect(node, teller)
  teller.send(node.peer, { wantlist: [wish(testBlock(network.rng).cid)] }, 0)
  network.run()
  const rounds = Math.ceil(limits.registryCidsMax.value / limits.registryBurst.value)
  for (let round = 0; round < rounds; round++) {
    network.connect(node, gossip)
    const wantlist = Array.from({ length: limits.registryBurst.value }, () => wish(network.rng.bytes(36)))
    gossip.send(node.peer, { wantlist }, 0)
    network.run()
    network.disconnect(node, gossip)
  }
  const mostInTime = 1 + limits.registryBurst.value + (limits.registryPerSecond.value * network.now) / 1_000
  assert.ok(node.machine.status().registryCids <= mostInTime, `${node.machine.status().registryCids} CIDs`)
})

test('whoever asks and cancels without end makes nothing grow', () => {
  const network = new BitswapNetwork()
  const node = network.node()
  const restless = network.scripted(() => undefined)
  network.connect(node, restless)
  const entry = { cid: testBlock(network.rng).cid, priority: 1, wantType: 'block' as const, sendDontHave: true }
  const wantlist = Array.from({ length: 4_000 }, (_, index) => ({ ...entry, cancel: index % 2 === 1 }))
  for (let round = 0; round < 5; round++) restless.send(node.peer, { wantlist }, round)
  network.run()
  assert.ok(node.effects.filter(({ effect }) => effect.type === 'load-block').length <= 10)
  assert.equal(node.machine.status().counters.presencesSent, 0, 'the last word was cancel')
})

test('a peer that takes no messages is given up after a few, and heard again when it speaks', () => {
  const network = new BitswapNetwork({ messageFailure: 1 })
  const block = testBlock(network.rng)
  const node = network.node()
  const deaf = network.scripted(() => undefined)
  network.connect(node, deaf)
  const want = node.want(block.cid)
  network.run()
  assert.equal(node.failed.get(want)?.code, 'not-found')
  assert.ok(node.sentMessages().length <= limits.messageFailuresMax.value)
  assert.equal(node.machine.status().peers, 1 - Number(node.sentMessages().length === limits.messageFailuresMax.value))
  deaf.send(node.peer, {}, 0)
  network.run()
  assert.equal(node.machine.status().peers, 1)
})

test('wants that found no place at a silent peer end soon after it is gone', () => {
  const network = new BitswapNetwork()
  const node = network.node()
  const silent = network.scripted(() => undefined)
  network.connect(node, silent)
  const count = limits.wantsPerPeerMax.value + 50
  for (let index = 0; index < count; index++) node.want(testBlock(network.rng, 1).cid)
  const held = () =>
    silent.received.flatMap(({ message }) => message.wantlist).reduce((sum, { cancel }) => sum + (cancel ? -1 : 1), 0)
  const foundMs = limits.scoutsWaitMs.value * Math.ceil(Math.log2(count / limits.sessionScoutsMax.value)) + 1_000
  network.run(foundMs)
  assert.ok(held() > limits.wantsPerPeerMax.value / 2 && held() <= limits.wantsPerPeerMax.value, `it holds ${held()}`)
  network.disconnect(node, silent)
  network.run()
  assert.equal(node.failed.size, count)
  const latest = Math.max(...[...node.failed.values()].map(({ at }) => at))
  const searchesMs = Math.ceil(count / limits.providerSearchesMax.value) * 2 * network.options.searchMs
  assert.ok(latest <= searchesMs + limits.notFoundGraceMs.value + foundMs, `the last one ended at ${latest} ms`)
})

/** When the last of 200 blocks of one session has come, from one honest peer among so many that say HAVE and send nothing. */
function lastBlockAt(seed: number, liars: number): number {
  const network = new BitswapNetwork({ seed, latencyMs: [20, 80], searchMs: 1_000 })
  const blocks = Array.from({ length: 200 }, () => testBlock(network.rng, 20_000))
  const node = network.node()
  const parties: Party[] = [network.node(blocks)]
  for (let index = 0; index < liars; index++) parties.push(network.scripted(haveEverything))
  for (let index = 0; index < 20; index++) parties.push(network.node())
  for (const party of network.rng.shuffle(parties)) network.connect(node, party)
  node.hears({ type: 'open-session', session: 1 as SessionId })
  for (const { cid } of blocks) node.want(cid, { session: 1 })
  network.run()
  assert.equal(node.ended.size, 200)
  return Math.max(...[...node.ended.values()].map(({ at }) => at))
}

test('ten peers that say HAVE to all blocks of a DAG and send none delay it once, and not one after the other', () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const [alone, among] = [lastBlockAt(seed, 0), lastBlockAt(seed, 10)]
    assert.ok(among <= alone + limits.answerTimeoutDefaultMs.value, `seed ${seed}: ${among} ms instead of ${alone}`)
  }
})

test('wants that found no place at a peer get one when what it holds is cancelled, or replaced by a whole wantlist', () => {
  const network = new BitswapNetwork({ searchMs: 1_000_000 })
  const node = network.node()
  const silent = network.scripted(() => undefined)
  network.connect(node, silent)
  const blocks = Array.from({ length: limits.wantsPerPeerMax.value + 50 }, () => testBlock(network.rng, 1))
  const wants = blocks.map(({ cid }) => node.want(cid))
  network.run(limits.scoutsWaitMs.value * 12)
  const told = () => new Set(silent.received.flatMap(({ message }) => message.wantlist.map(({ cid }) => String(cid))))
  const isTold = told()
  assert.ok(isTold.size >= limits.wantsPerPeerMax.value && isTold.size < blocks.length, `${isTold.size} were told`)
  for (const [index, want] of wants.entries()) {
    if (isTold.has(String(blocks[index]!.cid))) node.hears({ type: 'cancel-want', want })
  }
  network.run(network.now + 1_000)
  assert.equal(told().size, blocks.length)
})
