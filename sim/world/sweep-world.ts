import { BytesMap } from '../../worker/engine/bytes-map.ts'
import { limits } from '../../worker/engine/limits.ts'
import { OrderIds, type OrderId } from '../../worker/engine/machine.ts'
import { type Key, type Peer, type PeerIdBytes, type PeerInfo, keyOf } from '../../worker/engine/peer.ts'
import type { ProvideEffect, ProvideEvent } from '../../worker/engine/provide/contract.ts'
import { Provide } from '../../worker/engine/provide/provide.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { encodeKadRequest } from '../../worker/wire/kad.ts'
import type { LookupTally } from '../clients/lookup-log.ts'
import { lookFromTable, type TableLookup } from '../clients/table-lookup.ts'
import { hashOf } from '../core/draws.ts'
import { Keystore } from './keystore.ts'
import { type Cancel, ClientPlace, Network } from './network.ts'
import { newId, type PrefixOf, setPrefix } from './population.ts'
import { stableWorld, type WorldSettings } from './settings.ts'
import { World } from './world.ts'

/**
 * A sweep over the servers of a world: a keystore, one `Provide` machine, and what the engine does between it and the
 * network in short – connections that are kept, orders that end. Servers answer from routing tables, with what these miss
 * and what is stale in them; lookups are those of the go-like rule, from a table of our own.
 */
export interface SweepWorldOptions extends Partial<WorldSettings> {
  readonly seed: number
  readonly peers: number
  readonly intervalMs?: number
  /** The first bits of all servers, and of all keys; the rest is random. */
  readonly prefixOf?: PrefixOf
  readonly keyPrefixOf?: PrefixOf
  /** Bytes in a millisecond that leave for all servers together. */
  readonly uplink?: number
  /** Whether to remember who holds which key. All, or every so many: too much for a million. */
  readonly remembersEvery?: number
  /** Whether to keep all effects, for tests. */
  readonly traces?: boolean
}

/** Of a lookup by the go-like rule, each of which stands alone: as many as Chromium does not hold back whatever fails. */
const lookupDialsMax = 8

/** 10 Mbit/s. */
export const usualUplink = 1_250
/** Connections that are kept open: the oldest goes. */
export const connectionsMax = 100
const startWallMs = 1_700_000_000_000
const PROVIDER = 0x70726f76

export class SweepWorld {
  readonly world: World
  readonly network: Network
  readonly self: Peer
  readonly counts = newCounts()
  readonly effects: ProvideEffect[] = []
  /** By index of a remembered key: when each server was last told. */
  readonly holders = new Map<number, Map<number, number>>()
  /** Servers, and how often one was connected to and how many records it got. */
  readonly contacts: Uint32Array
  readonly records: Uint32Array
  /** While false nobody answers. */
  online = true
  /** Called with each effect, for experiments. */
  onEffect: ((effect: ProvideEffect) => void) | undefined
  keystore: Keystore
  #machine: Provide
  readonly #options: SweepWorldOptions
  readonly #rng: Rng
  readonly #orders = new OrderIds()
  readonly #place: ClientPlace
  /** In order of use. */
  readonly #connected = new Map<number, true>()
  readonly #infos = new BytesMap<PeerInfo>()
  readonly #dropped = new Set<OrderId>()
  #uplinkFreeAt = 0
  #tickAt = Number.POSITIVE_INFINITY

  constructor(options: SweepWorldOptions) {
    this.#options = options
    // Not the chance that the servers' ids are made of.
    this.#rng = new Rng(hashOf(options.seed, PROVIDER))
    this.world = new KeystoreWorld({ ...stableWorld, ...options }, options.prefixOf, () => this.keystore)
    this.network = new Network({ world: this.world })
    this.#place = new ClientPlace({ ...this.world.settings, id: 1, inBrowser: true })
    const id = newId(this.#rng)
    this.self = { id, key: keyOf(id) }
    this.keystore = new Keystore([], false)
    this.contacts = new Uint32Array(options.peers)
    this.records = new Uint32Array(options.peers)
    this.#machine = this.#newMachine()
  }

  get machine(): Provide {
    return this.#machine
  }

  get now(): number {
    return this.network.now
  }

  get wallMs(): number {
    return startWallMs + this.now
  }

  /** Fills the keystore; `queued`: nobody has been told of them yet. */
  fill(count: number, queued: boolean): void {
    const keys = Array.from({ length: count }, (_, index) => {
      const key = Uint32Array.from({ length: 8 }, () => this.#rng.uint32()) as Key
      setPrefix(key, this.#options.keyPrefixOf?.(index, this.#rng) ?? [])
      return key
    })
    this.keystore = new Keystore(keys, queued)
  }

  start(): void {
    this.send({ type: 'provide-start', self: this.self, cells: this.keystore.cells(), wallMs: this.wallMs })
    this.send({ type: 'own-addresses-changed', addresses: [{ bytes: Uint8Array.of(1), dialable: true }] })
  }

  /** The tab is closed: the machine is gone with its connections, only what was stored is left. The next one is to be started. */
  close(): void {
    this.#machine = this.#newMachine()
    this.#connected.clear()
    this.#tickAt = Number.POSITIVE_INFINITY
  }

  /** Until nothing is queued or due any more, at most until then. Returns whether it was. */
  runUntilIdle(until: number): boolean {
    const isIdle = (): boolean => this.keystore.queued === 0 && this.#machine.status(this.now).phase === 'idle'
    return this.network.agenda.run(until, isIdle)
  }

  send(event: ProvideEvent): void {
    const machine = this.#machine
    machine.handle(event, this.now)
    for (let effect = machine.poll(); effect !== undefined; effect = machine.poll()) {
      this.onEffect?.(effect)
      if (this.#options.traces === true) this.effects.push(effect)
      this.#perform(effect)
    }
    this.#armTick()
  }

  /** The true nearest that are online, by what a sort of all would give. */
  nearestOnline(key: Key, count: number): number[] {
    const { population } = this.world
    return population.nearest(key, count, (server) => population.isOnline(server, this.now))
  }

  #lookUp(target: Uint8Array): TableLookup {
    const { world, self, now } = this
    const salt = hashOf(world.settings.seed, this.counts.lookups, 1)
    const dialsMax = lookupDialsMax
    return lookFromTable({ world, self: self.key, target, connected: [...this.#connected.keys()], dialsMax, startAt: now, salt })
  }

  /** The way before the sweep: one lookup for one key, and its record to those that it found. Time passes. */
  provideAlone(index: number): void {
    const multihash = this.keystore.multihashAt(index)
    const { reached, tally, tookMs } = this.#lookUp(multihash)
    this.#count(tally)
    this.network.agenda.run(this.now + tookMs)
    for (const server of reached) {
      if (!this.world.population.isOnline(server, this.now)) continue
      this.#connectedTo(server)
      this.counts.addProviders++
      this.records[server]!++
      this.#remember(index, server)
    }
  }

  #count({ requests, dials, answered }: LookupTally): void {
    this.counts.lookups++
    this.counts.lookupRequests += requests
    this.counts.dials += dials
    this.counts.failedDials += Math.max(0, dials - answered.length)
    for (const server of answered) this.#connectedTo(server)
  }

  #perform(effect: ProvideEffect): void {
    switch (effect.type) {
      case 'load-keys': {
        const keys = this.keystore.load(effect)
        this.counts.loads++
        this.counts.keysLoadedMax = Math.max(this.counts.keysLoadedMax, keys.length)
        return this.#later(2, () => this.send({ type: 'keys-loaded', order: effect.order, keys, wallMs: this.wallMs }))
      }
      case 'keys-sent':
        return this.keystore.sent(effect)
      case 'tell-time':
        return this.#later(1, () => this.send({ type: 'time-told', wallMs: this.wallMs }))
      case 'find-closest':
        return this.#findClosest(effect)
      case 'ask-peer':
        return this.#ask(effect)
      case 'tell-peer':
        return this.#tell(effect)
      case 'drop-order':
        this.#dropped.add(effect.order)
        return
      case 'region-ended':
        return
    }
  }

  #findClosest({ order, key }: Extract<ProvideEffect, { type: 'find-closest' }>): void {
    if (!this.online) return this.#later(5_000, () => this.#answer({ type: 'closest-found', order, peers: undefined }))
    const { peers, tally, tookMs } = this.#lookUp(key)
    this.#count(tally)
    const infos = peers.map((server) => this.infoOf(server))
    this.#later(tookMs, () => this.#answer({ type: 'closest-found', order, peers: infos }))
  }

  #ask({ order, info, key }: Extract<ProvideEffect, { type: 'ask-peer' }>): void {
    this.counts.asks++
    const server = this.world.serverOf(info.peer.id)!
    let isOpen = true
    const end = (closer: PeerInfo[] | undefined): void => {
      if (isOpen) this.#answer({ type: 'peer-asked', order, closer })
      isOpen = false
    }
    this.#reach(server, (isReached) => {
      if (!isReached || this.#dropped.has(order)) return end(undefined)
      this.counts.requests++
      this.#later(limits.kadRequestTimeoutMs.value, () => end(undefined))
      this.network.request(this.#place, server, { type: 'find-node', key }, (outcome) => {
        end(
          outcome.type === 'answered'
            ? outcome.response.closer.map(({ id }) => this.infoOf(this.world.serverOf(id)!))
            : undefined,
        )
      })
    })
  }

  /** Records leave one after the other, whoever they are for. A mute server keeps the lane until the order's own deadline. */
  #tell({ order, info, multihashes }: Extract<ProvideEffect, { type: 'tell-peer' }>): void {
    this.counts.tells++
    const server = this.world.serverOf(info.peer.id)!
    const { population } = this.world
    this.#reach(server, (isReached) => {
      if (this.#dropped.has(order)) return
      if (!isReached) return this.#answer({ type: 'peer-told', order, sent: 0 })
      if (population.isMute(server))
        return this.#later(limits.kadQueryTimeoutMs.value, () => this.#answer({ type: 'peer-told', order, sent: 0 }))
      const { uplink = usualUplink } = this.#options
      this.#uplinkFreeAt = Math.max(this.#uplinkFreeAt, this.now) + (multihashes.length * addProviderBytes) / uplink
      this.#later(this.#uplinkFreeAt - this.now, () => this.#confirm(order, server, multihashes))
    })
  }

  /** Behind the records goes a request for the server itself; its answer says that they were read. */
  #confirm(order: OrderId, server: number, multihashes: readonly Uint8Array[]): void {
    if (this.#dropped.has(order)) return
    this.counts.receipts++
    let isOpen = true
    const end = (hasArrived: boolean): void => {
      if (isOpen) this.#told(order, server, hasArrived ? multihashes : [])
      isOpen = false
    }
    this.#later(limits.kadRequestTimeoutMs.value, () => end(false))
    const key = this.world.population.idOf(server)
    const machine = this.#machine
    this.network.request(this.#place, server, { type: 'find-node', key }, ({ type }) => {
      if (machine === this.#machine) end(type === 'answered' && this.online)
    })
  }

  #told(order: OrderId, server: number, arrived: readonly Uint8Array[]): void {
    if (this.#dropped.delete(order)) return
    this.counts.addProviders += arrived.length
    this.records[server]! += arrived.length
    for (const multihash of arrived) this.#remember(this.keystore.indexOf(multihash), server)
    this.#answer({ type: 'peer-told', order, sent: arrived.length })
  }

  #remember(index: number, server: number): void {
    const { remembersEvery = 0 } = this.#options
    this.keystore.told(index, this.now)
    if (remembersEvery === 0 || index % remembersEvery !== 0) return
    const holders = this.holders.get(index) ?? new Map<number, number>()
    holders.set(server, this.now)
    this.holders.set(index, holders)
  }

  #answer(event: Extract<ProvideEvent, { order: OrderId }>): void {
    if (!this.#dropped.delete(event.order)) this.send(event)
  }

  /** What it takes to be connected: as many connections are kept as a client keeps. */
  #reach(server: number, done: (isReached: boolean) => void): void {
    const { population } = this.world
    if (this.#connected.has(server) && this.online && population.isOnline(server, this.now)) {
      this.#connectedTo(server)
      return this.#later(0, () => done(true))
    }
    this.#connected.delete(server)
    this.counts.dials++
    let isOpen = true
    let cancel: Cancel = () => {}
    const end = (isReached: boolean): void => {
      if (!isOpen) return
      isOpen = false
      cancel()
      if (isReached) this.#connectedTo(server)
      else this.counts.failedDials++
      done(isReached)
    }
    this.#later(limits.dialTimeoutMs.value, () => end(false))
    if (this.online) cancel = this.network.dial(this.#place, server, (outcome) => end(outcome === 'connected'))
  }

  #connectedTo(server: number): void {
    if (!this.#connected.delete(server)) {
      this.counts.connections++
      this.contacts[server]!++
      this.#machine.handle({ type: 'peer-connected', peer: this.infoOf(server).peer }, this.now)
    }
    this.#connected.set(server, true)
    const [oldest] = this.#connected.keys()
    if (this.#connected.size > connectionsMax) this.#connected.delete(oldest!)
  }

  infoOf(server: number): PeerInfo {
    const { id, addresses } = this.world.kadPeer(server)
    const known = this.#infos.get(id)
    if (known !== undefined) return known
    const info: PeerInfo = { peer: { id: id as PeerIdBytes, key: this.world.population.keyOf(server) }, addresses }
    this.#infos.set(id, info)
    return info
  }

  /** Nothing of an earlier visit reaches the next. */
  #later(delayMs: number, action: () => void): void {
    const machine = this.#machine
    this.network.agenda.plan(delayMs, () => {
      if (machine === this.#machine) action()
    })
  }

  #armTick(): void {
    const deadline = this.#machine.nextDeadline()
    if (deadline === undefined || deadline >= this.#tickAt) return
    this.#tickAt = Math.max(deadline, this.now)
    const at = this.#tickAt
    this.#later(at - this.now, () => {
      if (this.#tickAt !== at) return
      this.#tickAt = Number.POSITIVE_INFINITY
      this.send({ type: 'tick' })
    })
  }

  #newMachine(): Provide {
    const { k = stableWorld.k, intervalMs = limits.provideIntervalMs.value } = this.#options
    return new Provide({ options: { k, intervalMs, withoutAddress: false }, orders: this.#orders })
  }
}

/** Of the keys of the provider no hash has been made: the keystore knows them. */
class KeystoreWorld extends World {
  readonly #keystore: () => Keystore

  constructor(settings: WorldSettings, prefixOf: PrefixOf | undefined, keystore: () => Keystore) {
    super(settings, undefined, prefixOf)
    this.#keystore = keystore
  }

  override keyOf(bytes: Uint8Array): Key {
    const keystore = this.#keystore()
    return keystore.holds(bytes) ? keystore.keyOf(bytes) : super.keyOf(bytes)
  }
}

function newCounts() {
  return {
    lookups: 0,
    lookupRequests: 0,
    /** FIND_NODEs of the sweep itself: ordered, and those that were sent. */
    asks: 0,
    requests: 0,
    tells: 0,
    /** FIND_NODEs that say that records have arrived. */
    receipts: 0,
    addProviders: 0,
    /** Tried; failed, or given up by a lookup that had ended; made. */
    dials: 0,
    failedDials: 0,
    connections: 0,
    loads: 0,
    keysLoadedMax: 0,
  }
}

/** What an ADD_PROVIDER of a browser takes: a multihash, an Ed25519 id, and two addresses at a relay. */
export const addProviderBytes = encodeKadRequest({
  type: 'add-provider',
  key: new Uint8Array(34),
  provider: {
    id: new Uint8Array(38) as PeerIdBytes,
    addresses: Array.from({ length: 2 }, () => ({ bytes: new Uint8Array(110), dialable: true })),
  },
}).length
