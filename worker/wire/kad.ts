import { type Writer, writer } from 'protons-runtime'
import { limits } from '../engine/limits.ts'
// Types of the engine's messages are the agreement between the two rooms; of its values only the limits are used.
import type { KadPeer, KadRecord, KadRequest, KadResponse } from '../engine/kad/message.ts'
import type { Address } from '../engine/peer.ts'
import { isPeerId } from './peer-id.ts'
import { type Decoded, decoding, type Drops, Field, WireError } from './protobuf.ts'

/**
 * Messages of `/ipfs/kad/1.0.0` between bytes and checked values (libp2p specs, kad-dht, "RPC messages").
 *
 *   Message  1 type · 2 key · 3 record · 8 closerPeers* · 9 providerPeers*
 *   Peer     1 id · 2 addrs* · 3 connection
 *   Record   1 key · 2 value · 5 timeReceived (set by the receiver: neither read nor written)
 */

/** Decides about an address mentioned for the peer `of`; undefined for one that is malformed. Must not throw. */
export type AddressReader = (multiaddr: Uint8Array, of: Uint8Array) => Address | undefined

const typeNumbers = {
  'put-value': 0,
  'get-value': 1,
  'add-provider': 2,
  'get-providers': 3,
  'find-node': 4,
} as const satisfies Record<KadRequest['type'], number>

const typesByNumber: ReadonlyMap<number, KadRequest['type']> = new Map(
  Object.entries(typeNumbers).map(([type, number]) => [number, type as KadRequest['type']]),
)

export function encodeKadRequest(request: KadRequest): Uint8Array {
  switch (request.type) {
    case 'find-node':
    case 'get-providers':
    case 'get-value':
      return encode({ type: request.type, key: request.key, record: undefined, closer: [], providers: [] })
    case 'put-value':
      return encode({ type: request.type, key: request.record.key, record: request.record, closer: [], providers: [] })
    case 'add-provider':
      return encode({ type: request.type, key: request.key, record: undefined, closer: [], providers: [request.provider] })
  }
}

export function encodeKadResponse(response: KadResponse): Uint8Array {
  return encode(response)
}

/**
 * An answer to one of our requests. Peers with a malformed id or over the limits are left out, addresses likewise; the
 * rest of the message counts, up to the point at which so much was malformed that no more is read: to find that out of an address
 * costs 10 µs, and a frame has room for a million.
 */
export function decodeKadResponse(bytes: Uint8Array, readAddress: AddressReader): Decoded<KadResponse> {
  return decoding(bytes, limits.frameBytesMax.value, (drops) => decode(bytes, readAddress, drops))
}

/**
 * A request of the peer `sender`. Of the providers in ADD_PROVIDER the sender's own entry is taken: servers ignore
 * what is said of others. Without `sender` the first entry is.
 */
export function decodeKadRequest(bytes: Uint8Array, readAddress: AddressReader, sender?: Uint8Array): Decoded<KadRequest> {
  return decoding(bytes, limits.kadRequestBytesMax.value, (drops) => requestOf(decode(bytes, readAddress, drops), sender))
}

function requestOf({ type, key, record, providers }: KadResponse, sender: Uint8Array | undefined): KadRequest {
  if (key.length === 0) throw new WireError('malformed')
  switch (type) {
    case 'find-node':
    case 'get-value':
      return { type, key }
    case 'get-providers':
      return { type, key: providersKey(key) }
    case 'put-value':
      if (record === undefined || !equalBytes(record.key, key)) throw new WireError('malformed')
      return { type, record }
    case 'add-provider': {
      const provider = providers.find(({ id }) => sender === undefined || equalBytes(id, sender))
      if (provider === undefined) throw new WireError('malformed')
      return { type, key: providersKey(key), provider }
    }
  }
}

function providersKey(key: Uint8Array): Uint8Array {
  if (key.length > limits.providersKeyBytesMax.value) throw new WireError('oversized')
  return key
}

/** Of a key or record that comes again the last one counts, as protobuf has it; the others are not looked at. */
function decode(bytes: Uint8Array, readAddress: AddressReader, drops: Drops): KadResponse {
  const field = new Field(bytes)
  let typeNumber = 0
  let key: Uint8Array = new Uint8Array(0)
  let record: Uint8Array | undefined
  const closer: KadPeer[] = []
  const providers: KadPeer[] = []
  while (drops.malformed < limits.malformedPartsMax.value && field.next()) {
    if (field.number === 1) typeNumber = field.uint32()
    else if (field.number === 2) key = field.bytes()
    else if (field.number === 3) record = field.bytes()
    else if (field.number === 8) readPeer(field.bytes(), closer, limits.closerPeersMax.value, readAddress, drops)
    else if (field.number === 9) readPeer(field.bytes(), providers, limits.providersPerMessageMax.value, readAddress, drops)
    else field.skip()
  }
  const type = typesByNumber.get(typeNumber)
  if (type === undefined) throw new WireError('unsupported')
  return { type, key: readKey(key), closer, providers, record: record && readRecord(record, drops) }
}

/** Copied, so that a key that is kept does not keep its whole frame. */
function readKey(bytes: Uint8Array): Uint8Array {
  if (bytes.length > limits.kadKeyBytesMax.value) throw new WireError('oversized')
  return bytes.slice()
}

function readRecord(bytes: Uint8Array, drops: Drops): KadRecord | undefined {
  if (bytes.length > limits.recordBytesMax.value) {
    drops.dropped++
    return undefined
  }
  const field = new Field(bytes)
  let key: Uint8Array = new Uint8Array(0)
  let value: Uint8Array = new Uint8Array(0)
  while (field.next()) {
    if (field.number === 1) key = readKey(field.bytes())
    else if (field.number === 2) value = field.bytes().slice()
    else field.skip()
  }
  return { key, value }
}

function readPeer(bytes: Uint8Array, peers: KadPeer[], peersMax: number, readAddress: AddressReader, drops: Drops): void {
  if (peers.length === peersMax || bytes.length > limits.kadPeerBytesMax.value) {
    drops.dropped++
    return
  }
  const field = new Field(bytes)
  let id: Uint8Array = new Uint8Array(0)
  const multiaddrs: Uint8Array[] = []
  while (field.next()) {
    if (field.number === 1) id = field.bytes()
    else if (field.number === 2 && multiaddrs.length < limits.addressesReadMax.value) multiaddrs.push(field.bytes())
    else {
      if (field.number === 2) drops.dropped++
      field.skip()
    }
  }
  if (isPeerId(id)) {
    const own = id.slice() as typeof id
    peers.push({ id: own, addresses: readAddresses(multiaddrs, own, readAddress, drops) })
  } else noteMalformed(drops)
}

function readAddresses(multiaddrs: readonly Uint8Array[], of: Uint8Array, readAddress: AddressReader, drops: Drops): Address[] {
  const addresses: Address[] = []
  for (const multiaddr of multiaddrs) {
    if (addresses.length === limits.addressesPerPeerMax.value) {
      drops.dropped++
      continue
    }
    const address = multiaddr.length <= limits.addressBytesMax.value ? readAddress(multiaddr, of) : undefined
    if (address === undefined) noteMalformed(drops)
    else addresses.push(address)
  }
  return addresses
}

function noteMalformed(drops: Drops): void {
  drops.dropped++
  drops.malformed++
}

function encode({ type, key, record, closer, providers }: KadResponse): Uint8Array {
  const out = writer()
  // Fields at their default are left out (proto3), as Go and js do: PUT_VALUE is 0.
  if (typeNumbers[type] !== 0) out.uint32(8).int32(typeNumbers[type])
  if (key.length > 0) out.uint32(18).bytes(key)
  if (record !== undefined) writeRecord(out.uint32(26).fork(), record)
  for (const peer of closer) writePeer(out.uint32(66).fork(), peer)
  for (const peer of providers) writePeer(out.uint32(74).fork(), peer)
  return out.finish()
}

function writeRecord(out: Writer, { key, value }: KadRecord): void {
  out.uint32(10).bytes(key).uint32(18).bytes(value).ldelim()
}

function writePeer(out: Writer, { id, addresses }: KadPeer): void {
  out.uint32(10).bytes(id)
  for (const { bytes } of addresses) out.uint32(18).bytes(bytes)
  out.ldelim()
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}
