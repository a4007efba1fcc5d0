import type { Priority } from '../connections/contract.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import { isMaintenance, isSearch, priorityOf, type Run, type RunPurpose } from './run.ts'

/**
 * Whose turn it is among the queries that wait, and how long another would have to.
 *
 * What a person waits for goes first, and maintenance gets only some of the places. All searches share ten places to dial: a few
 * at a time end as many in a minute as all of them at once would, but each of them soon. Less urgent ones keep nobody waiting. Where the
 * page and Bitswap both have some of one urgency they take turns: a block does not wait for a hundred searches that began before.
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
    const searches = this.#count(this.#running, ({ purpose }) => isSearch(purpose))
    // Fewer say nothing: one alone takes nearly as long as one of four.
    if (isSearch(run.purpose) && run.begunAt !== undefined && now > run.begunAt && searches >= limits.kadSearchesMax.value) {
      const share = (now - run.begunAt) / searches
      this.#searchMs = this.#searchMs === undefined ? share : this.#searchMs + (share - this.#searchMs) * newestWeight
    }
    this.#running.delete(run)
  }

  /** The most urgent for which there is a place; of those one of whoever has fewer running, page or engine, and the first that came. */
  next(): Run | undefined {
    if (this.#queued.size === 0 || this.#running.size >= limits.kadRunningQueriesMax.value) return undefined
    for (const priority of mostUrgentFirst) {
      const firsts = new Map<boolean, Run>()
      for (const run of this.#queued) {
        if (firsts.size === 2) break
        const { purpose } = run
        const isNew = priorityOf(purpose) === priority && !firsts.has(isOfPage(purpose))
        if (isNew && this.#hasPlace(run)) firsts.set(isOfPage(purpose), run)
      }
      const [first, second] = firsts.values()
      if (first !== undefined) return second !== undefined && this.#alike(second) < this.#alike(first) ? second : first
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

  /** Of the same origin and urgency, under way. */
  #alike({ purpose: of }: Run): number {
    return this.#count(this.#running, ({ purpose }) => {
      return isOfPage(purpose) === isOfPage(of) && priorityOf(purpose) === priorityOf(of)
    })
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

/** Queries that the engine itself gives have negative ids. */
function isOfPage(purpose: RunPurpose): boolean {
  return purpose.type === 'command' && purpose.query > 0
}

function urgencyOf(priority: Priority): number {
  return mostUrgentFirst.indexOf(priority)
}
