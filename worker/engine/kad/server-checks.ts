import { BytesMap, equalBytes } from '../bytes-map.ts'
import { type Fill, limits } from '../limits.ts'
import type { OrderId, OrderIds } from '../machine.ts'
import type { Peer, PeerInfo } from '../peer.ts'
import type { KadRequest } from './message.ts'
import { Outbox } from './outbox.ts'

/**
 * The lookup check: a peer that calls itself a server enters the routing table only after FIND_NODE for its own id
 * has returned a peer. A lone server of a fresh network passes, because servers then return themselves.
 *
 *   (unknown) ──offered──▶ queued ──place free──▶ asked ──a peer came back──▶ passed
 *                                                   └──none, failed──▶ (unknown)
 *
 * It does not know the table; the parent admits who passed.
 */
export class ServerChecks {
  readonly #orders: OrderIds
  readonly #queued = new BytesMap<PeerInfo>()
  readonly #asked = new Map<OrderId, PeerInfo>()
  readonly #outbox = new Outbox<ServerCheckEffect>()

  constructor(init: { orders: OrderIds }) {
    this.#orders = init.orders
  }

  get isIdle(): boolean {
    return this.#queued.size === 0 && this.#asked.size === 0
  }

  fill(): Fill {
    return { serverChecksMax: this.#asked.size, serverChecksQueuedMax: this.#queued.size }
  }

  poll(): ServerCheckEffect | undefined {
    return this.#outbox.poll()
  }

  /** The peer is connected. Offers beyond the bound are forgotten: identify tells of others. */
  offer(info: PeerInfo): void {
    const isKnown = this.#queued.has(info.peer.id) || this.#orderOf(info.peer) !== undefined
    if (isKnown || this.#queued.size >= limits.serverChecksQueuedMax.value) return
    this.#queued.set(info.peer.id, info)
    this.#fillPlaces()
  }

  withdraw(peer: Peer): void {
    this.#queued.delete(peer.id)
    const order = this.#orderOf(peer)
    if (order === undefined) return
    this.#asked.delete(order)
    this.#outbox.push({ type: 'cancel-request', order })
    this.#fillPlaces()
  }

  /** Ends the check of an order. Returns whom it was about. */
  settle(order: OrderId): PeerInfo | undefined {
    const info = this.#asked.get(order)
    this.#asked.delete(order)
    this.#fillPlaces()
    return info
  }

  #orderOf(peer: Peer): OrderId | undefined {
    for (const [order, info] of this.#asked) {
      if (equalBytes(info.peer.id, peer.id)) return order
    }
    return undefined
  }

  #fillPlaces(): void {
    while (this.#asked.size < limits.serverChecksMax.value) {
      const next = this.#queued.shift()
      if (next === undefined) return
      const [, info] = next
      const order = this.#orders.next()
      this.#asked.set(order, info)
      this.#outbox.push({ type: 'send-request', order, peer: info.peer, request: { type: 'find-node', key: info.peer.id } })
    }
  }
}

export type ServerCheckEffect =
  | { readonly type: 'send-request'; readonly order: OrderId; readonly peer: Peer; readonly request: KadRequest }
  | { readonly type: 'cancel-request'; readonly order: OrderId }
