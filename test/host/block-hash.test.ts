import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { CID } from 'multiformats/cid'
import { hashBlock, hashBlocks, isSupportedHash, verifyBlock } from '../../worker/host/block-hash.ts'

const hello = new TextEncoder().encode('hello world')
const webCryptos = [crypto.subtle, null]

/** Known CIDs of `hello world` as a raw block. */
const known: readonly [string, string][] = [
  ['sha2-256', 'bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e'],
  ['identity', 'bafkqac3imvwgy3zao5xxe3de'],
]

for (const [name, text] of known) {
  test(`the CID of a block under ${name} is the known one, with and without WebCrypto`, async () => {
    const cid = CID.parse(text)
    const prefix = { version: 1, codec: cid.code, hashCode: cid.multihash.code, digestLength: cid.multihash.size } as const
    for (const subtle of webCryptos) {
      assert.deepEqual(await hashBlock(prefix, hello, subtle), { ok: true, cid: Uint8Array.from(cid.bytes) })
      assert.equal(await verifyBlock(cid.bytes, hello, subtle), true)
    }
  })
}

test('sha2-512 and blake2b-256 agree with other implementations', async () => {
  const sha512 = createHash('sha512').update(hello).digest('hex')
  for (const subtle of webCryptos) {
    const hashed = await hashBlock({ version: 1, codec: 0x55, hashCode: 0x13, digestLength: 64 }, hello, subtle)
    assert.ok(hashed.ok)
    assert.equal(hex(hashed.cid), `01551340${sha512}`)
  }
  const blake = await hashBlock({ version: 1, codec: 0x71, hashCode: 0xb220, digestLength: 32 }, hello)
  assert.ok(blake.ok)
  // b2sum --length=256
  assert.equal(hex(blake.cid), '0171a0e40220256c83b297114d201b30179f3f0ef0cace9783622da5974326b436178aeef610')
})

test('a block of version 0 gets a bare multihash as its CID', async () => {
  const hashed = await hashBlock({ version: 0, codec: 0x70, hashCode: 0x12, digestLength: 32 }, hello)
  assert.ok(hashed.ok)
  assert.equal(hex(hashed.cid), `1220${createHash('sha256').update(hello).digest('hex')}`)
})

test('a digest may be cut to 20 bytes and not further, and none may be longer than its function makes it', async () => {
  const of = (hashCode: number, digestLength: number) => hashBlock({ version: 1, codec: 0x55, hashCode, digestLength }, hello)
  const cut = await of(0x12, 20)
  assert.ok(cut.ok)
  assert.equal(hex(cut.cid), `01551214${createHash('sha256').update(hello).digest('hex').slice(0, 40)}`)
  const refused = { ok: false, reason: 'invalid-digest-length' }
  assert.deepEqual(await of(0x12, 19), refused)
  assert.deepEqual(await of(0x12, 33), refused)
  assert.deepEqual(await of(0x00, 10), refused, 'identity is never cut')
  assert.deepEqual(await of(0x00, 12), refused)
})

test('a hash function that is not known is a value and no throw', async () => {
  const prefix = { version: 1, codec: 0x55, hashCode: 0x1e, digestLength: 32 } as const
  assert.deepEqual(await hashBlock(prefix, hello), { ok: false, reason: 'unsupported-hash' })
  assert.deepEqual([0x12, 0x13, 0xb220, 0x00, 0x1e].map(isSupportedHash), [true, true, true, true, false])
})

test('bytes that do not match their CID, and a CID that is malformed or of an unknown hash, are refused', async () => {
  for (const [, text] of known) {
    const cid = CID.parse(text).bytes
    const other = hello.slice()
    other[3]!++
    for (const bytes of [other, hello.subarray(1), new Uint8Array(0)]) assert.equal(await verifyBlock(cid, bytes), false)
    assert.equal(await verifyBlock(cid.subarray(0, -1), hello), false)
  }
  assert.equal(await verifyBlock(Uint8Array.from([1, 0x55, 0x1e, 32, ...new Uint8Array(32)]), hello), false)
})

test('of a message the blocks that can be hashed get their CIDs in order, and the others are counted', async () => {
  const block = (hashCode: number, byte: number) => ({
    prefix: { version: 1, codec: 0x55, hashCode, digestLength: 32 } as const,
    data: Uint8Array.of(byte),
  })
  const result = await hashBlocks([block(0x12, 1), block(0x1e, 2), block(0xb220, 3)])
  assert.equal(result.unsupported, 1)
  assert.deepEqual(
    result.blocks.map(({ bytes }) => bytes[0]),
    [1, 3],
  )
  for (const { cid, bytes } of result.blocks) assert.ok(await verifyBlock(cid, bytes))
})

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
