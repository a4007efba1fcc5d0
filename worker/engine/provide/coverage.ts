import { type Bit, bitAt, keyBits } from './bits.ts'
import type { Key } from '../peer.ts'
import { childOf, opposite, type TrieNode } from './trie.ts'

/**
 * Which parts of the keyspace are certain: every peer in them is known. A search that found the k peers nearest to a
 * key makes everything certain that is nearer to the key than the k-th of them (a ball, which is more than the prefix
 * that Go keeps of it), and whether the k nearest of another key are certain follows from the balls together.
 *
 * It does not know peers; it is given the trie of those that are known.
 */
export class Coverage {
  #cover: Cover = false

  /** The `k` known peers nearest to `key` are its nearest. */
  mark(key: Key, k: number, peers: TrieNode<unknown> | undefined): void {
    this.#cover = marked(this.#cover, { key, peers, need: k, depth: 0, below: 0 })
  }

  /**
   * How much of the surroundings of `key` is missing for its `k` nearest to be certain, as the length of a prefix and
   * a key in it: the largest part that is uncertain as a whole; undefined if nothing is missing.
   */
  gapFor(key: Key, k: number, peers: TrieNode<unknown> | undefined): Gap | undefined {
    return gapOf(this.#cover, { key, peers, need: k, depth: 0, below: 0 }, [])
  }

  clear(): void {
    this.#cover = false
  }
}

/** A prefix. */
export interface Gap {
  readonly bits: readonly Bit[]
}

/** All certain, nothing certain, or by halves. */
type Cover = boolean | { readonly halves: readonly [Cover, Cover] }

/** The `need` peers nearest to `key` among those of this node. */
interface Ball {
  readonly key: Key
  readonly peers: TrieNode<unknown> | undefined
  readonly need: number
  readonly depth: number
  /** Levels below the last branch of the trie. */
  readonly below: number
}

/** How exact the edge of a ball is: so many bits below the peer that it ends with. What is left out is left uncertain. */
const edgeBits = 10

function marked(cover: Cover, ball: Ball): Cover {
  if (cover === true || (ball.peers?.size ?? 0) < ball.need) return true
  if (ball.below > edgeBits || ball.depth === keyBits) return cover
  const { bit, near, far } = halvesOf(ball)
  const [own, other] = coversOf(cover, bit)
  if ((near.peers?.size ?? 0) >= ball.need) return joined(bit, marked(own, near), other)
  return joined(bit, true, marked(other, far))
}

function gapOf(cover: Cover, ball: Ball, bits: readonly Bit[]): Gap | undefined {
  if (cover === true) return undefined
  if ((ball.peers?.size ?? 0) < ball.need) return uncertainPart(cover, bits)
  if (ball.below > edgeBits || ball.depth === keyBits) return undefined
  const { bit, near, far } = halvesOf(ball)
  const [own, other] = coversOf(cover, bit)
  if ((near.peers?.size ?? 0) >= ball.need) return gapOf(own, near, [...bits, bit])
  if (own !== true) return uncertainPart(own, [...bits, bit])
  return gapOf(other, far, [...bits, opposite(bit)])
}

/** The largest part of a cover of which nothing is certain. */
function uncertainPart(cover: Cover, bits: readonly Bit[]): Gap | undefined {
  if (cover === true) return undefined
  if (cover === false) return { bits }
  const zero = uncertainPart(cover.halves[0], [...bits, 0])
  const one = uncertainPart(cover.halves[1], [...bits, 1])
  if (zero === undefined || one === undefined) return zero ?? one
  return one.bits.length < zero.bits.length ? one : zero
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
  if (typeof cover === 'boolean') return [cover, cover]
  return [cover.halves[bit], cover.halves[opposite(bit)]]
}

function joined(bit: Bit, own: Cover, other: Cover): Cover {
  if (own === other && typeof own === 'boolean') return own
  return { halves: bit === 0 ? [own, other] : [other, own] }
}
