import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import type { DialKind } from '../peer.ts'
import { DurationWindow } from './duration-window.ts'

/**
 * What becomes of dials of one kind here, learned from all of them: how long those take that succeed, and what share is never answered.
 * Both together say how likely a dial that has taken t so far still is to succeed. With s, the silent share, and S(t), the share
 * of those that succeed which takes longer than t, Bayes has it
 *
 *   (1 − s) S(t) / ((1 − s) S(t) + s)
 *
 * So where nearly everybody answers a slow peer is waited for, and where many are dead a silent one costs little. A dial that is
 * refused teaches nothing: it costs nobody time.
 *
 * It does not know who is dialed. Connections write it, lookups read it.
 */
export class DialTimes {
  readonly #successes = new DurationWindow()
  /** Whether each of the last ones was silent. */
  readonly #outcomes: boolean[] = []
  readonly #lateMaxMs: Millis
  #oldest = 0
  #silent = 0

  /** `lateMaxMs`: what is waited for until it is known better, and never exceeded. */
  constructor(lateMaxMs: Millis = limits.dialLateMs.value) {
    this.#lateMaxMs = lateMaxMs
  }

  succeeded(tookMs: Millis): void {
    this.#successes.add(tookMs)
    this.#note(false)
  }

  /** Given up after a time in which others answer. */
  silent(): void {
    this.#note(true)
  }

  /** Starts from one in eight, as if eight had been seen. */
  get silentShare(): number {
    return (this.#silent + 1) / (this.#outcomes.length + 8)
  }

  /** From then on a dial is likelier silent than not: others are dialed beside it. */
  get overdueMs(): Millis {
    return this.#whenChanceIs(0.5, 1, limits.lookupDialOverdueMinMs.value, limits.lookupDialOverdueMs.value)
  }

  /** From then on, with one chance in ten left, it holds nothing up. (At one in five lookups miss 1 % more of the nearest: sim lookup.) */
  get lateMs(): Millis {
    return this.#whenChanceIs(0.1, margin, limits.dialLateMinMs.value, this.#lateMaxMs)
  }

  /** From then on, with one in twenty, it gives its place to whoever needs it. */
  get hopelessMs(): Millis {
    return this.#whenChanceIs(0.05, margin, limits.dialLateMinMs.value, this.#lateMaxMs)
  }

  #whenChanceIs(chance: number, factor: number, floor: Millis, ceiling: Millis): Millis {
    const odds = chance / (1 - chance)
    const longer = (odds * this.silentShare) / (1 - this.silentShare)
    const after = this.#successes.percentile(Math.min(Math.max(1 - longer, shareMin), shareMax))
    return after === undefined ? ceiling : Math.min(Math.max(factor * after, floor), ceiling)
  }

  #note(isSilent: boolean): void {
    if (this.#outcomes[this.#oldest] === true) this.#silent--
    this.#outcomes[this.#oldest] = isSilent
    if (isSilent) this.#silent++
    this.#oldest = (this.#oldest + 1) % limits.durationWindowMax.value
  }
}

/** Each kind is measured by itself. */
export type DialTimesByKind = Readonly<Record<DialKind, DialTimes>>

export function newDialTimesByKind(): DialTimesByKind {
  return { general: new DialTimes(), relayed: new DialTimes(limits.relayedDialLateMs.value), quiet: new DialTimes() }
}

/** Of those that succeed: never less is waited for, so that a network full of dead peers makes nobody hasty, and never more. */
const shareMin = 0.5
const shareMax = 0.99
/** A dial that was given up is not seen to succeed: without it what is learned would creep down. */
const margin = 1.125
