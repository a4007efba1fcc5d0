import { assert } from '../../worker/engine/assert.ts'
import { keyFromDigest, keyOf, type Key, type PeerIdBytes } from '../../worker/engine/peer.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { lognormalOf, unitOf } from '../core/draws.ts'
import type { SimTime } from '../core/agenda.ts'
import { lastMile, sessions, type WorldSettings, zones } from './settings.ts'

/**
 * All servers of a world, in typed arrays. A server is its rank in the order of Kademlia keys, so that all servers of a
 * prefix are a range of ranks. 34 bytes of id, 32 of key and 9 of everything else: 100,000 servers take 8 MB.
 */
export class Population {
  readonly size: number
  readonly #settings: WorldSettings
  readonly #ids: Uint8Array
  readonly #keys: Uint32Array
  readonly #kinds: Uint8Array
  readonly #zones: Uint8Array
  readonly #lastMiles: Float32Array
  /** Milliseconds online of each cycle; 0: never, Infinity: always. */
  readonly #onlineMs: Float32Array

  /**
   * `heads`: ids of those servers that are heads of Hydras; the others have random ones. `headsStay`: heads never leave.
   * `prefixOf`: the first bits of each server's key, for networks as no hash makes them.
   */
  constructor(settings: WorldSettings, heads: readonly Uint8Array[] = [], headsStay = true, prefixOf?: PrefixOf) {
    assert(heads.length <= settings.peers, 'heads are among the servers')
    this.#settings = settings
    this.size = settings.peers
    this.#ids = new Uint8Array(ID_BYTES * this.size)
    this.#keys = new Uint32Array(8 * this.size)
    this.#kinds = new Uint8Array(this.size)
    this.#zones = new Uint8Array(this.size)
    this.#lastMiles = new Float32Array(this.size)
    this.#onlineMs = new Float32Array(this.size)
    const rng = new Rng(settings.seed)
    const others = Array.from({ length: this.size - heads.length }, () => newId(rng))
    const sorted = [...heads.map((id) => keyed(id, true)), ...others.map((id) => keyed(id, false))]
    if (prefixOf !== undefined) for (const [index, { key }] of sorted.entries()) setPrefix(key, prefixOf(index, rng))
    sorted.sort((a, b) => compareWords(a.key, b.key))
    for (const [rank, { id, key, isHead }] of sorted.entries()) {
      this.#ids.set(id, ID_BYTES * rank)
      this.#keys.set(key, 8 * rank)
      if (!isHead || !headsStay) this.#draw(rank)
      if (isHead) this.#makeHead(rank, headsStay)
    }
  }

  idOf(server: number): PeerIdBytes {
    return this.#ids.subarray(ID_BYTES * server, ID_BYTES * (server + 1)) as PeerIdBytes
  }

  keyOf(server: number): Key {
    return this.#keys.subarray(8 * server, 8 * (server + 1)) as Key
  }

  zoneOf(server: number): number {
    return this.#zones[server]!
  }

  lastMileOf(server: number): number {
    return this.#lastMiles[server]!
  }

  isDialable(server: number): boolean {
    return (this.#kinds[server]! & DIALABLE) !== 0
  }

  isMute(server: number): boolean {
    return (this.#kinds[server]! & MUTE) !== 0
  }

  isSlow(server: number): boolean {
    return (this.#kinds[server]! & SLOW) !== 0
  }

  isRefusing(server: number): boolean {
    return (this.#kinds[server]! & REFUSING) !== 0
  }

  isHead(server: number): boolean {
    return (this.#kinds[server]! & HEAD) !== 0
  }

  isOnline(server: number, time: SimTime): boolean {
    const onlineMs = this.#onlineMs[server]!
    if (onlineMs === 0 || onlineMs === Number.POSITIVE_INFINITY) return onlineMs > 0
    const cycleMs = onlineMs / this.#duty()
    const phaseMs = unitOf(this.#settings.seed, PHASE, server) * cycleMs
    return (time + phaseMs) % cycleMs < onlineMs
  }

  /** Without a break from one time to another. */
  staysOnline(server: number, from: SimTime, to: SimTime): boolean {
    if (!this.isOnline(server, from) || !this.isOnline(server, to)) return false
    const onlineMs = this.#onlineMs[server]!
    if (onlineMs === Number.POSITIVE_INFINITY) return true
    const cycleMs = onlineMs / this.#duty()
    const phaseMs = unitOf(this.#settings.seed, PHASE, server) * cycleMs
    return Math.floor((from + phaseMs) / cycleMs) === Math.floor((to + phaseMs) / cycleMs)
  }

  /** Online, and a browser can dial it. */
  isReachable(server: number, time: SimTime): boolean {
    return this.isDialable(server) && this.isOnline(server, time)
  }

  /** The server with that key, if there is one. */
  find(key: Key): number | undefined {
    const rank = this.lowerBound(key)
    return rank < this.size && this.#compareAt(rank, key) === 0 ? rank : undefined
  }

  /** The first rank whose key is not less than `key`. */
  lowerBound(key: Uint32Array): number {
    let [from, to] = [0, this.size]
    while (from < to) {
      const middle = (from + to) >>> 1
      if (this.#compareAt(middle, key) < 0) from = middle + 1
      else to = middle
    }
    return from
  }

  /** Which of two servers is nearer to `target`. */
  compareTo(target: Uint32Array, a: number, b: number): number {
    for (let word = 0; word < 8; word++) {
      const at = target[word]!
      const difference = ((this.#keys[8 * a + word]! ^ at) >>> 0) - ((this.#keys[8 * b + word]! ^ at) >>> 0)
      if (difference !== 0) return difference
    }
    return 0
  }

  /** Common prefix length of a server's key and any other. */
  cplOf(server: number, key: Uint32Array): number {
    for (let word = 0; word < 8; word++) {
      const difference = (this.#keys[8 * server + word]! ^ key[word]!) >>> 0
      if (difference !== 0) return 32 * word + Math.clz32(difference)
    }
    return 256
  }

  /**
   * The true `count` servers nearest to `target` that match, nearest first. Looks at whole prefixes around the target,
   * ever shorter ones, until one holds enough: no sort of all.
   */
  nearest(target: Uint32Array, count: number, matches: (server: number) => boolean = () => true): number[] {
    for (let bits = Math.max(0, Math.floor(Math.log2(this.size / count)) - 1); ; bits--) {
      const [from, to] = bits <= 0 ? [0, this.size] : this.rangeOf(target, bits)
      const found: number[] = []
      for (let server = from; server < to; server++) if (matches(server)) found.push(server)
      if (found.length < count && bits > 0) continue
      return found.sort((a, b) => this.compareTo(target, a, b)).slice(0, count)
    }
  }

  /** Ranks [from, to) of the keys that share the first `bits` bits with `key`. */
  rangeOf(key: Uint32Array, bits: number): [number, number] {
    const low = prefixOf(key, bits, 0)
    const high = prefixOf(key, bits, 0xffffffff)
    const from = this.lowerBound(low)
    let to = this.lowerBound(high)
    if (to < this.size && this.#compareAt(to, high) === 0) to++
    return [from, to]
  }

  #compareAt(server: number, key: Uint32Array): number {
    const from = 8 * server
    for (let word = 0; word < 8; word++) {
      const difference = this.#keys[from + word]! - key[word]!
      if (difference !== 0) return difference
    }
    return 0
  }

  #duty(): number {
    return (1 - this.#settings.dead - this.#core()) / (1 - this.#core())
  }

  /** The share that is always there; of the others, some are online and some are not. */
  #core(): number {
    return Math.min(sessions.coreShare, 1 - this.#settings.dead)
  }

  /** Hydras stood in one data centre on the east coast and did not go away (seed 001). */
  #makeHead(server: number, stays: boolean): void {
    this.#kinds[server] = DIALABLE | HEAD
    this.#zones[server] = 0
    this.#lastMiles[server] = 1
    if (stays) this.#onlineMs[server] = Number.POSITIVE_INFINITY
  }

  #draw(server: number): void {
    const { seed, dialable, mute, slow, refusing, dead, churn } = this.#settings
    const draw = (what: number) => unitOf(seed, what, server)
    let kind = 0
    if (draw(1) < dialable) kind |= DIALABLE
    if (draw(2) < mute) kind |= MUTE
    if (draw(3) < slow) kind |= SLOW
    if (draw(4) < refusing) kind |= REFUSING
    this.#kinds[server] = kind
    this.#zones[server] = zoneAt(draw(5))
    this.#lastMiles[server] = lognormalOf(lastMile.medianMs, lastMile.sigma, seed, 6, server)
    const always = Number.POSITIVE_INFINITY
    if (!churn) this.#onlineMs[server] = draw(7) < dead ? 0 : always
    else if (draw(7) < this.#core()) this.#onlineMs[server] = always
    else this.#onlineMs[server] = lognormalOf(sessions.medianMs, sessions.sigma, seed, 8, server)
  }
}

const ID_BYTES = 34
const [DIALABLE, MUTE, SLOW, REFUSING, HEAD] = [1, 2, 4, 8, 16]
const PHASE = 0x70686173

/** Bits that a key begins with; the rest of it stays random. */
export type PrefixOf = (index: number, rng: Rng) => readonly number[]

export function setPrefix(key: Key, bits: readonly number[]): void {
  for (const [position, bit] of bits.entries()) {
    const mask = 1 << (31 - (position & 31))
    key[position >> 5] = (bit === 1 ? key[position >> 5]! | mask : key[position >> 5]! & ~mask) >>> 0
  }
}

/** `draw` in [0, 1) as an index into `zones`. */
export function zoneAt(draw: number): number {
  let left = draw
  for (const [index, { share }] of zones.entries()) {
    left -= share
    if (left < 0) return index
  }
  return zones.length - 1
}

function keyed(id: Uint8Array, isHead: boolean): { id: Uint8Array; key: Key; isHead: boolean } {
  return { id, key: keyOf(id), isHead }
}

/** A peer id as a sha-256 multihash, which RSA keys have. */
export function newId(rng: Rng): PeerIdBytes {
  const id = rng.bytes(ID_BYTES)
  id[0] = 0x12
  id[1] = 0x20
  return id as PeerIdBytes
}

/** The first `bits` bits of `key`, then `rest` in every word. */
function prefixOf(key: Uint32Array, bits: number, rest: 0 | 0xffffffff): Uint32Array {
  const prefix = new Uint32Array(8).fill(rest)
  const whole = bits >> 5
  for (let word = 0; word < whole; word++) prefix[word] = key[word]!
  const left = bits & 31
  if (left > 0) {
    const mask = (0xffffffff << (32 - left)) >>> 0
    prefix[whole] = ((key[whole]! & mask) | (rest & ~mask)) >>> 0
  }
  return prefix
}

function compareWords(a: Uint32Array, b: Uint32Array): number {
  for (let word = 0; word < a.length; word++) {
    const difference = a[word]! - b[word]!
    if (difference !== 0) return difference
  }
  return 0
}

/** A uniformly random key. */
export function randomKey(rng: Rng): Key {
  return keyFromDigest(rng.bytes(32))
}
