import { sha256 } from '@noble/hashes/sha2.js'
import { unmarshalIPNSRecord } from 'ipns'
import { ipnsValidator } from 'ipns/validator'
import { equalBytes } from '../engine/bytes-map.ts'
import type { RecordVerdict } from '../engine/kad/contract.ts'
import { isPeerId } from '../wire/peer-id.ts'

/**
 * Says of a value record whether it is valid for its key now, and how current it is. Namespaces of Amino: `/pk/` (a
 * public key under its own multihash) and `/ipns/` (IPNS specification, "Record verification"). Never rejects.
 */
export async function judgeRecord(key: Uint8Array, value: Uint8Array): Promise<RecordVerdict> {
  if (startsWith(key, '/pk/')) return judgePublicKey(key.subarray(4), value)
  if (startsWith(key, '/ipns/')) return judgeIpns(key, value)
  return invalid('the key is in no namespace of this network (/pk/ or /ipns/)')
}

function judgePublicKey(id: Uint8Array, publicKey: Uint8Array): RecordVerdict {
  if (!isPeerId(id)) return invalid('the key does not end in a peer id')
  const digest = id.subarray(2)
  const isIdentity = id[0] === 0
  if (!equalBytes(digest, isIdentity ? publicKey : sha256(publicKey))) return invalid('the public key does not hash to its key')
  return { valid: true, rank: [] }
}

/** The greater sequence number is current; among equal ones the record that is valid for longer. */
async function judgeIpns(key: Uint8Array, value: Uint8Array): Promise<RecordVerdict> {
  try {
    await ipnsValidator(key, value)
    const { sequence, validity } = unmarshalIPNSRecord(value)
    if (typeof sequence !== 'bigint') return invalid('the sequence number is missing')
    const validUntil = nanosecondsOf(validity)
    return validUntil === undefined ? invalid('the validity is no time') : { valid: true, rank: [sequence, validUntil] }
  } catch (error) {
    return invalid(error instanceof Error ? error.message : 'the record is malformed')
  }
}

/** RFC 3339 with up to nine digits after the second, which `Date` would cut to three. */
function nanosecondsOf(text: string): bigint | undefined {
  const parts = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text)
  if (parts === null) return undefined
  const [, seconds, fraction = '', zone] = parts
  const milliseconds = Date.parse(`${seconds}${zone}`)
  return Number.isNaN(milliseconds) ? undefined : BigInt(milliseconds) * 1_000_000n + BigInt(fraction.padEnd(9, '0'))
}

function invalid(reason: string): RecordVerdict {
  return { valid: false, reason }
}

function startsWith(key: Uint8Array, namespace: string): boolean {
  return equalBytes(
    key.subarray(0, namespace.length),
    Uint8Array.from(namespace, (letter) => letter.charCodeAt(0)),
  )
}
