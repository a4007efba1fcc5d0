import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import type { Peer, PeerInfo } from '../peer.ts'

/**
 * How likely a peer has what we want next: of the wants it was asked for lately, how many it could have served. It does not
 * know who is connected.
 *
 * A peer that has served is ranked; the others are strangers, of whom only the average is kept. Both in a sliding window of
 * eight slices: what fell into one counts less with each slice that passes. What it counts no more is the peer's past, of which
 * half is forgotten in a day.
 *
 * An estimate is smoothed by a Beta prior towards the peer's past, and that towards the average stranger: one answer of a
 * peer that was hardly ever asked says little, so do a few silences of a stranger, and who served yesterday is likelier than
 * who never did.
 */
export class Ranking {
  readonly #sliceMs: number
  /** What is left of the past after one slice. */
  readonly #pastLeft: number
  readonly #entries = new BytesMap<RankedPeer>()
  readonly #strangers = newTally()
  /** Number of the slice that is being filled. */
  #slice: number | undefined
  #served = 0

  constructor(windowMs: number) {
    this.#sliceMs = windowMs / rankingSlices
    this.#pastLeft = 0.5 ** (this.#sliceMs / limits.rankingPastHalfMs.value)
  }

  get size(): number {
    return this.#entries.size
  }

  /** The peer has a block that was wanted. `askedBefore`: how often it was asked in vain while it was a stranger. */
  served(peer: Peer, info: PeerInfo | undefined, askedBefore: number, now: Millis): void {
    this.#roll(now)
    let entry = this.#entries.get(peer.id)
    if (entry === undefined) {
      add(this.#strangers, 1, 1)
      if (!this.#makeRoom()) return
      entry = { peer, info, ...newTally() }
      add(entry, 0, askedBefore)
      this.#entries.set(peer.id, entry)
    }
    entry.info = info ?? entry.info
    add(entry, 1, 1)
    this.#served++
  }

  /** It was asked, and had time to answer. Returns whether it is ranked. */
  missed(peer: Peer, now: Millis): boolean {
    this.#roll(now)
    const entry = this.#entries.get(peer.id)
    add(entry ?? this.#strangers, 0, 1)
    return entry !== undefined
  }

  get(peer: Peer): RankedPeer | undefined {
    return this.#entries.get(peer.id)
  }

  /** In no order that means anything. */
  entries(now: Millis): IterableIterator<RankedPeer> {
    this.#roll(now)
    return this.#entries.values()
  }

  /** The likeliest first; equal ones by id, so that the order is total. */
  ranked(now: Millis): RankedPeer[] {
    return [...this.entries(now)].sort((a, b) => this.chance(b) - this.chance(a) || compareIds(a.peer.id, b.peer.id))
  }

  /** Probability that a peer has what we want next. `entry` undefined: a stranger that was asked `inVain` times. */
  chance(entry: RankedPeer | undefined, inVain = 0): number {
    const weight = priorServed / this.#strangerChance
    const { served, asked, past } = entry ?? { served: 0, asked: inVain, past: nothing }
    const before = (past.served + priorServed) / (past.asked + weight)
    return (served + weight * before) / (asked + weight)
  }

  /** How often peers of the ranking could have served, the longer ago the less. */
  total(now: Millis): number {
    this.#roll(now)
    return this.#served
  }

  get strangers(): Tally {
    return this.#strangers
  }

  /** As at an earlier visit that ended `agoMs` ago. */
  restore(peer: Peer, info: PeerInfo | undefined, stored: StoredTally, agoMs: number, now: Millis): void {
    this.#roll(now)
    if (this.#entries.has(peer.id) || this.#entries.size >= limits.rankedPeersMax.value) return
    const entry: RankedPeer = { peer, info, ...newTally() }
    this.#age(entry, stored, Math.floor(agoMs / this.#sliceMs))
    if (isForgotten(entry)) return
    this.#entries.set(peer.id, entry)
    this.#served += servedOf(entry)
  }

  restoreStrangers(stored: StoredTally, agoMs: number, now: Millis): void {
    this.#roll(now)
    this.#age(this.#strangers, stored, Math.floor(agoMs / this.#sliceMs))
  }

  get #strangerChance(): number {
    const { served, asked, past } = this.#strangers
    return (strangersAtFirst.served + served + past.served) / (strangersAtFirst.asked + asked + past.asked)
  }

  #roll(now: Millis): void {
    const slice = Math.floor(now / this.#sliceMs)
    const passed = slice - (this.#slice ?? slice)
    this.#slice = slice
    if (passed === 0) return
    this.#served = 0
    this.#age(this.#strangers, this.#strangers, passed)
    for (const entry of this.#entries.values()) {
      this.#age(entry, entry, passed)
      if (isForgotten(entry)) this.#entries.delete(entry.peer.id)
      else this.#served += servedOf(entry)
    }
  }

  /** Makes `tally` what `of` is when so many slices have passed. They may be the same. */
  #age(tally: Tally, of: StoredTally, passed: number): void {
    const left = this.#pastLeft ** passed
    const leftOfWindow = this.#pastLeft ** Math.max(0, passed - rankingSlices)
    tally.past = {
      served: left * (of.past?.served ?? 0) + leftOfWindow * leaving(of.slices, passed),
      asked: left * (of.past?.asked ?? 0) + leftOfWindow * leaving(of.asks, passed),
    }
    for (let slice = rankingSlices - 1; slice >= 0; slice--) {
      tally.slices[slice] = slice >= passed ? (of.slices[slice - passed] ?? 0) : 0
      tally.asks[slice] = slice >= passed ? (of.asks[slice - passed] ?? 0) : 0
    }
    tally.served = weigh(tally.slices)
    tally.asked = weigh(tally.asks)
  }

  /** The last of the ranking goes for a newcomer, unless that one has served more than once. */
  #makeRoom(): boolean {
    if (this.#entries.size < limits.rankedPeersMax.value) return true
    let last: RankedPeer | undefined
    for (const entry of this.#entries.values()) if (last === undefined || this.chance(entry) <= this.chance(last)) last = entry
    if (last === undefined || servedOf(last) > 1) return false
    this.#served -= servedOf(last)
    return this.#entries.delete(last.peer.id)
  }
}

export interface RankedPeer extends Tally {
  readonly peer: Peer
  /** Where it was last reached, if that is known. */
  info: PeerInfo | undefined
}

/** Wants that a peer was asked for, and those of them it could have served: by age, the youngest first. */
export interface StoredTally {
  readonly slices: readonly number[]
  readonly asks: readonly number[]
  /** What the slices count no more, the longer ago the less. Earlier versions did not keep it. */
  readonly past?: Past | undefined
}

export interface Past {
  readonly served: number
  readonly asked: number
}

export interface Tally extends StoredTally {
  readonly slices: number[]
  readonly asks: number[]
  past: Past
  /** Sums of the slices, the older the less. */
  served: number
  asked: number
}

export const rankingSlices = 8

/** Weight of the prior: most peers never have anything, a few nearly everything, so that it has to be weak. */
const priorServed = 0.1
/** Who served once is a stranger again after two half-lives. */
const pastServedMin = 0.25
const nothing: Past = { served: 0, asked: 0 }
/** Until strangers were asked: as if one in fifty had had it. */
const strangersAtFirst = { served: 1, asked: 50 }

function newTally(): Tally {
  return { slices: zeroSlices(), asks: zeroSlices(), past: nothing, served: 0, asked: 0 }
}

function add(tally: Tally, served: number, asked: number): void {
  tally.slices[0]! += served
  tally.asks[0]! += asked
  tally.served += served
  tally.asked += asked
}

/** How often it has served, in the window and before. */
export function servedOf({ served, past }: Tally): number {
  return served + past.served
}

function isForgotten({ served, past }: Tally): boolean {
  return served === 0 && past.served < pastServedMin
}

/** What the window no longer counts of it, when so many slices have passed. */
function leaving(slices: readonly number[], passed: number): number {
  let sum = 0
  for (const [slice, count] of slices.entries())
    sum += (count * Math.min(passed, Math.max(0, rankingSlices - slice))) / rankingSlices
  return sum
}

function zeroSlices(): number[] {
  return Array.from({ length: rankingSlices }, () => 0)
}

function weigh(slices: readonly number[]): number {
  let sum = 0
  for (let slice = 0; slice < rankingSlices; slice++) sum += (slices[slice]! * (rankingSlices - slice)) / rankingSlices
  return sum
}

export function compareIds(a: Uint8Array, b: Uint8Array): number {
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    if (a[index] !== b[index]) return a[index]! - b[index]!
  }
  return a.length - b.length
}
