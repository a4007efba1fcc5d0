import type { RtcChannel } from './data-channel.ts'
import type { RtcIceCandidate } from './peer-connection.ts'

/**
 * `on…` properties as browsers have them: a listener among the others, which keeps the place in the order that its
 * first assignment gave it.
 */
export class HandlerSlots {
  readonly #target: EventTarget
  readonly #handlers = new Map<string, RtcHandler | null>()

  constructor(target: EventTarget) {
    this.#target = target
  }

  get(type: string): RtcHandler | null {
    return this.#handlers.get(type) ?? null
  }

  set(type: string, handler: RtcHandler | null): void {
    const isFirst = !this.#handlers.has(type)
    this.#handlers.set(type, handler)
    if (isFirst) this.#target.addEventListener(type, (event) => this.#handlers.get(type)?.call(this.#target, event as RtcEvent))
  }
}

/** What the shim's events carry, each its part. */
export interface RtcEvent extends Event {
  readonly candidate: RtcIceCandidate | null
  readonly channel: RtcChannel
  readonly data: unknown
  readonly error: unknown
}

/** A method's type, so that a handler may name the part of the event that it takes. */
export type RtcHandler = { handle(event: RtcEvent): unknown }['handle']
