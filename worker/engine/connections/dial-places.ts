import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'

/**
 * How many dials may be pending now, so that the browser does not hold them back.
 *
 * Chromium lets a new WebSocket wait for 1 … 5 s × 2 ^ (p + f / (s + 1)) / 2¹⁶, where p handshakes of the page are pending, the new one
 * included, and f have failed and s succeeded within the last two to four minutes (`websocket_throttler.cc`). So where many dials fail,
 * or are given up, which it counts as the same, there must be fewer at a time; otherwise each waits longer, is given up for that, and makes
 * the next wait longer still. With the exponent kept at `pendingDialsMax` = 10 a dial waits 47 ms on average.
 *
 * Where nearly everything fails even the few that are left are held back: then that time is not held against the peers.
 *
 * It counts dials of all transports as if they were WebSockets, which most are, and knows nothing of sockets that the page opens.
 */
export class DialPlaces {
  #current: Outcomes = { succeeded: 0, failed: 0 }
  #previous: Outcomes = { succeeded: 0, failed: 0 }
  #periodEndsAt: Millis | undefined

  /** How many may be pending. */
  count(now: Millis): number {
    return Math.max(limits.pendingDialsMax.value - this.#penalty(now), limits.pendingDialsMin.value)
  }

  /** What the browser may hold a new dial back for, when `pending` are, itself included; 0 as long as it is hardly anything. */
  heldBackMs(pending: number, now: Millis): Millis {
    const exponent = Math.min(pending + this.#penalty(now), exponentMax)
    return exponent <= limits.pendingDialsMax.value ? 0 : (delayMaxMs * 2 ** exponent) / 2 ** exponentMax
  }

  succeeded(now: Millis): void {
    this.#turnPeriods(now)
    this.#current.succeeded++
  }

  /** Refused, given up, or no longer needed: it is all one to the browser. */
  failed(now: Millis): void {
    this.#turnPeriods(now)
    this.#current.failed++
  }

  #penalty(now: Millis): number {
    this.#turnPeriods(now)
    const failed = this.#current.failed + this.#previous.failed
    return Math.floor(failed / (this.#current.succeeded + this.#previous.succeeded + 1))
  }

  #turnPeriods(now: Millis): void {
    this.#periodEndsAt ??= now + periodMs
    if (now < this.#periodEndsAt) return
    const isLongAgo = now >= this.#periodEndsAt + periodMs
    this.#previous = isLongAgo ? { succeeded: 0, failed: 0 } : this.#current
    this.#current = { succeeded: 0, failed: 0 }
    this.#periodEndsAt = isLongAgo ? now + periodMs : this.#periodEndsAt + periodMs
  }
}

interface Outcomes {
  succeeded: number
  failed: number
}

/** Chromium's. */
const periodMs = 120_000
const delayMaxMs = 5_000
const exponentMax = 16
