import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BitswapMessage as Oracle, BlockPresenceType, WantType } from '../../node_modules/@helia/bitswap/dist/src/pb/message.js'
import type { BitswapMessage } from '../../worker/engine/bitswap/message.ts'
import { limits } from '../../worker/engine/limits.ts'
import { bitswapProtocols, bitswapVersion, decodeBitswapMessage, encodeBitswapMessage } from '../../worker/wire/bitswap.ts'
import { encodeCidPrefix } from '../../worker/wire/cid.ts'

const digest = 'ab'.repeat(32)
const rawCid = fromHex(`01551220${digest}`)
const cidV0 = fromHex(`1220${digest}`)
const empty: BitswapMessage = { wantlist: [], full: false, blocks: [], presences: [], pendingBytes: 0 }
const want = { cid: rawCid, priority: 1, cancel: false, wantType: 'have', sendDontHave: true } as const
const rawPrefix = { version: 1, codec: 0x55, hashCode: 0x12, digestLength: 32 } as const

test('messages have the bytes that the specification gives them', () => {
  assert.equal(hex(encodeBitswapMessage(empty)), '')
  assert.equal(
    hex(encodeBitswapMessage({ ...empty, wantlist: [want], full: true })),
    '0a30' + '0a2c' + `0a24${hex(rawCid)}` + '1001' + '2001' + '2801' + '1001',
  )
  assert.equal(hex(encodeBitswapMessage({ ...empty, full: true })), '0a021001', 'an empty full wantlist says so')
  assert.equal(
    hex(encodeBitswapMessage({ ...empty, blocks: [{ cid: rawCid, bytes: Uint8Array.of(7) }] })),
    '1a09' + '0a0401551220' + '120107',
  )
  assert.equal(
    hex(encodeBitswapMessage({ ...empty, blocks: [{ cid: cidV0, bytes: Uint8Array.of(7) }] })),
    '1a09' + '0a0400701220' + '120107',
  )
  assert.equal(
    hex(encodeBitswapMessage({ ...empty, presences: [{ cid: rawCid, type: 'dont-have' }], pendingBytes: 300 })),
    `2228${`0a24${hex(rawCid)}`}1001` + '28ac02',
  )
})

test('to older protocols a message says what those have words for', () => {
  const message: BitswapMessage = {
    wantlist: [want, { ...want, cid: cidV0, cancel: true, wantType: 'block', sendDontHave: false }],
    full: true,
    blocks: [{ cid: rawCid, bytes: Uint8Array.of(1, 2, 3) }],
    presences: [{ cid: rawCid, type: 'have' }],
    pendingBytes: 300,
  }
  const wantlist = `0a5a${`0a28${`0a24${hex(rawCid)}`}1001`}${`0a28${`0a22${hex(cidV0)}`}10011801`}1001`.replace('0a5a', '0a56')
  assert.equal(hex(encodeBitswapMessage(message, '1.1')), `${wantlist}${`1a0b${'0a0401551220'}${'1203010203'}`}`)
  assert.equal(hex(encodeBitswapMessage(message, '1.0')), `${wantlist}${'1203010203'}`)
})

test('of a protocol with a version the older ones are spoken too, best first', () => {
  const named = bitswapProtocols('/ipfs/bitswap/1.2.0')
  assert.deepEqual(named, ['/ipfs/bitswap/1.2.0', '/ipfs/bitswap/1.1.0', '/ipfs/bitswap/1.0.0', '/ipfs/bitswap'])
  assert.deepEqual(
    named.map((protocol) => bitswapVersion(protocol, named)),
    ['1.2', '1.1', '1.0', '1.0'],
  )
  assert.deepEqual(bitswapProtocols('/my/exchange'), ['/my/exchange'])
})

test('messages are byte for byte what the codec of @helia/bitswap makes', () => {
  const message: BitswapMessage = {
    wantlist: [want, { cid: cidV0, priority: -2, cancel: true, wantType: 'block', sendDontHave: false }],
    full: true,
    blocks: [{ cid: rawCid, bytes: Uint8Array.of(1, 2, 3) }],
    presences: [
      { cid: rawCid, type: 'have' },
      { cid: cidV0, type: 'dont-have' },
    ],
    pendingBytes: 1_000_000,
  }
  const oracle = Oracle.encode({
    wantlist: {
      entries: [
        { cid: rawCid, priority: 1, wantType: WantType.WantHave, sendDontHave: true },
        { cid: cidV0, priority: -2, cancel: true },
      ],
      full: true,
    },
    blocks: [{ prefix: fromHex('01551220'), data: Uint8Array.of(1, 2, 3) }],
    blockPresences: [
      { cid: rawCid, type: BlockPresenceType.HaveBlock },
      { cid: cidV0, type: BlockPresenceType.DoNotHaveBlock },
    ],
    pendingBytes: 1_000_000,
  })
  assert.equal(hex(encodeBitswapMessage(message)), hex(oracle))
  const blocks = [{ prefix: rawPrefix, data: Uint8Array.of(1, 2, 3) }]
  assert.deepEqual(decodeBitswapMessage(oracle), { ok: true, dropped: 0, message: { ...message, blocks } })
})

test('fields that are written although they have their default are read', () => {
  const bytes = Oracle.encode({
    wantlist: {
      entries: [{ cid: rawCid, priority: 0, cancel: false, wantType: WantType.WantBlock, sendDontHave: false }],
      full: false,
    },
    blocks: [],
    blockPresences: [],
    pendingBytes: 0,
  })
  const result = decodeBitswapMessage(bytes)
  assert.ok(result.ok)
  assert.deepEqual(result.message.wantlist, [{ cid: rawCid, priority: 0, cancel: false, wantType: 'block', sendDontHave: false }])
})

test('a bare block of 1.0.0 has the prefix of a CID of version 0', () => {
  const result = decodeBitswapMessage(fromHex('1203010203'))
  assert.ok(result.ok)
  assert.deepEqual(result.message.blocks, [
    { prefix: { version: 0, codec: 0x70, hashCode: 0x12, digestLength: 32 }, data: Uint8Array.of(1, 2, 3) },
  ])
})

test('messages come back as they were sent', () => {
  fc.assert(
    fc.property(arbitraryMessage(), (message) => {
      const result = decodeBitswapMessage(encodeBitswapMessage(message))
      assert.ok(result.ok && result.dropped === 0)
      const { blocks, ...rest } = result.message
      const { blocks: sent, ...restSent } = message
      assert.deepEqual(rest, restSent)
      assert.deepEqual(
        blocks.map(({ prefix, data }) => [hex(encodeCidPrefix(prefix)), hex(data)]),
        sent.map(({ cid, bytes }) => [cid.length === 34 ? '00701220' : hex(cid.subarray(0, 4)), hex(bytes)]),
      )
    }),
    { numRuns: 300 },
  )
})

test('entries, blocks and presences that are malformed are left out and counted', () => {
  const entries = [
    { cid: rawCid.subarray(0, 20), priority: 1 },
    { cid: Uint8Array.from([...rawCid, 0]), priority: 1 },
    { cid: fromHex(`0170128101${'00'.repeat(129)}`), priority: 1 },
    { cid: rawCid, priority: 1 },
  ]
  const bytes = Oracle.encode({
    wantlist: { entries },
    blocks: [
      { prefix: fromHex('0155'), data: Uint8Array.of(1) },
      { prefix: fromHex('0155122000'), data: Uint8Array.of(1) },
      { prefix: fromHex('02551220'), data: Uint8Array.of(1) },
      { prefix: fromHex('00551220'), data: Uint8Array.of(1) },
      { prefix: fromHex('0155128101'), data: Uint8Array.of(1) },
      { prefix: fromHex('01551220'), data: Uint8Array.of(1) },
    ],
    blockPresences: [{ cid: new Uint8Array(0), type: BlockPresenceType.HaveBlock }],
    pendingBytes: -5,
  })
  const result = decodeBitswapMessage(bytes)
  assert.ok(result.ok)
  assert.equal(result.message.wantlist.length, 1)
  assert.deepEqual(result.message.blocks, [{ prefix: rawPrefix, data: Uint8Array.of(1) }])
  assert.equal(result.message.pendingBytes, 0)
  assert.equal(result.dropped, 3 + 5 + 1)
})

test('want types and presences that do not exist yet are left out', () => {
  const entry = `0a24${hex(rawCid)}2002`
  const presence = `0a24${hex(rawCid)}1002`
  const result = decodeBitswapMessage(fromHex(`0a2a0a28${entry}2228${presence}`))
  assert.deepEqual(result, { ok: true, dropped: 2, message: empty })
})

test('lists are cut at their limits', () => {
  const presences = Array.from({ length: limits.presencesPerMessageMax.value + 3 }, () => ({
    cid: rawCid,
    type: 'have' as const,
  }))
  const wantlist = Array.from({ length: limits.wantlistEntriesMax.value + 2 }, () => want)
  const blocks = Array.from({ length: limits.blocksPerMessageMax.value + 1 }, () => ({ cid: rawCid, bytes: Uint8Array.of(1) }))
  const result = decodeBitswapMessage(encodeBitswapMessage({ ...empty, wantlist, blocks, presences }))
  assert.ok(result.ok)
  assert.equal(result.message.wantlist.length, limits.wantlistEntriesMax.value)
  assert.equal(result.message.blocks.length, limits.blocksPerMessageMax.value)
  assert.equal(result.message.presences.length, limits.presencesPerMessageMax.value)
  assert.equal(result.dropped, 6)
})

test('of a message with very many malformed parts the rest is not looked at', () => {
  const malformed = (count: number) => Array.from({ length: count }, () => ({ cid: new Uint8Array(0), priority: 1 }))
  const readAfter = (count: number) => {
    const entries = [...malformed(count), { cid: rawCid, priority: 1 }]
    const blockPresences = [{ cid: rawCid, type: BlockPresenceType.HaveBlock }]
    const bytes = Oracle.encode({ wantlist: { entries }, blocks: [], blockPresences, pendingBytes: 0 })
    const result = decodeBitswapMessage(bytes)
    assert.ok(result.ok)
    return [result.message.wantlist.length, result.message.presences.length, result.dropped]
  }
  const max = limits.malformedPartsMax.value
  assert.deepEqual(readAfter(max - 1), [1, 1, max - 1])
  assert.deepEqual(readAfter(max), [0, 0, max + 2])
})

test('a block of 2 MiB passes, one over the limit is left out, and a message over 4 MiB is refused', () => {
  const block = (length: number) => encodeBitswapMessage({ ...empty, blocks: [{ cid: rawCid, bytes: new Uint8Array(length) }] })
  const fitting = decodeBitswapMessage(block(2 * 1024 * 1024))
  assert.ok(fitting.ok && fitting.message.blocks[0]!.data.length === 2 * 1024 * 1024)
  const tooLong = decodeBitswapMessage(block(limits.blockBytesMax.value + 1))
  assert.ok(tooLong.ok && tooLong.message.blocks.length === 0 && tooLong.dropped === 1)
  assert.deepEqual(decodeBitswapMessage(new Uint8Array(4_194_305)), { ok: false, reason: 'oversized' })
})

test('a block has a buffer of its own, so that it can be transferred and stored alone', () => {
  const result = decodeBitswapMessage(encodeBitswapMessage({ ...empty, blocks: [{ cid: rawCid, bytes: Uint8Array.of(1, 2) }] }))
  assert.ok(result.ok)
  assert.equal(result.message.blocks[0]!.data.buffer.byteLength, 2)
})

test('random bytes never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => check(decodeBitswapMessage(bytes))),
    { numRuns: 3_000 },
  )
})

test('messages that were cut short or had bytes changed never throw', () => {
  const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 })
  fc.assert(
    fc.property(arbitraryMessage(), fc.nat(), changes, (message, cut, edits) => {
      const bytes = encodeBitswapMessage(message).slice()
      if (bytes.length === 0) return
      for (const [at, byte] of edits) bytes[at % bytes.length] = byte
      check(decodeBitswapMessage(bytes))
      check(decodeBitswapMessage(bytes.subarray(0, cut % bytes.length)))
    }),
    { numRuns: 1_000 },
  )
})

function check(result: ReturnType<typeof decodeBitswapMessage>): void {
  if (result.ok) assert.ok(result.message.pendingBytes >= 0)
  else assert.ok(['malformed', 'truncated'].includes(result.reason), result.reason)
}

function arbitraryMessage(): fc.Arbitrary<BitswapMessage> {
  const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
  const cid = fc.oneof(
    hash.map((bytes) => Uint8Array.from([1, 0x55, 0x12, 32, ...bytes])),
    hash.map((bytes) => Uint8Array.from([0x12, 32, ...bytes])),
  )
  const entry = record({
    cid,
    priority: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    cancel: fc.boolean(),
    wantType: fc.constantFrom('have' as const, 'block' as const),
    sendDontHave: fc.boolean(),
  })
  const presence = record({ cid, type: fc.constantFrom('have' as const, 'dont-have' as const) })
  return record({
    wantlist: fc.array(entry, { maxLength: 6 }),
    full: fc.boolean(),
    blocks: fc.array(record({ cid, bytes: fc.uint8Array({ maxLength: 60 }) }), { maxLength: 4 }),
    presences: fc.array(presence, { maxLength: 6 }),
    pendingBytes: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  })
}

/** Plain objects, which `deepEqual` can compare with what the decoder makes. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'))
}
