import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { PeerIdBytes } from '../peer.ts'

/** Peers we have nothing to do with: those the page named, and those that the network refused to dial. */
export class DeniedPeers {
  readonly #named: BytesMap<true>
  readonly #refused = new BytesMap<true>()

  constructor(named: BytesMap<true> = new BytesMap()) {
    this.#named = named
  }

  has(id: PeerIdBytes): boolean {
    return this.#named.has(id) || this.#refused.has(id)
  }

  /** Bounded: the oldest is forgotten, and refused again when it is dialed. */
  add(id: PeerIdBytes): void {
    this.#refused.set(id, true)
    if (this.#refused.size > limits.deniedPeersMax.value) this.#refused.shift()
  }
}
