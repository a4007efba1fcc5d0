import type { Key, Peer } from '../peer.ts'

/** The XOR metric on keys, word by word. All comparisons return a negative number, zero or a positive number. */

/** XOR of two keys; as a big-endian number it is their distance. */
export type Distance = Uint32Array & { readonly Distance: unique symbol }

export const keyBits = 256

export function distanceBetween(a: Key, b: Key): Distance {
  const distance = new Uint32Array(a.length)
  for (let index = 0; index < a.length; index++) distance[index] = a[index]! ^ b[index]!
  return distance as Distance
}

export function compareDistances(a: Distance, b: Distance): number {
  for (let index = 0; index < a.length; index++) {
    const difference = a[index]! - b[index]!
    if (difference !== 0) return difference
  }
  return 0
}

/** Which of two keys is nearer to `target`, without writing the distances down. */
export function compareKeysTo(target: Key, a: Key, b: Key): number {
  for (let index = 0; index < target.length; index++) {
    const toA = (a[index]! ^ target[index]!) >>> 0
    const toB = (b[index]! ^ target[index]!) >>> 0
    // Not their difference: too large for V8's small integers, it would be allocated wherever this call is not inlined.
    if (toA !== toB) return toA < toB ? -1 : 1
  }
  return 0
}

/** A total order of peers: by distance to `target`, then by id (two ids may share a key only in tests). */
export function comparePeersTo(target: Key, a: Peer, b: Peer): number {
  return compareKeysTo(target, a.key, b.key) || compareBytes(a.id, b.id)
}

export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index++) {
    const difference = a[index]! - b[index]!
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** How many leading bits two keys share; `keyBits` when they are equal. */
export function commonPrefixLength(a: Key, b: Key): number {
  for (let index = 0; index < a.length; index++) {
    const difference = (a[index]! ^ b[index]!) >>> 0
    if (difference !== 0) return index * 32 + Math.clz32(difference)
  }
  return keyBits
}

/** The bit at `position`, where 0 is the most significant one. */
export function bitAt(words: Uint32Array, position: number): 0 | 1 {
  return ((words[position >> 5]! >>> (31 - (position & 31))) & 1) as 0 | 1
}
