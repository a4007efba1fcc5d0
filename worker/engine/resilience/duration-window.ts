import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'

/**
 * How long something took the last times, for limits that follow what we see: on a slow network patience must be longer,
 * on a fast one waiting as long is lost time. Bounded: the oldest duration goes first.
 */
export class DurationWindow {
  readonly #durations: Millis[] = []
  #oldest = 0
  /** Shortest first, until the next duration. */
  #sorted: readonly Millis[] | undefined

  add(duration: Millis): void {
    this.#durations[this.#oldest] = duration
    this.#oldest = (this.#oldest + 1) % limits.durationWindowMax.value
    this.#sorted = undefined
  }

  /**
   * `factor` times the 90th percentile, between `floor` and `ceiling`; the ceiling itself while there are too few
   * durations to know better.
   */
  bound(factor: number, floor: Millis, ceiling: Millis): Millis {
    const p90 = this.percentile(0.9)
    return p90 === undefined ? ceiling : Math.min(Math.max(factor * p90, floor), ceiling)
  }

  /** The share of durations that were longer than this, and by how much on average. Undefined while there are too few to know. */
  beyond(duration: Millis): { readonly share: number; readonly byMs: Millis } | undefined {
    const count = this.#durations.length
    if (count < limits.durationWindowMin.value) return undefined
    this.#sorted ??= this.#durations.toSorted((a, b) => a - b)
    let longer = 0
    let sum = 0
    for (let index = count - 1; index >= 0 && this.#sorted[index]! > duration; index--) {
      longer++
      sum += this.#sorted[index]! - duration
    }
    return { share: longer / count, byMs: longer === 0 ? 0 : sum / longer }
  }

  /** `share`: above 0 to 1. Undefined while there are too few durations to know. */
  percentile(share: number): Millis | undefined {
    const count = this.#durations.length
    if (count < limits.durationWindowMin.value) return undefined
    this.#sorted ??= this.#durations.toSorted((a, b) => a - b)
    return this.#sorted[Math.ceil(share * count) - 1]
  }
}
