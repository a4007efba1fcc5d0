import { assert } from '../assert.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import type { BitswapEvent, SessionId } from './contract.ts'
import { Session, type Burst } from './session.ts'

/**
 * The sessions that the page has opened, and those that its other wants share: blocks that are wanted in one burst, in one
 * context, are mostly in the same places, whether or not the page said so. A shared session tells nothing to the first
 * few of its wants: alone they go about as if there were none; and to none of a few while bursts turn out to be of many places.
 * It outlives its wants for as long as a burst may pause.
 */
export class Sessions {
  readonly #open = new Map<SessionId, Session>()
  readonly #shared = new Map<string | undefined, Session>()

  readonly #burst: Burst

  constructor(burst: Burst) {
    this.#burst = burst
  }

  /** Opened by the page. */
  get size(): number {
    return this.#open.size
  }

  get(id: SessionId): Session | undefined {
    return this.#open.get(id)
  }

  open({ session: id, root, context, providers = [] }: Extract<BitswapEvent, { type: 'open-session' }>): void {
    assert(!this.#open.has(id), 'the id of a session is unique among those that are open')
    if (this.#open.size >= limits.sessionsMax.value) return
    const session = new Session({ root, context, burst: undefined })
    for (const info of providers) session.note(info.peer, 'joined', info)
    this.#open.set(id, session)
  }

  close(id: SessionId): Session | undefined {
    const session = this.#open.get(id)
    this.#open.delete(id)
    return session
  }

  /** Of the wants in this context that have no session of the page's, and come in one burst. */
  shared(context: string | undefined, now: Millis): Session {
    const known = this.#shared.get(context)
    if (known !== undefined && now - known.latestAt <= limits.burstGapMs.value) return known
    this.#forgetIdle(now)
    const session = new Session({ root: undefined, context, burst: this.#burst })
    this.#shared.set(context, session)
    return session
  }

  #forgetIdle(now: Millis): void {
    for (const [context, { isIdle, latestAt }] of this.#shared) {
      const isOver = now - latestAt > limits.burstGapMs.value || this.#shared.size >= limits.contextsMax.value
      if (isIdle && isOver) this.#shared.delete(context)
    }
  }
}
