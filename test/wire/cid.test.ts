import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import { cidPrefix, decodeCidPrefix, encodeCidPrefix, isCid, joinCid } from '../../worker/wire/cid.ts'
import { isPeerId } from '../../worker/wire/peer-id.ts'

test('a CID is taken apart and put together again', () => {
  for (const text of [
    'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG',
    'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku',
    'bafy2bzaceaxm23epjsmh75yvzcecsrbavlmkcxnva66bkdebdcnyw3bjrc74u',
    'bafkqabtimvwgy3yk',
  ]) {
    const cid = CID.parse(text)
    const prefix = cidPrefix(cid.bytes)
    assert.deepEqual(prefix, {
      version: cid.version,
      codec: cid.code,
      hashCode: cid.multihash.code,
      digestLength: cid.multihash.digest.length,
    })
    assert.deepEqual(joinCid(prefix, cid.multihash.digest), Uint8Array.from(cid.bytes), text)
    assert.deepEqual(decodeCidPrefix(encodeCidPrefix(prefix)), prefix, text)
  }
})

test('bytes that are not exactly one CID within the limits are refused', () => {
  const cid = CID.parse('bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku').bytes
  assert.ok(isCid(cid))
  assert.ok(!isCid(cid.subarray(0, -1)))
  assert.ok(!isCid(Uint8Array.from([...cid, 0])))
  assert.ok(!isCid(Uint8Array.from([0, ...cid.subarray(1)])), 'version 0 written out')
  assert.ok(!isCid(Uint8Array.from([2, ...cid.subarray(1)])), 'version 2')
  assert.ok(!isCid(new Uint8Array(0)))
  const identity = (length: number) =>
    Uint8Array.from([1, 0x55, 0, length, ...(length > 127 ? [1] : []), ...new Uint8Array(length)])
  assert.ok(isCid(identity(127)))
  assert.ok(!isCid(identity(129)))
})

test('random bytes are a CID or not, a prefix or not, a peer id or not, and never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const prefix = cidPrefix(bytes)
      if (prefix !== undefined) assert.deepEqual(CID.decode(bytes).code, prefix.codec)
      const decoded = decodeCidPrefix(bytes)
      if (decoded !== undefined) assert.ok(decoded.digestLength <= 128)
      isPeerId(bytes)
    }),
    { numRuns: 2_000 },
  )
})

test('a peer id is an identity multihash of a short key or a sha2-256 one', () => {
  const id =
    (...head: number[]) =>
    (length: number) =>
      Uint8Array.from([...head, ...new Uint8Array(length)])
  assert.ok(isPeerId(id(0x12, 32)(32)))
  assert.ok(isPeerId(id(0, 36)(36)))
  assert.ok(isPeerId(id(0, 42)(42)))
  assert.ok(!isPeerId(id(0x12, 32)(33)))
  assert.ok(!isPeerId(id(0x12, 20)(20)))
  assert.ok(!isPeerId(id(0x13, 64)(64)))
  assert.ok(!isPeerId(id(0, 43)(43)))
  assert.ok(!isPeerId(id(0, 0)(0)))
  assert.ok(!isPeerId(new Uint8Array(0)))
})
