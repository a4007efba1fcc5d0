import { BytesMap } from '../bytes-map.ts'
import type { Millis } from '../machine.ts'

/**
 * A circuit breaker for each of many peers.
 *
 *   closed ──failures in a row──▶ open ──its time is over, begun──▶ half-open ──succeeded──▶ closed
 *                                  ▲                                 │   │
 *                                  └──────────── failed ─────────────┘   └──abandoned──▶ open, due at once
 *
 * While one is open nobody tries the peer; then a single probe decides. Each failure doubles the wait, up to a ceiling,
 * and a success forgets all of it. Bounded: the failure that lies back longest is forgotten first. It does not know
 * what is tried, nor why it failed.
 */
export class Breakers {
  readonly #options: BreakerOptions
  /** Closed ones without a failure are not kept. */
  readonly #states = new BytesMap<BreakerState>()

  constructor(options: BreakerOptions) {
    this.#options = options
  }

  /** Failures of another time and place count no more. Peers being tried stay with their try. */
  forgive(): void {
    for (const [id, state] of [...this.#states.entries()]) if (state.type !== 'half-open') this.#states.delete(id)
  }

  get size(): number {
    return this.#states.size
  }

  stateOf(id: Uint8Array): BreakerState['type'] {
    return this.#states.get(id)?.type ?? 'closed'
  }

  /** Whether the peer may be tried now. */
  permits(id: Uint8Array, now: Millis): boolean {
    const state = this.#states.get(id)
    switch (state?.type) {
      case 'open':
        return now >= state.until
      case 'half-open':
        return false
      case 'closed':
      case undefined:
        return true
    }
  }

  /** The peer is being tried. Exactly one of the three below follows. */
  begun(id: Uint8Array): void {
    const state = this.#states.get(id)
    if (state?.type === 'open') this.#states.set(id, { type: 'half-open', failures: state.failures })
  }

  succeeded(id: Uint8Array): void {
    this.#states.delete(id)
  }

  failed(id: Uint8Array, now: Millis): void {
    const failures = (this.#states.get(id)?.failures ?? 0) + 1
    const { failuresToOpen, firstMs, maxMs, peersMax } = this.#options
    const isOpen = failures >= failuresToOpen
    const until = now + backoffMs(failures - failuresToOpen, firstMs, maxMs)
    // Deleted first, so that the oldest failure is the one that the bound pushes out.
    this.#states.delete(id)
    this.#states.set(id, isOpen ? { type: 'open', failures, until } : { type: 'closed', failures })
    if (this.#states.size > peersMax) this.#states.shift()
  }

  /** It ended without a verdict: the next one is the probe. */
  abandoned(id: Uint8Array, now: Millis): void {
    const state = this.#states.get(id)
    if (state?.type === 'half-open') this.#states.set(id, { type: 'open', failures: state.failures, until: now })
  }
}

export interface BreakerOptions {
  /** In a row; at least 1. */
  readonly failuresToOpen: number
  /** How long it is open the first time; doubles each time. */
  readonly firstMs: Millis
  readonly maxMs: Millis
  readonly peersMax: number
}

export type BreakerState =
  | { readonly type: 'closed'; readonly failures: number }
  | { readonly type: 'open'; readonly failures: number; readonly until: Millis }
  | { readonly type: 'half-open'; readonly failures: number }

/** Capped exponential backoff: `firstMs`, doubled `times` times, at most `maxMs`. */
export function backoffMs(times: number, firstMs: Millis, maxMs: Millis): Millis {
  return Math.min(firstMs * 2 ** times, maxMs)
}
