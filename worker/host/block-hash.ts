import { blake2b } from '@noble/hashes/blake2.js'
import { sha256, sha512 } from '@noble/hashes/sha2.js'
import type { BitswapBlock } from '../engine/bitswap/message.ts'
import { equalBytes } from '../engine/bytes-map.ts'
import { limits } from '../engine/limits.ts'
import type { WireBlock } from '../wire/bitswap.ts'
import { type CidPrefix, cidPrefix, joinCid } from '../wire/cid.ts'

/**
 * Blocks are believed only after hashing: of what a peer sent, the CID is computed here; what the page puts is compared
 * with the CID it came with. Hash functions: sha2-256, sha2-512, blake2b-256, identity.
 *
 * `subtle` is WebCrypto, or null: a page that is not secure has none. Then sha2 is computed in JavaScript, several times
 * slower.
 */

export type Subtle = Pick<SubtleCrypto, 'digest'> | null

export type HashedBlock =
  | { readonly ok: true; readonly cid: Uint8Array<ArrayBuffer> }
  /** A function that is not known here, or a digest longer than its function's or too short to be safe. */
  | { readonly ok: false; readonly reason: 'unsupported-hash' | 'invalid-digest-length' }

/** By a code of the multicodec table. */
export function isSupportedHash(code: number): boolean {
  return hashes.has(code)
}

/** The CID that data with this prefix has. */
export async function hashBlock(prefix: CidPrefix, data: Uint8Array, subtle: Subtle = platformSubtle()): Promise<HashedBlock> {
  const hash = hashes.get(prefix.hashCode)
  if (hash === undefined) return { ok: false, reason: 'unsupported-hash' }
  const [shortest, longest] = digestLengths(hash, data)
  const length = prefix.digestLength
  if (length < shortest || length > longest) return { ok: false, reason: 'invalid-digest-length' }
  const digest = await hash.digest(data, subtle)
  return { ok: true, cid: joinCid(prefix, digest.subarray(0, length)) }
}

/** The blocks of one message. Those that cannot be hashed are left out: nobody here can have asked for them. */
export async function hashBlocks(
  blocks: readonly WireBlock[],
  subtle: Subtle = platformSubtle(),
): Promise<{ readonly blocks: readonly BitswapBlock[]; readonly unsupported: number }> {
  const hashed = await Promise.all(blocks.map(({ prefix, data }) => hashBlock(prefix, data, subtle)))
  const known = hashed.flatMap((result, index) => (result.ok ? [{ cid: result.cid, bytes: blocks[index]!.data }] : []))
  return { blocks: known, unsupported: blocks.length - known.length }
}

/** Whether the bytes are the block that the binary CID names. False for a malformed CID or an unsupported hash, too. */
export async function verifyBlock(cid: Uint8Array, bytes: Uint8Array, subtle: Subtle = platformSubtle()): Promise<boolean> {
  const prefix = cidPrefix(cid)
  if (prefix === undefined) return false
  const hashed = await hashBlock(prefix, bytes, subtle)
  return hashed.ok && equalBytes(hashed.cid, cid)
}

interface Hash {
  /** Undefined for identity: as long as the data. */
  readonly digestLength: number | undefined
  digest(data: Uint8Array, subtle: Subtle): Uint8Array | Promise<Uint8Array>
}

const hashes: ReadonlyMap<number, Hash> = new Map([
  [0x00, { digestLength: undefined, digest: (data) => data }],
  [0x12, { digestLength: 32, digest: (data, subtle) => sha2('SHA-256', sha256, data, subtle) }],
  [0x13, { digestLength: 64, digest: (data, subtle) => sha2('SHA-512', sha512, data, subtle) }],
  [0xb220, { digestLength: 32, digest: (data) => blake2b(data, { dkLen: 32 }) }],
] satisfies [number, Hash][])

/** A digest may be cut, identity may not: it is the data. */
function digestLengths({ digestLength }: Hash, data: Uint8Array): readonly [shortest: number, longest: number] {
  if (digestLength !== undefined) return [limits.digestBytesMin.value, digestLength]
  return [data.length, Math.min(data.length, limits.digestBytesMax.value)]
}

async function sha2(
  name: 'SHA-256' | 'SHA-512',
  inJavaScript: (data: Uint8Array) => Uint8Array,
  data: Uint8Array,
  subtle: Subtle,
): Promise<Uint8Array> {
  if (subtle === null) return inJavaScript(data)
  return new Uint8Array(await subtle.digest(name, data as Uint8Array<ArrayBuffer>))
}

function platformSubtle(): Subtle {
  return globalThis.crypto?.subtle ?? null
}
