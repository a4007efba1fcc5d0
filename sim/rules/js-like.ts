import type { Millis } from '../../worker/engine/machine.ts'
import type { Rng } from '../../worker/engine/rng.ts'
import type { LookupRule, RuleEffect, RuleEvent, RuleWorld } from './rule.ts'

/**
 * A lookup by the rules of @libp2p/kad-dht 16.4 (`query/manager.js`, `query/query-path.js`, `peer-routing/index.js`).
 *
 *   walking along up to k disjoint paths ──each path has nothing queued and nothing under way──▶ ended
 *
 * - The k nearest of the table are shuffled and dealt out to k paths, one each; a peer belongs to the path that saw it first.
 * - Each path asks α = 10 at once, nearest first, and has a list of the k nearest that answered on it; who cannot enter
 *   that list any more is skipped. So every path ends by itself, and none knows what the others found.
 * - Closer peers are taken only if they are nearer than who named them, and can be dialed.
 * - The result is the k nearest that answered on any path.
 *
 * Timeouts that escalate (5 … 60 s), for dial and answer together, and the limit of 50 dials are the client's. Its pings of
 * every peer that is mentioned are left out: they are not part of the lookup.
 */
export class JsLikeLookup implements LookupRule {
  readonly #world: RuleWorld
  readonly #k: number
  readonly #alpha: number
  readonly #rng: Rng
  readonly #paths: Path[] = []
  readonly #pathOf = new Map<number, Path>()
  readonly #effects: RuleEffect[] = []
  #hasEnded = false
  #result: readonly number[] = []

  constructor(world: RuleWorld, options: { k: number; alpha: number }, rng: Rng) {
    this.#world = world
    this.#k = options.k
    this.#alpha = options.alpha
    this.#rng = rng
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  result(): readonly number[] {
    return this.#result
  }

  handle(event: RuleEvent, _now: Millis): void {
    if (event.type === 'tick' || this.#hasEnded) return
    if (event.type === 'seeds') {
      for (const server of this.#rng.shuffle([...event.servers])) {
        const path: Path = { queue: [], waiting: new Set(), closest: [] }
        this.#paths.push(path)
        this.#enqueue(path, server)
      }
      for (const path of this.#paths) this.#askMore(path)
    } else {
      this.#settled(event)
    }
    if (this.#paths.every(({ queue, waiting }) => queue.length === 0 && waiting.size === 0)) this.#end()
  }

  poll(): RuleEffect | undefined {
    return this.#effects.shift()
  }

  nextDeadline(): Millis | undefined {
    return undefined
  }

  #settled(event: Extract<RuleEvent, { type: 'answered' | 'failed' }>): void {
    const path = this.#pathOf.get(event.server)
    if (path === undefined || !path.waiting.delete(event.server)) return
    if (event.type === 'answered') {
      this.#insert(path.closest, event.server)
      path.closest.length = Math.min(path.closest.length, this.#k)
      for (const server of event.closer) {
        const isNearer = this.#world.compare(server, event.server) < 0
        if (this.#pathOf.has(server) || !isNearer || !this.#canEnter(path, server)) continue
        if (this.#world.isDialable(server)) this.#enqueue(path, server)
      }
    }
    this.#askMore(path)
  }

  #enqueue(path: Path, server: number): void {
    this.#pathOf.set(server, path)
    this.#insert(path.queue, server)
  }

  #askMore(path: Path): void {
    while (path.waiting.size < this.#alpha) {
      const server = path.queue.shift()
      if (server === undefined) return
      if (!this.#canEnter(path, server)) continue
      path.waiting.add(server)
      this.#effects.push({ type: 'ask', server })
    }
  }

  #canEnter({ closest }: Path, server: number): boolean {
    return closest.length < this.#k || this.#world.compare(server, closest.at(-1)!) < 0
  }

  /** Nearest first. */
  #insert(list: number[], server: number): void {
    const after = list.findIndex((other) => this.#world.compare(other, server) > 0)
    list.splice(after === -1 ? list.length : after, 0, server)
  }

  #end(): void {
    this.#hasEnded = true
    const answered = this.#paths.flatMap(({ closest }) => closest)
    this.#result = answered.sort((a, b) => this.#world.compare(a, b)).slice(0, this.#k)
    this.#effects.push({ type: 'ended' })
  }
}

interface Path {
  readonly queue: number[]
  readonly waiting: Set<number>
  readonly closest: number[]
}
