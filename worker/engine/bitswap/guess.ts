import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import type { Peer, PeerInfo } from '../peer.ts'
import type { Link } from './link.ts'
import type { Sign } from './registry.ts'
import type { WantWorld } from './want-order.ts'
import type { WantPeer } from './want-peer.ts'
import type { Want } from './want.ts'

/**
 * What one want has guessed: peers that were asked for the block at once, because they wanted it themselves. While one of
 * them may answer in time, nobody else is asked but providers that the page names; DONT_HAVE from all of them, or the
 * deadline, ends that.
 *
 *   not made ──made──▶ open ──block, all denied, deadline──▶ over
 */
export class Guess {
  #isMade = false
  #until: Millis | undefined
  #waitMs = 0
  readonly #signs = new BytesMap<Sign>()
  #hadSigns = false

  get isMade(): boolean {
    return this.#isMade
  }

  /** Whether anybody was guessed at. */
  get wasMade(): boolean {
    return this.#hadSigns
  }

  get until(): Millis | undefined {
    return this.#until
  }

  /** Without links there was nobody to guess at. */
  make(links: readonly Link[], now: Millis): void {
    this.#isMade = true
    for (const { guessTimeoutMs } of links) this.#waitMs = Math.max(this.#waitMs, guessTimeoutMs)
    if (links.length > 0) this.#until = now + this.#waitMs
  }

  add(sign: Sign): void {
    this.#hadSigns = true
    this.#signs.set(sign.peer.id, sign)
  }

  /** The sign by which a peer was asked; told once. */
  take(peer: Peer): Sign | undefined {
    const sign = this.#signs.get(peer.id)
    this.#signs.delete(peer.id)
    return sign
  }

  /** The peer has had its time, and nothing has come of it since it was asked: others were asked beside it. */
  isOverdue({ state, link }: WantPeer, now: Millis): boolean {
    if (state.type !== 'guessed' || state.sentAt === undefined || now < state.sentAt + this.#waitMs) return false
    return link?.lastHeardAt === undefined || link.lastHeardAt < state.sentAt
  }

  /** Whether there is still somebody to wait for. */
  isOpen(peers: BytesMap<WantPeer>, now: Millis): boolean {
    if (this.#until === undefined) return false
    for (const { state } of peers.values()) if (state.type === 'guessed' && now < this.#until) return true
    this.#until = undefined
    return false
  }
}

/**
 * Whom to ask at once, and whom to dial beside that. A candidate that is not connected holds nothing up: by the time it
 * is, the others could have been asked. `follows`: others of its sessions look for peers; where nobody was heard to want
 * the same, whom those have guessed at is as good a guess. Several are asked for a block that nothing else is waited for
 * with; of those that come together a miss costs no round trip more than the others take.
 */
export function chooseGuesses(
  want: Want,
  follows: boolean,
  { discovery, links }: WantWorld,
  now: Millis,
): { readonly now: readonly Guessed[]; readonly dials: readonly (Sign & { info: PeerInfo })[] } {
  const { registry, options } = discovery
  if (options.guesses === 0) return { now: [], dials: [] }
  const linkOf = ({ peer }: { readonly peer: Peer }): Link | undefined => links.get(peer.id)
  const mayGuess = (candidate: { readonly peer: Peer }): boolean => {
    const link = linkOf(candidate)
    const entry = want.peers.get(candidate.peer.id)
    return link?.isOverfull === false && link.outbox.canTake(want.key) && (entry === undefined || entry.state.type === 'unasked')
  }
  const load = (candidate: { readonly peer: Peer }): number => linkOf(candidate)!.blocksInFlight
  const signs = registry.candidates(want.key, now)
  const near = signs.filter(mayGuess).sort((a, b) => gradeRank(a) - gradeRank(b) || load(a) - load(b))
  const chosen = near.slice(0, options.guesses === 'dynamic' ? dynamicCount(want, near, { discovery, links }) : options.guesses)
  const far = signs.filter((sign): sign is Sign & { info: PeerInfo } => !links.has(sign.peer.id) && isReachable(sign.info))
  const members = follows ? [...want.sessions].flatMap((session) => [...session.candidates()].filter(mayGuess)) : []
  const others = chosen.length > 0 ? [] : members.sort((a, b) => load(a) - load(b)).slice(0, 1)
  const guessed = [...chosen.map((sign): Guessed => ({ ...sign, sign })), ...others]
  return { now: guessed, dials: far.slice(0, limits.guessDialsMax.value) }
}

function dynamicCount(want: Want, near: readonly Sign[], { discovery, links }: Pick<WantWorld, 'discovery' | 'links'>): number {
  const [first] = near
  if (first === undefined) return 0
  const { roundTripMs, pace } = links.get(first.peer.id)!
  const count = discovery.registry.guessCount(first, { connected: links.size, roundTripMs, transferMs: pace.transferMs })
  for (const session of want.sessions) {
    for (const other of session.wants) if (other !== want && other.guess.until !== undefined) return Math.min(count, 1)
  }
  return count
}

export interface Guessed {
  readonly peer: Peer
  readonly info: PeerInfo | undefined
  /** By which it was chosen; others are followed in it. */
  readonly sign?: Sign
}

const gradeRank = ({ grade }: Sign): number => (grade === 'strong' ? 0 : 1)

function isReachable(info: PeerInfo | undefined): boolean {
  return info?.addresses.some(({ dialable }) => dialable) === true
}
