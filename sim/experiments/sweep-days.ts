import { Rng } from '../../worker/engine/rng.ts'
import { percentile } from '../core/statistics.ts'
import { SweepWorld, type SweepWorldOptions } from '../world/sweep-world.ts'

/** Days in which a tab is open for some minutes every few hours, and closed otherwise: what the experiment `sweep-days` counts. */
export interface Days {
  readonly cids: number
  readonly openMs: number
  readonly everyMs: number
  readonly lastsMs: number
  /** `alone`: one lookup a CID, one after the other, round and round. */
  readonly way: 'sweep' | 'alone'
}

export interface DaysOutcome {
  /** CIDs that nobody was told of at the end. */
  readonly neverTold: number
  /** CIDs of which, at some moment since their first time, every record was older than 48 h: all CIDs, exactly. */
  readonly outdated: number
  readonly oldestHours: number
  /**
   * Of the sampled CIDs, hour by hour since they had left the queue: for how many none, or fewer than five, of the 20 nearest that were
   * online then held a record younger than 48 h, in % ; and how many held one, on average and in the worst percent.
   */
  readonly expired: number
  readonly thin: number
  readonly holders: number
  readonly holdersWorst: number
  /** Looks at CIDs of which some servers had been told and others not, because the tab was closed meanwhile; nobody held it in so many. */
  readonly amid: number
  readonly amidExpired: number
  /** How often each CID was told to all, on average. */
  readonly rounds: number
  /** Minutes open until everything had been told once; NaN if that did not come. */
  readonly firstRoundMinutes: number
  /** That the tab was open. */
  readonly cidsPerMinute: number
}

export const minute = 60_000
export const hour = 60 * minute
const recordMs = 48 * hour
const sampled = 400

export function liveDays(options: Omit<SweepWorldOptions, 'remembersEvery'>, days: Days): DaysOutcome {
  // A time that is no number is never reached.
  if (!(days.openMs > 0)) throw new RangeError(`a tab cannot be open for ${days.openMs} ms`)
  const remembersEvery = Math.max(1, Math.floor(days.cids / sampled))
  const world = new SweepWorld({ ...options, remembersEvery })
  world.fill(days.cids, true)
  const watch = new Watch(world, remembersEvery, days.way)
  const alone = new Rng(options.seed).shuffle(Array.from({ length: days.cids }, (_, index) => index))
  let next = 0
  let openMs = 0
  let firstRoundMs = Number.NaN
  for (let visitAt = 0; visitAt < days.lastsMs; visitAt += days.everyMs) {
    watch.until(visitAt)
    const closesAt = Math.min(visitAt + days.openMs, days.lastsMs)
    if (days.way === 'sweep') {
      world.start()
      const isFirstRound = (): boolean => world.keystore.queued === 0
      if (Number.isNaN(firstRoundMs) && world.network.agenda.run(closesAt, isFirstRound))
        firstRoundMs = openMs + world.now - visitAt
    } else while (world.now < closesAt) world.provideAlone(alone[next++ % alone.length]!)
    watch.until(closesAt)
    world.close()
    openMs += closesAt - visitAt
    if (days.way === 'alone' && Number.isNaN(firstRoundMs) && next >= alone.length) firstRoundMs = openMs
  }
  watch.until(days.lastsMs)
  const provided = days.way === 'alone' ? next : world.counts.addProviders / world.world.settings.k
  return {
    ...watch.outcome(days.lastsMs),
    firstRoundMinutes: firstRoundMs / minute,
    cidsPerMinute: provided / (openMs / minute),
  }
}

/** Looks once an hour who holds what. */
class Watch {
  readonly #world: SweepWorld
  readonly #every: number
  readonly #way: Days['way']
  readonly #counts: number[] = []
  /** Of CIDs that have not been told to all for the first time. */
  readonly #amid: number[] = []
  #lookAt = hour

  constructor(world: SweepWorld, every: number, way: Days['way']) {
    this.#world = world
    this.#every = every
    this.#way = way
  }

  until(at: number): void {
    const { agenda } = this.#world.network
    for (; this.#lookAt <= at; this.#lookAt += hour) {
      agenda.run(this.#lookAt)
      this.#look()
    }
    agenda.run(at)
  }

  #look(): void {
    const { keystore, holders, now, world } = this.#world
    for (let index = 0; index < keystore.size; index += this.#every) {
      const told = holders.get(index)
      if (told === undefined) continue
      const isHeld = (server: number): boolean => (told.get(server) ?? Number.NEGATIVE_INFINITY) > now - recordMs
      const held = this.#world.nearestOnline(keystore.keyAt(index), world.settings.k).filter(isHeld).length
      // Alone, a CID is told to all in one go.
      if (this.#way === 'sweep' && keystore.isQueued(index)) this.#amid.push(held)
      else this.#counts.push(held)
    }
  }

  outcome(endsAt: number) {
    const { keystore, counts, world } = this.#world
    let [neverTold, outdated, oldestMs] = [0, 0, 0]
    for (let index = 0; index < keystore.size; index++) {
      if (Number.isNaN(keystore.toldAt[index]!)) neverTold++
      const longestMs = keystore.longestGap(index, endsAt)
      if (longestMs > recordMs) outdated++
      if (longestMs > oldestMs) oldestMs = longestMs
    }
    const share = (least: number): number => (100 * this.#counts.filter((count) => count < least).length) / this.#counts.length
    return {
      neverTold,
      outdated,
      oldestHours: oldestMs / hour,
      expired: share(1),
      thin: share(5),
      holders: this.#counts.reduce((sum, count) => sum + count, 0) / this.#counts.length,
      holdersWorst: percentile(this.#counts, 0.01),
      amid: this.#amid.length,
      amidExpired: this.#amid.filter((held) => held === 0).length,
      rounds: counts.addProviders / (world.settings.k * keystore.size),
    }
  }
}
