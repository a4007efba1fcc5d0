import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import type { Peer, PeerInfo } from '../peer.ts'
import type { Link } from './link.ts'
import type { Sign } from './registry.ts'
import type { Session, SessionPeer } from './session.ts'
import type { WantWorld } from './want-order.ts'
import type { WantPeer } from './want-peer.ts'

/**
 * What one want has guessed: peers that were asked for the block at once, because they wanted it themselves. While one of
 * them may answer in time, nobody else is asked; DONT_HAVE from all of them, or the deadline, ends that.
 *
 *   not made ──made──▶ open ──block, all denied, deadline──▶ over
 */
export class Guess {
  #isMade = false
  #until: Millis | undefined
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
    for (const { guessTimeoutMs } of links) this.#until = Math.max(this.#until ?? now, now + guessTimeoutMs)
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
 * is, the others could have been asked. `asked`: peers the want knows already; `followed`: sessions in
 * which others look for peers: where nobody was heard to want the same, whom those have guessed at is as good a guess.
 */
export function chooseGuesses(
  key: Uint8Array,
  asked: BytesMap<WantPeer>,
  followed: Iterable<Session>,
  { discovery, links }: WantWorld,
  now: Millis,
): { readonly now: readonly Guessed[]; readonly dials: readonly (Sign & { info: PeerInfo })[] } {
  const { registry, options } = discovery
  if (options.guesses === 0) return { now: [], dials: [] }
  const mayGuess = ({ peer }: { readonly peer: Peer }): boolean => {
    const link = links.get(peer.id)
    const entry = asked.get(peer.id)
    return link?.isFull === false && link.outbox.canTake(key) && (entry === undefined || entry.state.type === 'unasked')
  }
  const signs = registry.candidates(key, now)
  const near = signs.filter(mayGuess)
  const isDear = near.length > 0 && links.get(near[0]!.peer.id)!.isSlow
  const count = options.guesses === 'dynamic' ? registry.guessCount(near, links.size, isDear) : options.guesses
  const chosen = near.slice(0, count).map((sign): Guessed => ({ ...sign, sign }))
  const far = signs.filter((sign): sign is Sign & { info: PeerInfo } => !links.has(sign.peer.id) && isReachable(sign.info))
  const load = ({ peer }: SessionPeer): number => links.get(peer.id)!.blocksInFlight
  const members = [...followed].flatMap((session) => [...session.candidates()].filter(mayGuess))
  const others = chosen.length > 0 ? [] : members.sort((a, b) => load(a) - load(b))
  return { now: [...chosen, ...others.slice(0, 1)], dials: far.slice(0, limits.guessDialsMax.value) }
}

export interface Guessed {
  readonly peer: Peer
  readonly info: PeerInfo | undefined
  /** By which it was chosen; others are followed in it. */
  readonly sign?: Sign
}

function isReachable(info: PeerInfo | undefined): boolean {
  return info?.addresses.some(({ dialable }) => dialable) === true
}
