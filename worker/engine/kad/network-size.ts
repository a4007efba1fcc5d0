import { limits } from '../limits.ts'
import { isDue, type Millis } from '../machine.ts'
import type { Key } from '../peer.ts'

/**
 * How many peers the network has, judged by how near the nearest ones are: with N peers the i-th nearest to a random key
 * is at i / (N + 1) of the key space on average. Each finished lookup is a sample of k distances. Per rank the weighted
 * mean of the samples is taken, and a line through the origin laid through the means, each weighted with its standard
 * deviation. Constants and fit as in go-libp2p-kad-dht (`netsize`).
 *
 * Bounded in number and age of samples. It does not know lookups, nor where samples come from.
 */
export class NetworkSize {
  readonly #k: number
  /** In order of time. */
  readonly #samples: Sample[] = []
  #restored: number | undefined
  #cached: { readonly size: number | undefined; readonly expiresAt: Millis } | undefined

  constructor(k: number) {
    this.#k = k
  }

  get samples(): number {
    return this.#samples.length
  }

  /** An earlier visit's estimate: believed until there are samples of our own. */
  restore(size: number): void {
    this.#restored = size
  }

  /**
   * `distances` of the nearest peers as shares of the key space, nearest first; fewer than k say nothing and are passed
   * over. `weight`: how far the lookup is to be trusted, greater than 0 and at most 1.
   */
  note(distances: readonly number[], weight: number, now: Millis): void {
    if (distances.length < this.#k) return
    this.#samples.push({ distances: distances.slice(0, this.#k), weight, at: now })
    this.#dropOld(now)
    this.#cached = undefined
  }

  /** Undefined while too little is known. */
  estimate(now: Millis): number | undefined {
    if (this.#cached === undefined || now >= this.#cached.expiresAt) {
      this.#dropOld(now)
      const oldest = this.#samples[0]
      const size = this.#samples.length < limits.networkSizeSamplesMin.value ? this.#restored : this.#fit()
      this.#cached = { size, expiresAt: oldest === undefined ? Infinity : oldest.at + limits.networkSizeSampleAgeMs.value }
    }
    return this.#cached.size
  }

  #dropOld(now: Millis): void {
    const isOld = ({ at }: Sample) => isDue(at, limits.networkSizeSampleAgeMs.value, now)
    while (this.#samples.length > limits.networkSizeSamplesMax.value || (this.#samples[0] && isOld(this.#samples[0]))) {
      this.#samples.shift()
    }
  }

  #fit(): number {
    let [xy, xx] = [0, 0]
    for (let index = 0; index < this.#k; index++) {
      const { mean, deviation } = this.#statistics(index)
      const rank = index + 1
      xy += deviation * rank * mean
      xx += deviation * rank * rank
    }
    // All samples alike (one key asked for again and again) have no deviation: then the farthest rank decides.
    const slope = xx > 0 ? xy / xx : this.#statistics(this.#k - 1).mean / this.#k
    return Math.max(this.#k, Math.round(1 / slope - 1))
  }

  #statistics(index: number): { mean: number; deviation: number } {
    let [sum, weights] = [0, 0]
    for (const { distances, weight } of this.#samples) {
      sum += weight * distances[index]!
      weights += weight
    }
    const mean = sum / weights
    let squares = 0
    for (const { distances, weight } of this.#samples) squares += weight * (distances[index]! - mean) ** 2
    const count = this.#samples.length
    return { mean, deviation: Math.sqrt((squares * count) / ((count - 1) * weights)) }
  }
}

interface Sample {
  readonly distances: readonly number[]
  readonly weight: number
  readonly at: Millis
}

/** The distance of two keys as a share of the key space: 0 to 1. Its first 53 bits, which is all that a number holds. */
export function normedDistance(a: Key, b: Key): number {
  const high = (a[0]! ^ b[0]!) >>> 0
  const low = (a[1]! ^ b[1]!) >>> 0
  return high / 2 ** 32 + low / 2 ** 64
}
