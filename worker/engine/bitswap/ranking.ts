import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import type { Peer, PeerInfo } from '../peer.ts'

/**
 * Who has served us lately: blocks and HAVEs per peer in a sliding window. The window has eight slices; what fell into
 * one counts less with each slice that passes, and nothing once the window has. It does not know who is connected.
 */
export class Ranking {
  readonly #sliceMs: number
  readonly #entries = new BytesMap<RankedPeer>()
  /** Number of the slice that is being filled. */
  #slice: number | undefined
  #order: readonly RankedPeer[] | undefined
  #total = 0

  constructor(windowMs: number) {
    this.#sliceMs = windowMs / rankingSlices
  }

  get size(): number {
    return this.#entries.size
  }

  note(peer: Peer, info: PeerInfo | undefined, what: 'block' | 'have', now: Millis): void {
    this.#roll(now)
    const points = what === 'block' ? blockPoints : havePoints
    let entry = this.#entries.get(peer.id)
    if (entry === undefined) {
      if (!this.#makeRoom(points)) return
      entry = { peer, info, slices: zeroSlices(), points: 0 }
      this.#entries.set(peer.id, entry)
    }
    entry.info = info ?? entry.info
    entry.slices[0]! += points
    entry.points += points
    this.#total += points
    this.#order = undefined
  }

  /** Best first; equal ones by id, so that the order is total. */
  ranked(now: Millis): readonly RankedPeer[] {
    this.#roll(now)
    this.#order ??= [...this.#entries.values()].sort((a, b) => b.points - a.points || compareIds(a.peer.id, b.peer.id))
    return this.#order
  }

  /** Blocks in the window, the older the less. */
  blocks(now: Millis): number {
    this.#roll(now)
    return this.#total / blockPoints
  }

  /** A peer's share of all that came in the window. */
  shareOf(entry: RankedPeer): number {
    return this.#total === 0 ? 0 : entry.points / this.#total
  }

  /** As at an earlier visit that ended `agoMs` ago. */
  restore(peer: Peer, info: PeerInfo | undefined, slices: readonly number[], agoMs: number, now: Millis): void {
    this.#roll(now)
    const shift = Math.floor(agoMs / this.#sliceMs)
    if (this.#entries.has(peer.id) || this.#entries.size >= limits.rankedPeersMax.value) return
    const aged = zeroSlices()
    for (let age = 0; age + shift < rankingSlices; age++) aged[age + shift] = slices[age] ?? 0
    const points = weigh(aged)
    if (points === 0) return
    this.#entries.set(peer.id, { peer, info, slices: aged, points })
    this.#total += points
    this.#order = undefined
  }

  #roll(now: Millis): void {
    const slice = Math.floor(now / this.#sliceMs)
    const passed = slice - (this.#slice ?? slice)
    this.#slice = slice
    if (passed === 0) return
    this.#total = 0
    this.#order = undefined
    for (const entry of this.#entries.values()) {
      const { slices } = entry
      for (let age = rankingSlices - 1; age >= 0; age--) slices[age] = age >= passed ? slices[age - passed]! : 0
      entry.points = weigh(slices)
      this.#total += entry.points
      if (entry.points === 0) this.#entries.delete(entry.peer.id)
    }
  }

  /** The last of the ranking goes for a newcomer, unless the newcomer would be last itself. */
  #makeRoom(points: number): boolean {
    if (this.#entries.size < limits.rankedPeersMax.value) return true
    let last: RankedPeer | undefined
    for (const entry of this.#entries.values()) if (last === undefined || entry.points <= last.points) last = entry
    if (last === undefined || last.points > points) return false
    this.#total -= last.points
    return this.#entries.delete(last.peer.id)
  }
}

export interface RankedPeer {
  readonly peer: Peer
  /** Where it was last reached, if that is known. */
  info: PeerInfo | undefined
  /** Points by age, the youngest first. */
  readonly slices: number[]
  /** Their sum, the older the less. */
  points: number
}

export const rankingSlices = 8

/** A HAVE is a word, and words are cheap; but who has what we want without being the first counts for something. */
const blockPoints = 8
const havePoints = 1

function zeroSlices(): number[] {
  return Array.from({ length: rankingSlices }, () => 0)
}

function weigh(slices: readonly number[]): number {
  let points = 0
  for (let age = 0; age < rankingSlices; age++) points += (slices[age]! * (rankingSlices - age)) / rankingSlices
  return points
}

export function compareIds(a: Uint8Array, b: Uint8Array): number {
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    if (a[index] !== b[index]) return a[index]! - b[index]!
  }
  return a.length - b.length
}
