import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { generateKeyPair, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import fc from 'fast-check'
import { createIPNSRecord, createIPNSRecordWithExpiration, marshalIPNSRecord, multihashToIPNSRoutingKey } from 'ipns'
import { judgeRecord } from '../../worker/host/validators.ts'

const hour = 3_600_000
const path = '/ipfs/bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e'

test('an IPNS record of the key is valid and ranked by sequence number, then by validity', async () => {
  const { privateKey, key } = await ipnsName('Ed25519')
  const validity = '2099-01-02T03:04:05.123456789Z'
  const record = marshalIPNSRecord(await createIPNSRecordWithExpiration(privateKey, path, 7n, validity))
  const nanoseconds = BigInt(Date.parse('2099-01-02T03:04:05Z')) * 1_000_000n + 123_456_789n
  assert.deepEqual(await judgeRecord(key, record), { valid: true, rank: [7n, nanoseconds] })
})

test('a record that is made now has a validity one lifetime from now', async () => {
  const { privateKey, key } = await ipnsName('Ed25519')
  const before = Date.now()
  const verdict = await judgeRecord(key, marshalIPNSRecord(await createIPNSRecord(privateKey, path, 0, hour)))
  assert.ok(verdict.valid)
  assert.equal(verdict.rank[0], 0n)
  const validUntilMs = Number(verdict.rank[1]! / 1_000_000n)
  assert.ok(validUntilMs >= before + hour && validUntilMs <= Date.now() + hour)
})

test('an RSA key is taken from the record', async () => {
  const { privateKey, key } = await ipnsName('RSA')
  const verdict = await judgeRecord(key, marshalIPNSRecord(await createIPNSRecord(privateKey, path, 3, hour)))
  assert.ok(verdict.valid)
})

test('an expired record is invalid', async () => {
  const { privateKey, key } = await ipnsName('Ed25519')
  const record = marshalIPNSRecord(await createIPNSRecordWithExpiration(privateKey, path, 1n, '2020-01-01T00:00:00.000000000Z'))
  const verdict = await judgeRecord(key, record)
  assert.ok(!verdict.valid)
  assert.match(verdict.reason, /expired/)
})

test('a record of another key, one that was changed, and one that is too large are invalid', async () => {
  const { privateKey, key } = await ipnsName('Ed25519')
  const other = await ipnsName('Ed25519')
  const record = marshalIPNSRecord(await createIPNSRecord(privateKey, path, 1, hour))
  assert.equal((await judgeRecord(other.key, record)).valid, false)
  const changed = record.slice()
  changed[record.length - 10]! ^= 1
  assert.equal((await judgeRecord(key, changed)).valid, false)
  assert.equal((await judgeRecord(key, new Uint8Array(10_241))).valid, false)
})

test('a public key is valid under its own multihash and nowhere else', async () => {
  const rsa = publicKeyToProtobuf((await generateKeyPair('RSA', 2_048)).publicKey)
  const digest = createHash('sha256').update(rsa).digest()
  const key = Uint8Array.from([...Buffer.from('/pk/'), 0x12, 32, ...digest])
  assert.deepEqual(await judgeRecord(key, rsa), { valid: true, rank: [] })
  assert.equal((await judgeRecord(key, rsa.subarray(1))).valid, false)
  assert.equal((await judgeRecord(key.subarray(0, -1), rsa)).valid, false)
  const ed25519 = publicKeyToProtobuf((await generateKeyPair('Ed25519')).publicKey)
  const inlined = Uint8Array.from([...Buffer.from('/pk/'), 0, ed25519.length, ...ed25519])
  assert.deepEqual(await judgeRecord(inlined, ed25519), { valid: true, rank: [] })
})

test('keys of other namespaces are invalid and say why', async () => {
  for (const text of ['', '/', '/pk', '/ipn', '/other/x', 'ipns/x']) {
    const verdict = await judgeRecord(new TextEncoder().encode(text), Uint8Array.of(1))
    assert.ok(!verdict.valid)
    assert.match(verdict.reason, /namespace/)
  }
})

test('random keys and values never reject', async () => {
  const namespace = fc.constantFrom('/pk/', '/ipns/', '/')
  await fc.assert(
    fc.asyncProperty(
      namespace,
      fc.uint8Array({ maxLength: 50 }),
      fc.uint8Array({ maxLength: 200 }),
      async (prefix, rest, value) => {
        const verdict = await judgeRecord(Uint8Array.from([...Buffer.from(prefix), ...rest]), value)
        assert.equal(verdict.valid, false)
      },
    ),
    { numRuns: 1_000 },
  )
})

async function ipnsName(type: 'Ed25519' | 'RSA') {
  const privateKey = type === 'RSA' ? await generateKeyPair('RSA', 2_048) : await generateKeyPair('Ed25519')
  return { privateKey, key: multihashToIPNSRoutingKey(privateKey.publicKey.toMultihash()) }
}
