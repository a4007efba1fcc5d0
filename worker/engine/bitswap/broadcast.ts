import { type BytesMap, equalBytes } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import type { Peer, PeerInfo } from '../peer.ts'
import type { Rng } from '../rng.ts'
import { anyOf, awaitedAnswers, worthwhileSpeed } from './broadcast-speed.ts'
import type { Discovery } from './discovery.ts'
import type { Link } from './link.ts'
import type { RankedPeer } from './ranking.ts'
import type { WantPeer } from './want-peer.ts'

/**
 * Whom to ask next, when nobody is known to have a block: never all at once, unless a flood is what the caller chose.
 *
 *   who sent the last block, while that tells ──▶ who served in the want's context ──▶ who served at all ──▶ strangers, in the end all
 *
 * Each time the likeliest are asked, so many that the questions a hit among them would make superfluous are worth the
 * time that another step takes: few where one peer is likely to have it, more and more where many are equally unlikely.
 * Equal ones come by lot, so that the load does not fall on the same peers each time. While nobody is ranked to speak of (a
 * cold start), strangers are asked at once.
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

  /** How long a step waits for answers before the next. */
  get stepMs(): Millis {
    return this.#discovery.answerMs
  }

  isWarm(now: Millis): boolean {
    return this.#discovery.ranking.total(now) >= limits.rankingWarmWants.value
  }

  /** Whether peers that are not ranked may be asked before the DHT search has had its time. */
  asksRestAtOnce(now: Millis): boolean {
    return this.#discovery.options.coldStart !== 'dht' && !this.isWarm(now)
  }

  choose(ask: BroadcastAsk, now: Millis): BroadcastStep {
    const isWarm = this.isWarm(now)
    if (this.isFlood || (!isWarm && this.#discovery.options.coldStart === 'flood')) return this.#flood(ask)
    const ranked = this.#ranked(ask, now)
    const isRestAsked = this.#discovery.options.broadcast === 'steps' || !isWarm
    const strangers = isRestAsked && ask.mayAskRest ? this.#strangers(ask) : []
    const latest = ask.steps === 0 ? this.#discovery.latestSource(ask.contexts, now) : undefined
    const sorted = strangers.length > 0 ? [...ranked, ...strangers].sort(byChance) : ranked
    const open = latestFirst(sorted, latest, this.#discovery.latestChance(ask.isAlone))
    const areOthersLeft = isRestAsked && !ask.mayAskRest && this.#hasStrangers(ask)
    if (open.length === 0 && areOthersLeft) return { kind: 'wait' }
    if (open.length === 0 && !isRestAsked) return { kind: 'none' }
    const best = open[0]?.link
    // It goes alone: the others are asked when it has denied, or after a step's time. The search does not wait for it.
    const isLatest = isPeer(best, latest) && best?.isFull === false && open[0]!.chance >= 0.5
    const speed = isWarm && ask.steps > 0 ? this.#speed(ask, open, now) : Number.POSITIVE_INFINITY
    const patient = Math.max(1, Math.ceil((speed * this.stepMs) / 1_000))
    const next = isLatest ? open.slice(0, 1) : this.#next(open, ask.steps === 0, isWarm)
    const chosen = next.slice(0, Math.min(ask.atMost, patient))
    const isLikely = isLatest || this.#isLikely(chosen[0])
    return {
      kind: 'step',
      links: chosen.flatMap(({ link }) => link ?? []),
      dials: chosen.flatMap(({ link, info }) => (link === undefined ? (info ?? []) : [])),
      isLast: chosen.length === open.length && !areOthersLeft,
      toSendBlock: isLikely ? chosen[0]!.link : undefined,
      isHunch: isLikely && chosen[0]!.chance < 0.5,
      waitMs: Math.max(this.stepMs, Math.min(limits.broadcastStepMaxMs.value, 1_000 / speed)),
      isPatient: speed < Number.POSITIVE_INFINITY,
    }
  }

  /** Connected peers beside the guesses: they say whether they have it, and hear what is wanted. */
  whisper(asked: BytesMap<WantPeer>, links: BytesMap<Link>): Link[] {
    return this.#rng.shuffle(openLinks({ asked, links })).slice(0, limits.whispersMax.value)
  }

  #flood(ask: BroadcastAsk): BroadcastStep {
    return {
      kind: 'step',
      links: openLinks(ask).slice(0, ask.atMost),
      dials: [],
      isLast: true,
      toSendBlock: undefined,
      isHunch: false,
      waitMs: this.stepMs,
      isPatient: false,
    }
  }

  /** Those not asked yet that are connected with room, or whose address is known while dials are left. */
  #ranked({ asked, links, contexts, dials }: BroadcastAsk, now: Millis): Candidate[] {
    const { ranking } = this.#discovery
    const named = contexts.flatMap((name) => this.#discovery.rankingOf(name) ?? [])
    for (const context of named) context.entries(now)
    const candidates: Candidate[] = []
    for (const entry of ranking.entries(now)) {
      const { peer, info, served } = entry
      const link = links.get(peer.id)
      if (asked.has(peer.id) || (link === undefined ? info === undefined : !link.outbox.hasRoom)) continue
      const chance = ranking.chance(entry)
      const inContext = named.flatMap((context) => context.get(peer) ?? [])[0]
      if (inContext === undefined) candidates.push({ chance, served, isNamed: false, isStranger: false, link, info })
      else
        candidates.push({
          chance: blend(inContext, chance),
          served: inContext.served,
          isNamed: true,
          isStranger: false,
          link,
          info,
        })
    }
    let dialsLeft = limits.rankedDialsMax.value - dials
    return candidates.sort(byChance).filter(({ link }) => link !== undefined || dialsLeft-- > 0)
  }

  #hasStrangers({ asked, links }: BroadcastAsk): boolean {
    const { ranking } = this.#discovery
    for (const { peer, outbox } of links.values()) {
      if (ranking.get(peer) === undefined && !asked.has(peer.id) && outbox.hasRoom) return true
    }
    return false
  }

  #strangers(ask: BroadcastAsk): Candidate[] {
    const { ranking } = this.#discovery
    const open = openLinks(ask).filter(({ peer }) => ranking.get(peer) === undefined)
    return this.#rng.shuffle(open).map((link) => {
      return {
        chance: ranking.chance(undefined, link.askedInVain),
        served: 0,
        isNamed: false,
        isStranger: true,
        link,
        info: undefined,
      }
    })
  }

  /** Which of `open` go next. */
  #next(open: readonly Candidate[], isFirst: boolean, isWarm: boolean): readonly Candidate[] {
    const { leaders } = this.#discovery.options
    if (open.length === 0) return open
    const areStrangers = open[0]!.isStranger
    if (!isWarm || areStrangers) return open.slice(0, Math.max(limits.broadcastStepFirst.value, this.#worthwhile(open)))
    if (!isFirst || leaders.type === 'dynamic') return open.slice(0, this.#worthwhile(open))
    switch (leaders.type) {
      case 'top':
        return open.slice(0, leaders.peers)
      case 'threshold': {
        const { isNamed } = open[0]!
        const leading = open.filter((other) => other.served >= leaders.blocks && other.isNamed === isNamed)
        return leading.length > 0 ? leading : open.slice(0, 1)
      }
      case 'coverage':
        return open.slice(0, covering(open, leaders.share))
    }
  }

  /**
   * Asked for the block at once, a peer that has it costs two messages and a round trip less, one that has not a DONT_HAVE more, and
   * now and then a CANCEL.
   */
  #isLikely(best: Candidate | undefined): boolean {
    return best?.link?.isFull === false && best.chance * (2 + 2 * this.#stepWorth) >= (1 - best.chance) * 1.2
  }

  /** How many peers a second, at most: questions are in vain when an answer comes that was only late (`broadcast-speed.ts`). */
  #speed({ asked, searchesSince }: BroadcastAsk, open: readonly Candidate[], now: Millis): number {
    const awaited = awaitedAnswers(asked, this.#discovery, now)
    const search = this.#discovery.searchesBeyond(searchesSince === undefined ? Number.POSITIVE_INFINITY : now - searchesSince)
    const amongOpen = (1 - awaited.among) * anyOf(open)
    return worthwhileSpeed(
      [awaited.late, search],
      { peers: open.length, share: amongOpen },
      this.#discovery.options.peersPerSecond,
    )
  }

  /** In peers asked. */
  get #stepWorth(): number {
    return (this.#discovery.options.peersPerSecond * this.stepMs) / 1_000
  }

  /** As many as a step's time is worth, given what a hit among them would waste: half of them on average, two messages each. */
  #worthwhile(open: readonly Candidate[]): number {
    const worth = this.#stepWorth
    const all = open.reduce((sum, { chance }) => sum + chance, 0)
    let covered = open[0]!.chance
    let count = 1
    for (; count < open.length; count++) {
      const more = covered + open[count]!.chance
      if ((count + 1) * more > worth * (all - more)) break
      covered = more
    }
    return count
  }
}

/** What a want says when it asks for more peers. */
export interface BroadcastAsk {
  readonly asked: BytesMap<WantPeer>
  readonly links: BytesMap<Link>
  readonly contexts: readonly string[]
  /** Nothing else is wanted in its sessions. */
  readonly isAlone: boolean
  /** How many steps there were. */
  readonly steps: number
  /** Ranked peers that this want has had dialed. */
  readonly dials: number
  /** Since when a search is under way that has named nobody yet. */
  readonly searchesSince: Millis | undefined
  readonly mayAskRest: boolean
  readonly atMost: number
}

export type BroadcastStep =
  | {
      readonly kind: 'step'
      readonly links: readonly Link[]
      /** Ranked peers that are not connected. */
      readonly dials: readonly PeerInfo[]
      /** There is nobody left. */
      readonly isLast: boolean
      /** The one of `links` that is likeliest to have it, where it is likely enough to be asked for it. */
      readonly toSendBlock: Link | undefined
      /** It is likelier that this one has it not. */
      readonly isHunch: boolean
      /** Until the next step. */
      readonly waitMs: Millis
      /** Late answers are still expected: silence does not end the step. */
      readonly isPatient: boolean
    }
  /** Those who are left wait until the search has had its time. */
  | { readonly kind: 'wait' }
  | { readonly kind: 'none' }

/** Somebody who may be asked. */
interface Candidate {
  /** Probability that it has what is wanted. */
  readonly chance: number
  /** In the window. */
  readonly served: number
  /** It has never served, or that is long ago. */
  readonly isStranger: boolean
  /** It has served in a context of the want. */
  readonly isNamed: boolean
  readonly link: Link | undefined
  readonly info: PeerInfo | undefined
}

function byChance(a: Candidate, b: Candidate): number {
  return Number(b.isNamed) - Number(a.isNamed) || b.chance - a.chance
}

/** Who sent the last block, unless that seldom means anything of late and another is likelier. */
function latestFirst(open: readonly Candidate[], latest: Peer | undefined, latestChance: number): readonly Candidate[] {
  const found = open.find(({ link }) => isPeer(link, latest))
  if (found === undefined || latestChance < Math.min(0.5, open[0]!.chance)) return open
  return [{ ...found, chance: Math.max(found.chance, latestChance) }, ...open.filter((other) => other !== found)]
}

function isPeer(link: Link | undefined, peer: Peer | undefined): boolean {
  return link !== undefined && peer !== undefined && equalBytes(link.peer.id, peer.id)
}

function openLinks({ asked, links }: Pick<BroadcastAsk, 'asked' | 'links'>): Link[] {
  const open: Link[] = []
  for (const link of links.values()) if (!asked.has(link.peer.id) && link.outbox.hasRoom) open.push(link)
  return open
}

/** What a peer did in a context, with half a want's weight of what it did in all. */
function blend({ served, asked, past }: RankedPeer, chance: number): number {
  return (served + past.served + 0.5 * chance) / (asked + past.asked + 0.5)
}

/** As many of the first as have this share of the chances of those who have served. */
function covering(open: readonly Candidate[], share: number): number {
  const ranked = open.filter(({ isStranger }) => !isStranger)
  const all = ranked.reduce((sum, { chance }) => sum + chance, 0)
  let covered = 0
  let count = 0
  while (count < ranked.length && count < limits.leadersMax.value && covered < share * all) covered += ranked[count++]!.chance
  return Math.max(1, count)
}
