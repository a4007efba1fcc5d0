/**
 * The one shape of every state machine in the engine.
 *
 *   event ──handle──▶ [state] ──poll──▶ effect, effect, … undefined
 *                        └──nextDeadline──▶ when to send a `tick`
 *
 * The driver does one `handle`, drains `poll`, and arms one timer for `nextDeadline`. When that moment comes it
 * handles `{ type: 'tick' }`. Machines never see a promise, a clock or a source of randomness of their own.
 */

/** Monotonic milliseconds. Only differences have meaning. */
export type Millis = number

export interface Machine<Event, Effect> {
  /** Synchronous and total: never throws on what the network sent. */
  handle(event: Event, now: Millis): void
  /** The next effect in order, or `undefined` when drained. */
  poll(): Effect | undefined
  /** When this machine next wants a `tick`, whatever else happens; `undefined` for never. */
  nextDeadline(): Millis | undefined
}

/** Time has passed; sent at or after `nextDeadline`. Harmless at any other time. */
export interface Tick {
  readonly type: 'tick'
}

/**
 * Numbers orders (effects that will be answered). One instance is shared by the whole engine, so that an id is
 * never reused and an answer always finds its order, or is counted as unknown.
 */
export class OrderIds {
  #next = 1

  next(): OrderId {
    return this.#next++ as OrderId
  }
}

export type OrderId = number & { readonly OrderId: unique symbol }

/**
 * Whether `afterMs` have passed since then. Deadlines are told as the same sum: a difference of fractions rounds otherwise, and
 * a tick that comes when it was wanted would find nothing due.
 */
export function isDue(since: Millis, afterMs: Millis, now: Millis): boolean {
  return now >= since + afterMs
}

/** The earlier of two deadlines, where `undefined` is never. */
export function earlier(a: Millis | undefined, b: Millis | undefined): Millis | undefined {
  if (a === undefined) return b
  if (b === undefined) return a
  return Math.min(a, b)
}
