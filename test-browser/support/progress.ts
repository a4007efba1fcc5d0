import { expect } from '@playwright/test'

/** A transfer during which the page was kept by its own script. */
export interface FrozenTransfer {
  /** All that was asked for. */
  readonly bytes: number
  readonly frozen: { readonly from: number; readonly to: number }
  /** When bytes came into the Worker, and how many. */
  readonly received: readonly (readonly [at: number, bytes: number])[]
}

/** In each half of that time bytes came into the Worker, unless all had come before. */
export function expectProgress({ bytes, frozen: { from, to }, received }: FrozenTransfer): void {
  const until = (end: number) => received.reduce((sum, [at, length]) => (at < end ? sum + length : sum), 0)
  const middle = (from + to) / 2
  expect(until(from), 'the page froze in the middle of it').toBeLessThan(bytes)
  expect(until(middle)).toBeGreaterThan(until(from))
  if (until(middle) < bytes) expect(until(to)).toBeGreaterThan(until(middle))
}
