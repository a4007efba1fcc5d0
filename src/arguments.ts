import { base16 } from 'multiformats/bases/base16'
import { base58btc } from 'multiformats/bases/base58'
import { base64, base64url } from 'multiformats/bases/base64'
import type { MultibaseDecoder } from 'multiformats/bases/interface'
import { CID } from 'multiformats/cid'
import { decode as decodeMultihash } from 'multiformats/hashes/digest'
import type { ErrorCode } from '../worker/contract/errors.ts'
import type { ProvideMode } from '../worker/contract/service.ts'
import { AminoError } from './errors.ts'
import type { CidInput, KeyInput, PeerIdInput, RecordKeyInput } from './types.ts'

/** What a caller gives, checked and turned into the plain values of the contract, before anything is sent. */

/** A CID in binary. */
export function cidBytes(cid: CidInput): Uint8Array {
  const found = CID.asCID(cid) ?? parseCid(cid)
  if (found === undefined) {
    throw new AminoError(
      'invalid-cid',
      `${shown(cid)} is not a CID. Give a CID object or its text without any path, like bafy… or Qm….`,
    )
  }
  return exact(found.bytes)
}

/** As many as a Worker takes at once; of more, no more are looked at. */
export function cidList(cids: Iterable<CidInput>): Uint8Array[] {
  require(typeof cids?.[Symbol.iterator] === 'function', 'cids must be an iterable of CIDs.')
  const list: Uint8Array[] = []
  for (const cid of cids) {
    require(list.length < blocksMax, `A stream takes ${blocksMax} CIDs at most.`)
    list.push(cidBytes(cid))
  }
  return list
}

const blocksMax = 4096

/** Throws `invalid-argument` otherwise. */
export function require(holds: boolean, message: string): asserts holds {
  if (!holds) throw new AminoError('invalid-argument', message)
}

export function checkedList<Value>(name: string, values: readonly Value[]): readonly Value[] {
  require(Array.isArray(values), `${name} must be an array.`)
  return values
}

/** Of whatever realm. */
export function requireSignal(signal: AbortSignal | null | undefined): void {
  const isNone = signal === null || signal === undefined
  require(isNone || typeof signal.addEventListener === 'function', 'signal must be an AbortSignal.')
}

/** The peer id's multihash. `code`: what to blame on a bad one. */
export function peerIdBytes(id: PeerIdInput, code: ErrorCode = 'invalid-key'): Uint8Array {
  const bytes = peerIdOf(id)
  if (bytes === undefined) {
    throw new AminoError(code, `${shown(id)} is not a peer id. Give its text, like 12D3KooW… or Qm…, or its CID (k51…).`)
  }
  return bytes
}

/** The binary key of a value record: prefix and multihash. */
export function recordKeyBytes(key: RecordKeyInput): Uint8Array {
  const found = key instanceof Uint8Array ? binaryRecordKey(key) : textualRecordKey(key)
  if (found === undefined) {
    const message = `${shown(key)} is not the key of a value. Give '/ipns/<name>' or '/pk/<peer id>' as text, or as bytes: the prefix and the id's multihash.`
    throw new AminoError('invalid-key', message)
  }
  return found
}

/** What is hashed to find the place of a key in the network. */
export function keyBytes(key: KeyInput): Uint8Array {
  if (key instanceof Uint8Array) {
    if (key.length > 0) return exact(key)
    throw new AminoError('invalid-key', 'The key is empty. Give at least one byte.')
  }
  if (typeof key === 'string' && key.startsWith('/')) return recordKeyBytes(key)
  const found = peerIdOf(key) ?? (CID.asCID(key) ?? parseCid(key))?.multihash.bytes
  if (found === undefined) {
    throw new AminoError('invalid-key', `${shown(key)} is not a key. Give bytes, a CID, a peer id or '/ipns/<name>'.`)
  }
  return exact(found)
}

/** Bytes in a buffer of their own: the caller's is never transferred, and a clone takes nothing else along. */
export function copiedBytes(name: string, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  if (bytes instanceof Uint8Array) return new Uint8Array(bytes)
  throw new AminoError('invalid-argument', `${name} must be a Uint8Array, not ${shown(bytes)}.`)
}

/** `value`, or the default for undefined. */
export function checkedInteger(name: string, value: number | undefined, fallback: number, max = Number.MAX_SAFE_INTEGER): number {
  if (value === undefined) return fallback
  if (Number.isSafeInteger(value) && value >= 1 && value <= max) return value
  const range = max === Number.MAX_SAFE_INTEGER ? 'of at least 1' : `from 1 to ${max}`
  throw new AminoError('invalid-argument', `${name} must be an integer ${range}, not ${shown(value)}.`)
}

export function provideMode(mode: ProvideMode = 'classic'): ProvideMode {
  if (mode === 'classic' || mode === 'optimistic') return mode
  throw new AminoError('invalid-argument', `mode must be 'classic' or 'optimistic', not ${shown(mode)}.`)
}

/** Beside those that multiformats knows by itself, by the first letter: what other tools print on demand. */
const otherBases: Readonly<Record<string, MultibaseDecoder<string>>> = { f: base16, m: base64, u: base64url }

function parseCid(value: unknown): CID | undefined {
  try {
    return typeof value === 'string' ? CID.parse(value, otherBases[value[0]!]) : undefined
  } catch {
    return undefined
  }
}

function peerIdOf(id: unknown): Uint8Array | undefined {
  try {
    const text = typeof id === 'object' && id !== null ? (id as { toString(): string }).toString() : id
    if (typeof text !== 'string') return undefined
    const bytes = /^(1|Qm)/.test(text) ? base58btc.baseDecode(text) : libp2pKey(CID.parse(text))
    return bytes !== undefined && isPeerMultihash(bytes) ? exact(bytes) : undefined
  } catch {
    return undefined
  }
}

/** CIDs name peers with the codec libp2p-key (0x72). */
function libp2pKey(cid: CID): Uint8Array | undefined {
  return cid.code === 0x72 ? cid.multihash.bytes : undefined
}

/** Identity (a small public key inside) or sha2-256. */
function isPeerMultihash(bytes: Uint8Array): boolean {
  try {
    const { code, size } = decodeMultihash(bytes)
    return (code === 0 && size > 0) || (code === 0x12 && size === 32)
  } catch {
    return false
  }
}

const namespaces = ['/ipns/', '/pk/'] as const

function textualRecordKey(key: unknown): Uint8Array | undefined {
  if (typeof key !== 'string') return undefined
  const prefix = namespaces.find((namespace) => key.startsWith(namespace))
  const id = prefix === undefined ? undefined : peerIdOf(key.slice(prefix.length))
  if (prefix === undefined || id === undefined) return undefined
  const bytes = new Uint8Array(prefix.length + id.length)
  bytes.set(new TextEncoder().encode(prefix))
  bytes.set(id, prefix.length)
  return bytes
}

function binaryRecordKey(key: Uint8Array): Uint8Array | undefined {
  const fits = namespaces.some((namespace) => {
    const prefix = new TextEncoder().encode(namespace)
    return prefix.every((byte, index) => key[index] === byte) && isPeerMultihash(key.subarray(prefix.length))
  })
  return fits ? exact(key) : undefined
}

/** A view of a larger buffer would be cloned with all of it. */
function exact(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes)
}

/** A value for a message, short enough to read. */
function shown(value: unknown): string {
  if (value instanceof Uint8Array) return `A Uint8Array of ${value.length} bytes`
  const text = typeof value === 'string' ? `'${value}'` : textOf(value)
  return text.length > 80 ? `${text.slice(0, 79)}…` : text
}

/** Some objects have no text, or throw. */
function textOf(value: unknown): string {
  try {
    return String(value)
  } catch {
    return 'This object'
  }
}
