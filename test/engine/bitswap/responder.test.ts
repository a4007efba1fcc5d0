import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bitswap } from '../../../worker/engine/bitswap/bitswap.ts'
import type { BitswapEvent } from '../../../worker/engine/bitswap/contract.ts'
import type { WantlistEntry } from '../../../worker/engine/bitswap/message.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { type OrderId, OrderIds } from '../../../worker/engine/machine.ts'
import type { Peer } from '../../../worker/engine/peer.ts'
import { BitswapNetwork, messageOf, testBlock, type BitswapNode, type ScriptedPeer } from '../../support/bitswap-network.ts'

function entry(cid: Uint8Array, terms: Partial<WantlistEntry> = {}): WantlistEntry {
  return { cid, priority: 1, cancel: false, wantType: 'block', sendDontHave: true, ...terms }
}

function pair(blocks: { cid: Uint8Array; bytes: Uint8Array }[]): {
  network: BitswapNetwork
  node: BitswapNode
  asker: ScriptedPeer
} {
  const network = new BitswapNetwork({ latencyMs: [5, 5] })
  const node = network.node(blocks)
  const asker = network.scripted(() => undefined)
  network.connect(node, asker)
  return { network, node, asker }
}

function answers(asker: ScriptedPeer): string[] {
  return asker.received.flatMap(({ message }) => [
    ...message.blocks.map(({ bytes }) => `block ${bytes.length}`),
    ...message.presences.map(({ type }) => type),
  ])
}

const rng = new BitswapNetwork({ seed: 77 }).rng

test('a want is answered by its type and the size of the block', () => {
  const small = testBlock(rng, limits.inlineBlockBytesMax.value)
  const large = testBlock(rng, limits.inlineBlockBytesMax.value + 1)
  const absent = testBlock(rng)
  const rows: [WantlistEntry, string[]][] = [
    [entry(large.cid), [`block ${large.bytes.length}`]],
    [entry(large.cid, { wantType: 'have' }), ['have']],
    [entry(small.cid, { wantType: 'have' }), [`block ${small.bytes.length}`]],
    [entry(absent.cid), ['dont-have']],
    [entry(absent.cid, { wantType: 'have' }), ['dont-have']],
    [entry(absent.cid, { sendDontHave: false }), []],
    [entry(absent.cid, { wantType: 'have', sendDontHave: false }), []],
    [entry(large.cid, { cancel: true }), []],
  ]
  for (const [want, expected] of rows) {
    const { network, node, asker } = pair([small, large])
    asker.send(node.peer, { wantlist: [want] }, 0)
    network.run()
    assert.deepEqual(answers(asker), expected)
  }
})

test('a block that the page puts later goes to those who wait for it, and to nobody who cancelled', () => {
  const { network, node, asker } = pair([])
  const [block, other] = [testBlock(rng), testBlock(rng)]
  asker.send(node.peer, { wantlist: [entry(block.cid), entry(other.cid)] }, 0)
  asker.send(node.peer, { wantlist: [entry(other.cid, { cancel: true })] }, 20)
  network.after(50, () => {
    for (const added of [block, other]) {
      node.store.set(added.cid, added.bytes)
      node.hears({ type: 'block-added', ...added })
    }
  })
  network.run()
  assert.deepEqual(answers(asker), ['dont-have', 'dont-have', 'block 2000'])
})

test('a block that we fetch is passed on to those who wait for it, once it is stored', () => {
  const { network, node, asker } = pair([])
  const block = testBlock(rng)
  network.connect(node, network.node([block]))
  asker.send(node.peer, { wantlist: [entry(block.cid)] }, 0)
  network.after(30, () => node.want(block.cid))
  network.run()
  assert.deepEqual(answers(asker), ['dont-have', 'block 2000'])
})

test('a block that came under another CID is answered under the CID of the want, and found by the page under its own (B8)', () => {
  const digest = rng.bytes(32)
  const versionZero = Uint8Array.of(0x12, 0x20, ...digest)
  const [dagPb, raw] = [0x70, 0x55].map((codec) => Uint8Array.of(1, codec, 0x12, 0x20, ...digest)) as [Uint8Array, Uint8Array]
  const block = { cid: versionZero, bytes: new Uint8Array(2_000) }
  const { network, node, asker } = pair([])
  asker.send(node.peer, { wantlist: [entry(dagPb), entry(raw, { wantType: 'have' })] }, 0)
  network.after(20, () => {
    node.store.set(block.cid, block.bytes)
    node.hears({ type: 'block-added', ...block })
  })
  asker.send(node.peer, { wantlist: [entry(versionZero), entry(raw)] }, 50)
  network.after(100, () => [raw, versionZero].forEach((cid) => node.want(cid)))
  network.run()
  const answered = asker.received.flatMap(({ message }) => [
    ...message.presences.map(({ cid, type }) => [cid, type]),
    ...message.blocks.map(({ cid, bytes }) => [cid, bytes.length]),
  ])
  assert.deepEqual(answered, [
    [dagPb, 'dont-have'],
    [raw, 'dont-have'],
    [dagPb, 2_000],
    [raw, 'have'],
    [versionZero, 2_000],
    [raw, 2_000],
  ])
  const given = node.effects.flatMap(({ effect }) => (effect.type === 'want-ended' ? [effect.cid] : []))
  assert.deepEqual(given, [raw, versionZero])
})

test('a full wantlist replaces the one before', () => {
  const { network, node, asker } = pair([])
  const [before, after] = [testBlock(rng), testBlock(rng, 3_000)]
  asker.send(node.peer, { wantlist: [entry(before.cid, { sendDontHave: false })] }, 0)
  asker.send(node.peer, { wantlist: [entry(after.cid, { sendDontHave: false })], full: true }, 10)
  network.after(30, () => {
    for (const added of [before, after]) {
      node.store.set(added.cid, added.bytes)
      node.hears({ type: 'block-added', ...added })
    }
  })
  network.run()
  assert.deepEqual(answers(asker), ['block 3000'])
})

test('a want-have that is followed by a want-block is answered with the block', () => {
  const block = testBlock(rng)
  const { network, node, asker } = pair([block])
  asker.send(node.peer, { wantlist: [entry(block.cid, { wantType: 'have' })] }, 0)
  asker.send(node.peer, { wantlist: [entry(block.cid), entry(block.cid, { wantType: 'have' })] }, 0)
  network.run()
  assert.deepEqual(answers(asker), ['block 2000'])
})

test('a removed block is not sent any more, even if it was read already', () => {
  const blocks = Array.from({ length: 3 }, () => testBlock(rng, 1_500_000))
  const { network, node, asker } = pair(blocks)
  asker.send(node.peer, { wantlist: blocks.map(({ cid }) => entry(cid)) }, 0)
  let loaded = 0
  node.watcher = {
    event: (event) => {
      if (event.type === 'block-loaded') loaded++
    },
    effect: (effect) => {
      // The first message leaves with the first block; the second block has been read by then or is being read.
      if (effect.type !== 'send-message' || loaded > 1) return
      const removed = blocks[1]!
      network.after(0, () => {
        node.store.delete(removed.cid)
        node.hears({ type: 'block-removed', cid: removed.cid })
      })
    },
    drained: () => {},
  }
  network.run()
  assert.deepEqual(answers(asker).toSorted(), ['block 1500000', 'block 1500000', 'dont-have'])
})

test('a message keeps its size, a block of 2 MiB goes alone, and a larger one is not offered', () => {
  const blocks = [1_000_000, 1_000_000, 1_000_000, limits.bitswapMessageBytesMax.value].map((size) => testBlock(rng, size))
  const tooLarge = testBlock(rng, limits.bitswapMessageBytesMax.value + 1)
  const { network, node, asker } = pair([...blocks, tooLarge])
  asker.send(node.peer, { wantlist: [...blocks, tooLarge].map(({ cid }) => entry(cid)) }, 0)
  network.run()
  for (const { message } of asker.received) {
    const bytes = message.blocks.reduce((sum, block) => sum + block.bytes.length, 0)
    assert.ok(message.blocks.length === 1 || bytes <= limits.bitswapMessageBytesMax.value)
  }
  assert.equal(answers(asker).filter((answer) => answer.startsWith('block')).length, 4)
  assert.equal(answers(asker).filter((answer) => answer === 'dont-have').length, 1)
  const { counters } = node.machine.status()
  assert.deepEqual(
    [counters.blocksSent, counters.bytesSent, counters.presencesSent],
    [4, 3_000_000 + limits.bitswapMessageBytesMax.value, 1],
  )
})

test('a peer that never cancels is still answered when what it once wanted in vain fills its list', () => {
  const here = testBlock(rng)
  const { network, node, asker } = pair([here])
  const absent = Array.from({ length: limits.wantsPerPeerMax.value }, () => testBlock(rng))
  asker.send(node.peer, { wantlist: absent.map(({ cid }) => entry(cid)) }, 0)
  asker.send(node.peer, { wantlist: [entry(here.cid)] }, 5_000)
  network.after(10_000, () => {
    for (const added of absent.slice(0, 2)) {
      node.store.set(added.cid, added.bytes)
      node.hears({ type: 'block-added', ...added })
    }
  })
  network.run()
  const given = answers(asker).filter((answer) => answer !== 'dont-have')
  assert.deepEqual(given, ['block 2000', 'block 2000'], 'the new one, and of the two only the one not forgotten')
  assert.equal(node.machine.status().counters.refusedWants, 0)
})

test('a peer with a long list does not keep one with a short list waiting', () => {
  const blocks = Array.from({ length: 500 }, () => testBlock(rng, 10_000))
  const { network, node, asker: greedy } = pair(blocks)
  const modest = network.scripted(() => undefined)
  network.connect(node, modest)
  greedy.send(node.peer, { wantlist: blocks.map(({ cid }) => entry(cid)) }, 0)
  modest.send(node.peer, { wantlist: [entry(blocks[0]!.cid)] }, 1)
  network.run()
  const at = modest.received[0]!.at
  const before = greedy.received.filter((received) => received.at <= at).flatMap(({ message }) => message.blocks).length
  assert.ok(before <= 10, `${before} blocks went to the greedy one first`)
  assert.equal(answers(greedy).length, 500)
})

test('a peer gets what it says matters most first', () => {
  const blocks = Array.from({ length: 20 }, (_, index) => testBlock(rng, 2_000 + index))
  const { network, node, asker } = pair(blocks)
  asker.send(node.peer, { wantlist: blocks.map(({ cid }, index) => entry(cid, { priority: index })) }, 0)
  network.run()
  const sizes = answers(asker).map((answer) => Number(answer.split(' ')[1]))
  assert.deepEqual(
    sizes,
    sizes.toSorted((a, b) => b - a),
  )
})

test('answers whose message failed are given again', () => {
  const network = new BitswapNetwork({ latencyMs: [5, 5], messageFailure: 0.1, seed: 5 })
  const blocks = Array.from({ length: 200 }, () => testBlock(rng, 50_000))
  const node = network.node(blocks)
  const asker = network.scripted(() => undefined)
  network.connect(node, asker)
  asker.send(node.peer, { wantlist: [...blocks.map(({ cid }) => entry(cid)), entry(testBlock(rng).cid)] }, 0)
  network.run()
  const failures = node.sentMessages().length - asker.received.length
  assert.ok(failures > 0, 'some message failed')
  assert.equal(new Set(asker.received.flatMap(({ message }) => message.blocks.map(({ cid }) => cid))).size, 200)
  assert.ok(answers(asker).includes('dont-have'))
})

test('a reader that takes nothing off our hands has bounded memory on its way, and is forgotten when it leaves', () => {
  const network = new BitswapNetwork()
  const { peer } = network.scripted(() => undefined)
  const machine = new Bitswap({ rng: network.rng, peers: network.peers, orders: new OrderIds() })
  const wantlist = Array.from({ length: 100 }, () => entry(testBlock(rng, 0).cid))
  const bytes = new Uint8Array(2_000_000)
  let read = 0
  let sent = 0
  const events: BitswapEvent[] = [{ type: 'message-received', peer, message: messageOf({ wantlist }) }]
  for (let event = events.shift(); event !== undefined; event = events.shift()) {
    machine.handle(event, 0)
    for (let effect = machine.poll(); effect !== undefined; effect = machine.poll()) {
      // Nobody ever says that a message has left.
      if (effect.type === 'send-message') sent++
      if (effect.type !== 'load-block') continue
      read += bytes.length
      events.push({ type: 'block-loaded', order: effect.order, bytes })
    }
  }
  assert.equal(sent, 1)
  assert.ok(read >= limits.answerBytesPerPeerMax.value)
  assert.ok(read <= limits.answerBytesPerPeerMax.value + bytes.length, `${read} bytes read`)
  machine.handle({ type: 'bitswap-peer-disconnected', peer }, 0)
  machine.handle({ type: 'stopping' }, 0)
  assert.equal(machine.nextDeadline(), undefined)
})

/** A store that has every block, all of one size; messages leave when the test says so. */
function server(size: number) {
  const network = new BitswapNetwork()
  const machine = new Bitswap({ rng: network.rng, peers: network.peers, orders: new OrderIds() })
  const bytes = new Uint8Array(size)
  const unsent = new Map<Peer, OrderId>()
  const counts = { read: 0 }
  let now = 0
  const hears = (first: BitswapEvent): void => {
    const events = [first]
    for (let event = events.shift(); event !== undefined; event = events.shift()) {
      machine.handle(event, now)
      for (let effect = machine.poll(); effect !== undefined; effect = machine.poll()) {
        if (effect.type === 'send-message') unsent.set(effect.peer, effect.order)
        if (effect.type !== 'load-block') continue
        counts.read++
        events.push({ type: 'block-loaded', order: effect.order, bytes })
      }
    }
  }
  const asks = (blocks: number, peer = network.scripted(() => undefined).peer): Peer => {
    const wantlist = Array.from({ length: blocks }, () => entry(testBlock(rng, 0).cid))
    hears({ type: 'message-received', peer, message: messageOf({ wantlist }) })
    return peer
  }
  const settles = (type: 'message-sent' | 'message-failed', peer: Peer): void => {
    const order = unsent.get(peer)!
    unsent.delete(peer)
    hears(type === 'message-sent' ? { type, order } : { type, order, reason: 'reset' })
    now += 1_000
    hears({ type: 'tick' })
  }
  const passes = (ms: number): void => {
    now += ms
    hears({ type: 'tick' })
  }
  return { counts, unsent, asks, settles, passes }
}

test('peers that take nothing off our hands keep nobody from getting one block after the other', () => {
  const { counts, unsent, asks, settles } = server(limits.bitswapMessageBytesMax.value)
  const careless = asks(1)
  for (let time = 0; time < limits.messageFailuresMax.value; time++) settles('message-failed', careless)
  counts.read = 0
  const [first] = Array.from({ length: 20 }, () => asks(6))
  const held = counts.read
  const reader = asks(3)
  for (let block = 1; block <= 3; block++) {
    assert.equal(counts.read, held + block)
    settles('message-sent', reader)
  }
  asks(1, careless)
  assert.equal(unsent.has(careless), false, 'memory that is scarce is not for who lets messages fail')
  for (let index = 0; index < 80; index++) asks(6)
  const most = limits.answerBytesTotalMax.value / limits.bitswapMessageBytesMax.value
  assert.equal(counts.read - 3, most, 'and all of it is bounded')
  settles('message-sent', first!)
  assert.equal(counts.read - 3, most + 1)
})

test('whose message has failed waits half a minute while memory is scarce, and then gets its block, too', () => {
  const { unsent, asks, settles, passes } = server(limits.bitswapMessageBytesMax.value)
  const unlucky = asks(1)
  for (let index = 0; index < 20; index++) asks(6)
  settles('message-failed', unlucky)
  assert.equal(unsent.has(unlucky), false)
  passes(limits.bitswapSendTimeoutMs.value)
  assert.equal(unsent.has(unlucky), true)
})

test('a peer that lets messages fail gets one at a time, until it has taken some', () => {
  const { counts, asks, settles } = server(1_000_000)
  const peer = asks(20)
  assert.equal(counts.read, 5)
  for (let time = 0; time < limits.messageFailuresMax.value; time++) settles('message-failed', peer)
  counts.read = 0
  asks(20, peer)
  const reads = [counts.read]
  while (reads.length < 5) {
    settles('message-sent', peer)
    reads.push(counts.read)
  }
  assert.deepEqual(reads, [1, 3, 5, 7, 9], 'as much ahead as it has taken, and at last as much as others')
})

test('who asks and cancels while all places to read are taken costs nothing', () => {
  const blocks = Array.from({ length: 40 }, () => testBlock(rng, 5_000))
  const { network, node, asker } = pair(blocks)
  for (let index = 0; index < limits.blockLoadsMax.value; index++) {
    const other = network.scripted(() => undefined)
    network.connect(node, other)
    other.send(node.peer, { wantlist: blocks.map(({ cid }) => entry(cid)) }, 0)
  }
  asker.send(node.peer, { wantlist: [entry(blocks[0]!.cid)] }, 0)
  asker.send(node.peer, { wantlist: [entry(blocks[0]!.cid, { cancel: true })] }, 0)
  network.run()
  assert.deepEqual(answers(asker), [])
  assert.equal(node.machine.status().counters.blocksSent, 40 * limits.blockLoadsMax.value)
})

test('a want-have reads no more than what is sent in its place; one that becomes a want-block meanwhile gets the block', () => {
  const network = new BitswapNetwork()
  const { peer } = network.scripted(() => undefined)
  const machine = new Bitswap({ rng: network.rng, peers: network.peers, orders: new OrderIds() })
  const { cid, bytes } = testBlock(rng, 5_000)
  const said: string[] = []
  const loads: { order: OrderId; bytesMax: number | undefined }[] = []
  const hears = (event: BitswapEvent): void => {
    machine.handle(event, 0)
    for (let effect = machine.poll(); effect !== undefined; effect = machine.poll()) {
      if (effect.type === 'load-block') loads.push({ order: effect.order, bytesMax: effect.bytesMax })
      if (effect.type !== 'send-message') continue
      said.push(...effect.message.presences.map(({ type }) => type), ...effect.message.blocks.map(() => 'block'))
      hears({ type: 'message-sent', order: effect.order })
    }
  }
  const asks = (wantType: 'have' | 'block') =>
    hears({ type: 'message-received', peer, message: messageOf({ wantlist: [entry(cid, { wantType })] }) })
  asks('have')
  assert.equal(loads[0]!.bytesMax, limits.inlineBlockBytesMax.value)
  hears({ type: 'block-loaded', order: loads[0]!.order, bytes: undefined, size: bytes.length })
  assert.deepEqual(said, ['have'])
  asks('have')
  asks('block')
  hears({ type: 'block-loaded', order: loads[1]!.order, bytes: undefined, size: bytes.length })
  assert.deepEqual(said, ['have'])
  assert.equal(loads[2]!.bytesMax, undefined)
  hears({ type: 'block-loaded', order: loads[2]!.order, bytes })
  assert.deepEqual(said, ['have', 'block'])
})
