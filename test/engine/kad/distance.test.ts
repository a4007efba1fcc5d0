import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  bitAt,
  commonPrefixLength,
  compareBytes,
  compareDistances,
  compareKeysTo,
  comparePeersTo,
  distanceBetween,
} from '../../../worker/engine/kad/distance.ts'
import { type Key, keyFromDigest, type Peer, type PeerIdBytes } from '../../../worker/engine/peer.ts'

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 })
const key = digest.map(keyFromDigest)
/** Pairs that share a prefix of random length. */
const pair = fc.tuple(digest, digest, fc.nat(32)).map(([a, b, shared]): [Key, Key] => {
  return [keyFromDigest(a), keyFromDigest(Uint8Array.from([...a.slice(0, shared), ...b.slice(shared)]))]
})
const toNumber = (words: Uint32Array) => BigInt(`0x${Array.from(words, (word) => word.toString(16).padStart(8, '0')).join('')}`)
const eightBits = (value: number) => keyFromDigest(Uint8Array.of(value))

test('the common prefix length counts bits', () => {
  assert.equal(commonPrefixLength(eightBits(0b1000_0000), eightBits(0b0000_0000)), 0)
  assert.equal(commonPrefixLength(eightBits(0b1010_0000), eightBits(0b1011_0000)), 3)
  assert.equal(commonPrefixLength(eightBits(0b1010_0000), eightBits(0b1010_0001)), 7)
  assert.equal(commonPrefixLength(eightBits(0b1010_0001), eightBits(0b1010_0001)), 256)
})

test('prefix length, distance and order are those of 256-bit numbers', () => {
  fc.assert(
    fc.property(pair, key, ([a, b], target) => {
      const xor = toNumber(a) ^ toNumber(b)
      assert.equal(toNumber(distanceBetween(a, b)), xor)
      assert.equal(commonPrefixLength(a, b), xor === 0n ? 256 : 256 - xor.toString(2).length)
      const [toA, toB] = [toNumber(target) ^ toNumber(a), toNumber(target) ^ toNumber(b)]
      const expected = toA < toB ? -1 : toA > toB ? 1 : 0
      assert.equal(Math.sign(compareKeysTo(target, a, b)), expected)
      assert.equal(Math.sign(compareDistances(distanceBetween(target, a), distanceBetween(target, b))), expected)
    }),
    { numRuns: 300 },
  )
})

test('bits are numbered from the most significant one', () => {
  fc.assert(
    fc.property(key, fc.nat(255), (words, position) => {
      assert.equal(BigInt(bitAt(words, position)), (toNumber(words) >> BigInt(255 - position)) & 1n)
    }),
  )
})

test('peers of one distance are ordered by their ids, so that the order is total', () => {
  const peerOf = (...id: number[]): Peer => ({ id: Uint8Array.from(id) as PeerIdBytes, key: eightBits(1) })
  assert.ok(comparePeersTo(eightBits(0), peerOf(1), peerOf(2)) < 0)
  assert.ok(comparePeersTo(eightBits(0), peerOf(2), peerOf(1)) > 0)
  assert.ok(comparePeersTo(eightBits(0), peerOf(1), peerOf(1, 0)) < 0)
  assert.equal(comparePeersTo(eightBits(0), peerOf(1), peerOf(1)), 0)
  assert.ok(compareBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3)) < 0)
})
