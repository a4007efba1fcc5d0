import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'

/**
 * How many want-blocks may be in flight to one peer. While blocks come about as soon as the quickest did, the pipe is not full:
 * two places are added for each, so that the window triples with a round trip. Once blocks wait behind each other for
 * longer than `pipelineMs`, it shrinks to those that wait so long. Measured speed would not do: of a pipe that is not full
 * it only says how little was asked for.
 *
 * Where nobody else can be asked, a peer of which nothing says that it is slow may get more than has its place yet: to
 * wait for the first block costs a round trip for certain, and if it is slow after all others take over (`takeover.ts`).
 */
export class BlockWindow {
  #places: number = limits.wantBlocksPerPeerFirst.value
  #quickestMs = Number.POSITIVE_INFINITY
  #shrunkAt: Millis | undefined

  get places(): number {
    return this.#places
  }

  /** From question to block, the least that it ever took. */
  get quickestMs(): number {
    return this.#quickestMs
  }

  /** And where nobody else is left to be asked. */
  get most(): number {
    return this.#shrunkAt === undefined ? Math.max(this.#places, limits.wantBlocksPerPeerAlone.value) : this.#places
  }

  /** Blocks of one message, the first of which was asked for at `askedAt`; with them `inFlight` were under way. */
  delivered(blocks: number, inFlight: number, askedAt: Millis, now: Millis): void {
    const tookMs = now - askedAt
    this.#quickestMs = Math.min(this.#quickestMs, tookMs)
    const wantedMs = this.#quickestMs + limits.pipelineMs.value
    if (tookMs <= wantedMs) {
      // A window that is not used says nothing.
      if (2 * inFlight >= this.#places) this.#grow(2 * blocks)
    } else if (askedAt >= (this.#shrunkAt ?? askedAt)) {
      // Once for all that was asked before.
      this.#shrunkAt = now
      this.#places = Math.max(limits.wantBlocksPerPeerMin.value, Math.floor((this.#places * wantedMs) / tookMs))
    }
  }

  #grow(places: number): void {
    this.#places = Math.min(limits.wantBlocksPerPeerMax.value, this.#places + places)
  }
}
