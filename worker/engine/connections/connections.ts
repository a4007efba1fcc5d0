import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import { earlier, type Machine, type Millis, type OrderId, type OrderIds } from '../machine.ts'
import type { Peer, PeerInfo } from '../peer.ts'
import type { ConnectionFailure, ConnectionsEffect, ConnectionsEvent, ConnectionUser, Priority } from './contract.ts'

/**
 * Who is connected, who is wanted, and whom to dial next: one dial budget for the whole engine, because a browser
 * slows every new socket down when many are pending.
 *
 *   need ──▶ queued ──place free──▶ dialing ──succeeded──▶ ready (forgotten here, `connected` there)
 *               │                      └──failed, timeout──▶ failed, and backing off for a while
 *               └──connected already, no dialable address, backing off──▶ ready or failed at once
 *
 * It does not know why anybody needs a peer, nor which protocols a connection speaks.
 */
export class Connections implements Machine<ConnectionsEvent, ConnectionsEffect> {
  readonly #orders: OrderIds
  readonly #denied: BytesMap<true>
  readonly #connected = new BytesMap<Peer>()
  readonly #wanted = new BytesMap<Wanted>()
  readonly #dialing = new Map<OrderId, Wanted>()
  readonly #failures = new BytesMap<FailureMemory>()
  readonly #effects: ConnectionsEffect[] = []
  #queued = 0

  constructor(init: { orders: OrderIds; denied?: BytesMap<true> }) {
    this.#orders = init.orders
    this.#denied = init.denied ?? new BytesMap()
  }

  handle(event: ConnectionsEvent, now: Millis): void {
    switch (event.type) {
      case 'tick':
        this.#expireDials(now)
        break
      case 'need':
        this.#need(event.user, event.info, event.priority, now)
        break
      case 'drop-need':
        this.#dropNeed(event.user, event.peer, now)
        break
      case 'dial-succeeded':
        this.#dialSucceeded(event.order)
        break
      case 'dial-failed': {
        const wanted = this.#dialing.get(event.order)
        if (wanted !== undefined) this.#failed(wanted, event.reason, now)
        break
      }
      case 'peer-connected':
        this.#peerConnected(event.peer)
        break
      case 'peer-disconnected':
        this.#connected.delete(event.peer.id)
        break
    }
    this.#startDials(now)
  }

  poll(): ConnectionsEffect | undefined {
    return this.#effects.shift()
  }

  nextDeadline(): Millis | undefined {
    let deadline: Millis | undefined
    for (const wanted of this.#dialing.values()) {
      if (wanted.state.type === 'dialing') deadline = earlier(deadline, wanted.state.expiresAt)
    }
    return deadline
  }

  isConnected(peer: Peer): boolean {
    return this.#connected.has(peer.id)
  }

  /** For `status()` and for tests of the bounds. */
  counts(): { connected: number; queued: number; dialing: number; failures: number } {
    return {
      connected: this.#connected.size,
      queued: this.#queued,
      dialing: this.#dialing.size,
      failures: this.#failures.size,
    }
  }

  #need(user: ConnectionUser, info: PeerInfo, priority: Priority, now: Millis): void {
    const { peer } = info
    const wanted = this.#wanted.get(peer.id)
    if (wanted !== undefined) {
      wanted.users.set(user, priority)
      return
    }
    const refusal = this.#refusal(info, now)
    if (refusal !== undefined) {
      this.#effects.push({ type: 'failed', user, peer, reason: refusal })
    } else if (this.#connected.has(peer.id)) {
      this.#effects.push({ type: 'ready', user, peer })
    } else {
      this.#wanted.set(peer.id, { info, users: new Map([[user, priority]]), state: { type: 'queued' } })
      this.#queued++
    }
  }

  /** Why there is no use in dialing this peer now. */
  #refusal(info: PeerInfo, now: Millis): ConnectionFailure | undefined {
    if (this.#denied.has(info.peer.id)) return 'denied'
    if (this.#connected.has(info.peer.id)) return undefined
    if (!info.addresses.some((address) => address.dialable)) return 'no-dialable-address'
    const failure = this.#failures.get(info.peer.id)
    if (failure !== undefined && now < failure.retryAt) return 'backoff'
    if (this.#queued >= limits.queuedDialsMax.value) return 'overloaded'
    return undefined
  }

  #dropNeed(user: ConnectionUser, peer: Peer, now: Millis): void {
    const wanted = this.#wanted.get(peer.id)
    if (wanted === undefined || !wanted.users.delete(user) || wanted.users.size > 0) return
    // A dial under way that nobody waits for any more gives its place back. If it was given up because it took so
    // long, the next lookup must not wait for the same silent peer again.
    if (wanted.state.type === 'dialing') {
      this.#effects.push({ type: 'cancel-dial', order: wanted.state.order })
      if (now - wanted.state.startedAt >= limits.slowDialMs.value) return this.#failed(wanted, 'timeout', now)
    }
    this.#forget(wanted)
  }

  #dialSucceeded(order: OrderId): void {
    const wanted = this.#dialing.get(order)
    if (wanted !== undefined) this.#peerConnected(wanted.info.peer)
  }

  #peerConnected(peer: Peer): void {
    this.#connected.set(peer.id, peer)
    this.#failures.delete(peer.id)
    const wanted = this.#wanted.get(peer.id)
    if (wanted === undefined) return
    for (const user of wanted.users.keys()) this.#effects.push({ type: 'ready', user, peer })
    this.#forget(wanted)
  }

  #failed(wanted: Wanted, reason: ConnectionFailure, now: Millis): void {
    const { peer } = wanted.info
    const count = (this.#failures.get(peer.id)?.count ?? 0) + 1
    const delay = Math.min(limits.dialBackoffFirstMs.value * 2 ** (count - 1), limits.dialBackoffMaxMs.value)
    // Deleted first, so that the oldest failure is the one that the bound pushes out.
    this.#failures.delete(peer.id)
    this.#failures.set(peer.id, { count, retryAt: now + delay })
    if (this.#failures.size > limits.failedPeersMax.value) this.#failures.shift()
    for (const user of wanted.users.keys()) this.#effects.push({ type: 'failed', user, peer, reason })
    this.#forget(wanted)
  }

  #expireDials(now: Millis): void {
    for (const wanted of [...this.#dialing.values()]) {
      if (wanted.state.type !== 'dialing' || now < wanted.state.expiresAt) continue
      this.#effects.push({ type: 'cancel-dial', order: wanted.state.order })
      this.#failed(wanted, 'timeout', now)
    }
  }

  #forget(wanted: Wanted): void {
    if (wanted.state.type === 'queued') this.#queued--
    else this.#dialing.delete(wanted.state.order)
    this.#wanted.delete(wanted.info.peer.id)
  }

  #startDials(now: Millis): void {
    while (this.#queued > 0 && this.#dialing.size < limits.pendingDialsMax.value) {
      const wanted = this.#mostUrgent()
      if (wanted === undefined) return
      const order = this.#orders.next()
      wanted.state = { type: 'dialing', order, startedAt: now, expiresAt: now + limits.dialTimeoutMs.value }
      this.#queued--
      this.#dialing.set(order, wanted)
      this.#effects.push({ type: 'dial', order, info: wanted.info })
    }
  }

  /**
   * First come, first served within a priority. The queue is short: a scan costs less than three of them kept.
   * Maintenance never takes every place: after a warm start it is first in the queue, and the first search of a person
   * waited for its handshakes.
   */
  #mostUrgent(): Wanted | undefined {
    let best: Wanted | undefined
    let bestRank = this.#maintenanceDials() < limits.maintenanceDialsMax.value ? Infinity : ranks.maintenance
    for (const wanted of this.#wanted.values()) {
      if (wanted.state.type !== 'queued') continue
      const rank = rankOf(wanted)
      if (rank >= bestRank) continue
      best = wanted
      bestRank = rank
    }
    return best
  }

  #maintenanceDials(): number {
    let dials = 0
    for (const wanted of this.#dialing.values()) if (rankOf(wanted) === ranks.maintenance) dials++
    return dials
  }
}

/** The most urgent of its users counts. */
function rankOf(wanted: Wanted): number {
  let rank = Infinity
  for (const priority of wanted.users.values()) rank = Math.min(rank, ranks[priority])
  return rank
}

const ranks: Readonly<Record<Priority, number>> = { urgent: 0, normal: 1, maintenance: 2 }

interface Wanted {
  readonly info: PeerInfo
  readonly users: Map<ConnectionUser, Priority>
  state:
    | { readonly type: 'queued' }
    | { readonly type: 'dialing'; readonly order: OrderId; readonly startedAt: Millis; readonly expiresAt: Millis }
}

interface FailureMemory {
  readonly count: number
  readonly retryAt: Millis
}
