import type { DiscoveryOptions } from '../../worker/engine/bitswap/contract.ts'
import { createHash } from 'node:crypto'
import type { CID } from 'multiformats/cid'
import type { BitswapMessage } from '../../worker/engine/bitswap/message.ts'
import type { EngineEffect, EngineEvent } from '../../worker/engine/contract.ts'
import { Engine } from '../../worker/engine/engine.ts'
import type { KadPeer, KadRequest, KadResponse } from '../../worker/engine/kad/message.ts'
import { keyOf, type Key, type Peer, type PeerIdBytes, type PeerInfo } from '../../worker/engine/peer.ts'
import { Rng } from '../../worker/engine/rng.ts'

/**
 * A world around one engine, in virtual time: peers that answer dials, kad requests and Bitswap messages from full
 * knowledge after seeded delays, and a log of every effect. Scripts and traces need nothing else; the network of
 * thousands is the simulator's.
 */
export interface WorldPeer {
  readonly id: PeerIdBytes
  readonly key: Key
  readonly dialable: boolean
  /** Never answers a request, though it can be dialed. */
  readonly silent: boolean
  readonly blocks: Map<string, Uint8Array>
}

export interface WorldOptions {
  readonly seed: number
  readonly peers: number
  readonly undialableShare?: number
  readonly silentShare?: number
  readonly discovery?: Partial<DiscoveryOptions>
}

export class EngineWorld {
  readonly engine: Engine
  readonly peers: readonly WorldPeer[]
  readonly effects: EngineEffect[] = []
  readonly #rng: Rng
  readonly #providers = new Map<string, PeerIdBytes[]>()
  readonly #stored = new Map<string, Uint8Array>()
  readonly #events: { readonly at: number; readonly order: number; readonly event: EngineEvent }[] = []
  readonly #self: Peer
  #order = 0
  #now = 0
  /** Those whose addresses this host has no transport for. */
  readonly withoutTransport = new Set<WorldPeer>()
  readonly #dialing = new Map<number, PeerIdBytes>()
  /** The most dials that were under way at a time. */
  dialsPendingMax = 0

  constructor(options: WorldOptions) {
    this.#rng = new Rng(options.seed)
    this.engine = new Engine({ seed: options.seed, discovery: options.discovery })
    this.#self = this.engine.peers.intern(this.#newId())
    this.peers = Array.from({ length: options.peers }, (): WorldPeer => {
      const id = this.#newId()
      const dialable = this.#rng.unit() >= (options.undialableShare ?? 0)
      return { id, key: keyOf(id), dialable, silent: this.#rng.unit() < (options.silentShare ?? 0), blocks: new Map() }
    })
  }

  get now(): number {
    return this.#now
  }

  start(bootstrapPeers = 2): void {
    const reachable = this.peers.filter((peer) => peer.dialable && !peer.silent).slice(0, bootstrapPeers)
    this.send({ type: 'start', self: this.#self, bootstrapPeers: reachable.map((peer) => this.#info(peer)), tableEntries: [] })
  }

  /** Content held by some peers, with provider records at everybody. */
  addContent(cid: CID, bytes: Uint8Array, holders: readonly WorldPeer[]): void {
    for (const holder of holders) holder.blocks.set(hex(cid.bytes), bytes)
    this.#providers.set(
      hex(cid.multihash.bytes),
      holders.map((holder) => holder.id),
    )
  }

  send(event: EngineEvent): void {
    if (event.type === 'dial-failed') this.#dialing.delete(event.order)
    if (event.type === 'peer-connected') this.#connected(event.peer)
    this.engine.handle(event, this.#now)
    for (let effect = this.engine.poll(); effect !== undefined; effect = this.engine.poll()) {
      this.effects.push(effect)
      this.#perform(effect)
    }
  }

  /** Runs until an effect is the one waited for, or `untilMs` of virtual time have passed. */
  runUntil<E extends EngineEffect>(wanted: (effect: EngineEffect) => effect is E, untilMs = 120_000): E {
    let seen = 0
    for (;;) {
      for (; seen < this.effects.length; seen++) {
        const effect = this.effects[seen]!
        if (wanted(effect)) return effect
      }
      if (!this.#step(untilMs)) throw new Error(`not within ${untilMs} ms of virtual time`)
    }
  }

  /** A hash of every effect so far, in order. */
  trace(): string {
    const hash = createHash('sha256')
    for (const effect of this.effects) hash.update(JSON.stringify(effect, plain)).update('\n')
    return hash.digest('hex')
  }

  /** Whether something happened. */
  #step(untilMs: number): boolean {
    this.#events.sort((a, b) => a.at - b.at || a.order - b.order)
    const next = this.#events[0]
    const deadline = this.engine.nextDeadline()
    const at = Math.max(this.#now, Math.min(next?.at ?? Infinity, deadline ?? Infinity))
    if (at > untilMs) return false
    this.#now = at
    if (next !== undefined && next.at <= at) {
      this.#events.shift()
      this.send(next.event)
    } else {
      this.send({ type: 'tick' })
    }
    return true
  }

  #perform(effect: EngineEffect): void {
    switch (effect.type) {
      case 'dial':
        this.#dialing.set(effect.order, effect.info.peer.id)
        this.dialsPendingMax = Math.max(this.dialsPendingMax, this.#dialing.size)
        return this.#dial(effect)
      case 'cancel-dial':
        this.#dialing.delete(effect.order)
        return
      case 'send-request':
        return this.#answer(effect)
      case 'send-message':
        return this.#deliver(effect)
      case 'load-block':
        return this.#later(1, { type: 'block-loaded', order: effect.order, bytes: this.#stored.get(hex(effect.cid)) })
      case 'store-block':
        this.#stored.set(hex(effect.cid), effect.bytes)
        return this.#later(2, { type: 'block-stored', order: effect.order })
      case 'judge-record':
        return this.#later(1, {
          type: 'record-judged',
          order: effect.order,
          verdict: { valid: true, rank: [BigInt(effect.value[0] ?? 0)] },
        })
      default:
    }
  }

  #dial(effect: Extract<EngineEffect, { type: 'dial' }>): void {
    const peer = this.#peer(effect.info.peer.id)
    const delay = 20 + this.#rng.below(200)
    if (peer?.dialable !== true) return this.#later(delay, { type: 'dial-failed', order: effect.order, reason: 'refused' })
    this.#later(delay, { type: 'peer-connected', peer: effect.info.peer })
    this.#later(delay, { type: 'dial-succeeded', order: effect.order })
    if (peer.blocks.size > 0) this.#later(delay + 20, { type: 'bitswap-peer-connected', peer: effect.info.peer })
  }

  #connected(peer: Peer): void {
    for (const [order, id] of this.#dialing) if (id === peer.id) this.#dialing.delete(order)
  }

  #answer(effect: Extract<EngineEffect, { type: 'send-request' }>): void {
    const delay = 10 + this.#rng.below(150)
    if (effect.request.type === 'add-provider') return this.#later(delay, { type: 'notice-sent', order: effect.order })
    if (this.#peer(effect.peer.id)?.silent === true) return
    this.#later(delay, { type: 'response-received', order: effect.order, response: this.#respond(effect.request) })
  }

  #respond(request: Exclude<KadRequest, { type: 'add-provider' }>): KadResponse {
    const key = request.type === 'put-value' ? request.record.key : request.key
    const target = keyOf(key)
    const closer = [...this.peers].sort((a, b) => compareDistance(a.key, b.key, target)).slice(0, 20)
    const providers = request.type === 'get-providers' ? (this.#providers.get(hex(key)) ?? []) : []
    return {
      type: request.type,
      key,
      closer: request.type === 'put-value' ? [] : closer.map((peer) => this.#kadPeer(peer)),
      providers: providers.map((id) => this.#kadPeer(this.#peer(id)!)),
      record: request.type === 'put-value' ? request.record : undefined,
    }
  }

  #deliver(effect: Extract<EngineEffect, { type: 'send-message' }>): void {
    const delay = 10 + this.#rng.below(100)
    this.#later(1, { type: 'message-sent', order: effect.order })
    const peer = this.#peer(effect.peer.id)
    if (peer === undefined || peer.silent) return
    const message: BitswapMessage = { wantlist: [], full: false, blocks: [], presences: [], pendingBytes: 0 }
    const blocks = []
    const presences = []
    for (const entry of effect.message.wantlist) {
      if (entry.cancel) continue
      const bytes = peer.blocks.get(hex(entry.cid))
      if (bytes !== undefined && entry.wantType === 'block') blocks.push({ cid: entry.cid, bytes })
      else if (bytes !== undefined) presences.push({ cid: entry.cid, type: 'have' as const })
      else if (entry.sendDontHave) presences.push({ cid: entry.cid, type: 'dont-have' as const })
    }
    if (blocks.length + presences.length === 0) return
    this.#later(delay, { type: 'message-received', peer: effect.peer, message: { ...message, blocks, presences } })
  }

  #later(delayMs: number, event: EngineEvent): void {
    this.#events.push({ at: this.#now + delayMs, order: this.#order++, event })
  }

  #peer(id: PeerIdBytes): WorldPeer | undefined {
    return this.peers.find((peer) => hex(peer.id) === hex(id))
  }

  #kadPeer(peer: WorldPeer): KadPeer {
    return { id: peer.id, addresses: [{ bytes: peer.id.slice(-6), dialable: !this.withoutTransport.has(peer) }] }
  }

  #info(peer: WorldPeer): PeerInfo {
    return { peer: this.engine.peers.intern(peer.id), addresses: this.#kadPeer(peer).addresses }
  }

  #newId(): PeerIdBytes {
    return Uint8Array.of(0x12, 0x20, ...this.#rng.bytes(32)) as PeerIdBytes
  }
}

function compareDistance(a: Key, b: Key, target: Key): number {
  for (let word = 0; word < 8; word++) {
    const difference = ((a[word]! ^ target[word]!) >>> 0) - ((b[word]! ^ target[word]!) >>> 0)
    if (difference !== 0) return difference
  }
  return 0
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function plain(_name: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return hex(value)
  if (value instanceof Uint32Array) return undefined
  return typeof value === 'bigint' ? value.toString() : value
}
