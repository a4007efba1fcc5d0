import type { CandidateState, LookupCost } from '../../worker/engine/kad/candidates.ts'
import { Lookup } from '../../worker/engine/kad/lookup.ts'
import type { LookupEffect, LookupEvent } from '../../worker/engine/kad/lookup-contract.ts'
import { Patience } from '../../worker/engine/kad/patience.ts'
import type { PeerInfo } from '../../worker/engine/peer.ts'
import { bitsOf, drain, info8, key8, peer8 } from './kad-peers.ts'

/** One lookup alone. It looks for key 0, so that a peer's number is its distance. */
export class LookupBench {
  readonly lookup: Lookup
  readonly patience: Patience
  readonly cost: LookupCost = { distancesComputed: 0, distancesCompared: 0 }
  now = 0
  readonly effects: LookupEffect[] = []

  constructor(init: { k?: number; alpha?: number; beta?: number; barred?: number; doubtful?: number; patience?: Patience } = {}) {
    const { k = 20, alpha = 10, beta = 3, barred, doubtful } = init
    const isBarred = (peer: PeerInfo['peer']) => bitsOf(peer) === barred
    this.patience = init.patience ?? new Patience()
    const isDoubtful = (peer: PeerInfo['peer']) => bitsOf(peer) === doubtful
    const options = { k, alpha, beta }
    this.lookup = new Lookup({ target: key8(0), options, isBarred, isDoubtful, patience: this.patience, cost: this.cost, now: 0 })
    this.effects.push(...drain(this.lookup))
  }

  send(event: LookupEvent): this {
    this.lookup.handle(event, this.now)
    this.effects.push(...drain(this.lookup))
    return this
  }

  wait(ms: number): this {
    this.now += ms
    return this.send({ type: 'tick' })
  }

  seeds(...bits: number[]): this {
    return this.send({ type: 'candidates-found', candidates: bits.map((peer) => info8(peer)) })
  }

  ready(...bits: number[]): this {
    for (const peer of bits) this.send({ type: 'connection-ready', peer: peer8(peer) })
    return this
  }

  answer(bits: number, closer: readonly PeerInfo[] = []): this {
    return this.send({ type: 'peer-responded', peer: peer8(bits), closer })
  }

  /** Connects and answers, whatever the peer waits for. */
  settle(...bits: number[]): this {
    for (const peer of bits) this.ready(peer).answer(peer)
    return this
  }

  state(bits: number): CandidateState['type'] | undefined {
    return this.lookup.stateOf(peer8(bits))
  }

  /** Peers of the effects of one type, in order. */
  told(type: 'connect' | 'ask' | 'drop-connect' | 'stop-asking'): number[] {
    return this.effects.flatMap((effect) => {
      if (effect.type !== type) return []
      return [bitsOf(effect.type === 'connect' ? effect.info.peer : effect.peer)]
    })
  }

  outcomes(count = 20): string[] {
    return this.lookup.nearest(count).map(({ info, outcome }) => `${bitsOf(info.peer)} ${outcome}`)
  }
}
