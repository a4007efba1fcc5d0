import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Peer } from '../peer.ts'
import type { Session } from './session.ts'
import type { Want } from './want.ts'

/**
 * Who was asked for a block that has come from another meanwhile: a HAVE that is still on its way tells the sessions of the
 * want where more of their blocks are. Of the wants that ended last only; of each peer one answer counts.
 */
export class LateAnswers {
  /** By multihash. */
  readonly #awaited = new BytesMap<{ readonly sessions: readonly Session[]; readonly peers: BytesMap<true> }>()

  await(want: Want): void {
    const peers = new BytesMap<true>()
    for (const { peer, state } of want.peers.values()) {
      if (state.type === 'asked-have' && state.sentAt !== undefined) peers.set(peer.id, true)
    }
    if (peers.size === 0) return
    this.#awaited.delete(want.key)
    this.#awaited.set(want.key, { sessions: [...want.sessions], peers })
    if (this.#awaited.size > limits.lateAnswersMax.value) this.#awaited.shift()
  }

  /** Tells the sessions of a HAVE. Returns their wants that had better ask the peer. */
  take(key: Uint8Array, peer: Peer): Want[] {
    const awaited = this.#awaited.get(key)
    if (awaited?.peers.delete(peer.id) !== true) return []
    for (const session of awaited.sessions) session.note(peer, 'have')
    return awaited.sessions.flatMap((session) => [...session.wants].filter((want) => session.takesAdvice(want)))
  }
}
