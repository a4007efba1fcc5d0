import type { Millis } from '../../worker/engine/machine.ts'

/** How long a rival waits for a peer. */
export interface Patience {
  /** For the connection, and for the answer on it. */
  next(now: Millis): { readonly dialMs: Millis; readonly answerMs: Millis; readonly overallMs: Millis }
  settled(tookMs: Millis, hasFailed: boolean, now: Millis): void
}

/** Go: 5 s for a TCP connect or QUIC handshake, 10 s for the answer (`dhtReadMessageTimeout`). */
export class GoPatience implements Patience {
  next(): ReturnType<Patience['next']> {
    return { dialMs: 5_000, answerMs: 10_000, overallMs: Number.POSITIVE_INFINITY }
  }

  settled(): void {}
}

/**
 * js-libp2p's `AdaptiveTimeout` (@libp2p/utils 7): 1.2 × a moving average of how long requests took, where a failure counts
 * twice, within 5 … 60 s; over waiting for a dial, the dial and the answer together. The average forgets with a time constant
 * of 5 s. A dial of one address takes 6 s at most (`ADDRESS_DIAL_TIMEOUT` of libp2p 3).
 */
export class JsPatience implements Patience {
  #average = 0
  #previous: Millis | undefined

  next(): ReturnType<Patience['next']> {
    const overallMs = Math.min(60_000, Math.max(5_000, Math.round(1.2 * this.#average)))
    return { dialMs: 6_000, answerMs: Number.POSITIVE_INFINITY, overallMs }
  }

  settled(tookMs: Millis, hasFailed: boolean, now: Millis): void {
    const value = hasFailed ? 2 * tookMs : tookMs
    const weight = this.#previous === undefined ? 1 : 1 - Math.exp(-(now - this.#previous) / 5_000)
    this.#average = weight * value + (1 - weight) * this.#average
    this.#previous = now
  }
}
