import { BytesMap } from '../bytes-map.ts'
import type { NeedPriority } from '../connections/contract.ts'
import type { Millis } from '../machine.ts'
import type { Peer, PeerInfo } from '../peer.ts'

/**
 * Whom the queries wait to be connected with. Several may need one peer; outside it is one need, whose answer
 * all share. `User` stands for a query and is compared by identity.
 */
export class ConnectionNeeds<User> {
  readonly #needs = new BytesMap<Need<User>>()

  get size(): number {
    return this.#needs.size
  }

  /** Returns whether the need must be told (again): it is new, or has become more urgent. */
  add(user: User, info: PeerInfo, priority: NeedPriority, now: Millis): boolean {
    const need = this.#needs.get(info.peer.id)
    if (need === undefined) {
      this.#needs.set(info.peer.id, { users: new Set([user]), priority, dialedAt: now })
      return true
    }
    need.users.add(user)
    if (urgency[priority] <= urgency[need.priority]) return false
    need.priority = priority
    return true
  }

  /** When the dial began; `undefined` while it waits for a place, or when nobody needs the peer. */
  dialedAt(peer: Peer): Millis | undefined {
    return this.#needs.get(peer.id)?.dialedAt
  }

  /** The dial waits for a place, or began then. Returns who is to know. */
  dialMoved(peer: Peer, dialedAt: Millis | undefined): readonly User[] {
    const need = this.#needs.get(peer.id)
    if (need === undefined) return []
    need.dialedAt = dialedAt
    return [...need.users]
  }

  /** Returns whether nobody needs the peer any more, though somebody did. */
  drop(user: User, peer: Peer): boolean {
    const need = this.#needs.get(peer.id)
    if (need === undefined || !need.users.delete(user) || need.users.size > 0) return false
    this.#needs.delete(peer.id)
    return true
  }

  /** The need was answered: who waited, in the order in which they began to; `undefined` if nobody did. */
  settle(peer: Peer): readonly User[] | undefined {
    const need = this.#needs.get(peer.id)
    if (need === undefined) return undefined
    this.#needs.delete(peer.id)
    return [...need.users]
  }
}

interface Need<User> {
  readonly users: Set<User>
  priority: NeedPriority
  dialedAt: Millis | undefined
}

const urgency: Readonly<Record<NeedPriority, number>> = { maintenance: 0, normal: 1, repair: 2, urgent: 3, immediate: 4 }
