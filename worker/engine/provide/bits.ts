import type { Key } from '../peer.ts'

/** Keys as strings of bits. Kademlia has the metric on them; the parts of the engine do not import each other. */

export const keyBits = 256

export type Bit = 0 | 1

/** The bit at `position`, where 0 is the most significant one. */
export function bitAt(key: Key, position: number): Bit {
  return ((key[position >> 5]! >>> (31 - (position & 31))) & 1) as Bit
}

/** The first `length` bits of `key`, then zeros: the first key of the prefix. */
export function firstOf(key: Key, length: number): Key {
  return filled(key, length, 0)
}

/** The first `length` bits of `key`, then ones: the last key of the prefix. */
export function lastOf(key: Key, length: number): Key {
  return filled(key, length, 0xffffffff)
}

/** The key after this one; undefined after the last of all. */
export function successorOf(key: Key): Key | undefined {
  const next = key.slice() as Key
  for (let word = next.length - 1; word >= 0; word--) {
    next[word] = (next[word]! + 1) >>> 0
    if (next[word] !== 0) return next
  }
  return undefined
}

/** The length of the longest prefix that two keys share. */
export function sharedBits(a: Key, b: Key): number {
  for (let word = 0; word < a.length; word++) {
    const difference = (a[word]! ^ b[word]!) >>> 0
    if (difference !== 0) return 32 * word + Math.clz32(difference)
  }
  return keyBits
}

export function compareKeys(a: Key, b: Key): number {
  for (let word = 0; word < a.length; word++) if (a[word] !== b[word]) return a[word]! - b[word]!
  return 0
}

/** As 32 bytes, whose order is that of the keys. */
export function bytesOfKey(key: Key): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 * key.length)
  const view = new DataView(bytes.buffer)
  for (let word = 0; word < key.length; word++) view.setUint32(4 * word, key[word]!)
  return bytes
}

function filled(key: Key, length: number, rest: number): Key {
  const whole = new Uint32Array(8) as Key
  for (let word = 0; word < 8; word++) {
    const bits = Math.min(32, Math.max(0, length - 32 * word))
    const mask = bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0
    whole[word] = ((key[word]! & mask) | (rest & ~mask)) >>> 0
  }
  return whole
}
