import { limits } from '../limits.ts'
import { earlier, isDue, type Millis } from '../machine.ts'
import { DialTimes } from '../resilience/dial-times.ts'
import { DurationWindow } from '../resilience/duration-window.ts'
import type { CandidateState, DialPace } from './candidates.ts'

/**
 * How long lookups wait, learned from how long dials (`dial-times.ts`) and answers take here: whoever is slower than most
 * gives its place to another, and whoever is much slower holds nothing up. Shared by all lookups. The floors keep a burst of
 * fast answers from making it hasty, the ceilings hold while little is known.
 */
export class Patience {
  readonly #answers = new DurationWindow()
  readonly #dials: DialTimes

  constructor(dials = new DialTimes()) {
    this.#dials = dials
  }

  noteAnswer(durationMs: Millis): void {
    this.#answers.add(durationMs)
  }

  /** From then on a request is slow. */
  get slowAfterMs(): Millis {
    return this.#answers.bound(1, limits.lookupSlowMinMs.value, limits.lookupSlowAfterMs.value)
  }

  /** From then on it holds nothing up. */
  get answerMs(): Millis {
    return this.#answers.bound(lateFactor, limits.lookupAnswerMinMs.value, limits.lookupSlowAfterMs.value)
  }

  /** From then on a dial is overdue. */
  get overdueAfterMs(): Millis {
    return Math.min(this.#dials.overdueMs, this.#dials.lateMs)
  }

  /** From then on it is late. */
  get dialMs(): Millis {
    return this.#dials.lateMs
  }

  /** Of the peers dialed, those that never answer. */
  get silentShare(): number {
    return this.#dials.silentShare
  }
}

/** Of the 90th percentile. An answer may have to wait for a busy peer. */
const lateFactor = 2.5

/** What time alone makes of a state; the same object if nothing. */
export function stateInTime(state: CandidateState, now: Millis, patience: Patience): CandidateState {
  switch (state.type) {
    case 'waiting':
    case 'slow': {
      const isLate = isDue(state.since, patience.answerMs, now)
      if (state.type === 'slow') return isLate && !state.isLate ? { ...state, isLate } : state
      return isDue(state.since, patience.slowAfterMs, now) ? { type: 'slow', since: state.since, isLate } : state
    }
    case 'dialing': {
      if (state.pace === 'queued') return state
      const inTime = paceOf(state.since, now, patience)
      const pace = state.pace === 'opened' && inTime !== 'late' ? 'opened' : inTime
      return pace === state.pace ? state : { type: 'dialing', since: state.since, pace }
    }
    case 'resting':
      return now >= state.until ? { type: 'heard' } : state
    case 'heard':
    case 'ready':
    case 'responded':
    case 'failed':
    case 'undialable':
      return state
  }
}

export function paceOf(dialedSince: Millis, now: Millis, patience: Patience): DialPace {
  if (isDue(dialedSince, patience.dialMs, now)) return 'late'
  return isDue(dialedSince, patience.overdueAfterMs, now) ? 'overdue' : 'prompt'
}

/** When `stateInTime` will next be another. */
export function stateDeadline(state: CandidateState, patience: Patience): Millis | undefined {
  switch (state.type) {
    case 'waiting':
      return state.since + patience.slowAfterMs
    case 'slow':
      return state.isLate ? undefined : state.since + patience.answerMs
    case 'dialing':
      if (state.pace === 'queued' || state.pace === 'late') return undefined
      return earlier(state.pace === 'prompt' ? state.since + patience.overdueAfterMs : undefined, state.since + patience.dialMs)
    case 'resting':
      return state.until
    case 'heard':
    case 'ready':
    case 'responded':
    case 'failed':
    case 'undialable':
      return undefined
  }
}
