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

  /** `farthest`: the peer in the answer that is farthest from the target; undefined: the witness knows nobody else. */
  answered({ witness, target, farthest }: Answer): void {
    this.#cover =
      farthest === undefined
        ? this.#raised(this.#cover, witness)
        : this.#witnessed(
            this.#cover,
            { witness, turn: sharedBits(witness, target), cut: sharedBits(witness, farthest), target },
            0,
          )
  }

  /**
   * Nobody is left to ask about a place in a gap. It is certain by the witnesses that there are; if there is none, what is in
   * the gap and nearer to the place than the farthest of its `k` nearest peers is taken as certain.
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
    return cover === true ? this.#witnesses : cover.length
  }

  /**
   * What of the surroundings of `key` is missing for its `k` nearest to be certain: the part nearest to it; undefined if nothing
   * is missing.
   */
  gapFor(key: Key, k: number, peers: TrieNode<unknown> | undefined): Gap | undefined {
    return gapOf(this.#cover, { key, peers, need: k, depth: 0, below: 0 }, [])
  }

  clear(): void {
    this.#cover = noWitness
  }

  #at(key: Key): true | Witnesses {
    let cover = this.#cover
    for (let depth = 0; cover !== true && 'halves' in cover; depth++) cover = cover.halves[bitAt(key, depth)]
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
    if (cover === true) return true
    if ('halves' in cover) return joined(0, this.#raised(cover.halves[0], witness), this.#raised(cover.halves[1], witness))
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
  readonly farthest: Key | undefined
}

/** Certain, not yet certain, or by halves. */
type Cover = true | Witnesses | { readonly halves: readonly [Cover, Cover] }

type Witnesses = readonly Key[]

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

/** How exact the edge of a ball is: so many bits below the peer that it ends with. What is left out is left uncertain. */
const edgeBits = 10

function accepted(cover: Cover, ball: Ball, gapBits: number): Cover {
  if (cover === true) return true
  const isInGap = ball.depth >= gapBits
  if (gapBits === keyBits && !('halves' in cover)) return true
  if (isInGap && (ball.peers?.size ?? 0) < ball.need) return true
  if (ball.below > edgeBits + gapBits || ball.depth === keyBits) return cover
  const { bit, near, far } = halvesOf(ball)
  const [own, other] = coversOf(cover, bit)
  if (!isInGap || (near.peers?.size ?? 0) >= ball.need) return joined(bit, accepted(own, near, gapBits), other)
  return joined(bit, true, accepted(other, far, gapBits))
}

function gapOf(cover: Cover, ball: Ball, bits: readonly Bit[]): Gap | undefined {
  if (cover === true) return undefined
  if ((ball.peers?.size ?? 0) < ball.need) return uncertainPart(cover, ball.key, bits)
  if (ball.below > edgeBits || ball.depth === keyBits) return undefined
  const { bit, near, far } = halvesOf(ball)
  const [own, other] = coversOf(cover, bit)
  if ((near.peers?.size ?? 0) >= ball.need) return gapOf(own, near, [...bits, bit])
  return uncertainPart(own, ball.key, [...bits, bit]) ?? gapOf(other, far, [...bits, opposite(bit)])
}

/** The part of a cover that is nearest to the key among those of which nothing is certain. */
function uncertainPart(cover: Cover, key: Key, bits: readonly Bit[]): Gap | undefined {
  if (cover === true) return undefined
  if (!('halves' in cover)) return { bits }
  const bit = bitAt(key, bits.length)
  const other = opposite(bit)
  return uncertainPart(cover.halves[bit], key, [...bits, bit]) ?? uncertainPart(cover.halves[other], key, [...bits, other])
}

function halvesOf({ key, peers, need, depth, below }: Ball): { bit: Bit; near: Ball; far: Ball } {
  const bit = bitAt(key, depth)
  const own = peers && childOf(peers, depth, bit)
  const other = peers && childOf(peers, depth, opposite(bit))
  const next = { key, depth: depth + 1, below: peers?.type === 'branch' ? 0 : below + 1 }
  return { bit, near: { ...next, peers: own, need }, far: { ...next, peers: other, need: need - (own?.size ?? 0) } }
}

/** Of the half with this bit, and of the other one. */
function coversOf(cover: Exclude<Cover, true>, bit: Bit): [Cover, Cover] {
  return 'halves' in cover ? [cover.halves[bit], cover.halves[opposite(bit)]] : [cover, cover]
}

function joined(bit: Bit, own: Cover, other: Cover): Cover {
  if (own === other) return own
  if (own !== true && other !== true && !('halves' in own) && !('halves' in other) && isSame(own, other)) return own
  return { halves: bit === 0 ? [own, other] : [other, own] }
}

function isSame(a: Witnesses, b: Witnesses): boolean {
  return a.length === b.length && a.every((witness) => includes(b, witness))
}

function includes(witnesses: Witnesses, witness: Key): boolean {
  return witnesses.some((other) => compareKeys(other, witness) === 0)
}
