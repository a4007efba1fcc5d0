import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'

/**
 * How long something took the last times, for limits that follow what we see: on a slow network patience must be longer,
 * on a fast one waiting as long is lost time. Bounded: the oldest duration goes first.
 */
export class DurationWindow {
  readonly #durations: Millis[] = []
  #oldest = 0
  /** Of the 90th percentile, until the next duration. */
  #p90: Millis | undefined

  add(duration: Millis): void {
    this.#durations[this.#oldest] = duration
    this.#oldest = (this.#oldest + 1) % limits.durationWindowMax.value
    this.#p90 = undefined
  }

  /**
   * `factor` times the 90th percentile, between `floor` and `ceiling`; the ceiling itself while there are too few
   * durations to know better.
   */
  bound(factor: number, floor: Millis, ceiling: Millis): Millis {
    const count = this.#durations.length
    if (count < limits.durationWindowMin.value) return ceiling
    this.#p90 ??= this.#durations.toSorted((a, b) => a - b)[Math.ceil(0.9 * count) - 1]!
    return Math.min(Math.max(factor * this.#p90, floor), ceiling)
  }
}
