import type { Priority } from '../connections/contract.ts'
import { limits } from '../limits.ts'
import type { Millis, OrderId } from '../machine.ts'
import type { KadCounters, KadEffect } from './contract.ts'
import type { Outbox } from './outbox.ts'
import { type PendingRequest, Requests } from './requests.ts'
import { priorityOf, type Run } from './run.ts'

/** Whose requests there are. */
export type User = Run | 'server-check'
export type Request = PendingRequest<User>
export type SendRequest = Extract<KadEffect, { type: 'send-request' }>

/**
 * Where all requests leave and their answers come back.
 *
 *   waiting ──place free, nobody more urgent waits──▶ in flight ──answered, failed, expired──▶ (gone)
 *      └──cancelled──▶ (gone)                             └──cancelled──▶ (gone, withdrawn)
 *
 * It finds whose order an answer is, and counts what nobody waits for. So many are in flight at most; what a person waits
 * for goes first, and maintenance only while few are. How many wait is bounded by the queries that run. It does not know
 * what is asked.
 */
export class RequestDesk {
  readonly #requests = new Requests<User>()
  readonly #waiting: Readonly<Record<Priority, Map<OrderId, { readonly effect: SendRequest; readonly user: User }>>> = {
    urgent: new Map(),
    normal: new Map(),
    maintenance: new Map(),
  }
  readonly #outbox: Outbox<KadEffect>
  readonly #counters: KadCounters

  constructor(init: { outbox: Outbox<KadEffect>; counters: KadCounters }) {
    this.#outbox = init.outbox
    this.#counters = init.counters
  }

  get inFlight(): number {
    return this.#requests.size
  }

  /** Remembered, to tell late answers from unknown ones. */
  get closed(): number {
    return this.#requests.closed
  }

  get size(): number {
    return Object.values(this.#waiting).reduce((sum, queue) => sum + queue.size, this.#requests.size)
  }

  nextDeadline(): Millis | undefined {
    return this.#requests.nextDeadline()
  }

  /** Sends it now or, when its turn comes, with `release`. */
  send(effect: SendRequest, user: User, now: Millis): void {
    if (user !== 'server-check') user.orders.add(effect.order)
    this.#waiting[priorityOfUser(user)].set(effect.order, { effect, user })
    this.release(now)
  }

  /** Sends what there are places for; due after anything that may have freed one. */
  release(now: Millis): void {
    for (const [priority, max] of inFlightMax) {
      for (const [order, { effect, user }] of this.#waiting[priority]) {
        if (this.#requests.size >= max) return
        this.#waiting[priority].delete(order)
        this.#requests.add({ order, peer: effect.peer, type: effect.request.type, user, sentAt: now })
        this.#counters.requestsSent++
        this.#outbox.push(effect)
      }
    }
  }

  /** Returns the request that is no longer waited for, if it had left. */
  cancel(order: OrderId): Request | undefined {
    for (const queue of Object.values(this.#waiting)) {
      const waiting = queue.get(order)
      if (waiting === undefined) continue
      queue.delete(order)
      forget(waiting.user, order)
      return undefined
    }
    const request = this.#requests.close(order)
    if (request === undefined) return undefined
    forget(request.user, order)
    this.#outbox.push({ type: 'cancel-request', order })
    return request
  }

  /** A request whose answer came; `undefined`, and counted, when nobody waits for it. */
  close(order: OrderId): Request | undefined {
    const request = this.#requests.close(order)
    if (request !== undefined) forget(request.user, order)
    else if (this.#requests.wasClosed(order)) this.#counters.lateResponses++
    else this.#counters.unknownOrders++
    return request
  }

  /** Withdraws and returns the next request whose time is over. */
  closeExpired(now: Millis): Request | undefined {
    const request = this.#requests.closeExpired(now)
    if (request === undefined) return undefined
    forget(request.user, request.order)
    this.#outbox.push({ type: 'cancel-request', order: request.order })
    return request
  }
}

/** Most urgent first, with how many may be in flight in all when one of it is sent. */
const inFlightMax: readonly (readonly [Priority, number])[] = [
  ['urgent', limits.kadRequestsMax.value],
  ['normal', limits.kadRequestsMax.value],
  ['maintenance', limits.kadMaintenanceRequestsMax.value],
]

function priorityOfUser(user: User): Priority {
  return user === 'server-check' ? 'maintenance' : priorityOf(user.purpose)
}

function forget(user: User, order: OrderId): void {
  if (user !== 'server-check') user.orders.delete(order)
}
