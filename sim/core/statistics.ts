/** Percentiles within a run, and means with confidence intervals over runs of different seeds. */

/** Linear interpolation between closest ranks; `share` in [0, 1]. NaN for no values. */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) return Number.NaN
  const sorted = values.toSorted((a, b) => a - b)
  const position = share * (sorted.length - 1)
  const below = Math.floor(position)
  const above = Math.min(below + 1, sorted.length - 1)
  return sorted[below]! + (position - below) * (sorted[above]! - sorted[below]!)
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** A mean over seeds; the true one lies within `half` of it with 95 % confidence. */
export interface Estimate {
  readonly mean: number
  /** NaN with a single seed: nothing is known of the spread then. */
  readonly half: number
  readonly seeds: number
}

export function estimate(perSeed: readonly number[]): Estimate {
  const known = perSeed.filter((value) => !Number.isNaN(value))
  const seeds = known.length
  const centre = seeds === 0 ? Number.NaN : mean(known)
  if (seeds < 2) return { mean: centre, half: Number.NaN, seeds }
  const variance = known.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (seeds - 1)
  return { mean: centre, half: studentT(seeds - 1) * Math.sqrt(variance / seeds), seeds }
}

/** Two-sided 95 % quantiles of Student's distribution by degrees of freedom. */
const STUDENT_T = [12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.2, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.1, 2.09]

function studentT(freedom: number): number {
  return STUDENT_T[freedom - 1] ?? (freedom < 30 ? 2.06 : freedom < 60 ? 2.02 : 1.98)
}
