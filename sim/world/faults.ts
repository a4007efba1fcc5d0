import { hashOf, unitOf } from '../core/draws.ts'
import type { SimTime } from '../core/agenda.ts'
import type { Rng } from '../../worker/engine/rng.ts'

/**
 * What may go wrong besides distance. Shares are per answer, or, for what lasts, per server and slice of time.
 *
 * - clogged: nothing passes between the client and a server during a slice of time; what was on the way comes after it.
 * - frozen: the server does nothing during a slice, for anybody; then it goes on where it was.
 * - lying: the server names invented peers, dialable ones and others.
 * - late: the answer comes after the engine has stopped waiting. twice: it comes again. dropped: never. reset: an error.
 */
export interface FaultShares {
  readonly clogged: number
  readonly frozen: number
  readonly lying: number
  readonly late: number
  readonly twice: number
  readonly dropped: number
  readonly reset: number
}

export const noFaults: FaultShares = { clogged: 0, frozen: 0, lying: 0, late: 0, twice: 0, dropped: 0, reset: 0 }

export const faultNames = ['clogged', 'frozen', 'lying', 'late', 'twice', 'dropped', 'reset'] as const

/** Each fault is on with a chance of one half, and then as strong as its draw says. */
export function randomFaults(rng: Rng): FaultShares {
  const shares: Record<keyof FaultShares, number> = { ...noFaults }
  for (const name of faultNames) {
    const isOn = rng.unit() < 0.5
    const strength = rng.unit()
    if (isOn) shares[name] = strength * STRONGEST[name]
  }
  return shares
}

const STRONGEST: FaultShares = { clogged: 0.3, frozen: 0.3, lying: 0.3, late: 0.3, twice: 0.5, dropped: 0.4, reset: 0.4 }

/** How long links stay clogged and peers frozen, in ms; shorter and longer than the engine's own patience in turn. */
const SLICES_MS = [700, 4_000, 15_000]

export class Faults {
  readonly shares: FaultShares
  readonly #seed: number
  readonly #until: SimTime

  /** They are on until `until`; after it the world is sound, and everything must come to an end. */
  constructor(shares: FaultShares, seed: number, until: SimTime) {
    this.shares = shares
    this.#seed = seed
    this.#until = until
  }

  /** When something that would happen at `time` between a client and a server happens instead. */
  passableAt(client: number, server: number, time: SimTime): SimTime {
    const clogged = this.#openAt(this.shares.clogged, hashOf(1, client, server), time)
    return this.#openAt(this.shares.frozen, hashOf(2, server), clogged)
  }

  isLying(server: number, time: SimTime): boolean {
    return time < this.#until && unitOf(this.#seed, 3, server) < this.shares.lying
  }

  /** `nth`: number of the answer. */
  happens(fault: 'late' | 'twice' | 'dropped' | 'reset', nth: number, time: SimTime): boolean {
    return time < this.#until && unitOf(this.#seed, faultNames.indexOf(fault) + 10, nth) < this.shares[fault]
  }

  #openAt(share: number, what: number, time: SimTime): SimTime {
    if (share === 0) return time
    const slice = SLICES_MS[what % SLICES_MS.length]!
    let open = time
    while (open < this.#until && unitOf(this.#seed, what, Math.floor(open / slice)) < share) {
      open = (Math.floor(open / slice) + 1) * slice
    }
    return open
  }
}
