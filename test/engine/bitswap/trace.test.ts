import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import type { SessionId } from '../../../worker/engine/bitswap/contract.ts'
import { BitswapNetwork, testBlock } from '../../support/bitswap-network.ts'

/**
 * The golden trace: a seed gives these effects, byte for byte. When a change of behaviour is meant, take over the new
 * hash with it and say in the commit what changed.
 */
const golden = 'c5e1e75666370e5497dfb0868c34d280ce83d91cb6c63c57ad1f92830d9414cc'

function trace(seed: number): string {
  const network = new BitswapNetwork({ seed, messageFailure: 0.05, messageLoss: 0.02 })
  const blocks = Array.from({ length: 40 }, () => testBlock(network.rng, 500 + network.rng.below(30_000)))
  const node = network.node()
  const others = Array.from({ length: 25 }, () => network.node(blocks.filter(() => network.rng.below(6) === 0)))
  for (const other of others.slice(0, 18)) network.connect(node, other)
  for (const { cid } of blocks) network.provide(cid, others[network.rng.below(others.length)]!)
  node.hears({ type: 'open-session', session: 1 as SessionId })
  for (const [index, { cid }] of blocks.entries()) {
    network.after(network.rng.below(1_000), () => node.want(cid, index % 2 === 0 ? { session: 1 } : {}))
  }
  for (const other of others.slice(0, 5)) network.after(network.rng.below(1_500), () => network.disconnect(node, other))
  network.run()
  const hash = createHash('sha256')
  for (const party of [node, ...others]) {
    for (const effect of party.effects) hash.update(`${JSON.stringify(effect, serializeBytes)}\n`)
  }
  return hash.digest('hex')
}

function serializeBytes(_: string, value: unknown): unknown {
  return value instanceof Uint8Array || value instanceof Uint32Array
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
    : value
}

test('the same seed gives the same effects, and those are the golden ones', () => {
  const first = trace(42)
  assert.equal(trace(42), first)
  assert.notEqual(trace(43), first)
  assert.equal(first, golden)
})
