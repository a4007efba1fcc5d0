import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionId } from '../../../worker/engine/bitswap/contract.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { BitswapNetwork, testBlock, type Script, type TestBlock } from '../../support/bitswap-network.ts'

/** Answers want-haves at once, want-blocks as `deliver` says: after how long, or never. */
function server(blocks: readonly TestBlock[], deliver: (index: number, times: number) => number | undefined): Script {
  const asked = new Map<number, number>()
  return ({ wantlist }, from, self) => {
    for (const { cid, cancel, wantType } of wantlist) {
      const index = blocks.findIndex((block) => block.cid === cid)
      if (cancel || index < 0) continue
      if (wantType === 'have') {
        self.send(from, { presences: [{ cid, type: 'have' }] }, 10)
        continue
      }
      const times = (asked.get(index) ?? 0) + 1
      asked.set(index, times)
      const delayMs = deliver(index, times)
      if (delayMs !== undefined) self.send(from, { blocks: [blocks[index]!] }, delayMs)
    }
    return undefined
  }
}

test('a block whose message is still arriving is waited for: its sender is not passed over', () => {
  const network = new BitswapNetwork({ latencyMs: [10, 10] })
  const blocks = [testBlock(network.rng), testBlock(network.rng)]
  const node = network.node()
  const slow = network.scripted(server(blocks, (index) => (index === 0 ? 20 : 3_000)))
  const other = network.scripted(server(blocks, () => 20))
  network.connect(node, slow)
  node.hears({ type: 'open-session', session: 1 as SessionId })
  node.want(blocks[0]!.cid, { session: 1 })
  network.run(1_000)
  network.connect(node, other)
  node.want(blocks[1]!.cid, { session: 1 })
  for (let at = 0; at < 3_000; at += 40) network.after(at, () => node.hears({ type: 'message-arriving', peer: slow.peer }))
  network.run()
  assert.deepEqual([...node.ended.values()][1]?.from, slow.peer)
  assert.equal(node.machine.status().counters.blocksReceived, 2)
})

test('a want that the peer has lost is asked for elsewhere, while the peer goes on with the rest', () => {
  const network = new BitswapNetwork({ latencyMs: [10, 10] })
  const blocks = Array.from({ length: 200 }, () => testBlock(network.rng))
  const node = network.node()
  const lost = 3
  const main = network.scripted(server(blocks, (index) => (index === lost ? undefined : 30)))
  network.connect(node, main)
  node.hears({ type: 'open-session', session: 1 as SessionId })
  node.want(blocks[0]!.cid, { session: 1 })
  network.run(200)
  network.connect(node, network.scripted(server(blocks, () => 30)))
  // One after the other, so that the peer is never silent.
  for (const [index, { cid }] of blocks.slice(1).entries()) network.after(50 * index, () => node.want(cid, { session: 1 }))
  network.run()
  const ends = [...node.ended.values()]
  assert.equal(ends.length, 200)
  const end = ends.find(({ bytes }) => bytes === blocks[lost]!.bytes)!
  assert.ok(end.at < 3_000, `found after ${end.at} ms, while blocks came until ${Math.max(...ends.map(({ at }) => at))} ms`)
})

interface LateHave {
  readonly haveMs?: number
  /** So long after it was asked for; never if absent. */
  readonly blockMs?: number
  /** A second peer with the block. */
  readonly secondOf?: (block: TestBlock) => Script
}

/** One of many connected peers says HAVE late, and sends the block later still. */
function afterLateHave({ haveMs = lateMs, blockMs, secondOf }: LateHave) {
  const network = new BitswapNetwork({ latencyMs: [0, 0] })
  const block = testBlock(network.rng)
  const node = network.node()
  const late = network.scripted(({ wantlist }, from, self) => {
    const wanted = wantlist.find(({ cancel }) => !cancel)
    if (wanted?.wantType === 'have') self.send(from, { presences: [{ cid: block.cid, type: 'have' }] }, haveMs)
    if (wanted?.wantType === 'block' && blockMs !== undefined) self.send(from, { blocks: [block] }, blockMs)
    return undefined
  })
  network.connect(node, late)
  if (secondOf !== undefined) network.connect(node, network.scripted(secondOf(block)))
  const connectSilent = () =>
    network.connect(
      node,
      network.scripted(() => undefined),
    )
  for (let index = 0; index < 30; index++) connectSilent()
  node.want(block.cid)
  // All of these were asked. With nobody else the want would end before a HAVE that comes late.
  for (let at = 1_000; at < haveMs; at += 1_000) network.after(at, connectSilent)
  // The first of these comes just before the HAVE.
  network.after(haveMs, () => {
    for (let index = 0; index < 40; index++) connectSilent()
  })
  network.run(2 * 60_000)
  const askedAt = node.sentMessages().flatMap(({ at, message }) => (message.wantlist.some(({ cancel }) => !cancel) ? [at] : []))
  return { late, ended: [...node.ended.values()][0], askedAfterHave: askedAt.filter((at) => at > haveMs + loadMs) }
}

const lateMs = 2_500
/** The block is looked for in the store first. */
const loadMs = 1

test('who took long to say HAVE is given as long for the block, and nobody new is asked meanwhile (B5)', () => {
  const { late, ended, askedAfterHave } = afterLateHave({ blockMs: 4_000 })
  assert.deepEqual([ended?.from, ended?.at], [late.peer, loadMs + lateMs + 4_000])
  assert.deepEqual(askedAfterHave, [])
})

test('one that then sends nothing keeps the others from being asked for no longer than twice its HAVE', () => {
  const { askedAfterHave } = afterLateHave({})
  assert.ok(askedAfterHave.length >= 39)
  assert.equal(Math.min(...askedAfterHave), loadMs + lateMs + limits.blockAfterHaveFactor.value * lateMs)
})

test('and keeps nobody from it who has said HAVE as well', () => {
  const { late, ended } = afterLateHave({
    secondOf:
      (block) =>
      ({ wantlist }, from, self) => {
        const wanted = wantlist.find(({ cancel }) => !cancel)
        if (wanted?.wantType === 'have') self.send(from, { presences: [{ cid: block.cid, type: 'have' }] }, lateMs + 500)
        if (wanted?.wantType === 'block') self.send(from, { blocks: [block] }, 10)
        return undefined
      },
  })
  assert.ok(ended !== undefined && ended.from !== late.peer)
  assert.ok(ended.at <= lateMs + limits.answerTimeoutDefaultMs.value + 100, `${ended.at} ms`)
})

test('a HAVE after more than seven seconds is one of a peer that has it only now: it keeps nobody waiting', () => {
  const [before, after] = [-500, 500].map((ms) => {
    const haveMs = limits.answerTimeoutMaxMs.value + ms
    const { askedAfterHave } = afterLateHave({ haveMs })
    assert.ok(askedAfterHave.length >= 39)
    return Math.min(...askedAfterHave) - haveMs
  })
  assert.equal(before, loadMs + limits.answerTimeoutMaxMs.value)
  assert.ok(after! < limits.answerTimeoutMaxMs.value / 2, `others were asked ${after} ms after the HAVE`)
})

test('who was silent and is asked once more has not said HAVE: nobody waits for it', () => {
  const network = new BitswapNetwork({ latencyMs: [10, 10] })
  const blocks = [testBlock(network.rng, 200_000), testBlock(network.rng, 200_000)]
  const node = network.node()
  let times = 0
  let again = 0
  const main = network.scripted(({ wantlist }, from, self) => {
    const wanted = wantlist.find(({ cancel }) => !cancel)
    if (wanted?.cid === blocks[0]!.cid) self.send(from, { blocks: [blocks[0]!] })
    if (wanted?.cid !== blocks[1]!.cid || wanted.wantType !== 'block' || ++times < 2) return undefined
    again = network.now
    const late = network.node([blocks[1]!])
    network.after(1_000, () => network.connect(node, late))
    return undefined
  })
  network.connect(node, main)
  node.want(blocks[0]!.cid)
  network.after(100, () => node.want(blocks[1]!.cid))
  network.run(2 * 60_000)
  const end = [...node.ended.values()][1]
  assert.ok(again > 0 && end !== undefined && end.at < again + 1_500, `asked again at ${again}, found at ${end?.at}`)
})

test('when nobody is left, a peer that has delivered before is asked again for what it did not send in time', () => {
  const network = new BitswapNetwork({ latencyMs: [10, 10] })
  const blocks = [testBlock(network.rng), testBlock(network.rng)]
  const node = network.node()
  network.connect(node, network.scripted(server(blocks, (index, times) => (index === 0 || times > 1 ? 20 : undefined))))
  node.hears({ type: 'open-session', session: 1 as SessionId })
  node.want(blocks[0]!.cid, { session: 1 })
  network.run(1_000)
  node.want(blocks[1]!.cid, { session: 1 })
  network.run()
  assert.equal(node.ended.size, 2)
  assert.ok([...node.ended.values()][1]!.at <= limits.blockPatienceMs.value + 3_000)
})

test('peers older than 1.2 are asked for blocks only, are told no more than they know, and bring the block', () => {
  const network = new BitswapNetwork({ latencyMs: [10, 10] })
  const block = testBlock(network.rng)
  const node = network.node()
  const old = network.scripted(({ wantlist }, from, self) => {
    if (wantlist.some(({ cancel }) => !cancel)) self.send(from, { blocks: [block] })
    return undefined
  })
  const oldWithout = network.scripted(() => undefined)
  for (const party of [old, oldWithout]) {
    network.connect(node, party)
    node.hears({ type: 'bitswap-peer-connected', peer: party.peer, hasPresences: false })
  }
  node.want(block.cid)
  network.run()
  assert.equal([...node.ended.values()][0]?.from, old.peer)
  const heard = [old, oldWithout].flatMap(({ received }) => received.flatMap(({ message }) => message.wantlist))
  assert.ok(
    heard.length > 0 && heard.every(({ cancel, wantType, sendDontHave }) => cancel || (wantType === 'block' && !sendDontHave)),
  )
})
