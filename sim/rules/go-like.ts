import { TopK } from '../../worker/engine/kad/top-k.ts'
import type { Millis } from '../../worker/engine/machine.ts'
import type { LookupRule, RuleEffect, RuleEvent, RuleWorld } from './rule.ts'

/**
 * A lookup by the rules of go-libp2p-kad-dht (`query.go`, `lookup.go`).
 *
 *   walking ──β nearest answered, or nobody left──▶ following up ──all settled──▶ ended
 *
 * - α = 10 at once, a dial included; the nearest that were only heard of go first.
 * - It ends when the β = 3 nearest of those not unreachable have answered. A nearer peer that is still being dialed
 *   therefore blocks the end. What is under way then is broken off.
 * - Then every peer of the k nearest that has not answered is asked, all at once; whatever they name is thrown away.
 * - A peer without an address that can be dialed fails at once; `isDialable` is not asked beforehand.
 *
 * Timeouts (TCP connect and QUIC handshake 5 s, RPC 10 s) and the serialised stream are the client's: `rule-client.ts`.
 */
export class GoLikeLookup implements LookupRule {
  readonly #world: RuleWorld
  readonly #k: number
  readonly #alpha: number
  readonly #beta: number
  readonly #states = new Map<number, 'heard' | 'waiting' | 'answered' | 'unreachable'>()
  readonly #effects: RuleEffect[] = []
  readonly #followUp = new Set<number>()
  #waiting = 0
  #phase: 'walking' | 'following-up' | 'ended' = 'walking'
  #result: readonly number[] = []

  constructor(world: RuleWorld, options: { k: number; alpha: number; beta: number }) {
    this.#world = world
    this.#k = options.k
    this.#alpha = options.alpha
    this.#beta = options.beta
  }

  get hasEnded(): boolean {
    return this.#phase === 'ended'
  }

  result(): readonly number[] {
    return this.#result
  }

  handle(event: RuleEvent, _now: Millis): void {
    if (event.type === 'tick' || this.#phase === 'ended') return
    if (this.#phase === 'following-up') {
      if (event.type !== 'seeds') this.#followUp.delete(event.server)
      if (this.#followUp.size === 0) this.#end()
      return
    }
    if (event.type === 'seeds') {
      for (const server of event.servers) this.#hear(server)
    } else if (this.#states.get(event.server) === 'waiting') {
      this.#waiting--
      this.#states.set(event.server, event.type === 'answered' ? 'answered' : 'unreachable')
      if (event.type === 'answered') for (const server of event.closer) this.#hear(server)
    }
    if (this.#isOver()) this.#beginFollowUp()
    else this.#askMore()
  }

  poll(): RuleEffect | undefined {
    return this.#effects.shift()
  }

  nextDeadline(): Millis | undefined {
    return undefined
  }

  #hear(server: number): void {
    if (!this.#states.has(server)) this.#states.set(server, 'heard')
  }

  #isOver(): boolean {
    const isStarved = this.#waiting === 0 && ![...this.#states.values()].includes('heard')
    return isStarved || this.#nearest(this.#beta, 'reachable').every((server) => this.#states.get(server) === 'answered')
  }

  #askMore(): void {
    const places = this.#alpha - this.#waiting
    if (places <= 0) return
    for (const server of this.#nearest(places, 'heard')) {
      this.#waiting++
      this.#states.set(server, 'waiting')
      this.#effects.push({ type: 'ask', server })
    }
  }

  #beginFollowUp(): void {
    this.#phase = 'following-up'
    for (const [server, state] of this.#states) {
      if (state === 'waiting') this.#effects.push({ type: 'stop-asking', server })
    }
    this.#result = this.#nearest(this.#k, 'reachable')
    for (const server of this.#result) {
      if (this.#states.get(server) === 'answered') continue
      this.#followUp.add(server)
      this.#effects.push({ type: 'ask', server })
    }
    if (this.#followUp.size === 0) this.#end()
  }

  #end(): void {
    this.#phase = 'ended'
    this.#effects.push({ type: 'ended' })
  }

  #nearest(count: number, which: 'heard' | 'reachable'): number[] {
    const nearest = new TopK<number>(count, (a, b) => this.#world.compare(a, b))
    for (const [server, state] of this.#states) {
      if (which === 'heard' ? state === 'heard' : state !== 'unreachable') nearest.offer(server)
    }
    return nearest.sorted()
  }
}
