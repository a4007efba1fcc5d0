import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import type { PeerInfo } from '../peer.ts'
import type { Rng } from '../rng.ts'
import type { Discovery } from './discovery.ts'
import type { Link } from './link.ts'
import type { RankedPeer } from './ranking.ts'
import type { WantPeer } from './want-peer.ts'

/**
 * Whom to ask next, when nobody is known to have a block: never all at once, unless a flood is what the caller chose.
 *
 *   leaders (ranked in the want's context, then in all) ──▶ the other ranked ones: 10, 40, … ──▶ the rest: 10, 40, …
 *
 * Among the rest those that have delivered on this connection come first, then the others by lot, so that the load does
 * not fall on the same peers each time. While nobody is ranked to speak of (a cold start) the rest is asked at once.
 */
export class BroadcastPlanner {
  readonly #rng: Rng
  readonly #discovery: Discovery

  constructor(rng: Rng, discovery: Discovery) {
    this.#rng = rng
    this.#discovery = discovery
  }

  get isFlood(): boolean {
    return this.#discovery.options.broadcast === 'flood'
  }

  isWarm(now: Millis): boolean {
    return this.#discovery.ranking.blocks(now) >= limits.rankingWarmBlocks.value
  }

  /** Whether peers that are not ranked may be asked before the DHT search has had its time. */
  asksRestAtOnce(now: Millis): boolean {
    return this.#discovery.options.coldStart === 'steps' && !this.isWarm(now)
  }

  choose(ask: BroadcastAsk, now: Millis): BroadcastStep {
    if (this.isFlood) return this.#flood(ask)
    const ranked = this.#ranked(ask, now)
    if (ranked.length > 0) return this.#rankedStep(ask, ranked, now)
    const isRestAsked = this.#discovery.options.broadcast === 'steps' || !this.isWarm(now)
    if (!isRestAsked) return { kind: 'none' }
    if (!ask.mayAskRest) return { kind: 'wait' }
    const links = this.#rest(ask).slice(0, Math.min(stepSize(ask.restSteps), ask.atMost))
    return { kind: 'rest', links, dials: [], isLast: links.length < stepSize(ask.restSteps) }
  }

  /** Connected peers beside the guesses: they say whether they have it, and hear what is wanted. */
  whisper(asked: BytesMap<WantPeer>, links: BytesMap<Link>): Link[] {
    const open = [...links.values()].filter((link) => !asked.has(link.peer.id) && link.outbox.hasRoom)
    return this.#rng.shuffle(open).slice(0, limits.whispersMax.value)
  }

  #flood({ asked, links, atMost }: BroadcastAsk): BroadcastStep {
    const open = [...links.values()].filter((link) => !asked.has(link.peer.id) && link.outbox.hasRoom)
    return { kind: 'rest', links: open.slice(0, atMost), dials: [], isLast: true }
  }

  /** Ranked peers not asked yet that are connected with room, or whose address is known: by context first. */
  #ranked({ asked, links, contexts }: BroadcastAsk, now: Millis): RankedPeer[] {
    const inContext = contexts.flatMap((name) => this.#discovery.rankingOf(name)?.ranked(now) ?? [])
    const seen = new BytesMap<true>()
    return [...inContext, ...this.#discovery.ranking.ranked(now)].filter(({ peer, info }) => {
      if (seen.has(peer.id) || asked.has(peer.id)) return false
      seen.set(peer.id, true)
      const link = links.get(peer.id)
      return link === undefined ? info !== undefined : link.outbox.hasRoom
    })
  }

  #rankedStep(ask: BroadcastAsk, ranked: readonly RankedPeer[], now: Millis): BroadcastStep {
    const size = ask.rankedSteps === 0 ? this.#leaders(ask, ranked, now) : stepSize(ask.rankedSteps - 1)
    const links: Link[] = []
    const dials: PeerInfo[] = []
    for (const { peer, info } of ranked) {
      if (links.length + dials.length >= Math.min(size, ask.atMost)) break
      const link = ask.links.get(peer.id)
      if (link !== undefined) links.push(link)
      else if (info !== undefined && ask.rankedDials + dials.length < limits.rankedDialsMax.value) dials.push(info)
    }
    // Nobody of them is connected, and enough are being dialed already.
    if (links.length + dials.length === 0) return ask.mayAskRest ? this.#afterRanked(ask) : { kind: 'wait' }
    return { kind: 'ranked', links, dials, isLast: false }
  }

  #afterRanked(ask: BroadcastAsk): BroadcastStep {
    const links = this.#rest(ask).slice(0, Math.min(stepSize(ask.restSteps), ask.atMost))
    return { kind: 'rest', links, dials: [], isLast: links.length < stepSize(ask.restSteps) }
  }

  /** How many go first. In a context it is those who lead there. */
  #leaders({ contexts }: BroadcastAsk, ranked: readonly RankedPeer[], now: Millis): number {
    const { leaders } = this.#discovery.options
    const named = contexts.map((name) => this.#discovery.rankingOf(name)).find((ranking) => (ranking?.blocks(now) ?? 0) > 0)
    const ranking = named ?? this.#discovery.ranking
    switch (leaders.type) {
      case 'top':
        return leaders.peers
      case 'threshold':
        return Math.max(1, ranked.filter(({ slices }) => slices.reduce((a, b) => a + b, 0) >= 8 * leaders.blocks).length)
      case 'coverage': {
        let covered = 0
        let count = 0
        for (const entry of ranked) {
          if (covered >= leaders.share) break
          covered += ranking.shareOf(entry)
          count++
        }
        return Math.max(1, Math.min(count, limits.leadersMax.value))
      }
    }
  }

  #rest({ asked, links }: BroadcastAsk): Link[] {
    const open: Link[] = []
    for (const link of links.values()) if (!asked.has(link.peer.id) && link.outbox.hasRoom) open.push(link)
    this.#rng.shuffle(open)
    return open.sort((a, b) => b.blocksDelivered - a.blocksDelivered)
  }
}

/** What a want says when it asks for more peers. */
export interface BroadcastAsk {
  readonly asked: BytesMap<WantPeer>
  readonly links: BytesMap<Link>
  readonly contexts: readonly string[]
  readonly rankedSteps: number
  readonly restSteps: number
  /** Ranked peers that this want has had dialed. */
  readonly rankedDials: number
  readonly mayAskRest: boolean
  readonly atMost: number
}

export type BroadcastStep =
  | {
      readonly kind: 'ranked' | 'rest'
      readonly links: readonly Link[]
      /** Ranked peers that are not connected. */
      readonly dials: readonly PeerInfo[]
      /** There is nobody left. */
      readonly isLast: boolean
    }
  /** Those who are left wait until the search has had its time. */
  | { readonly kind: 'wait' }
  | { readonly kind: 'none' }

/** 10, 40, 160, … */
export function stepSize(step: number): number {
  return limits.broadcastStepFirst.value * limits.broadcastStepGrowth.value ** step
}
