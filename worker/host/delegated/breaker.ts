import { limits } from '../../engine/limits.ts'

/**
 * Keeps us from asking a router that does not answer.
 *
 *   closed ──failures in a row──▶ open ──pause over──▶ half-open ──success──▶ closed
 *                                   ▲                      └──failure──┐
 *                                   └── twice the pause, up to a ceiling┘
 *
 * A router that says how long it wants to be left alone (429, 503 with Retry-After) is believed, up to the ceiling.
 */
export class Breaker {
  #failures = 0
  #pauses = 0
  #openUntil = -Infinity
  #isTrying = false

  /** Whether to ask now. In half-open, yes once until the outcome is known. */
  admits(now: number): boolean {
    if (now < this.#openUntil || this.#isTrying) return false
    this.#isTrying = this.#pauses > 0
    return true
  }

  isOpen(now: number): boolean {
    return now < this.#openUntil
  }

  succeeded(): void {
    this.#failures = 0
    this.#pauses = 0
    this.#isTrying = false
  }

  failed(now: number, retryAfterMs: number | undefined): void {
    this.#isTrying = false
    this.#failures++
    const max = limits.delegatedPauseMaxMs.value
    if (retryAfterMs !== undefined) {
      this.#pauses++
      this.#openUntil = now + Math.min(max, Math.max(0, retryAfterMs))
    } else if (this.#pauses > 0 || this.#failures >= limits.delegatedFailuresMax.value) {
      this.#openUntil = now + Math.min(max, limits.delegatedPauseMs.value * 2 ** Math.min(this.#pauses, 16))
      this.#pauses++
    }
  }

  /** The question was withdrawn: that says nothing about the router. */
  withdrawn(): void {
    this.#isTrying = false
  }
}
