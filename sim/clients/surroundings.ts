import type { KadPeer, KadRequest } from '../../worker/engine/kad/message.ts'
import type { Agenda, SimTime } from '../core/agenda.ts'
import type { Trace } from '../core/trace.ts'
import type { Cancel, ClientPlace, DialOutcome, RequestOutcome } from '../world/network.ts'

/**
 * What an engine finds around it, whoever the others are: servers that only answer (`world/network.ts`), or engines like
 * itself (`world/browser-network.ts`). Peers have numbers there.
 */
export interface Surroundings {
  readonly seed: number
  readonly clientZone: number | undefined
  readonly agenda: Agenda
  readonly now: SimTime
  readonly trace: Trace | undefined
  /** A peer as others name it. */
  kadPeer(peer: number): KadPeer
  /** Undefined for invented peers. */
  numberOf(id: Uint8Array): number | undefined
  /** `done` is told once, unless the dial is cancelled; `opened` before it, where one can see the peer answer. */
  dial(from: ClientPlace, peer: number | undefined, done: (outcome: DialOutcome) => void, opened?: () => void): Cancel
  /** To a connected peer. */
  request(from: ClientPlace, peer: number, request: KadRequest, done: (outcome: RequestOutcome) => void): Cancel
}
