import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionId } from '../../../worker/engine/bitswap/contract.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { BitswapNetwork, countSent, testBlock, type BitswapNode } from '../../support/bitswap-network.ts'
import { PacedPeer } from '../../support/paced-peer.ts'

const count = 60

/** A file from peers that have all of it, each at its own pace: a few blocks, so that all are known, then the rest at once. */
function fetched(paces: readonly number[]): { node: BitswapNode; peers: PacedPeer[]; tookMs: number; count: number } {
  const network = new BitswapNetwork({ latencyMs: [20, 20] })
  const blocks = Array.from({ length: count }, () => testBlock(network.rng, 50_000))
  const node = network.node()
  const peers = paces.map((msPerBlock) => new PacedPeer(network, { blocks, msPerBlock }))
  for (const { party } of peers) network.connect(node, party)
  node.hears({ type: 'open-session', session: 1 as SessionId })
  const first = limits.sessionScoutsMax.value
  for (const { cid } of blocks.slice(0, first)) node.want(cid, { session: 1 })
  network.run()
  const begun = network.now
  for (const { cid } of blocks.slice(first)) node.want(cid, { session: 1 })
  network.run()
  assert.equal(node.ended.size, count)
  return { node, peers, tookMs: Math.max(...[...node.ended.values()].map(({ at }) => at)) - begun, count }
}

const duplicates = (node: BitswapNode) => node.machine.status().counters.duplicateBlocksReceived

test('who has nothing left to send takes over what waits at slower peers', () => {
  const { node, tookMs } = fetched([20, 500, 500, 500])
  const alone = count * 20
  assert.ok(tookMs < 1.4 * alone, `${tookMs} ms, while the quick one alone would need ${alone}`)
  assert.ok(duplicates(node) <= limits.takeoverRepeatsMax.value + 1, `${duplicates(node)} blocks came twice`)
})

test('peers of about the same pace take nothing from each other', () => {
  const { node } = fetched([40, 45, 50, 55])
  assert.equal(duplicates(node), 0)
  assert.ok(countSent(node, 'block') <= count + 4, `${countSent(node, 'block')} want-blocks`)
})

test('of blocks that are on their way already only a few are asked for twice, however many peers are slow', () => {
  const { node } = fetched([10, ...Array.from({ length: 20 }, () => 600)])
  const most = limits.takeoverRepeatsMax.value + count / limits.takeoverBlocksPerRepeat.value
  assert.ok(duplicates(node) <= most, `${duplicates(node)} blocks came twice`)
})
