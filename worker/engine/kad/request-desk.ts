import type { Millis, OrderId } from '../machine.ts'
import type { KadCounters, KadEffect } from './contract.ts'
import type { Outbox } from './outbox.ts'
import { type PendingRequest, Requests } from './requests.ts'
import type { Run } from './run.ts'

/** Whose requests there are. */
export type User = Run | 'server-check'
export type Request = PendingRequest<User>
export type SendRequest = Extract<KadEffect, { type: 'send-request' }>

/**
 * Where all requests leave and their answers come back: finds whose order an answer is, counts what nobody waits for,
 * and withdraws what is no longer wanted. It does not know what is asked.
 */
export class RequestDesk {
  readonly #requests = new Requests<User>()
  readonly #outbox: Outbox<KadEffect>
  readonly #counters: KadCounters

  constructor(init: { outbox: Outbox<KadEffect>; counters: KadCounters }) {
    this.#outbox = init.outbox
    this.#counters = init.counters
  }

  get size(): number {
    return this.#requests.size
  }

  nextDeadline(): Millis | undefined {
    return this.#requests.nextDeadline()
  }

  send(effect: SendRequest, user: User, now: Millis): void {
    const { order, peer } = effect
    if (user !== 'server-check') user.orders.add(order)
    this.#requests.add({ order, peer, user, sentAt: now })
    this.#counters.requestsSent++
    this.#outbox.push(effect)
  }

  /** Returns the request that is no longer waited for. */
  cancel(order: OrderId): Request | undefined {
    const request = this.#requests.close(order)
    if (request === undefined) return undefined
    forget(request)
    this.#outbox.push({ type: 'cancel-request', order })
    return request
  }

  /** A request whose answer came; `undefined`, and counted, when nobody waits for it. */
  close(order: OrderId): Request | undefined {
    const request = this.#requests.close(order)
    if (request !== undefined) forget(request)
    else if (this.#requests.wasClosed(order)) this.#counters.lateResponses++
    else this.#counters.unknownOrders++
    return request
  }

  /** Withdraws and returns the next request whose time is over. */
  closeExpired(now: Millis): Request | undefined {
    const request = this.#requests.closeExpired(now)
    if (request === undefined) return undefined
    forget(request)
    this.#outbox.push({ type: 'cancel-request', order: request.order })
    return request
  }
}

function forget({ user, order }: Request): void {
  if (user !== 'server-check') user.orders.delete(order)
}
