import type { WantId } from '../../worker/engine/bitswap/contract.ts'
import type { BitswapMessage } from '../../worker/engine/bitswap/message.ts'
import type { EngineEffect, EngineEvent } from '../../worker/engine/contract.ts'
import type { Peer } from '../../worker/engine/peer.ts'
import type { Rng } from '../../worker/engine/rng.ts'
import type { Agenda } from '../core/agenda.ts'
import type { EngineClient, Witness } from './engine-client.ts'

/**
 * The Bitswap side of the servers that an engine is connected to, as far as it takes to keep the engine's own Bitswap
 * busy: some of them speak it, have a share of what is wanted, and want something themselves now and then.
 */
export class BitswapPartner implements Witness {
  readonly #client: EngineClient
  readonly #agenda: Agenda
  readonly #rng: Rng
  readonly #speakers: Peer[] = []
  #nextWant = 1

  constructor(client: EngineClient, agenda: Agenda, rng: Rng) {
    this.#client = client
    this.#agenda = agenda
    this.#rng = rng
  }

  want(cid: Uint8Array, context: string): void {
    const want = this.#nextWant++ as WantId
    this.#client.handle({ type: 'want-block', want, cid, session: undefined, providers: [], context })
  }

  /** A connected peer wants something of us, as it does of everybody. */
  askUs(cid: Uint8Array): void {
    const peer = this.#speakers[this.#rng.below(this.#speakers.length)]
    if (peer === undefined) return
    const entry = { cid, priority: 1, cancel: false, wantType: 'have', sendDontHave: false } as const
    this.#tell(peer, { ...nothing, wantlist: [entry] })
  }

  event(event: EngineEvent): void {
    if (event.type === 'peer-connected' && this.#rng.unit() < SPEAKERS) {
      const { peer } = event
      this.#speakers.push(peer)
      this.#later(() => this.#client.handle({ type: 'bitswap-peer-connected', peer }))
    } else if (event.type === 'peer-disconnected') {
      const index = this.#speakers.indexOf(event.peer)
      if (index >= 0) this.#speakers.splice(index, 1)
    }
  }

  effect(effect: EngineEffect): void {
    switch (effect.type) {
      case 'load-block':
        return this.#later(() => this.#client.handle({ type: 'block-loaded', order: effect.order, bytes: undefined }))
      case 'store-block':
        return this.#later(() => this.#client.handle({ type: 'block-stored', order: effect.order }))
      case 'send-message':
        this.#later(() => this.#client.handle({ type: 'message-sent', order: effect.order }))
        return this.#answer(effect.peer, effect.message)
      default:
    }
  }

  #answer(peer: Peer, { wantlist }: BitswapMessage): void {
    const wanted = wantlist.filter(({ cancel }) => !cancel)
    // Whether a peer has a block depends on the two of them alone.
    const held = wanted.filter(({ cid }) => ((cid.at(-1)! ^ peer.key[0]!) & 7) === 0)
    const blocks = held.filter(({ wantType }) => wantType === 'block').map(({ cid }) => ({ cid, bytes: cid }))
    const presences = wanted
      .filter((entry) => entry.wantType === 'have' || !held.includes(entry))
      .filter((entry) => entry.sendDontHave || held.includes(entry))
      .map((entry) => ({ cid: entry.cid, type: held.includes(entry) ? ('have' as const) : ('dont-have' as const) }))
    if (blocks.length + presences.length > 0) this.#tell(peer, { ...nothing, blocks, presences })
  }

  #tell(peer: Peer, message: BitswapMessage): void {
    this.#later(() => {
      if (this.#speakers.includes(peer)) this.#client.handle({ type: 'message-received', peer, message })
    }, 80)
  }

  #later(action: () => void, delay = 5): void {
    this.#agenda.plan(delay, action)
  }
}

const nothing: BitswapMessage = { wantlist: [], full: false, blocks: [], presences: [], pendingBytes: 0 }

/** Share of DHT servers that speak Bitswap, too. Assumption. */
const SPEAKERS = 0.7
