import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Message, MessageType } from '../../node_modules/@libp2p/kad-dht/dist/src/message/dht.js'
import type { KadPeer, KadRequest, KadResponse } from '../../worker/engine/kad/message.ts'
import { limits } from '../../worker/engine/limits.ts'
import type { PeerIdBytes } from '../../worker/engine/peer.ts'
import {
  type AddressReader,
  decodeKadRequest,
  decodeKadResponse,
  encodeKadRequest,
  encodeKadResponse,
} from '../../worker/wire/kad.ts'

const ed25519Id = fromHex('0024080112209e3b433cbd31c2b8a6ebbdca998bd0f4c2141c9c9af5422e976051b1e63af14d') as PeerIdBytes
const rsaId = fromHex(`1220${'5a'.repeat(32)}`) as PeerIdBytes
const multihash = fromHex('1220e536c7f88d731f374dccb568aff6f56e838a19382e488039b1ca8ad2599e82fe')
const address = fromHex('047f000001060fa1dd03')
const keepAll: AddressReader = (bytes) => ({ bytes, dialable: true })
const keepLong: AddressReader = (bytes) => (bytes.length > 1 ? { bytes, dialable: true } : undefined)

const providerPeer: KadPeer = { id: ed25519Id, addresses: [{ bytes: address, dialable: true }] }
const ipnsRecord = { key: fromHex(`2f69706e732f${hex(ed25519Id)}`), value: Uint8Array.of(1, 2, 3) }

const oracleTypes = {
  'put-value': MessageType.PUT_VALUE,
  'get-value': MessageType.GET_VALUE,
  'add-provider': MessageType.ADD_PROVIDER,
  'get-providers': MessageType.GET_PROVIDERS,
  'find-node': MessageType.FIND_NODE,
} as const

test('requests have the bytes that the specification gives them', () => {
  assert.equal(hex(encodeKadRequest({ type: 'find-node', key: Uint8Array.of(0xaa) })), '08041201aa')
  assert.equal(hex(encodeKadRequest({ type: 'get-providers', key: multihash })), `08031222${hex(multihash)}`)
  assert.equal(hex(encodeKadRequest({ type: 'get-value', key: Uint8Array.of(1, 2) })), '080112020102')
  assert.equal(
    hex(encodeKadRequest({ type: 'put-value', record: { key: Uint8Array.of(1), value: Uint8Array.of(2) } })),
    '120101' + '1a06' + '0a0101' + '120102',
    'the type of PUT_VALUE is 0 and left out',
  )
  assert.equal(
    hex(encodeKadRequest({ type: 'add-provider', key: multihash, provider: providerPeer })),
    `08021222${hex(multihash)}4a34` + `0a26${hex(ed25519Id)}` + `120a${hex(address)}`,
  )
})

test('requests are byte for byte what the codec of @libp2p/kad-dht makes', () => {
  const requests: KadRequest[] = [
    { type: 'find-node', key: ed25519Id },
    { type: 'get-providers', key: multihash },
    { type: 'get-value', key: ipnsRecord.key },
    { type: 'put-value', record: ipnsRecord },
    { type: 'add-provider', key: multihash, provider: providerPeer },
  ]
  for (const request of requests) {
    const key = request.type === 'put-value' ? request.record.key : request.key
    const expected = Message.encode({
      type: oracleTypes[request.type],
      key,
      ...(request.type === 'put-value' ? { record: oracleRecord() } : {}),
      closer: [],
      providers: request.type === 'add-provider' ? [oraclePeer(request.provider)] : [],
    })
    assert.equal(hex(encodeKadRequest(request)), hex(expected), request.type)
    assert.deepEqual(decodeKadRequest(expected, keepAll), { ok: true, message: request, dropped: 0 })
  }
})

test('a response as js-libp2p sends it is read with all its parts', () => {
  const bytes = Message.encode({
    type: MessageType.GET_VALUE,
    key: ipnsRecord.key,
    clusterLevel: 3,
    record: oracleRecord(),
    closer: [oraclePeer(providerPeer), { id: rsaId, multiaddrs: [] }],
    providers: [oraclePeer(providerPeer)],
  })
  assert.deepEqual(decodeKadResponse(bytes, keepAll), {
    ok: true,
    dropped: 0,
    message: {
      type: 'get-value',
      key: ipnsRecord.key,
      record: ipnsRecord,
      closer: [providerPeer, { id: rsaId, addresses: [] }],
      providers: [providerPeer],
    },
  })
})

test('responses come back as they were sent, and the codec of @libp2p/kad-dht reads them alike', () => {
  fc.assert(
    fc.property(arbitraryResponse(), (response) => {
      const bytes = encodeKadResponse(response)
      assert.deepEqual(decodeKadResponse(bytes, keepAll), { ok: true, message: response, dropped: 0 })
      const oracle = Message.decode(bytes)
      assert.equal(oracle.type, oracleTypes[response.type])
      assert.deepEqual(
        oracle.closer.map(({ id }) => hex(id)),
        response.closer.map(({ id }) => hex(id)),
      )
      assert.deepEqual(
        oracle.providers.map(({ multiaddrs }) => multiaddrs.map(hex)),
        response.providers.map(({ addresses }) => addresses.map((each) => hex(each.bytes))),
      )
    }),
    { numRuns: 300 },
  )
})

test('peers with a malformed id and addresses that are refused are left out and counted', () => {
  const bytes = encodeKadResponse({
    type: 'find-node',
    key: multihash,
    record: undefined,
    providers: [],
    closer: [
      { id: Uint8Array.of(1, 2, 3) as PeerIdBytes, addresses: [] },
      { id: fromHex(`1220${'00'.repeat(31)}`) as PeerIdBytes, addresses: [] },
      { id: fromHex(`002b${'00'.repeat(43)}`) as PeerIdBytes, addresses: [] },
      {
        id: rsaId,
        addresses: [
          { bytes: address, dialable: true },
          { bytes: Uint8Array.of(9), dialable: true },
        ],
      },
    ],
  })
  const seen: string[] = []
  const result = decodeKadResponse(bytes, (multiaddr, of) => {
    seen.push(`${hex(multiaddr)} of ${hex(of).slice(0, 6)}`)
    return multiaddr.length > 1 ? { bytes: multiaddr, dialable: false } : undefined
  })
  assert.ok(result.ok)
  assert.deepEqual(result.message.closer, [{ id: rsaId, addresses: [{ bytes: address, dialable: false }] }])
  assert.equal(result.dropped, 4)
  assert.deepEqual(seen, [`${hex(address)} of 12205a`, '09 of 12205a'])
})

test('lists are cut at their limits', () => {
  const many = (count: number): KadPeer[] => Array.from({ length: count }, () => ({ id: rsaId, addresses: [] }))
  const addresses = Array.from({ length: 30 }, () => ({ bytes: address, dialable: true }))
  const result = decodeKadResponse(
    encodeKadResponse({ type: 'get-providers', key: multihash, record: undefined, closer: many(45), providers: many(600) }),
    keepAll,
  )
  assert.ok(result.ok)
  assert.equal(result.message.closer.length, limits.closerPeersMax.value)
  assert.equal(result.message.providers.length, limits.providersPerMessageMax.value)
  assert.equal(result.dropped, 5 + 88)
  const one = decodeKadResponse(response({ closer: [{ id: rsaId, addresses }] }), keepAll)
  assert.ok(one.ok)
  assert.equal(one.message.closer[0]!.addresses.length, limits.addressesPerPeerMax.value)
})

test('of one peer so many addresses are read, good ones behind malformed ones among them, and no more', () => {
  const good = { bytes: address, dialable: true }
  const malformed = { bytes: Uint8Array.of(9), dialable: true }
  const kept = (malformedOnes: number) => {
    const addresses = [...Array<typeof good>(malformedOnes).fill(malformed), good]
    const result = decodeKadResponse(response({ closer: [{ id: rsaId, addresses }] }), keepLong)
    assert.ok(result.ok)
    return [result.message.closer[0]!.addresses.length, result.dropped]
  }
  const max = limits.addressesReadMax.value
  assert.deepEqual(kept(max - 1), [1, max - 1])
  assert.deepEqual(kept(max), [0, max + 1])
})

test('of a message with very many malformed addresses or peers the rest is not looked at (W3)', () => {
  const max = limits.malformedPartsMax.value
  const addresses = Array.from({ length: 100 }, () => ({ bytes: Uint8Array.of(9), dialable: true }))
  const providers = Array.from({ length: limits.providersPerMessageMax.value }, () => ({ id: rsaId, addresses }))
  let read = 0
  const poisoned = decodeKadResponse(response({ type: 'get-providers', providers }), () => {
    read++
    return undefined
  })
  assert.ok(poisoned.ok)
  assert.ok(read >= max && read <= max + limits.addressesReadMax.value, `${read} addresses`)
  const readAfter = (count: number) => {
    const nobody: KadPeer = { id: new Uint8Array(0) as unknown as PeerIdBytes, addresses: [] }
    const closer = [...Array<KadPeer>(count).fill(nobody), providerPeer]
    const result = decodeKadResponse(response({ closer, providers: [providerPeer] }), keepAll)
    assert.ok(result.ok)
    return [result.message.closer.length, result.message.providers.length]
  }
  assert.deepEqual(readAfter(max - 1), [1, 1])
  assert.deepEqual(readAfter(max), [0, 0])
})

test('of a key and a record that come again only the last is looked at', () => {
  const tooLong = new Uint8Array(300)
  const first = response({ key: multihash, record: { key: multihash, value: tooLong } })
  const key = Uint8Array.from([0x12, 0xac, 0x02, ...tooLong])
  const last = response({ type: 'get-value', key: ipnsRecord.key, record: ipnsRecord })
  const result = decodeKadResponse(Uint8Array.from([...first, ...key, ...last]), keepAll)
  assert.ok(result.ok)
  assert.equal(hex(result.message.key), hex(ipnsRecord.key))
  assert.deepEqual(result.message.record, ipnsRecord)
})

test('a peer, an address or a record over its limit is left out', () => {
  const bytes = (length: number) => [{ bytes: new Uint8Array(length), dialable: true }]
  const fitting = decodeKadResponse(response({ closer: [{ id: rsaId, addresses: bytes(512) }] }), keepAll)
  assert.ok(fitting.ok && fitting.message.closer[0]!.addresses.length === 1)
  const longAddress = decodeKadResponse(response({ closer: [{ id: rsaId, addresses: bytes(513) }] }), keepAll)
  assert.ok(longAddress.ok && longAddress.dropped === 1 && longAddress.message.closer[0]!.addresses.length === 0)
  const longPeer = decodeKadResponse(response({ closer: [{ id: rsaId, addresses: bytes(8_192) }] }), keepAll)
  assert.ok(longPeer.ok && longPeer.dropped === 1 && longPeer.message.closer.length === 0)
  const longRecord = decodeKadResponse(response({ record: { key: multihash, value: new Uint8Array(16_385) } }), keepAll)
  assert.ok(longRecord.ok && longRecord.dropped === 1 && longRecord.message.record === undefined)
})

test('unknown fields of every wire type are skipped', () => {
  const plain = encodeKadResponse({ type: 'find-node', key: multihash, closer: [], providers: [], record: undefined })
  const unknown = fromHex('f801ffffffffffffffffff01' + 'f1010000000000000000' + 'fa0103010203' + 'fd0100000000')
  const result = decodeKadResponse(Uint8Array.from([...unknown, ...plain, ...unknown]), keepAll)
  assert.ok(result.ok)
  assert.equal(hex(result.message.key), hex(multihash))
})

test('faults of the bytes are told apart', () => {
  const faults: [string, string][] = [
    ['0805', 'unsupported'], // PING
    ['0863', 'unsupported'], // a type that does not exist
    ['08', 'truncated'],
    ['1205aa', 'truncated'],
    ['12ffffffff0f', 'truncated'],
    ['1080', 'malformed'], // the key as a number
    ['0a0101', 'malformed'], // the type as bytes
    ['0b0c', 'malformed'], // a group
    ['0001', 'malformed'], // field 0
    ['0fff', 'malformed'], // wire type 7
    ['08ffffffffffffffffffff01', 'malformed'], // a varint of eleven bytes
    [`12818${'0'.repeat(3)}`, 'truncated'],
    [`128102${'00'.repeat(257)}`, 'oversized'],
    ['420508041201aa', 'malformed'], // a peer whose id is a number
    ['42040a05aabb', 'truncated'], // an id that ends after its peer
  ]
  for (const [bytes, reason] of faults) {
    assert.deepEqual(decodeKadResponse(fromHex(bytes), keepAll), { ok: false, reason }, bytes)
  }
  assert.deepEqual(decodeKadResponse(new Uint8Array(4_194_305), keepAll), { ok: false, reason: 'oversized' })
  assert.deepEqual(decodeKadRequest(new Uint8Array(65_537), keepAll), { ok: false, reason: 'oversized' })
})

test('a request must make sense for its type', () => {
  const faults: [Parameters<typeof response>[0], string][] = [
    [{ type: 'find-node', key: new Uint8Array(0) }, 'malformed'],
    [{ type: 'get-providers', key: new Uint8Array(81) }, 'oversized'],
    [{ type: 'put-value', key: ipnsRecord.key }, 'malformed'],
    [{ type: 'put-value', key: multihash, record: ipnsRecord }, 'malformed'],
    [{ type: 'add-provider', key: multihash }, 'malformed'],
    [{ type: 'add-provider', key: new Uint8Array(81), providers: [providerPeer] }, 'oversized'],
  ]
  for (const [parts, reason] of faults) {
    assert.deepEqual(decodeKadRequest(response(parts), keepAll), { ok: false, reason }, JSON.stringify(parts.type))
  }
})

test('of the providers announced to us only the sender itself counts', () => {
  const bytes = response({ type: 'add-provider', key: multihash, providers: [{ id: rsaId, addresses: [] }, providerPeer] })
  assert.deepEqual(decodeKadRequest(bytes, keepAll, ed25519Id), {
    ok: true,
    dropped: 0,
    message: { type: 'add-provider', key: multihash, provider: providerPeer },
  })
  assert.deepEqual(decodeKadRequest(bytes, keepAll, multihash), { ok: false, reason: 'malformed' })
})

test('what is read does not hold on to the frame it came in', () => {
  const frame = response({ type: 'get-value', key: ipnsRecord.key, record: ipnsRecord, closer: [providerPeer] })
  const result = decodeKadResponse(frame, () => undefined)
  assert.ok(result.ok)
  const { key, record: read, closer } = result.message
  for (const bytes of [key, read!.key, read!.value, closer[0]!.id]) assert.notEqual(bytes.buffer, frame.buffer)
})

test('random bytes never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      check(decodeKadResponse(bytes, keepAll))
      check(decodeKadRequest(bytes, keepAll))
    }),
    { numRuns: 3_000 },
  )
})

test('messages that were cut short or had bytes changed never throw and stay within the limits', () => {
  const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 })
  fc.assert(
    fc.property(arbitraryResponse(), fc.nat(), changes, (message, cut, edits) => {
      const bytes = encodeKadResponse(message).slice()
      if (bytes.length === 0) return
      for (const [at, byte] of edits) bytes[at % bytes.length] = byte
      check(decodeKadResponse(bytes, keepAll))
      check(decodeKadResponse(bytes.subarray(0, cut % bytes.length), keepAll))
    }),
    { numRuns: 1_000 },
  )
})

function check(result: ReturnType<typeof decodeKadResponse> | ReturnType<typeof decodeKadRequest>): void {
  if (!result.ok) {
    assert.ok(['malformed', 'oversized', 'truncated', 'unsupported'].includes(result.reason))
    return
  }
  if (!('closer' in result.message)) return
  assert.ok(result.message.closer.length <= limits.closerPeersMax.value)
  for (const { addresses } of result.message.closer) assert.ok(addresses.length <= limits.addressesPerPeerMax.value)
}

function response(parts: Partial<KadResponse>): Uint8Array {
  return encodeKadResponse({ type: 'find-node', key: multihash, record: undefined, closer: [], providers: [], ...parts })
}

function arbitraryResponse(): fc.Arbitrary<KadResponse> {
  const bytes = (maxLength: number) => fc.uint8Array({ maxLength })
  const id = fc.oneof(
    fc.uint8Array({ minLength: 32, maxLength: 32 }).map((digest) => Uint8Array.from([0x12, 32, ...digest]) as PeerIdBytes),
    fc.uint8Array({ minLength: 1, maxLength: 42 }).map((key) => Uint8Array.from([0, key.length, ...key]) as PeerIdBytes),
  )
  const address = bytes(40).map((multiaddr) => ({ bytes: multiaddr, dialable: true }))
  const peer = record({ id, addresses: fc.array(address, { maxLength: 5 }) })
  return record({
    type: fc.constantFrom(...(Object.keys(oracleTypes) as KadRequest['type'][])),
    key: bytes(80),
    record: fc.option(record({ key: bytes(40), value: bytes(100) }), { nil: undefined }),
    closer: fc.array(peer, { maxLength: 8 }),
    providers: fc.array(peer, { maxLength: 4 }),
  })
}

/** Plain objects, which `deepEqual` can compare with what the decoder makes. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>
}

function oracleRecord(): Uint8Array {
  return Uint8Array.from([0x0a, ipnsRecord.key.length, ...ipnsRecord.key, 0x12, ipnsRecord.value.length, ...ipnsRecord.value])
}

function oraclePeer({ id, addresses }: KadPeer): { id: Uint8Array; multiaddrs: Uint8Array[] } {
  return { id, multiaddrs: addresses.map(({ bytes }) => bytes) }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'))
}
