import { type Bit, bitAt, compareKeys, keyBits, sharedBits } from './bits.ts'
import type { Key } from '../peer.ts'
import { childOf, opposite, type TrieNode } from './trie.ts'

/**
 * Which parts of the keyspace are certain: every peer in them is known. A part is certain when so many peers have borne
 * witness to it, each with its own answer.
 *
 * What one answer says: a routing table is a list of subtrees of the keyspace, the buckets, each with all of its peers or
 * with k of them. An answer goes through them by their distance from the target, and ends in one of them because it is full.
 * The subtrees before that one are named to the last peer; of that one, who can tell. (Go keeps a prefix of the same: it drops
 * the group with the farthest cpl.) An answer of somebody who knows only k peers of the target's subtree says nothing.
 *
 * It does not know peers; it is given the trie of those that are known.
 */
export class Coverage {
  readonly #witnesses: number
  #cover: Cover = noWitness

  constructor(witnesses: number) {
    this.#witnesses = witnesses
  }

  /** `farthest`: the peer in the answer that is farthest from the target. */
  answered({ witness, target, farthest }: Answer): void {
    const reach = { witness, turn: sharedBits(witness, target), cut: sharedBits(witness, farthest), target }
    this.#cover = this.#witnessed(this.#cover, reach, 0)
  }

  /** Everything is certain. */
  fill(): void {
    this.#cover = true
  }

  /**
   * Nobody is left to ask about a place in a gap. It is certain by the witnesses that there are; if there is none, what is in
   * the gap and nearer to the place than the farthest of its `k` nearest peers is given up: no gap any more, but not certain.
   */
  accept(place: Key, gap: Gap, k: number, peers: TrieNode<unknown> | undefined): void {
    const gapBits = this.witnessesOf(place) > 0 ? keyBits : gap.bits.length
    this.#cover = accepted(this.#cover, { key: place, peers, need: k, depth: 0, below: 0 }, gapBits)
  }

  has(key: Key): boolean {
    return this.#at(key) === true
  }

  /** How many have borne witness to the place of `key`, short of those that it takes. */
  witnessesOf(key: Key): number {
    const cover = this.#at(key)
    if (cover === true) return this.#witnesses
    return cover === givenUp ? 0 : cover.length
  }

  /**
   * What of the surroundings of `key` is missing for its `k` nearest to be certain: the part nearest to it; undefined if nothing
   * is missing, but for what was given up.
   */
  gapFor(key: Key, k: number, peers: TrieNode<unknown> | undefined): Gap | undefined {
    return gapOf(this.#cover, { key, peers, need: k, depth: 0, below: 0 }, { bits: [], isOpen: isUnknown })
  }

  /** Whether the `k` nearest of `key` are certain, without anything that was given up. */
  isSureOf(key: Key, k: number, peers: TrieNode<unknown> | undefined): boolean {
    return gapOf(this.#cover, { key, peers, need: k, depth: 0, below: 0 }, { bits: [], isOpen: () => true }) === undefined
  }

  clear(): void {
    this.#cover = noWitness
  }

  #at(key: Key): Part {
    let cover = this.#cover
    for (let depth = 0; isHalved(cover); depth++) cover = cover.halves[bitAt(key, depth)]
    return cover
  }

  /** The part at `depth` that the witness itself lies in, as are target and farthest peer where they have not left it. */
  #witnessed(cover: Cover, answer: Reach, depth: number): Cover {
    if (cover === true) return true
    const { witness, target, turn, cut } = answer
    const bit = bitAt(witness, depth)
    const isTargetBeside = depth > turn ? bitAt(target, depth) !== bit : depth === turn
    const [own, other] = coversOf(cover, bit)
    if (depth === cut) return turn === cut || isTargetBeside ? cover : joined(bit, this.#raised(own, witness), other)
    return joined(bit, this.#witnessed(own, answer, depth + 1), isTargetBeside ? this.#raised(other, witness) : other)
  }

  #raised(cover: Cover, witness: Key): Cover {
    if (isHalved(cover)) return joined(0, this.#raised(cover.halves[0], witness), this.#raised(cover.halves[1], witness))
    // Of what was given up one witness is enough: all who could be asked have been.
    if (cover === true || cover === givenUp) return true
    if (includes(cover, witness)) return cover
    return cover.length + 1 >= this.#witnesses ? true : [...cover, witness]
  }
}

/** A prefix. */
export interface Gap {
  readonly bits: readonly Bit[]
}

export interface Answer {
  readonly witness: Key
  readonly target: Key
  readonly farthest: Key
}

type Cover = Part | { readonly halves: readonly [Cover, Cover] }

/** Certain, not certain though nobody is left to ask, or not yet certain. */
type Part = true | typeof givenUp | Witnesses

type Witnesses = readonly Key[]

const givenUp = 'given up'

/** How far down the witness, target and farthest peer share its bits. */
interface Reach {
  readonly witness: Key
  readonly target: Key
  readonly turn: number
  readonly cut: number
}

/** The `need` peers nearest to `key` among those of this node. */
interface Ball {
  readonly key: Key
  readonly peers: TrieNode<unknown> | undefined
  readonly need: number
  readonly depth: number
  /** Levels below the last branch of the trie. */
  readonly below: number
}

const noWitness: Witnesses = []

/** How exact the edge of what is given up is: so many bits below the peer that its ball ends with. */
const edgeBits = 10

function accepted(cover: Cover, ball: Ball, gapBits: number): Cover {
  if (cover === true) return true
  const isInGap = ball.depth >= gapBits
  if (gapBits === keyBits && !isHalved(cover)) return true
  if (isInGap && (ball.peers?.size ?? 0) < ball.need) return closed(cover)
  if (ball.below > edgeBits + gapBits || ball.depth === keyBits) return closed(cover)
  const { bit, near, far } = halvesOf(ball)
  const [own, other] = coversOf(cover, bit)
  if (!isInGap || (near.peers?.size ?? 0) >= ball.need) return joined(bit, accepted(own, near, gapBits), other)
  return joined(bit, closed(own), accepted(other, far, gapBits))
}

/** Certain by the witnesses that there are, given up where there is none. */
function closed(cover: Cover): Cover {
  if (isHalved(cover)) return joined(0, closed(cover.halves[0]), closed(cover.halves[1]))
  return cover === true || (cover !== givenUp && cover.length > 0) ? true : givenUp
}

/** Which parts are missing, and where a cover is. */
interface Search {
  readonly bits: readonly Bit[]
  isOpen(part: Exclude<Part, true>): boolean
}

function isUnknown(part: Exclude<Part, true>): boolean {
  return part !== givenUp
}

/** To the last bit: a peer that is nearer than the farthest of the ball is nearer, however little. */
function gapOf(cover: Cover, ball: Ball, search: Search): Gap | undefined {
  if (cover === true) return undefined
  if ((ball.peers?.size ?? 0) < ball.need) return openPart(cover, ball.key, search)
  if (ball.depth === keyBits) return undefined
  const { bit, near, far } = halvesOf(ball)
  const [own, other] = coversOf(cover, bit)
  if ((near.peers?.size ?? 0) >= ball.need) return gapOf(own, near, below(search, bit))
  return openPart(own, ball.key, below(search, bit)) ?? gapOf(other, far, below(search, opposite(bit)))
}

/** The part of a cover that is nearest to the key among those that are missing. */
function openPart(cover: Cover, key: Key, search: Search): Gap | undefined {
  if (cover === true) return undefined
  if (!isHalved(cover)) return search.isOpen(cover) ? { bits: search.bits } : undefined
  const bit = bitAt(key, search.bits.length)
  const other = opposite(bit)
  return openPart(cover.halves[bit], key, below(search, bit)) ?? openPart(cover.halves[other], key, below(search, other))
}

function below({ bits, isOpen }: Search, bit: Bit): Search {
  return { bits: [...bits, bit], isOpen }
}

function isHalved(cover: Cover): cover is Exclude<Cover, Part> {
  return typeof cover === 'object' && 'halves' in cover
}

function halvesOf({ key, peers, need, depth, below }: Ball): { bit: Bit; near: Ball; far: Ball } {
  const bit = bitAt(key, depth)
  const own = peers && childOf(peers, depth, bit)
  const other = peers && childOf(peers, depth, opposite(bit))
  const next = { key, depth: depth + 1, below: peers?.type === 'branch' ? 0 : below + 1 }
  return { bit, near: { ...next, peers: own, need }, far: { ...next, peers: other, need: need - (own?.size ?? 0) } }
}

/** Of the half with this bit, and of the other one. */
function coversOf(cover: Cover, bit: Bit): [Cover, Cover] {
  return isHalved(cover) ? [cover.halves[bit], cover.halves[opposite(bit)]] : [cover, cover]
}

function joined(bit: Bit, own: Cover, other: Cover): Cover {
  if (own === other) return own
  if (isWitnessed(own) && isWitnessed(other) && isSame(own, other)) return own
  return { halves: bit === 0 ? [own, other] : [other, own] }
}

function isWitnessed(cover: Cover): cover is Witnesses {
  return cover !== true && cover !== givenUp && !isHalved(cover)
}

function isSame(a: Witnesses, b: Witnesses): boolean {
  return a.length === b.length && a.every((witness) => includes(b, witness))
}

function includes(witnesses: Witnesses, witness: Key): boolean {
  return witnesses.some((other) => compareKeys(other, witness) === 0)
}
