import type { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import type { BroadcastStep } from './broadcast.ts'
import type { WantWorld } from './want-order.ts'
import type { WantPeer } from './want-peer.ts'

/**
 * How far one want has asked around, and when it asks further.
 *
 *   due ──step──▶ waiting (a step's time, or until all ranked peers of it have answered) ──▶ due
 *    └──nobody left──▶ finished ──somebody connects──▶ waiting
 */
export class WantBroadcast {
  #rankedSteps = 0
  #restSteps = 0
  #rankedDials = 0
  #asked = 0
  #isRankedStep = false
  /** `undefined`: there was nobody left. */
  #dueAt: Millis | undefined

  constructor(now: Millis) {
    this.#dueAt = now
  }

  get dueAt(): Millis | undefined {
    return this.#dueAt
  }

  get hasBegun(): boolean {
    return this.#rankedSteps + this.#restSteps > 0
  }

  /** How many may still be asked. */
  roomIn({ planner }: WantWorld): number {
    return (planner.isFlood ? limits.bitswapPeersMax.value : limits.broadcastPeersMax.value) - this.#asked
  }

  /** One step's time from now. */
  pause(now: Millis): void {
    this.#dueAt = now + limits.broadcastStepMs.value
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
    return now >= this.#dueAt || (this.#isRankedStep && !awaitsAnswers(peers))
  }

  /** Whom to ask now; undefined if nobody may be asked yet, or nobody is left. */
  next(
    world: WantWorld,
    want: { peers: BytesMap<WantPeer>; contexts: Iterable<string>; seeksSince: Millis; hasSearched: boolean },
    now: Millis,
  ): Extract<BroadcastStep, { links: unknown }> | undefined {
    const { planner, links } = world
    const restAt = want.seeksSince + limits.unrankedAfterMs.value
    const chosen = planner.choose(
      {
        asked: want.peers,
        links,
        contexts: [...want.contexts],
        rankedSteps: this.#rankedSteps,
        restSteps: this.#restSteps,
        rankedDials: this.#rankedDials,
        mayAskRest: now >= restAt || want.hasSearched || planner.asksRestAtOnce(now),
        atMost: this.roomIn(world),
      },
      now,
    )
    this.#isRankedStep = chosen.kind === 'ranked'
    if (!('links' in chosen)) {
      this.#dueAt = chosen.kind === 'wait' ? restAt : undefined
      return undefined
    }
    if (chosen.kind === 'ranked') this.#rankedSteps++
    else if (chosen.links.length > 0) this.#restSteps++
    this.#rankedDials += chosen.dials.length
    this.#asked += chosen.links.length
    this.#dueAt = chosen.isLast ? undefined : now + limits.broadcastStepMs.value
    return chosen
  }
}

function awaitsAnswers(peers: BytesMap<WantPeer>): boolean {
  for (const { state } of peers.values()) {
    if (state.type === 'asked-have' || state.type === 'connecting' || state.type === 'identifying') return true
  }
  return false
}
