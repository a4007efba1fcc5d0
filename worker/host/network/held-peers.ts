import type { EngineEvent } from '../../engine/contract.ts'
import { BytesMap } from '../../engine/bytes-map.ts'
import { limits } from '../../engine/limits.ts'

/**
 * What is known of peers that are connected by a relay only while WebRTC is being agreed on over it. The engine hears of
 * them when that has ended: a block asked for too early would go over the relay, which allows it little.
 *
 *   hold(peer) ──release──▶ its events, in their order; none if it has gone in the meantime
 */
export class HeldPeers {
  readonly #held = new BytesMap<EngineEvent[]>()
  readonly #dispatch: (event: EngineEvent) => void

  constructor(dispatch: (event: EngineEvent) => void) {
    this.#dispatch = dispatch
  }

  hold(id: Uint8Array): void {
    if (!this.#held.has(id)) this.#held.set(id, [])
  }

  /** Dispatches at once what is of no held peer. */
  tell(id: Uint8Array, event: EngineEvent): void {
    const held = this.#held.get(id)
    if (held === undefined) {
      this.#dispatch(event)
      return
    }
    held.push(event)
    // So much to say already: it is worth hearing, by whatever way it comes.
    if (held.length > limits.heldEventsMax.value) this.release(id)
  }

  release(id: Uint8Array): void {
    const held = this.#held.get(id)
    this.#held.delete(id)
    for (const event of held ?? []) this.#dispatch(event)
  }

  /** The peer has gone. Returns whether the engine never heard of it. */
  drop(id: Uint8Array): boolean {
    return this.#held.delete(id)
  }
}
