import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../worker/engine/limits.ts'
import { type Key, keyFromDigest, keyOf, PeerCache, type PeerIdBytes } from '../../worker/engine/peer.ts'

const fromHex = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
const toHex = (key: Key) => Array.from(key, (word) => word.toString(16).padStart(8, '0')).join('')

test('the key of a peer id is the one that the specification gives', () => {
  const id = fromHex('0024080112209e3b433cbd31c2b8a6ebbdca998bd0f4c2141c9c9af5422e976051b1e63af14d')
  assert.equal(toHex(keyOf(id)), 'e43d28f0996557c0d5571d75c62a57a59d7ac1d30a51ecedcdb9d5e4afa56100')
})

test('the key of a multihash is the one that the specification gives', () => {
  const multihash = fromHex('1220e536c7f88d731f374dccb568aff6f56e838a19382e488039b1ca8ad2599e82fe')
  assert.equal(toHex(keyOf(multihash)), 'd623250f3f660ab4c3a53d3c97b3f6a0194c548053488d093520206248253bcb')
})

test('a short digest is padded with zeros, a long one is cut', () => {
  assert.equal(toHex(keyFromDigest(Uint8Array.of(0x80))), `80${'0'.repeat(62)}`)
  assert.equal(toHex(keyFromDigest(new Uint8Array(40).fill(0xff))), 'f'.repeat(64))
})

test('a cached peer is hashed once, and again only after it was forgotten', () => {
  const hashed: number[] = []
  const cache = new PeerCache((bytes) => {
    hashed.push(bytes[0]!)
    return keyFromDigest(bytes)
  })
  const idOf = (number: number) =>
    Uint8Array.of(number >> 8, number & 0xff, 1, 1, 1, 1, number & 0xff, number >> 8) as PeerIdBytes
  const first = cache.intern(idOf(0))
  assert.equal(cache.intern(idOf(0)), first)
  assert.equal(hashed.length, 1)
  for (let number = 1; number <= limits.cachedPeersMax.value; number++) cache.intern(idOf(number))
  assert.equal(hashed.length, limits.cachedPeersMax.value + 1)
  assert.notEqual(cache.intern(idOf(0)), first)
  assert.equal(hashed.length, limits.cachedPeersMax.value + 2)
  assert.deepEqual(cache.keyOf(Uint8Array.of(9)), keyFromDigest(Uint8Array.of(9)))
})
