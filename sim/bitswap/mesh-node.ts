import type { BitswapMessage } from '../../worker/engine/bitswap/message.ts'
import { BytesMap } from '../../worker/engine/bytes-map.ts'
import type { Peer } from '../../worker/engine/peer.ts'
import type { Mesh } from './mesh.ts'

/** What every node has, whatever its rules: a store, an uplink, and messages that do not overtake each other. */
export abstract class MeshNode {
  readonly peer: Peer
  readonly store = new BytesMap<Uint8Array>()
  /** When each want got its block, by the number of the want. */
  readonly endedAt = new Map<number, number>()
  onEnded: () => void = () => {}
  protected readonly mesh: Mesh
  readonly #arrivals = new Map<MeshNode, number>()
  #sendsUntil = 0

  constructor(mesh: Mesh, peer: Peer) {
    this.mesh = mesh
    this.peer = peer
  }

  abstract connected(peer: Peer): void
  /** `isAlone`: it has nothing to do with what was wanted before; the others are of one session. */
  abstract want(id: number, cid: Uint8Array, isAlone?: boolean): void
  abstract receive(from: Peer, message: BitswapMessage): void
  /** Blocks that came more than once. */
  abstract readonly duplicates: number

  /** Throws a block away. */
  forget(cid: Uint8Array): void {
    this.store.delete(cid)
  }

  /** When the uplink has taken it all. */
  transmit(durationMs: number): number {
    const { now } = this.mesh.agenda
    this.#sendsUntil = Math.max(now, this.#sendsUntil) + durationMs
    return this.#sendsUntil - now
  }

  inOrder(from: MeshNode, delayMs: number): number {
    const { now } = this.mesh.agenda
    const at = Math.max(now + delayMs, this.#arrivals.get(from) ?? 0)
    this.#arrivals.set(from, at)
    return at - now
  }

  protected ended(id: number): void {
    this.endedAt.set(id, this.mesh.agenda.now)
    this.onEnded()
  }
}
