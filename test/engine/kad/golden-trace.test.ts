import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { KadNetwork, serialize } from '../../support/kad-network.ts'

/**
 * The same seed and the same events give the same effects, byte for byte. When the rules change on purpose, so does
 * this hash: the failing test prints the new one.
 */
const expectedTrace = '4e3d53f2a38fc7cb41ef6eb5655cdbfb88cf7db886383fab3de7e5ea0102056a'

function trace(): { lines: number; hash: string } {
  const shares = { dead: 0.1, undialable: 0.2, mute: 0.05, slow: 0.05, lying: 0.05 }
  const faults = { drop: 0.02, late: 0.05, twice: 0.05, fail: 0.05 }
  const network = new KadNetwork({ seed: 20_261_120, peers: 50, ...shares, faults })
  network.start()
  network.handle({ type: 'own-addresses-changed', addresses: [{ bytes: Uint8Array.of(4, 1), dialable: true }] })
  const multihash = Uint8Array.of(0x12, 1, 77)
  const key = Uint8Array.of(47, 1)
  network.handle({ type: 'closest-peers', query: network.queryId(), key })
  network.handle({ type: 'provide', query: network.queryId(), multihash })
  network.run(20_000)
  network.handle({ type: 'find-providers', query: network.queryId(), multihash, limit: 3 })
  network.handle({ type: 'put-value', query: network.queryId(), key, value: Uint8Array.of(3) })
  network.handle({ type: 'find-peer', query: network.queryId(), id: network.peers.at(-1)!.peer.id })
  network.run(40_000)
  network.handle({ type: 'get-value', query: network.queryId(), key, quorum: 16 })
  // Over the first refresh.
  network.run(700_000)
  const hash = createHash('sha256')
  for (const effect of network.effects) hash.update(`${serialize(effect)}\n`)
  return { lines: network.effects.length, hash: hash.digest('hex') }
}

test('the same seed gives the same trace, twice in a row and on every machine', () => {
  const first = trace()
  assert.deepEqual(trace(), first)
  assert.ok(first.lines > 500, `${first.lines} effects`)
  assert.equal(first.hash, expectedTrace)
})
