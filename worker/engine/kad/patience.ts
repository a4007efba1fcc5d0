import { limits } from '../limits.ts'
import { earlier, type Millis } from '../machine.ts'
import { DurationWindow } from '../resilience/duration-window.ts'
import type { CandidateState, DialPace } from './candidates.ts'

/**
 * How long lookups wait, learned from how long dials and answers take here: whoever is slower than nine in ten gives its
 * place to another, and whoever is much slower holds nothing up. Shared by all lookups. The floors keep a burst of fast
 * answers from making it hasty, the ceilings hold while little is known.
 */
export class Patience {
  readonly #answers = new DurationWindow()
  readonly #dials = new DurationWindow()

  noteAnswer(durationMs: Millis): void {
    this.#answers.add(durationMs)
  }

  noteDial(durationMs: Millis): void {
    this.#dials.add(durationMs)
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
    return this.#dials.bound(1, limits.lookupDialOverdueMinMs.value, limits.lookupDialOverdueMs.value)
  }

  /** From then on it is late. */
  get dialMs(): Millis {
    return this.#dials.bound(lateDialFactor, limits.lookupDialPatienceMinMs.value, limits.lookupDialPatienceMs.value)
  }
}

/** Of the 90th percentile. An answer may have to wait for a busy peer; a dial is round trips and little else. */
const lateFactor = 2.5
/** With this one lookups in the simulated Amino take a fifth less time, for 0.3 % of the nearest peers. (`npm run sim -- lookup`) */
const lateDialFactor = 1.5

/** What time alone makes of a state; the same object if nothing. */
export function stateInTime(state: CandidateState, now: Millis, patience: Patience): CandidateState {
  switch (state.type) {
    case 'waiting':
    case 'slow': {
      const isLate = now - state.since >= patience.answerMs
      if (state.type === 'slow') return isLate && !state.isLate ? { ...state, isLate } : state
      return now - state.since >= patience.slowAfterMs ? { type: 'slow', since: state.since, isLate } : state
    }
    case 'dialing': {
      const pace = state.pace === 'queued' ? 'queued' : paceOf(state.since, now, patience)
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
  const waited = now - dialedSince
  if (waited >= patience.dialMs) return 'late'
  return waited >= patience.overdueAfterMs ? 'overdue' : 'prompt'
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
