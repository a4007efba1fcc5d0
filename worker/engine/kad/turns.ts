import type { Priority } from '../connections/contract.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import { isMaintenance, isSearch, priorityOf, type Run, type RunPurpose } from './run.ts'

/**
 * Whose turn it is among the queries that wait, and how long another would have to.
 *
 * What a person waits for goes first, and maintenance gets only some of the places. All searches share ten places to dial: a few
 * at a time end as many in a minute as all of them at once would, but each of them soon. Less urgent ones keep nobody waiting.
 * It does not know what the queries do.
 */
export class Turns {
  readonly #queued = new Set<Run>()
  readonly #running = new Set<Run>()
  /** A moving average over searches that ended: how long one takes, divided by how many there were beside it. */
  #searchMs: Millis | undefined

  get queued(): number {
    return this.#queued.size
  }

  get running(): number {
    return this.#running.size
  }

  wait(run: Run): void {
    this.#queued.add(run)
  }

  begin(run: Run): void {
    this.#queued.delete(run)
    this.#running.add(run)
  }

  /** Whether it had begun or not. */
  end(run: Run, now: Millis): void {
    this.#queued.delete(run)
    if (!this.#running.has(run)) return
    if (isSearch(run.purpose) && run.begunAt !== undefined && now > run.begunAt) {
      const share = (now - run.begunAt) / this.#count(this.#running, ({ purpose }) => isSearch(purpose))
      this.#searchMs = this.#searchMs === undefined ? share : this.#searchMs + (share - this.#searchMs) * newestWeight
    }
    this.#running.delete(run)
  }

  /** The most urgent for which there is a place, and of those the first that came. */
  next(): Run | undefined {
    if (this.#queued.size === 0 || this.#running.size >= limits.kadRunningQueriesMax.value) return undefined
    for (const priority of mostUrgentFirst) {
      for (const run of this.#queued) {
        if (priorityOf(run.purpose) === priority && this.#hasPlace(run)) return run
      }
    }
    return undefined
  }

  /** How long another would wait, by how fast searches end; 0 while that is not known, and for what is no search. */
  expectedWaitMs(purpose: RunPurpose): Millis {
    if (!isSearch(purpose)) return 0
    const urgency = urgencyOf(priorityOf(purpose))
    const goesBefore = (other: Run) => isSearch(other.purpose) && urgencyOf(priorityOf(other.purpose)) <= urgency
    return this.#count(this.#queued, goesBefore) * (this.#searchMs ?? 0)
  }

  #hasPlace({ purpose }: Run): boolean {
    if (isMaintenance(purpose)) {
      const maintenance = this.#count(this.#running, (other) => isMaintenance(other.purpose))
      if (maintenance >= limits.kadMaintenanceQueriesMax.value) return false
    }
    if (!isSearch(purpose)) return true
    const urgency = urgencyOf(priorityOf(purpose))
    const rivals = this.#count(this.#running, ({ purpose: of, machine }) => {
      return isSearch(of) && machine.stage !== 'gated' && urgencyOf(priorityOf(of)) <= urgency
    })
    return rivals < limits.kadSearchesMax.value
  }

  #count(runs: ReadonlySet<Run>, matches: (run: Run) => boolean): number {
    let count = 0
    for (const run of runs) if (matches(run)) count++
    return count
  }
}

/** Of one search in the average: the last ten or so count. */
const newestWeight = 0.125

const mostUrgentFirst: readonly Priority[] = ['urgent', 'normal', 'maintenance']

function urgencyOf(priority: Priority): number {
  return mostUrgentFirst.indexOf(priority)
}
