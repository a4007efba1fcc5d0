import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import type { Peer, PeerInfo } from '../peer.ts'

/**
 * The peer-block registry: who wanted what lately, and so has probably got it. Every want that comes in is a weak sign;
 * a CANCEL of it, or our own block that went there, a strong one.
 *
 *   (unknown) ──want──▶ weak ──cancel, served──▶ strong ──older than a block is kept──▶ (forgotten)
 *
 * Bounded per CID, per peer and time, and in all; the CID heard of longest ago goes first, and after a day in any case. How long peers
 * keep a block (their characteristic cache time) is learned from what becomes of the guesses made with it, and so is how often a sign
 * is right. It does not know who is connected.
 */
export class Registry {
  /** By multihash; the one heard of last is last. */
  readonly #cids = new BytesMap<Sign[]>()
  #cacheTimeMs = limits.registryCacheTimeFirstMs.value
  readonly #hitShare: Record<SignGrade, number> = { weak: 0.5, strong: 0.7 }
  #guesses = 0

  get size(): number {
    return this.#cids.size
  }

  /** How long a block seems to be kept by those who wanted it. */
  get cacheTimeMs(): number {
    return this.#cacheTimeMs
  }

  /** `listener`: how much the peer may still say; a flood of wants must not wash away what others said. */
  wanted(key: Uint8Array, peer: Peer, info: PeerInfo | undefined, listener: Hearing, now: Millis): void {
    if (listener.take(now)) this.#put(key, { peer, info, grade: 'weak', at: now })
  }

  /** Only who was heard to want it can be said to have it now. */
  cancelled(key: Uint8Array, peer: Peer, now: Millis): void {
    const sign = this.#cids.get(key)?.find((other) => sameId(other.peer, peer))
    if (sign !== undefined) this.#put(key, { ...sign, grade: 'strong', at: now })
  }

  /** Our own block went to this peer. */
  served(key: Uint8Array, peer: Peer, info: PeerInfo | undefined, now: Millis): void {
    this.#put(key, { peer, info, grade: 'strong', at: now })
  }

  /** Peers that have it by the latest signs: strong ones first, then the youngest. What is too old is forgotten. */
  candidates(key: Uint8Array, now: Millis): readonly Sign[] {
    const signs = this.#cids.get(key)
    if (signs === undefined) return none
    const young = signs.filter(({ at }) => now <= at + this.#cacheTimeMs)
    if (young.length === 0) this.#cids.delete(key)
    else if (young.length < signs.length) this.#cids.set(key, young)
    return young.sort((a, b) => Number(b.grade === 'strong') - Number(a.grade === 'strong') || b.at - a.at)
  }

  /**
   * How many candidates to ask at once, when this is the best. One more is asked as long as the round trip that is saved if all before it have
   * nothing is worth more than the block that it sends in vain if they have: many where blocks are small for the pipe and
   * signs are often wrong, one where bandwidth is scarce. One, too, where asking everybody would cost as little, and none
   * while guesses fail (but for a trial).
   */
  guessCount(best: Sign, { connected, roundTripMs, transferMs }: GuessWorth): number {
    const share = this.#hitShare[best.grade]
    if (share < limits.guessShareMin.value / 100) return ++this.#guesses % guessTrialEvery === 0 ? 1 : 0
    const atMost = Math.min(limits.guessesMax.value, Math.max(1, Math.floor(connected / 4)))
    let count = 1
    while (count < atMost && (1 - share) ** count * roundTripMs > transferMs) count++
    return count
  }

  /** What became of a guess. A miss by an old sign shortens the time that blocks are thought to be kept. */
  judged(key: Uint8Array, sign: Sign, isHit: boolean, now: Millis): void {
    this.#hitShare[sign.grade] += hitWeight * (Number(isHit) - this.#hitShare[sign.grade])
    const age = now - sign.at
    if (isHit) {
      if (age > this.#cacheTimeMs / 2) this.#learn(this.#cacheTimeMs * 1.25)
      this.#put(key, { ...sign, grade: 'strong', at: now })
      return
    }
    if (sign.grade === 'strong') this.#learn(this.#cacheTimeMs + 0.2 * (Math.min(age, this.#cacheTimeMs) - this.#cacheTimeMs))
    this.#drop(key, sign.peer)
  }

  /** As at an earlier visit; what was heard since is younger and stays. Of a peer one sign counts, whatever the disk says. */
  restore(key: Uint8Array, signs: readonly Sign[]): void {
    if (this.#cids.size >= limits.registryCidsMax.value || this.#cids.has(key)) return
    const isFirst = ({ peer }: Sign, index: number): boolean => signs.findIndex((other) => sameId(other.peer, peer)) === index
    this.#cids.set(key, signs.filter(isFirst).slice(0, limits.registryPeersPerCidMax.value))
  }

  restoreCacheTime(ms: number): void {
    this.#learn(ms)
  }

  entries(): IterableIterator<[Uint8Array, readonly Sign[]]> {
    return this.#cids.entries()
  }

  #put(key: Uint8Array, sign: Sign): void {
    const others = (this.#cids.get(key) ?? []).filter(({ peer }) => !sameId(peer, sign.peer))
    this.#forgetOld(sign.at)
    // Deleted first, so that the CID heard of longest ago is the one that the bound pushes out.
    this.#cids.delete(key)
    this.#cids.set(key.slice(), [sign, ...others].slice(0, limits.registryPeersPerCidMax.value))
    if (this.#cids.size > limits.registryCidsMax.value) this.#cids.shift()
  }

  /** What nobody speaks of any more goes even if it is never asked for: it says something about others. */
  #forgetOld(now: Millis): void {
    for (const [key, signs] of this.#cids.entries()) {
      if (signs.some(({ at }) => now <= at + limits.registryCacheTimeMaxMs.value)) return
      this.#cids.delete(key)
    }
  }

  #drop(key: Uint8Array, peer: Peer): void {
    const left = (this.#cids.get(key) ?? []).filter((sign) => !sameId(sign.peer, peer))
    if (left.length === 0) this.#cids.delete(key)
    else this.#cids.set(key, left)
  }

  #learn(ms: number): void {
    this.#cacheTimeMs = Math.min(limits.registryCacheTimeMaxMs.value, Math.max(limits.registryCacheTimeMinMs.value, ms))
  }
}

/** What there is to win and to lose by one more guess. */
export interface GuessWorth {
  /** Bitswap peers. */
  readonly connected: number
  /** That are lost if all guesses are wrong. */
  readonly roundTripMs: number
  /** That a block takes of the pipe. */
  readonly transferMs: number
}

export type SignGrade = 'weak' | 'strong'

/** That a peer has a block, by its own words. */
export interface Sign {
  readonly peer: Peer
  /** Where it was when it said so. */
  readonly info: PeerInfo | undefined
  readonly grade: SignGrade
  readonly at: Millis
}

/** How much of one peer's wants is listened to: so many at once, and so many a second. */
export class Hearing {
  #left = limits.registryBurst.value
  #at: Millis | undefined

  take(now: Millis): boolean {
    const refill = ((now - (this.#at ?? now)) * limits.registryPerSecond.value) / 1_000
    this.#left = Math.min(limits.registryBurst.value, this.#left + refill)
    this.#at = now
    if (this.#left < 1) return false
    this.#left--
    return true
  }
}

const none: readonly Sign[] = []

/** The moving average of hits forgets half in about six guesses. */
const hitWeight = 0.1
const guessTrialEvery = 8

function sameId(a: Peer, b: Peer): boolean {
  if (a === b) return true
  if (a.id.length !== b.id.length) return false
  return a.id.every((byte, index) => byte === b.id[index])
}
