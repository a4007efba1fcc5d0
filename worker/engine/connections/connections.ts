import { addressesBesides, hasDialable, mergeAddresses } from '../addresses.ts'
import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import { earlier, isDue, type Machine, type Millis, type OrderId, type OrderIds } from '../machine.ts'
import { type Address, dialKindOf, type Peer, type PeerInfo } from '../peer.ts'
import { Breakers } from '../resilience/breakers.ts'
import { type DialTimes, type DialTimesByKind, newDialTimesByKind } from '../resilience/dial-times.ts'
import type { ConnectionFailure, ConnectionsEffect, ConnectionsEvent, ConnectionUser, NeedPriority } from './contract.ts'
import { DialPlaces } from './dial-places.ts'
import { type Dialing, isOpen, rankOf, ranks, type Wanted, yieldsTo } from './wanted.ts'

/**
 * Who is connected, who is wanted, and whom to dial next: one dial budget for the whole engine, because a browser
 * slows every new socket down when many are pending.
 *
 *   need ──▶ queued ──place free──▶ dialing ──succeeded──▶ ready (forgotten here, `connected` there)
 *               │                      ├──opened──▶ dialing without a place
 *               │                      ├──failed, timeout, hopeless while others wait──▶ failed
 *               │                      └──needed no more, and others wait──▶ (gone)
 *               └──connected already, no dialable address, breaker open──▶ ready or failed at once
 *
 * A peer that failed has a circuit breaker that is open for a while: no dial until then, unless at addresses where it was not dialed
 * (the others may have been lies), and the first one after it decides whether it is left alone for twice as long. A dial that takes
 * longer than most gives its place to the next, so that dead peers cost those behind them little; dials through relays, which take
 * several times as long, are measured by their own, and so are those of which nothing is seen before they are connected. One that
 * nobody needs any more goes on while its place is not needed either: the next lookup then finds the peer connected, or known to be
 * dead.
 *
 * A peer that has answered needs no place for the rest of its handshake: what the browser counts is over (`dial-places.ts`).
 *
 * It does not know why anybody needs a peer, nor which protocols a connection speaks.
 */
export class Connections implements Machine<ConnectionsEvent, ConnectionsEffect> {
  readonly #orders: OrderIds
  readonly #denied: BytesMap<true>
  readonly #connected = new BytesMap<Peer>()
  readonly #wanted = new BytesMap<Wanted>()
  readonly #dialing = new Map<OrderId, Wanted>()
  readonly #dialTimes: DialTimesByKind
  readonly #places = new DialPlaces()
  readonly #breakers = new Breakers({
    failuresToOpen: 1,
    firstMs: limits.dialBackoffFirstMs.value,
    maxMs: limits.dialBackoffMaxMs.value,
    peersMax: limits.failedPeersMax.value,
  })
  /** Where peers with an open breaker were dialed. */
  readonly #failedAt = new BytesMap<readonly Address[]>()
  readonly #effects: ConnectionsEffect[] = []
  #queued = 0
  /** How many dials may be pending, as of the last event. */
  #placeCount = limits.pendingDialsMax.value

  /** `dialTimes` are written here, and read by whoever waits for dials. */
  constructor(init: { orders: OrderIds; denied?: BytesMap<true>; dialTimes?: DialTimesByKind }) {
    this.#orders = init.orders
    this.#dialTimes = init.dialTimes ?? newDialTimesByKind()
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
        this.#dropNeed(event.user, event.peer)
        break
      case 'dial-opened':
        this.#dialOpened(event.order, now)
        break
      case 'dial-succeeded':
        this.#dialSucceeded(event.order, now)
        break
      case 'dial-failed': {
        const wanted = this.#dialing.get(event.order)
        if (wanted !== undefined) this.#failed(wanted, event.reason, now)
        break
      }
      case 'peer-connected':
        this.#peerConnected(event.peer, now)
        break
      case 'network-changed':
        this.#breakers.forgive()
        this.#failedAt.clear()
        break
      case 'peer-disconnected':
        this.#connected.delete(event.peer.id)
        break
    }
    this.#placeCount = this.#places.count(now)
    do this.#startDials(now)
    while (this.#yieldPlace(now))
    this.#tellQueued(event)
  }

  poll(): ConnectionsEffect | undefined {
    return this.#effects.shift()
  }

  nextDeadline(): Millis | undefined {
    let deadline: Millis | undefined
    const next = this.#nextInLine()
    const isFull = this.#isFull()
    for (const wanted of this.#dialing.values()) {
      if (wanted.state.type !== 'dialing') continue
      deadline = earlier(deadline, wanted.state.expiresAt)
      if (yieldsTo(wanted, next) && (isFull || !wanted.state.isOpen))
        deadline = earlier(deadline, wanted.state.startedAt + wanted.times.hopelessMs)
    }
    return deadline
  }

  isConnected(peer: Peer): boolean {
    return this.#connected.has(peer.id)
  }

  /** For `status()` and for tests of the bounds. */
  counts(): { connected: number; queued: number; dialing: number; opening: number; places: number; failures: number } {
    return {
      connected: this.#connected.size,
      queued: this.#queued,
      dialing: this.#dialing.size,
      opening: this.#opening(),
      places: this.#placeCount,
      failures: this.#breakers.size,
    }
  }

  #need(user: ConnectionUser, info: PeerInfo, priority: NeedPriority, now: Millis): void {
    const { peer } = info
    const wanted = this.#wanted.get(peer.id)
    if (wanted !== undefined) {
      const isNew = !wanted.users.has(user)
      wanted.users.set(user, priority)
      const { state } = wanted
      if (isNew && state.type === 'dialing') this.#effects.push({ type: 'begun', user, peer, agoMs: now - state.startedAt })
      return
    }
    const permitted = this.#permitted(info, now)
    const refusal = this.#refusal(info, permitted)
    if (refusal !== undefined) {
      this.#effects.push({ type: 'failed', user, peer, reason: refusal })
    } else if (this.#connected.has(peer.id)) {
      this.#effects.push({ type: 'ready', user, peer })
    } else {
      const times = this.#dialTimes[dialKindOf(permitted)]
      this.#wanted.set(peer.id, {
        info: permitted,
        times,
        users: new Map([[user, priority]]),
        wasQueued: false,
        state: { type: 'queued' },
      })
      this.#queued++
    }
  }

  /** While the breaker of the peer is open, only the addresses at which it was not dialed. */
  #permitted(info: PeerInfo, now: Millis): PeerInfo {
    const { peer, addresses } = info
    if (this.#breakers.permits(peer.id, now)) return info
    return { peer, addresses: addressesBesides(addresses, this.#failedAt.get(peer.id) ?? addresses) }
  }

  /** Why there is no use in dialing this peer now. */
  #refusal(info: PeerInfo, permitted: PeerInfo): ConnectionFailure | undefined {
    if (this.#denied.has(info.peer.id)) return 'denied'
    if (this.#connected.has(info.peer.id)) return undefined
    if (!hasDialable(info.addresses)) return 'no-dialable-address'
    if (!hasDialable(permitted.addresses)) return 'backoff'
    if (this.#queued >= limits.queuedDialsMax.value) return 'overloaded'
    return undefined
  }

  #dropNeed(user: ConnectionUser, peer: Peer): void {
    const wanted = this.#wanted.get(peer.id)
    if (wanted === undefined || !wanted.users.delete(user)) return
    if (wanted.users.size === 0 && wanted.state.type === 'queued') this.#forget(wanted)
  }

  /**
   * It needs its place no more, is not silent, and begins anew as to patience: about as many round trips are left. When it ends stays
   * as it was: the handshakes are in its time.
   */
  #dialOpened(order: OrderId, now: Millis): void {
    const wanted = this.#dialing.get(order)
    if (wanted?.state.type !== 'dialing' || wanted.state.isOpen) return
    this.#peerAnswered(wanted.state, wanted.times, now)
    wanted.state = { ...wanted.state, startedAt: now, isOpen: true }
    for (const user of wanted.users.keys()) this.#effects.push({ type: 'opened', user, peer: wanted.info.peer })
  }

  #peerAnswered(state: Dialing, times: DialTimes, now: Millis): void {
    this.#places.succeeded(now)
    if (!state.isHeldBack) times.succeeded(now - state.startedAt)
  }

  #dialSucceeded(order: OrderId, now: Millis): void {
    const wanted = this.#dialing.get(order)
    if (wanted !== undefined) this.#peerConnected(wanted.info.peer, now)
  }

  #peerConnected(peer: Peer, now: Millis): void {
    this.#connected.set(peer.id, peer)
    this.#breakers.succeeded(peer.id)
    this.#failedAt.delete(peer.id)
    const wanted = this.#wanted.get(peer.id)
    if (wanted === undefined) return
    const { state, times } = wanted
    if (state.type === 'dialing' && !state.isOpen) this.#peerAnswered(state, times, now)
    for (const user of wanted.users.keys()) this.#effects.push({ type: 'ready', user, peer })
    this.#forget(wanted)
  }

  #failed(wanted: Wanted, reason: ConnectionFailure, now: Millis): void {
    const { info, state } = wanted
    const { peer } = info
    this.#breakers.failed(peer.id, now)
    this.#noteFailedAt(info)
    if (state.type === 'dialing' && !state.isOpen) {
      if (reason === 'refused' || reason === 'timeout') this.#places.failed(now)
      if (reason === 'timeout' && !state.isHeldBack) wanted.times.silent()
    }
    for (const user of wanted.users.keys()) this.#effects.push({ type: 'failed', user, peer, reason, tried: info.addresses })
    this.#forget(wanted)
  }

  /** As many peers as have a breaker; the failure that lies back longest is forgotten first there, too. */
  #noteFailedAt({ peer, addresses }: PeerInfo): void {
    const before = this.#failedAt.get(peer.id) ?? []
    this.#failedAt.delete(peer.id)
    this.#failedAt.set(peer.id, mergeAddresses(addresses, before))
    if (this.#failedAt.size > limits.failedPeersMax.value) this.#failedAt.shift()
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
    while (this.#queued > 0 && this.#hasPlace()) {
      const wanted = this.#mostUrgent()
      if (wanted === undefined) return
      const order = this.#orders.next()
      const heldBackMs = this.#places.heldBackMs(this.#opening() + 1, now)
      const startedAt = now + heldBackMs
      const expiresAt = startedAt + limits.dialTimeoutMs.value
      wanted.state = { type: 'dialing', order, startedAt, expiresAt, isHeldBack: heldBackMs > 0, isOpen: false }
      this.#queued--
      this.#dialing.set(order, wanted)
      this.#breakers.begun(wanted.info.peer.id)
      this.#effects.push({ type: 'dial', order, info: wanted.info })
      if (!wanted.wasQueued && heldBackMs === 0) continue
      const agoMs = now - startedAt
      for (const user of wanted.users.keys()) this.#effects.push({ type: 'begun', user, peer: wanted.info.peer, agoMs })
    }
  }

  /** Whoever has just come and must wait is told, so that no patience is spent in the queue. */
  #tellQueued(event: ConnectionsEvent): void {
    if (event.type !== 'need') return
    const { user, info } = event
    const wanted = this.#wanted.get(info.peer.id)
    if (wanted?.state.type !== 'queued') return
    wanted.wasQueued = true
    this.#effects.push({ type: 'queued', user, peer: info.peer })
  }

  /** Ends a dial that nobody needs, or else one that takes longer than most, if another waits for its place. Returns whether. */
  #yieldPlace(now: Millis): boolean {
    const next = this.#nextInLine()
    if (next === undefined) return false
    // One whose peer has answered holds no place, unless there are too many in all.
    const isFull = this.#isFull()
    const dialing = [...this.#dialing.values()].filter(({ state }) => isFull || !isOpen(state))
    const yielding =
      dialing.find(({ users }) => users.size === 0) ??
      dialing.find((wanted) => yieldsTo(wanted, next) && this.#isHopeless(wanted, now))
    if (yielding === undefined) return false
    this.#giveUp(yielding, now)
    return true
  }

  /** If it has taken so long already, the next lookup must not wait for the same silent peer again. */
  #giveUp(wanted: Wanted, now: Millis): void {
    if (wanted.state.type !== 'dialing') return
    this.#effects.push({ type: 'cancel-dial', order: wanted.state.order })
    if (this.#isHopeless(wanted, now)) return this.#failed(wanted, 'timeout', now)
    if (!wanted.state.isOpen) this.#places.failed(now)
    this.#breakers.abandoned(wanted.info.peer.id, now)
    this.#forget(wanted)
  }

  #isHopeless({ state, times }: Wanted, now: Millis): boolean {
    return state.type === 'dialing' && isDue(state.startedAt, times.hopelessMs, now)
  }

  #hasPlace(): boolean {
    return this.#opening() < this.#placeCount && !this.#isFull()
  }

  #isFull(): boolean {
    return this.#dialing.size >= limits.dialsMax.value
  }

  /** Dials that the browser counts as pending. */
  #opening(): number {
    let opening = 0
    for (const { state } of this.#dialing.values()) if (!isOpen(state)) opening++
    return opening
  }

  /** Who waits for a place although all of them are taken. */
  #nextInLine(): Wanted | undefined {
    return this.#queued === 0 || this.#hasPlace() ? undefined : this.#mostUrgent()
  }

  /**
   * First come, first served within a priority. The queue is short: a scan costs less than three of them kept.
   * Maintenance and repair never take every place: after a start they are first in the queue, and the first search of a person
   * waited for their handshakes.
   */
  #mostUrgent(): Wanted | undefined {
    let best: Wanted | undefined
    let bestRank = Infinity
    const full = this.#fullRanks()
    for (const wanted of this.#wanted.values()) {
      if (wanted.state.type !== 'queued') continue
      const rank = rankOf(wanted)
      if (rank >= bestRank || full.includes(rank)) continue
      best = wanted
      bestRank = rank
    }
    return best
  }

  /** Those that have all the places that they may have. */
  #fullRanks(): number[] {
    let [maintenance, repair] = [0, 0]
    for (const wanted of this.#dialing.values()) {
      const rank = rankOf(wanted)
      if (rank === ranks.maintenance) maintenance++
      else if (rank === ranks.repair) repair++
    }
    const full: number[] = []
    if (maintenance >= limits.maintenanceDialsMax.value) full.push(ranks.maintenance)
    if (repair >= limits.repairDialsMax.value) full.push(ranks.repair)
    return full
  }
}
