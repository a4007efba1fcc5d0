import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import type { Peer, PeerInfo } from '../peer.ts'
import type { Link } from './link.ts'
import type { Sign } from './registry.ts'
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
 * is, the others could have been asked. `asked`: peers the want knows already.
 */
export function chooseGuesses(
  key: Uint8Array,
  asked: BytesMap<WantPeer>,
  { discovery, links }: WantWorld,
  now: Millis,
): { readonly now: readonly Sign[]; readonly dials: readonly (Sign & { info: PeerInfo })[] } {
  const { registry, options } = discovery
  const signs = options.guesses === 0 ? [] : registry.candidates(key, now)
  const near = signs.filter(({ peer }) => {
    const link = links.get(peer.id)
    const entry = asked.get(peer.id)
    return link?.isFull === false && link.outbox.canTake(key) && (entry === undefined || entry.state.type === 'unasked')
  })
  const isDear = near.length > 0 && links.get(near[0]!.peer.id)!.isSlow
  const count = options.guesses === 'dynamic' ? registry.guessCount(near, links.size, isDear) : options.guesses
  const far = signs.filter((sign): sign is Sign & { info: PeerInfo } => !links.has(sign.peer.id) && isReachable(sign.info))
  return { now: near.slice(0, count), dials: far.slice(0, limits.guessDialsMax.value) }
}

function isReachable(info: PeerInfo | undefined): boolean {
  return info?.addresses.some(({ dialable }) => dialable) === true
}
