import { type Key, keyOf } from '../../worker/engine/peer.ts'
import type { ProvidedKey } from '../../worker/engine/provide/contract.ts'
import { Rng } from '../../worker/engine/rng.ts'

/** Multihashes of sha2-256 with their Kademlia keys, as many as wanted: the same for the same numbers. */
export function providedKeys(from: number, count: number): ProvidedKey[] {
  return Array.from({ length: count }, (_, index) => providedKey(from + index))
}

function providedKey(number: number): ProvidedKey {
  const multihash = new Uint8Array(34)
  multihash.set([0x12, 0x20])
  multihash.set(new Rng(number + 1).bytes(32), 2)
  return { key: keyOf(multihash), multihash }
}

/** The prefix of so many bits that a number stands for, as its first and its last key. */
export function prefixRange(prefix: number, bits: number): { from: Key; to: Key } {
  const from = new Uint32Array(8) as Key
  const to = new Uint32Array(8).fill(0xffffffff) as Key
  from[0] = (prefix << (32 - bits)) >>> 0
  to[0] = (from[0]! | (0xffffffff >>> bits)) >>> 0
  return { from, to }
}

export const firstKey = new Uint32Array(8) as Key
export const lastKey = new Uint32Array(8).fill(0xffffffff) as Key
