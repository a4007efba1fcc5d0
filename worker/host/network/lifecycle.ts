import { limits } from '../../engine/limits.ts'

/** What of a Worker's global scope tells about the network and about sleep. */
export interface LifecycleInit {
  /** Tells `online`. */
  readonly scope: Pick<EventTarget, 'addEventListener' | 'removeEventListener'>
  /** Tells `change` when the device moves to another network; not every browser has it. */
  readonly connection: Pick<EventTarget, 'addEventListener' | 'removeEventListener'> | undefined
  readonly now: () => number
  /** Calls back once; returns what ends the wait. */
  readonly after: (ms: number, act: () => void) => () => void
  /** The network may be another one, or the connections may be dead: at most once in a while. */
  readonly onRevived: () => void
}

/**
 * Notices that the device is online again, on another network, or awake after a sleep (a frozen page among them).
 *
 *   steady ──online | change | a heartbeat that comes far too late──▶ settling ──its time is over──▶ told, steady
 *
 * Networks come and go in bursts: what is noticed while it settles, or soon after it was told, is told once.
 */
export class Lifecycle {
  readonly #init: LifecycleInit
  readonly #noticed = (): void => this.#settle()
  #endBeat: (() => void) | undefined
  #endSettling: (() => void) | undefined
  #toldAt = Number.NEGATIVE_INFINITY

  constructor(init: LifecycleInit) {
    this.#init = init
    init.scope.addEventListener('online', this.#noticed)
    init.connection?.addEventListener('change', this.#noticed)
    this.#beat()
  }

  stop(): void {
    this.#init.scope.removeEventListener('online', this.#noticed)
    this.#init.connection?.removeEventListener('change', this.#noticed)
    this.#endBeat?.()
    this.#endSettling?.()
  }

  #beat(): void {
    const { now, after } = this.#init
    const begun = now()
    this.#endBeat = after(limits.heartbeatMs.value, () => {
      if (now() - begun > limits.heartbeatMs.value + limits.sleepMs.value) this.#settle()
      this.#beat()
    })
  }

  #settle(): void {
    if (this.#endSettling !== undefined) return
    const { now, after, onRevived } = this.#init
    const earliest = this.#toldAt + limits.revivalIntervalMs.value
    const ms = Math.max(limits.revivalSettleMs.value, earliest - now())
    this.#endSettling = after(ms, () => {
      this.#endSettling = undefined
      this.#toldAt = now()
      onRevived()
    })
  }
}

/** Those of this Worker. */
export function platformSigns(): Omit<LifecycleInit, 'onRevived'> {
  const { navigator: platform } = globalThis as { navigator?: { connection?: EventTarget } }
  return {
    scope: typeof globalThis.addEventListener === 'function' ? globalThis : new EventTarget(),
    connection: platform?.connection,
    // Of the kind that goes on while the device sleeps.
    now: () => Date.now(),
    after: (ms, act) => {
      const timer = setTimeout(act, ms)
      return () => clearTimeout(timer)
    },
  }
}
