import type { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import type { BroadcastStep } from './broadcast.ts'
import type { WantWorld } from './want-order.ts'
import type { WantPeer } from './want-peer.ts'
import type { WantSearch } from './want-search.ts'

/**
 * How far one want has asked around, and when it asks further.
 *
 *   due ──step──▶ waiting (a step's time, or until all that were asked have answered) ──▶ due
 *    └──nobody left, or enough asked──▶ finished ──somebody connects──▶ waiting
 */
export class WantBroadcast {
  #steps = 0
  #dials = 0
  #asked = 0
  /** Answers of those who were asked are what it waits for. */
  #awaitsAnswers = false
  /** It also waits for those that were silent for long. */
  #isPatient = false
  /** `undefined`: nobody is left, or no more may be asked. */
  #dueAt: Millis | undefined

  constructor(now: Millis) {
    this.#dueAt = now
  }

  get dueAt(): Millis | undefined {
    return this.#dueAt
  }

  get hasBegun(): boolean {
    return this.#steps > 0
  }

  /** How many may still be asked. */
  roomIn({ planner }: WantWorld): number {
    return (planner.isFlood ? limits.bitswapPeersMax.value : limits.broadcastPeersMax.value) - this.#asked
  }

  /** One step's time from now. */
  pause({ planner }: WantWorld, now: Millis): void {
    this.#dueAt = now + planner.stepMs
  }

  /** Somebody who could be asked has connected: worth one more step, in case there was nobody left. */
  peerAppeared(now: Millis): void {
    if (this.#asked < limits.broadcastPeersMax.value) this.#dueAt ??= now + limits.broadcastStepMs.value
  }

  /** Those who were to wait for the search need not wait for longer than a step. */
  searchEnded(now: Millis): void {
    if (this.#dueAt !== undefined) this.#dueAt = Math.min(this.#dueAt, now + limits.broadcastStepMs.value)
  }

  isDue(peers: BytesMap<WantPeer>, now: Millis): boolean {
    if (this.#dueAt === undefined) return false
    return now >= this.#dueAt || (this.#awaitsAnswers && !isAnswerDue(peers, this.#isPatient))
  }

  /** Whom to ask now; undefined if nobody may be asked yet, or nobody is left. */
  next(
    world: WantWorld,
    want: { peers: BytesMap<WantPeer>; contexts: Iterable<string>; isAlone: boolean; seeksSince: Millis; search: WantSearch },
    now: Millis,
  ): Extract<BroadcastStep, { links: unknown }> | undefined {
    const { planner, links } = world
    const restAt = want.seeksSince + limits.unrankedAfterMs.value
    const chosen = planner.choose(
      {
        asked: want.peers,
        links,
        contexts: [...want.contexts],
        isAlone: want.isAlone,
        steps: this.#steps,
        dials: this.#dials,
        searchesSince: want.search.since,
        mayAskRest: now >= restAt || want.search.hasEnded || planner.asksRestAtOnce(now),
        atMost: this.roomIn(world),
      },
      now,
    )
    this.#awaitsAnswers = chosen.kind === 'step'
    if (chosen.kind !== 'step') {
      this.#dueAt = chosen.kind === 'wait' ? restAt : undefined
      return undefined
    }
    this.#steps++
    this.#dials += chosen.dials.length
    this.#asked += chosen.links.length
    this.#isPatient = chosen.isPatient
    this.#dueAt = chosen.isLast || this.roomIn(world) === 0 ? undefined : now + chosen.waitMs
    return chosen
  }
}

function isAnswerDue(peers: BytesMap<WantPeer>, isPatient: boolean): boolean {
  for (const { state } of peers.values()) {
    if (isPatient && state.type === 'denied' && state.by === 'silence') return true
    if (state.type === 'asked-have' || state.type === 'connecting' || state.type === 'identifying') return true
    if (state.type === 'asked-block' && !state.overdue) return true
  }
  return false
}
