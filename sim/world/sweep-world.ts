import { BytesMap } from '../../worker/engine/bytes-map.ts'
import { OrderIds, type OrderId } from '../../worker/engine/machine.ts'
import type { Key, Peer, PeerIdBytes, PeerInfo } from '../../worker/engine/peer.ts'
import { bytesOfKey, compareKeys } from '../../worker/engine/provide/bits.ts'
import {
  cellCount,
  type CellState,
  type KeySource,
  type ProvideEffect,
  type ProvideEvent,
  type ProvidedKey,
} from '../../worker/engine/provide/contract.ts'
import { Provide } from '../../worker/engine/provide/provide.ts'
import { cellOf } from '../../worker/engine/provide/schedule.ts'
import { Trie } from '../../worker/engine/provide/trie.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { Agenda } from '../core/agenda.ts'

/**
 * A world for the sweep alone: servers that know their neighbourhood, a keystore, and one `Provide` machine in virtual
 * time. Lookups are answered as a whole, so that thousands of servers and a million keys fit; how lookups themselves go
 * is what the other experiments show. Keys are random: hashes are.
 */
export interface SweepWorldOptions {
  readonly seed: number
  readonly servers: number
  readonly k?: number
  readonly intervalMs?: number
  /** Cannot be dialed from here, though others can. */
  readonly undialableShare?: number
  /** Named by others, but gone. */
  readonly deadShare?: number
  /** Take an order and never end it: the driver's deadline does, after a minute. */
  readonly hungShare?: number
  /** Share of its 20 nearest that a server does not know. */
  readonly unknownShare?: number
  /** The first bits of all servers; the rest is random. */
  readonly serverPrefix?: (index: number, rng: Rng) => readonly number[]
  readonly keyPrefix?: (index: number, rng: Rng) => readonly number[]
  /** Whether to remember who holds which key: needed to check, too much for a million. */
  readonly remembers?: boolean
}

export interface Server {
  readonly info: PeerInfo
  readonly state: 'live' | 'dead' | 'hung'
  records: number
  contacts: number
}

const startWallMs = 1_700_000_000_000

export class SweepWorld {
  readonly machine: Provide
  readonly servers: readonly Server[]
  readonly live = new Trie<Server>()
  /** By key: when each server was last told. Only with `remembers`. */
  readonly holders = new Map<string, Map<Server, number>>()
  readonly counts = { lookups: 0, asks: 0, tells: 0, addProviders: 0, connections: 0, loads: 0, keysLoadedMax: 0 }
  readonly effects: ProvideEffect[] = []
  readonly agenda = new Agenda()
  readonly self: Peer
  /** While false nobody answers. */
  online = true
  /** Called with each effect, for experiments. */
  onEffect: ((effect: ProvideEffect) => void) | undefined
  readonly #options: SweepWorldOptions
  readonly #rng: Rng
  readonly #all = new Trie<Server>()
  readonly #byId = new BytesMap<Server>()
  readonly #connected = new BytesMap<true>()
  readonly #dropped = new Set<OrderId>()
  readonly #keys: Record<KeySource, Key[]> = { provided: [], queue: [] }
  readonly #sweptAt = new Float64Array(cellCount)
  #wokenAt: number | undefined

  constructor(options: SweepWorldOptions) {
    this.#options = options
    this.#rng = new Rng(options.seed)
    this.self = this.#newPeer([])
    this.servers = Array.from({ length: options.servers }, (_, index) => this.#newServer(index))
    this.machine = this.#newMachine()
  }

  get now(): number {
    return this.agenda.now
  }

  get wallMs(): number {
    return startWallMs + this.agenda.now
  }

  keys(source: KeySource): readonly Key[] {
    return this.#keys[source]
  }

  newKeys(count: number): Key[] {
    return Array.from({ length: count }, (_, index) => this.#newKey(this.#options.keyPrefix?.(index, this.#rng) ?? []))
  }

  /** Puts keys into the keystore; `queued`: nobody has been told of them yet. */
  add(keys: readonly Key[], queued: boolean): void {
    this.#keys.provided = merged(this.#keys.provided, keys)
    if (queued) this.#keys.queue = merged(this.#keys.queue, keys)
  }

  start(machine: Provide = this.machine): void {
    machine.handle({ type: 'provide-start', self: this.self, cells: this.cells(), wallMs: this.wallMs }, this.now)
    this.send({ type: 'own-addresses-changed', addresses: [{ bytes: Uint8Array.of(1), dialable: true }] }, machine)
  }

  /** A machine of the next visit, which knows what was stored. */
  reopened(): Provide {
    return this.#newMachine()
  }

  send(event: ProvideEvent, machine: Provide = this.machine): void {
    machine.handle(event, this.now)
    for (let effect = machine.poll(); effect !== undefined; effect = machine.poll()) {
      this.onEffect?.(effect)
      if (this.#options.remembers === true) this.effects.push(effect)
      this.#perform(effect, machine)
    }
    const deadline = machine.nextDeadline()
    if (deadline === undefined || (this.#wokenAt !== undefined && this.#wokenAt <= deadline && this.#wokenAt > this.now)) return
    this.#wokenAt = Math.max(deadline, this.now)
    this.agenda.planAt(this.#wokenAt, () => {
      this.#wokenAt = undefined
      this.send({ type: 'tick' }, machine)
    })
  }

  cells(): CellState[] {
    const cells = Array.from({ length: cellCount }, (_, cell) => ({
      cell,
      provided: 0,
      queued: 0,
      sweptAt: this.#sweptAt[cell]!,
    }))
    for (const key of this.#keys.provided) cells[cellOf(key)]!.provided++
    for (const key of this.#keys.queue) cells[cellOf(key)]!.queued++
    return cells.filter(({ provided, queued }) => provided + queued > 0)
  }

  #perform(effect: ProvideEffect, machine: Provide): void {
    switch (effect.type) {
      case 'load-keys': {
        const keys = this.#load(effect).map((key): ProvidedKey => ({ key, multihash: bytesOfKey(key) }))
        this.counts.loads++
        this.counts.keysLoadedMax = Math.max(this.counts.keysLoadedMax, keys.length)
        return this.#later(2, () => this.send({ type: 'keys-loaded', order: effect.order, keys, wallMs: this.wallMs }, machine))
      }
      case 'keys-sent': {
        const sent = new Trie<true>()
        for (const { key } of effect.keys) sent.set(key, true)
        const { queue } = this.#keys
        if (queue.length > 0 && effect.keys.length > 0) {
          const first = firstAtOrAfter(queue, effect.keys[0]!.key)
          const behind = firstAtOrAfter(queue, effect.keys.at(-1)!.key) + 1
          const rest = queue.slice(first, behind).filter((key) => sent.get(key) === undefined)
          queue.splice(first, behind - first, ...rest)
        }
        for (const { cell, at } of effect.swept) this.#sweptAt[cell] = at
        return
      }
      case 'tell-time':
        return this.#later(1, () => this.send({ type: 'time-told', wallMs: this.wallMs }, machine))
      case 'find-closest':
        return this.#findClosest(effect, machine)
      case 'ask-peer':
        return this.#ask(effect, machine)
      case 'tell-peer':
        return this.#tell(effect, machine)
      case 'drop-order':
        this.#dropped.add(effect.order)
        return
      case 'region-ended':
        return
    }
  }

  #load({ source, from, to, limit }: Extract<ProvideEffect, { type: 'load-keys' }>): Key[] {
    const keys = this.#keys[source]
    const first = firstAtOrAfter(keys, from)
    const found: Key[] = []
    for (let index = first; index < keys.length && found.length < limit; index++) {
      if (compareKeys(keys[index]!, to) > 0) break
      found.push(keys[index]!)
    }
    return found
  }

  #findClosest({ order, key }: Extract<ProvideEffect, { type: 'find-closest' }>, machine: Provide): void {
    this.counts.lookups++
    const near = this.#all.nearest(keyOfBytes(key), 3 * this.#k).filter(({ state }) => state !== 'dead')
    const peers = this.online ? near.slice(0, this.#k).map(({ info }) => info) : undefined
    this.#later(this.online ? 1_500 : 5_000, () => this.#answer({ type: 'closest-found', order, peers }, machine))
  }

  #ask({ order, info, key }: Extract<ProvideEffect, { type: 'ask-peer' }>, machine: Provide): void {
    this.counts.asks++
    const server = this.#byId.get(info.peer.id)!
    const closer = server.state === 'live' && this.online ? this.#closerPeers(keyOfBytes(key)) : undefined
    this.#later(this.#reach(server) + 80, () => this.#answer({ type: 'peer-asked', order, closer }, machine))
  }

  #tell({ order, info, multihashes }: Extract<ProvideEffect, { type: 'tell-peer' }>, machine: Provide): void {
    this.counts.tells++
    const server = this.#byId.get(info.peer.id)!
    const sent = server.state === 'live' && this.online ? multihashes.length : 0
    this.#later(this.#reach(server) + 20 + multihashes.length / 10, () => {
      if (this.#dropped.delete(order)) return
      this.counts.addProviders += sent
      server.records += sent
      if (this.#options.remembers === true && sent > 0) this.#remember(server, multihashes)
      this.#answer({ type: 'peer-told', order, sent }, machine)
    })
  }

  #remember(server: Server, multihashes: readonly Uint8Array[]): void {
    for (const multihash of multihashes) {
      const name = hex(multihash)
      const holders = this.holders.get(name) ?? new Map<Server, number>()
      holders.set(server, this.now)
      this.holders.set(name, holders)
    }
  }

  #answer(event: Extract<ProvideEvent, { order: OrderId }>, machine: Provide): void {
    if (!this.#dropped.delete(event.order)) this.send(event, machine)
  }

  /** What it takes to be connected: as many connections are kept as a client keeps. */
  #reach(server: Server): number {
    const { id } = server.info.peer
    if (server.state === 'hung') return 60_000
    if (server.state === 'dead' || !this.online) return 3_000
    if (this.#connected.delete(id)) {
      this.#connected.set(id, true)
      return 0
    }
    this.counts.connections++
    server.contacts++
    this.#connected.set(id, true)
    if (this.#connected.size > 100) this.#connected.shift()
    return 350
  }

  #closerPeers(key: Key): PeerInfo[] {
    const missing = this.#options.unknownShare ?? 0
    return this.#all
      .nearest(key, 2 * this.#k)
      .filter(() => missing === 0 || this.#rng.unit() >= missing)
      .slice(0, this.#k)
      .map(({ info }) => info)
  }

  get #k(): number {
    return this.#options.k ?? 20
  }

  #later(delayMs: number, action: () => void): void {
    this.agenda.plan(delayMs, action)
  }

  #newMachine(): Provide {
    const options = { k: this.#k, intervalMs: this.#options.intervalMs ?? 79_200_000, withoutAddress: false }
    return new Provide({ options, orders: new OrderIds() })
  }

  #newServer(index: number): Server {
    const { deadShare = 0, hungShare = 0, undialableShare = 0 } = this.#options
    const peer = this.#newPeer(this.#options.serverPrefix?.(index, this.#rng) ?? [])
    const draw = this.#rng.unit()
    const state = draw < deadShare ? 'dead' : draw < deadShare + hungShare ? 'hung' : 'live'
    const dialable = this.#rng.unit() >= undialableShare
    const server: Server = {
      info: { peer, addresses: [{ bytes: peer.id.slice(0, 6), dialable }] },
      state,
      records: 0,
      contacts: 0,
    }
    this.#all.set(peer.key, server)
    this.#byId.set(peer.id, server)
    if (state === 'live') this.live.set(peer.key, server)
    return server
  }

  #newPeer(prefix: readonly number[]): Peer {
    return { id: this.#rng.bytes(34) as PeerIdBytes, key: this.#newKey(prefix) }
  }

  #newKey(prefix: readonly number[]): Key {
    const key = new Uint32Array(8) as Key
    for (let word = 0; word < 8; word++) key[word] = this.#rng.uint32()
    for (const [position, bit] of prefix.entries()) {
      const mask = 1 << (31 - (position & 31))
      key[position >> 5] = bit === 1 ? key[position >> 5]! | mask : key[position >> 5]! & ~mask
    }
    return key
  }
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function keyOfBytes(bytes: Uint8Array): Key {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  return Uint32Array.from({ length: 8 }, (_, word) => view.getUint32(4 * word)) as Key
}

function merged(kept: readonly Key[], added: readonly Key[]): Key[] {
  return [...kept, ...added].sort(compareKeys)
}

function firstAtOrAfter(keys: readonly Key[], from: Key): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (compareKeys(keys[middle]!, from) < 0) low = middle + 1
    else high = middle
  }
  return low
}
