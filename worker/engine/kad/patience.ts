import { limits } from '../limits.ts'
import { earlier, isDue, type Millis } from '../machine.ts'
import { type DialTimesByKind, newDialTimesByKind } from '../resilience/dial-times.ts'
import type { DialKind } from '../peer.ts'
import { DurationWindow } from '../resilience/duration-window.ts'
import type { CandidateState, DialPace } from './candidates.ts'

/**
 * How long lookups wait, learned from how long dials of each kind (`dial-times.ts`) and answers take here: whoever is slower than most
 * gives its place to another, and whoever is much slower holds nothing up. Shared by all lookups. The floors keep a burst of
 * fast answers from making it hasty, the ceilings hold while little is known.
 */
export class Patience {
  readonly #answers = new DurationWindow()
  readonly #dials: DialTimesByKind

  constructor(dials = newDialTimesByKind()) {
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
  overdueAfterMs(kind: DialKind): Millis {
    return Math.min(this.#dials[kind].overdueMs, this.#dials[kind].lateMs)
  }

  /** From then on it is late. */
  dialMs(kind: DialKind): Millis {
    return this.#dials[kind].lateMs
  }

  /** Of peers that are dialed, one of each of these kinds, how many are expected never to answer. */
  silentAmong(kinds: readonly DialKind[]): number {
    const silent = (kind: DialKind) => this.#dials[kind].silentShare * kinds.filter((other) => other === kind).length
    return silent('general') + silent('relayed') + silent('quiet')
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
      const inTime = paceOf(state, now, patience)
      const pace = state.pace === 'opened' && inTime !== 'late' ? 'opened' : inTime
      return pace === state.pace ? state : { ...state, pace }
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

export function paceOf({ since, kind }: { since: Millis; kind: DialKind }, now: Millis, patience: Patience): DialPace {
  if (isDue(since, patience.dialMs(kind), now)) return 'late'
  return isDue(since, patience.overdueAfterMs(kind), now) ? 'overdue' : 'prompt'
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
      return earlier(
        state.pace === 'prompt' ? state.since + patience.overdueAfterMs(state.kind) : undefined,
        state.since + patience.dialMs(state.kind),
      )
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
