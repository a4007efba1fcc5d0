import { Bitswap } from '../../worker/engine/bitswap/bitswap.ts'
import type { BitswapEffect, BitswapEvent, DiscoveryOptions, SessionId, WantId } from '../../worker/engine/bitswap/contract.ts'
import type { BitswapMessage } from '../../worker/engine/bitswap/message.ts'
import { OrderIds } from '../../worker/engine/machine.ts'
import { PeerCache, type Peer, type PeerIdBytes } from '../../worker/engine/peer.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { Agenda } from '../core/agenda.ts'
import { noMessages } from './measured.ts'
import { MeshNode } from './mesh-node.ts'
import { PrototypeNode, type PrototypeRules } from './prototype.ts'

/**
 * Nodes that are all connected to each other, with latency, jitter and an uplink each: the testbed of the want-inspection
 * prototype (BBL-104). All of them are our engine, or all go by the prototype's rules. No DHT, no loss.
 */
export class Mesh {
  readonly agenda = new Agenda()
  readonly nodes: MeshNode[] = []
  readonly messages = noMessages()
  readonly options: MeshOptions
  readonly #rng: Rng
  readonly #byPeer = new Map<Peer, MeshNode>()

  constructor(options: MeshOptions) {
    this.options = options
    this.#rng = new Rng(options.seed)
    const peers = new PeerCache()
    for (let number = 0; number < options.nodes; number++) {
      const peer = peers.intern(new Uint8Array([0x12, 0x20, ...this.#rng.bytes(32)]) as PeerIdBytes)
      const rng = this.#rng.child()
      const node =
        'prototype' in options.kind
          ? new PrototypeNode(this, peer, options.kind.prototype)
          : new EngineNode(this, peer, peers, rng)
      this.nodes.push(node)
      this.#byPeer.set(peer, node)
    }
    for (const node of this.nodes) for (const other of this.nodes) if (other !== node) node.connected(other.peer)
  }

  /** Returns when the uplink has taken the message. */
  carry(from: MeshNode, to: Peer, message: BitswapMessage): number {
    for (const { cancel, wantType } of message.wantlist) {
      this.messages[cancel ? 'cancel' : wantType === 'block' ? 'wantBlock' : 'wantHave']++
    }
    for (const { type } of message.presences) this.messages[type === 'have' ? 'have' : 'dontHave']++
    this.messages.block += message.blocks.length
    const { bytesPerMs, uplinks, latencyMs, jitter } = this.options
    const bytes = message.blocks.reduce((sum, block) => sum + block.bytes.length, 100)
    const sentMs = from.transmit(bytes / (uplinks?.[this.nodes.indexOf(from)] ?? bytesPerMs))
    const delayMs = latencyMs * (1 + jitter * (2 * this.#rng.unit() - 1))
    const target = this.#byPeer.get(to)!
    this.agenda.plan(target.inOrder(from, sentMs + delayMs), () => target.receive(from.peer, message))
    return sentMs
  }
}

export interface MeshOptions {
  readonly seed: number
  readonly nodes: number
  readonly latencyMs: number
  readonly jitter: number
  readonly bytesPerMs: number
  /** Of the first nodes, where they are not like the others. */
  readonly uplinks?: readonly number[]
  readonly storeMs: number
  readonly kind: { readonly engine: DiscoveryOptions } | { readonly prototype: PrototypeRules }
}

class EngineNode extends MeshNode {
  readonly #machine: Bitswap
  #tickAt = Infinity

  constructor(mesh: Mesh, peer: Peer, peers: PeerCache, rng: Rng) {
    super(mesh, peer)
    const { kind } = mesh.options
    const discovery = 'engine' in kind ? kind.engine : undefined
    this.#machine = new Bitswap({ rng, peers, orders: new OrderIds(), discovery })
    this.#handle({ type: 'open-session', session: 1 as SessionId })
  }

  override connected(peer: Peer): void {
    this.#handle({ type: 'bitswap-peer-connected', peer })
  }

  override want(id: number, cid: Uint8Array, isAlone = false): void {
    const session = isAlone ? undefined : (1 as SessionId)
    this.#handle({ type: 'want-block', want: id as WantId, cid, session, providers: [] })
  }

  override receive(from: Peer, message: BitswapMessage): void {
    this.#handle({ type: 'message-received', peer: from, message })
  }

  override forget(cid: Uint8Array): void {
    super.forget(cid)
    this.#handle({ type: 'block-removed', cid })
  }

  override get duplicates(): number {
    return this.#machine.status().counters.duplicateBlocksReceived
  }

  #handle(event: BitswapEvent): void {
    const { agenda } = this.mesh
    this.#machine.handle(event, agenda.now)
    for (let effect = this.#machine.poll(); effect !== undefined; effect = this.#machine.poll()) this.#perform(effect)
    const deadline = this.#machine.nextDeadline()
    if (deadline === undefined || deadline >= this.#tickAt) return
    this.#tickAt = deadline
    agenda.planAt(deadline, () => {
      if (this.#tickAt !== deadline) return
      this.#tickAt = Infinity
      this.#handle({ type: 'tick' })
    })
  }

  #perform(effect: BitswapEffect): void {
    const { agenda } = this.mesh
    switch (effect.type) {
      case 'want-ended':
        // What follows from it is the page's doing, after the engine is done with this event.
        agenda.plan(0, () => this.ended(effect.want))
        break
      case 'send-message':
        agenda.plan(this.mesh.carry(this, effect.peer, effect.message), () =>
          this.#handle({ type: 'message-sent', order: effect.order }),
        )
        break
      case 'load-block': {
        const bytes = this.store.get(effect.cid)
        const delayMs = bytes === undefined ? 0 : this.mesh.options.storeMs
        agenda.plan(delayMs, () => this.#handle({ type: 'block-loaded', order: effect.order, bytes }))
        break
      }
      case 'store-block':
        this.store.set(effect.cid, effect.bytes)
        agenda.plan(0, () => this.#handle({ type: 'block-stored', order: effect.order }))
        break
      case 'search-providers':
        agenda.plan(0, () => this.#handle({ type: 'provider-search-ended', search: effect.search }))
        break
      default:
    }
  }
}
