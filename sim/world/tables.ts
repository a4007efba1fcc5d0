import type { SimTime } from '../core/agenda.ts'
import { hashOf, unitOf } from '../core/draws.ts'
import { Rng } from '../../worker/engine/rng.ts'
import type { Population } from './population.ts'
import { measuredStaleness, missingShares, tableLagMs, type WorldSettings } from './settings.ts'

/**
 * The routing tables of all servers, none of which is kept: what a bucket holds is a function of the seed, its owner, its
 * number and the moment of the owner's last refresh, and is worked out when somebody asks. A bucket draws up to k peers
 * from the servers of its prefix, offline ones with a weight that gives the measured share of stale entries, and misses
 * some online ones.
 */
export class Tables {
  readonly #settings: WorldSettings
  readonly #population: Population
  /** Only saves work: what is forgotten is worked out again, the same. */
  readonly #cache = new Map<string, readonly number[]>()

  constructor(settings: WorldSettings, population: Population) {
    this.#settings = settings
    this.#population = population
  }

  /**
   * What a server with that table answers: the `count` entries nearest to `target`, nearest first. Buckets come in order
   * of distance, as in the engine's own routing table: those where target and owner differ, ascending, then the others,
   * descending.
   */
  nearest(owner: Owner, target: Uint32Array, count: number, now: SimTime): number[] {
    const found: number[] = []
    for (let bucket = 0; bucket <= owner.deepest && found.length < count; bucket++) {
      if (differAt(owner.key, target, bucket)) this.#take(owner, bucket, target, count, now, found)
    }
    for (let bucket = owner.deepest; bucket >= 0 && found.length < count; bucket--) {
      if (!differAt(owner.key, target, bucket)) this.#take(owner, bucket, target, count, now, found)
    }
    return found
  }

  ownerOf(server: number): Owner {
    return this.owner(this.#population.keyOf(server), server)
  }

  /** The owner of a table who is no server, if `server` is not given: a client. */
  owner(key: Uint32Array, server = -1): Owner {
    const rank = server === -1 ? this.#population.lowerBound(key) : server
    const neighbours = server === -1 ? [rank - 1, rank] : [rank - 1, rank + 1]
    let deepest = -1
    for (const other of neighbours) {
      if (other >= 0 && other < this.#population.size) deepest = Math.max(deepest, this.#population.cplOf(other, key))
    }
    return { key, server, deepest, salt: hashOf(key[0]!, key[1]!, key[2]!, server) }
  }

  /** The entries of one bucket, in no order that means anything. */
  bucket(owner: Owner, bucket: number, now: SimTime): readonly number[] {
    const round = this.#settings.churn ? Math.floor(now / tableLagMs + unitOf(owner.salt, ROUND)) : 0
    const name = `${owner.salt}/${bucket}/${round}`
    let entries = this.#cache.get(name)
    if (entries === undefined) {
      const refreshedAt = this.#settings.churn ? (round - unitOf(owner.salt, ROUND)) * tableLagMs : now
      entries = this.#draw(owner, bucket, refreshedAt, round)
      if (this.#cache.size >= CACHED_BUCKETS_MAX) this.#cache.clear()
      this.#cache.set(name, entries)
    }
    return entries
  }

  #take(owner: Owner, bucket: number, target: Uint32Array, count: number, now: SimTime, found: number[]): void {
    const entries = this.bucket(owner, bucket, now).toSorted((a, b) => this.#population.compareTo(target, a, b))
    for (let index = 0; index < entries.length && found.length < count; index++) found.push(entries[index]!)
  }

  #draw(owner: Owner, bucket: number, refreshedAt: SimTime, round: number): number[] {
    const [from, to] = this.#siblings(owner.key, bucket)
    const rng = new Rng(hashOf(this.#settings.seed, owner.salt, bucket, round))
    const { k } = this.#settings
    const chances = this.#chances(owner, bucket)
    const accepts = (server: number): boolean => {
      if (server === owner.server) return false
      return rng.unit() < (this.#population.isOnline(server, refreshedAt) ? chances.online : chances.offline)
    }
    // A prefix with few peers: each is looked at once. Otherwise draws until the bucket is full; a bucket that turns away
    // nearly everybody still ends.
    const entries: number[] = []
    if (to - from <= 2 * k) {
      const all = rng.shuffle(Array.from({ length: to - from }, (_, index) => from + index))
      for (const server of all) if (entries.length < k && accepts(server)) entries.push(server)
      return entries
    }
    for (let tries = 0; entries.length < k && tries < DRAWS_PER_PLACE * k; tries++) {
      const server = from + rng.below(to - from)
      if (!entries.includes(server) && accepts(server)) entries.push(server)
    }
    return entries
  }

  /** How likely a peer that could be in the bucket is let in. Their ratio sets the share of stale entries. */
  #chances(owner: Owner, bucket: number): { online: number; offline: number } {
    const { dead, staleEntries, missingEntries } = this.#settings
    const stale = staleEntries === 'uniform' ? dead : measuredStaleness(bucket)
    const ratio = dead === 0 || dead === 1 ? 1 : (stale * (1 - dead)) / (dead * (1 - stale))
    const present = missingEntries ? 1 - missingOf(unitOf(owner.salt, MISSING)) : 1
    return { online: present * Math.min(1, 1 / ratio), offline: present * Math.min(1, ratio) }
  }

  /** Ranks of the servers that share exactly `bucket` bits with `key`. */
  #siblings(key: Uint32Array, bucket: number): [number, number] {
    const other = Uint32Array.from(key)
    other[bucket >> 5] = (other[bucket >> 5]! ^ (1 << (31 - (bucket & 31)))) >>> 0
    return this.#population.rangeOf(other, bucket + 1)
  }
}

export interface Owner {
  readonly key: Uint32Array
  /** −1 for a client, which is in nobody's table. */
  readonly server: number
  /** The last bucket that can hold anybody; −1 in an empty world. */
  readonly deepest: number
  readonly salt: number
}

const CACHED_BUCKETS_MAX = 300_000
const DRAWS_PER_PLACE = 30
const ROUND = 0x726e6421
const MISSING = 0x6d697373

function missingOf(draw: number): number {
  return missingShares.find(({ upTo }) => draw < upTo)?.missing ?? 0
}

function differAt(a: Uint32Array, b: Uint32Array, bit: number): boolean {
  return (((a[bit >> 5]! ^ b[bit >> 5]!) >>> (31 - (bit & 31))) & 1) === 1
}
