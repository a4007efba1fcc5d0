/** Seeded numbers of the swarm. Only `+`, `*` and shifts, so that every machine gets the same ones. */

export interface Random {
  /** A number in [0, 1). */
  next(): number
  /** An integer in [0, below). */
  integer(below: number): number
  shuffled<T>(items: readonly T[]): T[]
}

/** A 32-bit word of a string (FNV-1a). Good enough to set seeds apart, not a hash to rely on. */
export function seedOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }
  return hash >>> 0
}

/** splitmix32. */
export function createRandom(seed: string): Random {
  let state = seedOf(seed)

  function next(): number {
    state = (state + 0x9e3779b9) | 0
    let mixed = state ^ (state >>> 16)
    mixed = Math.imul(mixed, 0x21f0aaad)
    mixed ^= mixed >>> 15
    mixed = Math.imul(mixed, 0x735a2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 0x1_0000_0000
  }

  function integer(below: number): number {
    return Math.floor(next() * below)
  }

  return {
    next,
    integer,
    shuffled(items) {
      const result = [...items]
      for (let last = result.length - 1; last > 0; last--) {
        const other = integer(last + 1)
        const swap = result[last] as (typeof result)[number]
        result[last] = result[other] as (typeof result)[number]
        result[other] = swap
      }
      return result
    },
  }
}
