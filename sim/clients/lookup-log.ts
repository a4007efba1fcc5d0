import type { KadResponse } from '../../worker/engine/kad/message.ts'
import type { SimTime } from '../core/agenda.ts'
import type { World } from '../world/world.ts'

/** What one lookup did, as the network saw it: counted the same way for every rule. */
export interface LookupTally {
  readonly requests: number
  /** Connections tried, those that failed and those that were given up included. */
  readonly dials: number
  readonly failedDials: number
  readonly answers: number
  /** Ranks of the servers that answered in time, in the order of their answers. */
  readonly answered: readonly number[]
  /** When each of them did, from the beginning. */
  readonly answeredMs: readonly number[]
  /** When the first provider came, from the beginning. */
  readonly firstProviderMs: number | undefined
  /** Requests on the way to the first provider: 1 when a peer of the own table had it. */
  readonly firstProviderDepth: number | undefined
}

export class LookupLog {
  readonly #world: World
  readonly #startedAt: SimTime
  readonly #answered: number[] = []
  readonly #answeredMs: number[] = []
  /** How many requests it takes to hear of a peer; 0 for those of the own table. */
  readonly #depths = new Map<number, number>()
  #requests = 0
  #dials = 0
  #failedDials = 0
  #firstProvider: { readonly ms: number; readonly depth: number } | undefined

  constructor(world: World, startedAt: SimTime) {
    this.#world = world
    this.#startedAt = startedAt
  }

  dialed(): void {
    this.#dials++
  }

  dialFailed(): void {
    this.#failedDials++
  }

  asked(): void {
    this.#requests++
  }

  answeredBy(server: number, response: KadResponse, now: SimTime): void {
    this.#answered.push(server)
    this.#answeredMs.push(now - this.#startedAt)
    const depth = this.depthOf(server)
    for (const { id } of response.closer) {
      const named = this.#world.serverOf(id)
      if (named !== undefined && !this.#depths.has(named)) this.#depths.set(named, depth)
    }
    if (response.providers.length > 0) this.#firstProvider ??= { ms: now - this.#startedAt, depth }
  }

  get hasProvider(): boolean {
    return this.#firstProvider !== undefined
  }

  /** Requests in a row that led to this peer's answer, its own included: 1 for a peer of the own table. */
  depthOf(server: number): number {
    return (this.#depths.get(server) ?? 0) + 1
  }

  tally(): LookupTally {
    return {
      requests: this.#requests,
      dials: this.#dials,
      failedDials: this.#failedDials,
      answers: this.#answered.length,
      answered: this.#answered,
      answeredMs: this.#answeredMs,
      firstProviderMs: this.#firstProvider?.ms,
      firstProviderDepth: this.#firstProvider?.depth,
    }
  }
}
