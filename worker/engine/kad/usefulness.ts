import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import type { Peer } from '../peer.ts'

/**
 * Remembers the peers that cost a request and gave nothing: no closer peers, no records, or no answer at all. Lookups
 * ask them after the others. One useful answer clears a peer; otherwise what it did weighs half as much after every
 * half-life, so that nobody is passed over for good. Bounded: whoever was marked longest ago is forgotten.
 */
export class Usefulness {
  readonly #marks = new BytesMap<{ readonly weight: number; readonly at: Millis }>()

  get size(): number {
    return this.#marks.size
  }

  useful(peer: Peer): void {
    this.#marks.delete(peer.id)
  }

  useless(peer: Peer, now: Millis): void {
    const weight = this.#weight(peer, now) + 1
    this.#marks.delete(peer.id)
    this.#marks.set(peer.id, { weight, at: now })
    if (this.#marks.size > limits.uselessPeersMax.value) this.#marks.shift()
  }

  /** Whether it was useless more than once lately. */
  isDoubtful(peer: Peer, now: Millis): boolean {
    return this.#weight(peer, now) > 1
  }

  #weight(peer: Peer, now: Millis): number {
    const mark = this.#marks.get(peer.id)
    return mark === undefined ? 0 : mark.weight * 0.5 ** ((now - mark.at) / limits.uselessHalfLifeMs.value)
  }
}
