import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import { isDue, type Millis } from '../machine.ts'
import type { Key, Peer, PeerInfo } from '../peer.ts'
import { compareKeys } from './bits.ts'
import { Coverage, type Gap } from './coverage.ts'
import { Trie, type TrieNode } from './trie.ts'

/**
 * The peers around the place where the sweep is, and what is certain about them. The next region begins with what this
 * one has taught. Knowledge that is old, or more than enough, is forgotten as a whole: half of it would look like certainty.
 */
export class Neighbourhood {
  readonly #k: number
  readonly #peers = new Trie<PeerInfo>()
  /** With those that failed: an answer reaches as far as the farthest peer in it, whether that one lives or not. */
  readonly #named = new Trie<Peer>()
  readonly #coverage = new Coverage(limits.exploredWitnessesMin.value)
  /** Peers that could not be reached. */
  readonly #failed = new BytesMap<Failed>()
  /** Peers that named everybody who is known to live. */
  readonly #whole = new BytesMap<true>()
  /** Peers that were connected, however long ago: the oldest are forgotten first. */
  readonly #seen = new BytesMap<true>()
  /** Of the last peers that were met for the first time, whether each failed. */
  #firsts: boolean[] = []
  #self: Peer | undefined
  #since: Millis = 0
  #now: Millis = 0

  constructor(k: number) {
    this.#k = k
  }

  get size(): number {
    return this.#peers.size
  }

  get root(): TrieNode<PeerInfo> | undefined {
    return this.#peers.root
  }

  /** Whether it is old, or more than enough. */
  isStale(now: Millis): boolean {
    return isDue(this.#since, limits.neighbourhoodMs.value, now) || this.#named.size > limits.neighbourhoodPeersMax.value
  }

  /** So many have failed that it may have been our fault: before the next region all is forgotten. */
  distrust(): void {
    this.#since = Number.NEGATIVE_INFINITY
  }

  /** The time, for all who work with it. */
  get now(): Millis {
    return this.#now
  }

  advance(now: Millis): void {
    this.#now = now
  }

  /**
   * Between two pages, or two rounds of one: peers whose rest is over are known again. A dial may fail because of us, or because
   * it is late once.
   */
  recall(): void {
    for (const failed of this.#failed.values()) {
      if (failed.state !== 'resting' || this.#now < failed.until) continue
      this.#peers.set(failed.info.peer.key, failed.info)
      failed.state = 'back'
    }
  }

  /** Before a region, while nobody works with it. */
  refresh(self: Peer | undefined, now: Millis): void {
    this.#self = self
    if (!this.isStale(now)) return
    this.#peers.clear()
    this.#named.clear()
    this.#coverage.clear()
    this.#failed.clear()
    this.#whole.clear()
    this.#since = now
  }

  /** Returns whether any of them is new. */
  learn(infos: readonly PeerInfo[]): boolean {
    let isNew = false
    for (const info of infos) {
      const { peer } = info
      if (this.#self !== undefined && compareKeys(this.#self.key, peer.key) === 0) continue
      this.#named.set(peer.key, peer)
      if (this.#isOut(peer)) continue
      const known = this.#peers.get(peer.key)
      if (known === undefined) {
        isNew = true
        this.#whole.clear()
      }
      if (known === undefined || (!isDialable(known) && isDialable(info))) this.#peers.set(peer.key, info)
    }
    return isNew
  }

  /** Connected, be it after it had been given up: then it was only late. */
  seen(peer: Peer): void {
    if (!this.#seen.delete(peer.id)) this.#met(false)
    this.#seen.set(peer.id, true)
    if (this.#seen.size > limits.neighbourhoodPeersMax.value) this.#seen.shift()
    const failed = this.#failed.get(peer.id)
    if (failed?.state === 'out' && failed.isFirst) failed.state = 'resting'
  }

  #met(hasFailed: boolean): void {
    this.#firsts.push(hasFailed)
    this.#firsts = this.#firsts.slice(-limits.neighboursMetMax.value)
  }

  /**
   * Who has been seen alive, or was not even tried, may be tried once more after a rest; so may strangers where few of them fail:
   * elsewhere most of those that do are gone. Having failed then too, or without that, a peer is left out until all is forgotten (as in
   * go-libp2p-kad-dht).
   */
  fail(peer: Peer, wasNotTried = false): void {
    const info = this.#peers.get(peer.key)
    if (info === undefined) return
    this.#peers.delete(peer.key)
    const isFirst = !this.#failed.has(peer.id)
    if (isFirst && !wasNotTried && !this.#seen.has(peer.id)) this.#met(true)
    const failures = this.#firsts.filter((hasFailed) => hasFailed).length
    const isForgiven = wasNotTried || this.#seen.has(peer.id) || failures <= limits.neighboursLateMax.value
    const until = this.#now + limits.neighbourRestMs.value
    this.#failed.set(peer.id, { info, until, isFirst, state: isFirst && isForgiven ? 'resting' : 'out' })
  }

  #isOut(peer: Peer): boolean {
    const failed = this.#failed.get(peer.id)
    return failed !== undefined && failed.state !== 'back'
  }

  /** What `witness` said when it was asked for `target`. */
  answered(witness: Peer, target: Key, closer: readonly PeerInfo[]): void {
    this.learn(closer)
    const farthest = farthestFrom(target, closer)
    if (farthest !== undefined) this.#coverage.answered({ witness: witness.key, target, farthest })
    if (!this.#namesAll(witness, closer)) return
    this.#whole.set(witness.id, true)
    if (this.#whole.size >= this.#wholeMin()) this.#coverage.fill()
  }

  /** In a network with fewer than k peers an answer is a whole table: of nobody who lives is it silent. */
  #namesAll(witness: Peer, closer: readonly PeerInfo[]): boolean {
    if (!this.#isSmall()) return false
    const named = new BytesMap<true>()
    named.set(witness.id, true)
    for (const { peer } of closer) named.set(peer.id, true)
    for (const [, { peer }] of this.#peers.entries()) if (!named.has(peer.id)) return false
    return true
  }

  /** So many whole tables are everybody: of all who can be asked, and not of one alone, unless there is only one. */
  #wholeMin(): number {
    let dialable = 0
    for (const [, info] of this.#peers.entries()) if (isDialable(info)) dialable++
    return Math.max(dialable, Math.min(limits.exploredWitnessesMin.value, this.#peers.size))
  }

  /** Or there is nobody but one whom nobody names. */
  #isSmall(): boolean {
    return this.#named.size < this.#k || this.#named.size === 1
  }

  /** Those that can be asked about a key, nearest first; in a small network all of them. */
  askable(key: Key, count: number): PeerInfo[] {
    const near = this.#peers.nearest(key, limits.exploredNearestMax.value)
    return near.filter(isDialable).slice(0, this.#isSmall() ? this.#k : count)
  }

  /** Of all that were named, whether they live or not, the one nearest to a place. */
  namedNear(place: Key): Peer | undefined {
    return this.#named.nearest(place, 1)[0]
  }

  accept(place: Key, gap: Gap): void {
    this.#coverage.accept(place, gap, this.#k, this.#named.root)
  }

  isCertain(key: Key): boolean {
    return this.#coverage.has(key)
  }

  witnessesOf(key: Key): number {
    return this.#coverage.witnessesOf(key)
  }

  gapFor(key: Key): Gap | undefined {
    return this.#coverage.gapFor(key, this.#k, this.#peers.root)
  }

  /** Whether the k nearest of a key are certain. What was given up is no gap, but it is not. */
  isSureOf(key: Key): boolean {
    return this.#coverage.isSureOf(key, this.#k, this.#peers.root)
  }

  /** The length of the prefix of the region that a key is in: the longest with k peers. */
  regionLength(key: Key): number {
    return this.#peers.prefixWith(key, this.#k)
  }
}

interface Failed {
  readonly info: PeerInfo
  readonly until: Millis
  readonly isFirst: boolean
  /** `resting`: until it is recalled. */
  state: 'resting' | 'back' | 'out'
}

export function isDialable(info: PeerInfo): boolean {
  return info.addresses.some(({ dialable }) => dialable)
}

function farthestFrom(target: Key, infos: readonly PeerInfo[]): Key | undefined {
  let farthest: Key | undefined
  for (const { peer } of infos) if (farthest === undefined || isFarther(target, peer.key, farthest)) farthest = peer.key
  return farthest
}

function isFarther(target: Key, a: Key, b: Key): boolean {
  for (let word = 0; word < target.length; word++) {
    if (a[word] !== b[word]) return (a[word]! ^ target[word]!) >>> 0 > (b[word]! ^ target[word]!) >>> 0
  }
  return false
}
