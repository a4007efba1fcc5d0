import { assert } from '../assert.ts'
import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Peer, PeerInfo } from '../peer.ts'
import type { BitswapContext } from './context.ts'

/**
 * Connections that wants and probes need: one order per peer however many of them need it, a bounded number of them out, the
 * rest waiting in order of arrival. What is no longer needed by anybody is withdrawn.
 */
export class ConnectionNeeds {
  readonly #context: BitswapContext
  readonly #needs = new BytesMap<Need>()
  readonly #waiting = new Set<Need>()
  #out = 0

  constructor(context: BitswapContext) {
    this.#context = context
  }

  need(owner: object, info: PeerInfo): void {
    const known = this.#needs.get(info.peer.id)
    if (known !== undefined) {
      known.owners.add(owner)
      return
    }
    const need: Need = { info, owners: new Set([owner]) }
    this.#needs.set(info.peer.id, need)
    this.#waiting.add(need)
    this.#fill()
  }

  drop(owner: object, peer: Peer): void {
    const need = this.#needs.get(peer.id)
    if (need === undefined || !need.owners.delete(owner) || need.owners.size > 0) return
    this.#needs.delete(peer.id)
    if (this.#waiting.delete(need)) return
    this.#out--
    this.#context.effects.push({ type: 'drop-connection-need', peer })
    this.#fill()
  }

  /** The need was answered, or the peer came to us while the need waited. Returns who needed it. */
  settle(peer: Peer): ReadonlySet<object> {
    const need = this.#needs.get(peer.id)
    if (need === undefined) return nobody
    this.#needs.delete(peer.id)
    if (!this.#waiting.delete(need)) this.#out--
    this.#fill()
    return need.owners
  }

  /** A peer that is connected by now need not be dialed; one whose dial is out will be answered for all the same. */
  connected(peer: Peer): void {
    const need = this.#needs.get(peer.id)
    if (need !== undefined && this.#waiting.delete(need)) this.#needs.delete(peer.id)
  }

  #fill(): void {
    for (const need of this.#waiting) {
      if (this.#out >= limits.bitswapPendingConnectionsMax.value) return
      this.#waiting.delete(need)
      this.#out++
      assert(need.owners.size > 0, 'a need is dropped with its last want')
      this.#context.effects.push({ type: 'need-connection', info: need.info, priority: 'immediate' })
    }
  }
}

interface Need {
  readonly info: PeerInfo
  readonly owners: Set<object>
}

const nobody: ReadonlySet<object> = new Set()
