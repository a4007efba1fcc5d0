import { assert } from '../assert.ts'
import { limits } from '../limits.ts'
import type { Machine, Millis, OrderIds } from '../machine.ts'
import type { Peer } from '../peer.ts'
import type {
  CellState,
  KeySource,
  ProvideEffect,
  ProvideEvent,
  ProvideOptions,
  ProvidePhase,
  ProvideStatus,
  RegionReport,
  Totals,
} from './contract.ts'
import { Neighbourhood } from './neighbourhood.ts'
import { type PageSent, type RegionEffect, RegionRun } from './region-run.ts'
import { cellOf, emptyKeyspace, Schedule } from './schedule.ts'

/**
 * Keeps content provided: sweeps over the keyspace, region by region.
 *
 *   (not started) ──provide-start──▶ idle ──due, queued──▶ working ──region ended──▶ idle
 *   working ──nobody answers──▶ offline ──probe, online again──▶ working
 *   any ⇄ paused, not-dialable
 *
 * One region is told while the next is being explored, and no more. It knows counts by cell and the keys of the regions it works
 * on, never all of them; whoever holds them loads a page when asked. It knows nothing of requests and connections: finding,
 * asking and telling are orders.
 */
export class Provide implements Machine<ProvideEvent, ProvideEffect> {
  readonly #options: ProvideOptions
  readonly #orders: OrderIds
  readonly #hood: Neighbourhood
  readonly #effects: ProvideEffect[] = []
  readonly #totals: Totals = newTotals()
  #started: { readonly self: Peer; readonly schedule: Schedule } | undefined
  /** The older first: it has the lanes. */
  readonly #runs: ActiveRun[] = []
  /** When something last came for one of them. */
  #movedAt: Millis = 0
  /** Wall clock minus monotonic clock, and when it was told. */
  #clock = { offsetMs: 0, toldAt: 0 as Millis }
  #timeAsked = false
  #hasAddress = false
  #paused = false
  #hidden = false
  #offline: { readonly probeAt: Millis; readonly delayMs: number } | undefined
  #nextAt: number | undefined
  /** Keys and milliseconds of working, for an estimate. */
  #pace = { keys: 0, ms: 0 }

  constructor(init: { options: ProvideOptions; orders: OrderIds }) {
    this.#options = init.options
    this.#orders = init.orders
    this.#hood = new Neighbourhood(init.options.k)
  }

  handle(event: ProvideEvent, now: Millis): void {
    this.#hood.advance(now)
    if (event.type === 'peer-connected') return this.#hood.seen(event.peer)
    this.#take(event, now)
    this.#proceed(now)
  }

  poll(): ProvideEffect | undefined {
    return this.#effects.shift()
  }

  nextDeadline(): Millis | undefined {
    if (this.#started === undefined) return undefined
    if (this.#runs.length > 0)
      return Math.min(
        ...this.#runs.map(({ run, movedAt }) => (run.waitsForLanes ? Infinity : movedAt + limits.regionStallMs.value)),
      )
    if (this.#nextAt === undefined || !this.#mayWork()) return undefined
    // A clock that stood still during a sleep is put right before anything would be late.
    const at = this.#nextAt - this.#clock.offsetMs
    const wakeAt = this.#timeAsked ? at : Math.min(at, this.#clock.toldAt + limits.clockTrustMs.value)
    // A probe needs something to be told: what rests would otherwise be looked for again and again.
    return this.#offline === undefined ? wakeAt : Math.max(wakeAt, this.#offline.probeAt)
  }

  status(now: Millis): ProvideStatus {
    const counts = this.#started?.schedule.counts(this.#wall(now))
    const { used = 0, expired = 0, due = 0, dueKeys = 0, provided = 0, queued = 0, keyspace = emptyKeyspace() } = counts ?? {}
    const open = queued + dueKeys
    const isMeasured = this.#pace.keys > 0 && open > 0
    return {
      phase: this.#phase(),
      provided,
      queued,
      cells: { used, expired, due },
      keyspace,
      region: this.#runs[0]?.run.prefix,
      nextDueAt: this.#runs.length === 0 ? this.#nextAt : undefined,
      endsAt: isMeasured ? this.#wall(now) + (open * this.#pace.ms) / this.#pace.keys : undefined,
      totals: { ...this.#totals },
    }
  }

  #take(event: Exclude<ProvideEvent, { type: 'peer-connected' }>, now: Millis): void {
    switch (event.type) {
      case 'tick':
        return this.#tick(now)
      case 'provide-start':
        assert(this.#started === undefined, 'a machine is started once')
        this.#started = {
          self: event.self,
          schedule: new Schedule({ self: event.self.key, intervalMs: this.#options.intervalMs }),
        }
        this.#setCells(event.cells, 0)
        return this.#setClock(event.wallMs, now)
      case 'provide-cells':
        return this.#setCells(event.cells, event.holdMs === undefined ? 0 : this.#wall(now) + event.holdMs)
      case 'own-addresses-changed':
        this.#hasAddress = event.addresses.length > 0
        // What left now would have no address in it, and be thrown away.
        if (!this.#mayWork()) this.#dropRuns(this.#runs)
        return
      case 'online-changed':
        this.#offline = event.online
          ? undefined
          : { probeAt: now + limits.offlineProbeMaxMs.value, delayMs: limits.offlineProbeMaxMs.value }
        return
      case 'provide-paused':
        this.#paused = event.paused
        if (event.paused) this.#dropRuns(this.#runs)
        return
      case 'page-hidden':
        this.#hidden = event.hidden
        return
      case 'time-told':
        return this.#setClock(event.wallMs, now)
      case 'keys-loaded':
        this.#setClock(event.wallMs, now)
        return this.#feed(event, now)
      case 'keys-not-loaded':
      case 'closest-found':
      case 'peer-asked':
      case 'peer-told':
        return this.#feed(event, now)
    }
  }

  #setCells(cells: readonly CellState[], heldUntil: number): void {
    for (const cell of cells) this.#started?.schedule.set(cell, heldUntil)
    this.#nextAt = 0
  }

  #tick(now: Millis): void {
    if (this.#runs.length > 0) {
      // Every order ends by itself; should one not, the region must not wait for it for ever.
      const isStalled = ({ run, movedAt }: ActiveRun): boolean =>
        !run.waitsForLanes && now >= movedAt + limits.regionStallMs.value
      const stalled = this.#runs.filter(isStalled)
      if (stalled.length === 0) return
      this.#dropRuns(stalled)
      for (const active of this.#runs) active.movedAt = now
      return this.#goOffline(now)
    }
    if (now < this.#clock.toldAt + limits.clockTrustMs.value || this.#timeAsked) return
    this.#timeAsked = true
    this.#effects.push({ type: 'tell-time' })
  }

  #setClock(wallMs: number, now: Millis): void {
    this.#timeAsked = false
    this.#clock = { offsetMs: wallMs - now, toldAt: now }
    this.#started?.schedule.correct(this.#wall(now))
    this.#nextAt = 0
  }

  #feed(event: ProvideEvent, now: Millis): void {
    const active = this.#runs.find(({ run }) => run.handle(event, this.#wall(now)))
    if (active === undefined) return
    this.#pace.ms += now - this.#movedAt
    this.#movedAt = now
    for (const other of this.#runs) if (other === active || other.run.waitsForLanes) other.movedAt = now
  }

  #proceed(now: Millis): void {
    if (this.#started === undefined) return
    for (;;) {
      this.#drain(now)
      if (!this.#mayBegin(now)) return
      const { schedule } = this.#started
      const wallMs = this.#wall(now)
      // The last plan still holds: no need to look at all cells.
      if (this.#nextAt !== undefined && this.#nextAt > wallMs) return
      const isTaken = this.#takenCells()
      const next = schedule.next(wallMs, isTaken)
      if (next === undefined) {
        if (this.#runs.length === 0) this.#nextAt = schedule.nextAt(wallMs)
        return
      }
      this.#begin(next, isTaken, now)
    }
  }

  /** The next region is begun while one is being told: what it takes to find its peers is not waited for. */
  #mayBegin(now: Millis): boolean {
    if (!this.#mayWork() || (this.#offline !== undefined && now < this.#offline.probeAt)) return false
    const [first] = this.#runs
    if (first === undefined) return true
    // What is forgotten is forgotten between two regions.
    return this.#runs.length < limits.regionsAtOnceMax.value && first.run.isSending && !this.#hood.isStale(now)
  }

  #takenCells(): (cell: number) => boolean {
    const ranges = this.#runs.map(({ run }) => run.cells)
    return (cell) => ranges.some(({ first, last }) => first <= cell && cell <= last)
  }

  #begin(next: { cell: number; source: KeySource }, isTaken: (cell: number) => boolean, now: Millis): void {
    const { schedule, self } = this.#started!
    const wallMs = this.#wall(now)
    if (this.#runs.length === 0) {
      this.#hood.refresh(self, now)
      this.#movedAt = now
    }
    const open = schedule.openWith(next, wallMs, isTaken)
    const run: RegionRun = new RegionRun({
      ...next,
      hood: this.#hood,
      orders: this.#orders,
      k: this.#options.k,
      lane: () => (this.#hidden ? 'idle' : 'background'),
      lanes: () => {
        const taken = this.#runs.reduce((sum, other) => sum + (other.run === run ? 0 : other.run.lanes), 0)
        return (this.#hidden ? limits.sendLanesHidden.value : limits.sendLanesMax.value) - taken
      },
      wallMs: () => wallMs,
      accepts: (cell) => open.has(cell) && !(next.source === 'queue' && schedule.isHeld(cell, wallMs)),
    })
    this.#runs.push({ run, open, missed: new Set(), movedAt: now })
  }

  #drain(now: Millis): void {
    for (const active of [...this.#runs]) {
      const { run } = active
      for (let effect = run.poll(); effect !== undefined; effect = run.poll()) this.#takeEffect(effect, active, now)
      if (run.ended !== undefined) this.#ended(active, now)
    }
  }

  #takeEffect(effect: RegionEffect, active: ActiveRun, now: Millis): void {
    if (effect.type === 'page-sent') return this.#pageSent(effect, active, now)
    if (effect.type === 'region-ended') this.#count(effect.report)
    this.#effects.push(effect)
  }

  /** What is left of a region that failed rests, otherwise the cells of which it missed keys. */
  #ended({ run, open, missed }: ActiveRun, now: Millis): void {
    this.#forget(run)
    const { first, last } = run.cells
    for (const cell of run.ended === 'failed' ? open : missed) {
      if (first <= cell && cell <= last) this.#started!.schedule.rest(cell, this.#wall(now) + limits.regionRetryMs.value)
    }
    if (run.ended === 'done') this.#offline = undefined
    else if (run.ended === 'no-peers') this.#goOffline(now)
    else this.#hood.distrust()
    // The keystore lost its disk, and what was on it. Still counted as queued, the cell would be loaded again at once, for ever.
    if (run.ended === 'done' && run.source === 'queue' && !run.hasFound) this.#started!.schedule.told(run.cell, Infinity)
  }

  #forget(run: RegionRun): void {
    const index = this.#runs.findIndex((active) => active.run === run)
    this.#runs.splice(index, 1)
    this.#nextAt = 0
  }

  /** What was told leaves the queue; cells that are done have their time, but not those with missed keys, in whatever page. */
  #pageSent({ sent, missed, from, to, isWhole }: PageSent, active: ActiveRun, now: Millis): void {
    const { schedule } = this.#started!
    const wallMs = this.#wall(now)
    for (const { key } of missed) active.missed.add(cellOf(key))
    const swept: { cell: number; at: number }[] = []
    const mark = (cell: number): void => {
      schedule.swept(cell, wallMs)
      swept.push({ cell, at: wallMs })
    }
    const told = new Map<number, number>()
    for (const { key } of sent) told.set(cellOf(key), (told.get(cellOf(key)) ?? 0) + 1)
    if (active.run.source === 'queue') {
      for (const [cell, keys] of told) {
        schedule.told(cell, keys)
        // From the first keys of a new cell on: the others come by the queue, not by telling all of it again.
        if (schedule.isFirst(cell)) mark(cell)
      }
    }
    const last = isWhole ? cellOf(to) : cellOf(to) - 1
    for (let cell = cellOf(from); cell <= last; cell++) {
      if (active.missed.has(cell) || !schedule.isDone(cell, active.run.source)) continue
      if (active.open.delete(cell)) mark(cell)
    }
    this.#pace.keys += sent.length
    if (sent.length + swept.length > 0) this.#effects.push({ type: 'keys-sent', keys: sent, swept })
  }

  #count(report: RegionReport): void {
    this.#totals.regions++
    for (const name of counted) this.#totals[name] += report[name]
  }

  #goOffline(now: Millis): void {
    this.#hood.distrust()
    const delayMs = Math.min(2 * (this.#offline?.delayMs ?? limits.offlineProbeFirstMs.value / 2), limits.offlineProbeMaxMs.value)
    this.#offline = { probeAt: now + delayMs, delayMs }
  }

  #dropRuns(runs: readonly ActiveRun[]): void {
    for (const { run } of [...runs]) {
      run.drop()
      for (let effect = run.poll(); effect !== undefined; effect = run.poll()) {
        if (effect.type === 'drop-order') this.#effects.push(effect)
      }
      this.#forget(run)
    }
  }

  #mayWork(): boolean {
    return !this.#paused && (this.#hasAddress || this.#options.withoutAddress)
  }

  #phase(): ProvidePhase {
    if (this.#paused) return 'paused'
    if (!this.#mayWork()) return 'not-dialable'
    if (this.#offline !== undefined) return 'offline'
    return this.#runs.length === 0 ? 'idle' : 'working'
  }

  #wall(now: Millis): number {
    // Whole milliseconds, upwards: at a deadline its moment has come, whatever the sums of fractions say.
    return Math.ceil(now + this.#clock.offsetMs)
  }
}

interface ActiveRun {
  readonly run: RegionRun
  /** Cells that it may tell and has not swept yet. Settled when it begins: what it left out it must not take for told. */
  readonly open: Set<number>
  /** Those of which it missed keys. They are not swept. */
  readonly missed: Set<number>
  movedAt: Millis
}

const counted = [
  'keys',
  'targeted',
  'stored',
  'undialable',
  'failed',
  'missed',
  'uncertain',
  'lookups',
  'searches',
  'requests',
] as const

function newTotals(): Totals {
  return {
    keys: 0,
    regions: 0,
    targeted: 0,
    stored: 0,
    undialable: 0,
    failed: 0,
    missed: 0,
    uncertain: 0,
    lookups: 0,
    searches: 0,
    requests: 0,
  }
}
