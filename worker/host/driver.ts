import type { EngineEffect, EngineEvent, EngineStatus } from '../engine/contract.ts'
import { Engine, type EngineInit } from '../engine/engine.ts'
import { assert } from '../engine/assert.ts'
import type { Millis } from '../engine/machine.ts'
import type { PeerCache } from '../engine/peer.ts'

/** The slices of the platform that the driver needs. `now` is monotonic. */
export interface Clock {
  now(): Millis
  setTimer(callback: () => void, delayMs: number): unknown
  clearTimer(timer: unknown): void
}

export const platformClock: Clock = {
  now: () => performance.now(),
  setTimer: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimer: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
}

/**
 * Runs the engine: one event in, all effects out, one timer armed. An event that arrives while effects are being
 * performed waits its turn, so that the engine never sees two without a drain between them.
 */
export class Driver {
  readonly #engine: Engine
  readonly #clock: Clock
  readonly #perform: (effect: EngineEffect) => void
  readonly #waiting: EngineEvent[] = []
  #running = false
  #stopped = false
  #timer: { readonly handle: unknown; readonly at: Millis } | undefined

  constructor(init: EngineInit & { clock: Clock; perform: (effect: EngineEffect) => void }) {
    this.#engine = new Engine(init)
    this.#clock = init.clock
    this.#perform = init.perform
  }

  get peers(): PeerCache {
    return this.#engine.peers
  }

  now(): Millis {
    return this.#clock.now()
  }

  status(): EngineStatus {
    return this.#engine.status(this.#clock.now())
  }

  /** After `stop` events are ignored: what is still under way in the network may answer late. */
  dispatch(event: EngineEvent): void {
    if (this.#stopped) return
    this.#waiting.push(event)
    if (this.#running) return
    this.#running = true
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
        this.#engine.handle(next, this.#clock.now())
        for (let effect = this.#engine.poll(); effect !== undefined; effect = this.#engine.poll()) this.#perform(effect)
      }
    } finally {
      this.#running = false
      this.#arm()
    }
  }

  stop(): void {
    this.#stopped = true
    this.#waiting.length = 0
    this.#disarm()
  }

  #arm(): void {
    if (this.#stopped) return
    const deadline = this.#engine.nextDeadline()
    if (this.#timer?.at === deadline) return
    this.#disarm()
    if (deadline === undefined) return
    assert(!Number.isNaN(deadline), 'a deadline is a number')
    // Timers fire up to a millisecond early; and one of more than 2^31 ms would fire at once.
    const delay = Math.min(Math.max(0, Math.ceil(deadline - this.#clock.now())), 2 ** 30)
    const handle = this.#clock.setTimer(() => {
      this.#timer = undefined
      this.dispatch({ type: 'tick' })
    }, delay)
    this.#timer = { handle, at: deadline }
  }

  #disarm(): void {
    if (this.#timer === undefined) return
    this.#clock.clearTimer(this.#timer.handle)
    this.#timer = undefined
  }
}
