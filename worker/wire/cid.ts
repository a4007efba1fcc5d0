import { CID, varint } from 'multiformats'
import { limits } from '../engine/limits.ts'

/**
 * Binary CIDs and Bitswap's block prefixes (a CID without its digest), as checked values.
 */

/** What a CID says besides the digest. */
export interface CidPrefix {
  readonly version: 0 | 1
  readonly codec: number
  readonly hashCode: number
  /** Bytes; for identity it is the length of the data. */
  readonly digestLength: number
}

/** What a block of Bitswap 1.0.0 is, and what a CID of version 0 says: dag-pb under sha2-256. */
export const cidV0Prefix: CidPrefix = { version: 0, codec: 0x70, hashCode: 0x12, digestLength: 32 }

/** Of one whole binary CID; undefined if it is malformed, has bytes left over, or is over the limits. */
export function cidPrefix(cid: Uint8Array): CidPrefix | undefined {
  if (cid.length > limits.cidBytesMax.value) return undefined
  try {
    const { version, codec, multihashCode, digestSize, size } = CID.inspectBytes(cid)
    if (size !== cid.length) return undefined
    // A version of 0 is never written out: such a CID begins with its multihash.
    const prefix = { version, codec, hashCode: multihashCode, digestLength: digestSize }
    return version === 0 && cid[0] !== 0x12 ? undefined : checked(prefix)
  } catch {
    return undefined
  }
}

export function isCid(bytes: Uint8Array): boolean {
  return cidPrefix(bytes) !== undefined
}

/** A prefix as Bitswap ≥ 1.1.0 sends it; undefined if it is malformed or over the limits. */
export function decodeCidPrefix(bytes: Uint8Array): CidPrefix | undefined {
  try {
    const parts: number[] = []
    let offset = 0
    while (offset < bytes.length && parts.length < 4) {
      const [part, length] = varint.decode(bytes, offset)
      parts.push(part)
      offset += length
    }
    const [version, codec, hashCode, digestLength] = parts
    if (digestLength === undefined || offset !== bytes.length) return undefined
    return checked({ version: version!, codec: codec!, hashCode: hashCode!, digestLength })
  } catch {
    return undefined
  }
}

export function encodeCidPrefix({ version, codec, hashCode, digestLength }: CidPrefix): Uint8Array {
  const parts = [version, codec, hashCode, digestLength]
  const bytes = new Uint8Array(parts.reduce((length, part) => length + varint.encodingLength(part), 0))
  let offset = 0
  for (const part of parts) {
    varint.encodeTo(part, bytes, offset)
    offset += varint.encodingLength(part)
  }
  return bytes
}

/** Puts a CID together. The digest must have the prefix's length. */
export function joinCid(prefix: CidPrefix, digest: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = encodeCidPrefix(prefix)
  const start = prefix.version === 0 ? head.subarray(2) : head
  const cid = new Uint8Array(start.length + digest.length)
  cid.set(start)
  cid.set(digest, start.length)
  return cid
}

function checked(prefix: { version: number; codec: number; hashCode: number; digestLength: number }): CidPrefix | undefined {
  const { version, codec, hashCode, digestLength } = prefix
  if (digestLength > limits.digestBytesMax.value) return undefined
  if (version === 1) return { version, codec, hashCode, digestLength }
  if (version !== 0 || codec !== 0x70 || hashCode !== 0x12 || digestLength !== 32) return undefined
  return cidV0Prefix
}
