/**
 * Chance without a state: a draw is a function of the seed and of what it is about. So a lazily computed table, or the
 * jitter of a message, does not depend on who asked first; and two rules that ask the same peer in the same lookup
 * meet the same delay. What is built once, in order, uses the engine's `Rng` instead.
 */

/** 32 mixed bits of up to four words (the finaliser of MurmurHash3 after each). */
export function hashOf(a: number, b: number, c = 0, d = 0): number {
  let hash = 0x9e3779b9
  hash = finalise(hash ^ a)
  hash = finalise((hash + 0x85ebca6b) ^ b)
  hash = finalise((hash + 0xc2b2ae35) ^ c)
  return finalise((hash + 0x27d4eb2f) ^ d)
}

/** Uniform in [0, 1). */
export function unitOf(a: number, b: number, c = 0, d = 0): number {
  return hashOf(a, b, c, d) / 0x100000000
}

/** A standard normal deviate (Box and Muller, 1958). */
export function normalOf(a: number, b: number, c = 0, d = 0): number {
  const first = hashOf(a, b, c, d)
  const radius = Math.sqrt(-2 * Math.log((first + 1) / 0x100000001))
  return radius * Math.cos((2 * Math.PI * finalise(first ^ 0x5bd1e995)) / 0x100000000)
}

/** Lognormal with that median; `sigma` is the standard deviation of the logarithm. */
export function lognormalOf(median: number, sigma: number, a: number, b: number, c = 0, d = 0): number {
  return median * Math.exp(sigma * normalOf(a, b, c, d))
}

function finalise(word: number): number {
  let mixed = word >>> 0
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
