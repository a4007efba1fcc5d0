import { Bitswap } from '../../worker/engine/bitswap/bitswap.ts'
import type { BitswapEffect, BitswapEvent, DiscoveryOptions, SessionId, WantId } from '../../worker/engine/bitswap/contract.ts'
import type { BitswapMessage } from '../../worker/engine/bitswap/message.ts'
import { BytesMap } from '../../worker/engine/bytes-map.ts'
import { OrderIds } from '../../worker/engine/machine.ts'
import { PeerCache, type Peer, type PeerIdBytes } from '../../worker/engine/peer.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { Agenda } from '../core/agenda.ts'
import { noMessages } from './measured.ts'

/**
 * Engines that are all connected to each other, with latency, jitter and an uplink each: the testbed of the want-inspection
 * prototype (BBL-104). No DHT, no loss.
 */
export class Mesh {
  readonly agenda = new Agenda()
  readonly nodes: MeshNode[] = []
  readonly messages = noMessages()
  readonly #rng: Rng

  constructor(options: MeshOptions) {
    this.#rng = new Rng(options.seed)
    const peers = new PeerCache()
    for (let number = 0; number < options.nodes; number++) {
      const peer = peers.intern(new Uint8Array([0x12, 0x20, ...this.#rng.bytes(32)]) as PeerIdBytes)
      this.nodes.push(new MeshNode(this, peer, peers, options, this.#rng.child()))
    }
    for (const node of this.nodes) {
      for (const other of this.nodes) if (other !== node) node.handle({ type: 'bitswap-peer-connected', peer: other.peer })
    }
  }

  carry(from: MeshNode, to: Peer, message: BitswapMessage, options: MeshOptions): void {
    for (const { cancel, wantType } of message.wantlist) {
      this.messages[cancel ? 'cancel' : wantType === 'block' ? 'wantBlock' : 'wantHave']++
    }
    for (const { type } of message.presences) this.messages[type === 'have' ? 'have' : 'dontHave']++
    this.messages.block += message.blocks.length
    const bytes = message.blocks.reduce((sum, block) => sum + block.bytes.length, 100)
    const sentMs = from.transmit(bytes / options.bytesPerMs)
    const jitter = 1 + options.jitter * (2 * this.#rng.unit() - 1)
    const target = this.nodes.find(({ peer }) => peer === to)!
    const event: BitswapEvent = { type: 'message-received', peer: from.peer, message }
    this.agenda.plan(target.inOrder(from, sentMs + options.latencyMs * jitter), () => target.handle(event))
  }
}

export interface MeshOptions {
  readonly seed: number
  readonly nodes: number
  readonly latencyMs: number
  readonly jitter: number
  readonly bytesPerMs: number
  readonly storeMs: number
  readonly discovery: DiscoveryOptions
}

export class MeshNode {
  readonly peer: Peer
  readonly machine: Bitswap
  readonly store = new BytesMap<Uint8Array>()
  readonly endedAt = new Map<WantId, number>()
  readonly #mesh: Mesh
  readonly #options: MeshOptions
  readonly #arrivals = new Map<MeshNode, number>()
  #sendsUntil = 0
  #tickAt = Infinity

  constructor(mesh: Mesh, peer: Peer, peers: PeerCache, options: MeshOptions, rng: Rng) {
    this.#mesh = mesh
    this.#options = options
    this.peer = peer
    this.machine = new Bitswap({ rng, peers, orders: new OrderIds(), discovery: options.discovery })
  }

  want(id: number, cid: Uint8Array, session: SessionId | undefined): void {
    this.handle({ type: 'want-block', want: id as WantId, cid, session, providers: [] })
  }

  /** When the uplink has taken it all. */
  transmit(durationMs: number): number {
    const { now } = this.#mesh.agenda
    this.#sendsUntil = Math.max(now, this.#sendsUntil) + durationMs
    return this.#sendsUntil - now
  }

  /** No message of one peer overtakes another. */
  inOrder(from: MeshNode, delayMs: number): number {
    const { now } = this.#mesh.agenda
    const at = Math.max(now + delayMs, this.#arrivals.get(from) ?? 0)
    this.#arrivals.set(from, at)
    return at - now
  }

  handle(event: BitswapEvent): void {
    const { agenda } = this.#mesh
    this.machine.handle(event, agenda.now)
    for (let effect = this.machine.poll(); effect !== undefined; effect = this.machine.poll()) this.#perform(effect)
    const deadline = this.machine.nextDeadline()
    if (deadline === undefined || deadline >= this.#tickAt) return
    this.#tickAt = deadline
    agenda.planAt(deadline, () => {
      if (this.#tickAt !== deadline) return
      this.#tickAt = Infinity
      this.handle({ type: 'tick' })
    })
  }

  #perform(effect: BitswapEffect): void {
    const { agenda } = this.#mesh
    const { storeMs } = this.#options
    switch (effect.type) {
      case 'want-ended':
        this.endedAt.set(effect.want, agenda.now)
        break
      case 'send-message':
        this.#mesh.carry(this, effect.peer, effect.message, this.#options)
        agenda.plan(0, () => this.handle({ type: 'message-sent', order: effect.order }))
        break
      case 'load-block': {
        const bytes = this.store.get(effect.cid)
        agenda.plan(bytes === undefined ? 0 : storeMs, () => this.handle({ type: 'block-loaded', order: effect.order, bytes }))
        break
      }
      case 'store-block':
        this.store.set(effect.cid, effect.bytes)
        agenda.plan(0, () => this.handle({ type: 'block-stored', order: effect.order }))
        break
      case 'search-providers':
        agenda.plan(0, () => this.handle({ type: 'provider-search-ended', search: effect.search }))
        break
      default:
    }
  }
}
