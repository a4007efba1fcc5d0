import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { SessionId } from '../../../worker/engine/bitswap/contract.ts'
import { BitswapNetwork, testBlock, type Party, type Script, type TestBlock } from '../../support/bitswap-network.ts'
import { WantMonitor } from '../../support/bitswap-monitor.ts'

/** Random worlds: honest nodes, liars, lost and failing messages, peers that come and go, in an order that a seed decides. */

const liars: Record<string, Script> = {
  silent: () => undefined,
  denier: ({ wantlist }) => ({ presences: wantlist.map(({ cid }) => ({ cid, type: 'dont-have' })) }),
  boaster: ({ wantlist }) => ({ presences: wantlist.map(({ cid }) => ({ cid, type: 'have' })) }),
  waverer: ({ wantlist }) => ({
    presences: wantlist.flatMap(({ cid }) => [
      { cid, type: 'have' as const },
      { cid, type: 'dont-have' as const },
    ]),
  }),
  dumper: () => ({ blocks: [{ cid: new Uint8Array(36).fill(7), bytes: new Uint8Array(5_000) }] }),
  asker: ({ wantlist }) => ({ wantlist: wantlist.map((entry) => ({ ...entry, cancel: false, wantType: 'block' })) }),
}

const worlds = fc.record({
  seed: fc.integer({ min: 1, max: 0x7fffffff }),
  servers: fc.integer({ min: 0, max: 12 }),
  liars: fc.array(fc.constantFrom(...Object.keys(liars)), { maxLength: 8 }),
  blocks: fc.integer({ min: 1, max: 12 }),
  messageFailure: fc.constantFrom(0, 0.1, 0.5),
  loss: fc.constantFrom(0, 0.1, 0.5),
  upheavals: fc.integer({ min: 0, max: 10 }),
})

test('whatever the peers do, every want ends and every promise on wants is kept', () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const { network, node, monitor, wants } = settle(world)
      network.run()
      for (const [want, isCancelled] of wants) {
        const endings = Number(node.ended.has(want)) + Number(node.failed.has(want))
        assert.ok(isCancelled ? endings <= 1 : endings === 1, 'a want ends once')
      }
      monitor.assertNothingLeft()
      assert.equal(node.machine.status().wants, 0)
      assert.equal(node.machine.nextDeadline(), undefined, 'nothing is left to wait for')
    }),
    { numRuns: 150 },
  )
})

test('without faults, every block that some connected honest peer has is found, liars or not', () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const { network, node, wants, available } = settle({ ...world, messageFailure: 0, loss: 0, upheavals: 0 })
      network.run()
      for (const [want] of wants) if (available.has(want)) assert.ok(node.ended.has(want), 'an available block is found')
    }),
    { numRuns: 150 },
  )
})

function settle(world: {
  seed: number
  servers: number
  liars: string[]
  blocks: number
  messageFailure: number
  loss: number
  upheavals: number
}) {
  const network = new BitswapNetwork({ seed: world.seed, messageFailure: world.messageFailure, messageLoss: world.loss })
  const { rng } = network
  const node = network.node()
  const monitor = new WantMonitor(node)
  const blocks = Array.from({ length: world.blocks }, () => testBlock(rng, rng.below(2) === 0 ? 500 : 20_000))
  const holders = new Map<TestBlock, Party>()
  const others: Party[] = world.liars.map((name) => network.scripted(liars[name]!))
  for (let index = 0; index < world.servers; index++) {
    const own = blocks.filter(() => rng.below(3) === 0)
    const server = network.node(own)
    for (const block of own) holders.set(block, server)
    others.push(server)
  }
  for (const other of others) if (holders.size === 0 || rng.below(4) > 0) network.connect(node, other)
  for (const block of blocks) {
    const holder = holders.get(block)
    if (holder !== undefined) network.connect(node, holder)
    for (const other of others) if (rng.below(5) === 0) network.provide(block.cid, other)
  }
  node.hears({ type: 'open-session', session: 1 as SessionId })
  const wants = new Map<number, boolean>() as Map<ReturnType<typeof node.want>, boolean>
  const available = new Set<number>()
  for (const block of blocks) {
    network.after(rng.below(500), () => {
      const providers = others.filter(() => rng.below(10) === 0)
      const want = node.want(block.cid, { ...(rng.below(2) === 0 ? { session: 1 } : {}), providers })
      wants.set(want, false)
      if (holders.has(block)) available.add(want)
      if (world.upheavals === 0 || rng.below(4) > 0) return
      network.after(rng.below(300), () => {
        wants.set(want, true)
        node.hears({ type: 'cancel-want', want })
      })
    })
  }
  for (let index = 0; index < world.upheavals && others.length > 0; index++) {
    const other = others[rng.below(others.length)]!
    network.after(rng.below(3_000), () =>
      network.isConnected(node.peer, other.peer) ? network.disconnect(node, other) : network.connect(node, other),
    )
  }
  return { network, node, monitor, wants, available }
}
