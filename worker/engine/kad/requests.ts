import { limits } from '../limits.ts'
import type { Millis, OrderId } from '../machine.ts'
import type { Peer } from '../peer.ts'
import type { KadRequest } from './message.ts'

export interface PendingRequest<User> {
  readonly order: OrderId
  readonly user: User
  readonly peer: Peer
  readonly type: KadRequest['type']
  readonly sentAt: Millis
}

/**
 * Orders that wait for their answer, and those that ended lately, to tell late answers from unknown ones. All have
 * the same time to live, so that the oldest is the next to expire.
 */
export class Requests<User> {
  readonly #pending = new Map<OrderId, PendingRequest<User>>()
  readonly #closed = new Set<OrderId>()

  get size(): number {
    return this.#pending.size
  }

  get closed(): number {
    return this.#closed.size
  }

  add(request: PendingRequest<User>): void {
    this.#pending.set(request.order, request)
  }

  get(order: OrderId): PendingRequest<User> | undefined {
    return this.#pending.get(order)
  }

  /** Returns the request whose answer came, or that nobody waits for any more. */
  close(order: OrderId): PendingRequest<User> | undefined {
    const request = this.#pending.get(order)
    if (request === undefined) return undefined
    this.#pending.delete(order)
    this.#closed.add(order)
    if (this.#closed.size > limits.kadClosedOrdersMax.value) {
      const [oldest] = this.#closed
      this.#closed.delete(oldest!)
    }
    return request
  }

  wasClosed(order: OrderId): boolean {
    return this.#closed.has(order)
  }

  /** Closes and returns the next request whose time is over. */
  closeExpired(now: Millis): PendingRequest<User> | undefined {
    const [oldest] = this.#pending.values()
    if (oldest === undefined || now < oldest.sentAt + limits.kadRequestTimeoutMs.value) return undefined
    return this.close(oldest.order)
  }

  nextDeadline(): Millis | undefined {
    const [oldest] = this.#pending.values()
    return oldest && oldest.sentAt + limits.kadRequestTimeoutMs.value
  }
}
