import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'

/**
 * How long a want asks connected peers before the DHT is searched beside it: always the same, or a percentile of the time
 * that connected peers have lately taken to send a block. Most wants then need no search, and one that does loses no
 * more than the usual wait. Source: Michel, "Bitswap discovery effectiveness" (2022), improvement suggestions.
 */
export class SearchDelay {
  readonly #setting: SearchDelaySetting
  readonly #windowMs: number
  /** In order of time. */
  readonly #samples: Sample[] = []
  #computed: number | undefined

  constructor(setting: SearchDelaySetting, windowMs: number = limits.latencyWindowMs.value) {
    this.#setting = setting
    this.#windowMs = windowMs
  }

  /** `latencyMs`: from the first question to the block, from peers that were connected already. */
  note(latencyMs: number, now: Millis): void {
    this.#samples.push({ at: now, latencyMs })
    if (this.#samples.length > limits.latencySamplesMax.value) this.#samples.shift()
    this.#computed = undefined
  }

  ms(now: Millis): number {
    if (typeof this.#setting === 'number') return this.#setting
    while (this.#samples.length > 0 && now - this.#samples[0]!.at > this.#windowMs) {
      this.#samples.shift()
      this.#computed = undefined
    }
    this.#computed ??= this.#percentile(shares[this.#setting])
    return this.#computed
  }

  samples(): readonly Sample[] {
    return this.#samples
  }

  /** Samples of an earlier visit, before those of this one; `at` may lie before this visit's beginning. */
  restore(samples: readonly Sample[], now: Millis): void {
    const kept = samples.filter(({ at }) => now <= at + this.#windowMs).sort((a, b) => a.at - b.at)
    this.#samples.unshift(...kept.slice(-(limits.latencySamplesMax.value - this.#samples.length)))
    this.#computed = undefined
  }

  #percentile(share: number): number {
    const count = this.#samples.length
    if (count < limits.latencySamplesMin.value) return limits.searchDelayFirstMs.value
    const sorted = this.#samples.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b)
    return Math.min(limits.searchDelayMaxMs.value, sorted[Math.min(count - 1, Math.ceil(share * count) - 1)]!)
  }
}

/** Milliseconds, or the percentile of latencies in the window. */
export type SearchDelaySetting = number | 'p50' | 'p75' | 'p90'

export interface Sample {
  readonly at: Millis
  readonly latencyMs: number
}

const shares: Readonly<Record<'p50' | 'p75' | 'p90', number>> = { p50: 0.5, p75: 0.75, p90: 0.9 }
