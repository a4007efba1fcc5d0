import type { SimTime } from '../core/agenda.ts'

/**
 * How long Chromium keeps a new WebSocket of a page waiting before it connects. It counts, for all that lives in one renderer process,
 * handshakes that are pending (p, the new one included), and those that succeeded (s) and failed (f) in this period of two minutes and in
 * the one before, and waits
 *
 *   random 1000 … 5000 ms × 2 ^ min(p + f / (s + 1), 16) / 65536,   in whole milliseconds, f / (s + 1) rounded down
 *
 * That is 12 ms on average for the eighth, 47 for the tenth, 94 for the eleventh, 0.75 s for the fourteenth. A handshake is over when the
 * socket is open: what libp2p then says on it is not counted. A socket that is closed before counts as failed.
 * (Chromium, `services/network/websocket_throttler.cc`. Measured from outside, a socket opened to loopback beside 8, 9, 10, 11, 12
 * pending ones, that is as the ninth to the thirteenth, took 40, 59, 118, 209, 353 ms.)
 */
export class WebSocketThrottle {
  #pending = 0
  #now: Outcomes = { opened: 0, failed: 0 }
  #before: Outcomes = { opened: 0, failed: 0 }
  #periodEndsAt: SimTime | undefined

  get pending(): number {
    return this.#pending
  }

  /** `chance`: uniform in [0, 1). */
  begin(now: SimTime, chance: number): PendingSocket {
    this.#turnPeriods(now)
    this.#periodEndsAt ??= now + PERIOD_MS
    this.#pending++
    const failed = this.#now.failed + this.#before.failed
    const opened = this.#now.opened + this.#before.opened
    const exponent = Math.min(this.#pending + Math.floor(failed / (opened + 1)), 16)
    let isPending = true
    const settle = (as: keyof Outcomes, at: SimTime) => {
      if (!isPending) return
      isPending = false
      this.#turnPeriods(at)
      this.#pending--
      this.#now[as]++
    }
    return {
      delayMs: Math.floor(((1_000 + Math.floor(4_001 * chance)) * 2 ** exponent) / 65_536),
      opened: (at) => settle('opened', at),
      failed: (at) => settle('failed', at),
    }
  }

  #turnPeriods(now: SimTime): void {
    while (this.#periodEndsAt !== undefined && now >= this.#periodEndsAt) {
      this.#before = this.#now
      this.#now = { opened: 0, failed: 0 }
      const isClean = this.#pending === 0 && this.#before.opened === 0 && this.#before.failed === 0
      this.#periodEndsAt = isClean ? undefined : this.#periodEndsAt + PERIOD_MS
    }
  }
}

/** A handshake under way. It is told how it ended once; what comes later changes nothing. */
export interface PendingSocket {
  readonly delayMs: number
  opened(at: SimTime): void
  failed(at: SimTime): void
}

interface Outcomes {
  opened: number
  failed: number
}

const PERIOD_MS = 120_000
