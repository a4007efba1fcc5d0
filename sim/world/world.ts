import { BytesMap, equalBytes } from '../../worker/engine/bytes-map.ts'
import type { KadPeer, KadRecord, KadRequest, KadResponse } from '../../worker/engine/kad/message.ts'
import { type Address, type Key, keyOf } from '../../worker/engine/peer.ts'
import type { SimTime } from '../core/agenda.ts'
import { hashOf } from '../core/draws.ts'
import { Population, type PrefixOf } from './population.ts'
import type { WorldSettings } from './settings.ts'
import { Tables } from './tables.ts'

/** The servers of a world and what they answer. It does not know time, clients or the way between: see `network.ts`. */
export class World {
  readonly settings: WorldSettings
  readonly population: Population
  readonly tables: Tables
  readonly hydra: HydraSettings | undefined
  /** Provider records of all heads together. */
  readonly #database = new BytesMap<KadPeer[]>()
  readonly #stores = new Map<number, Store>()
  readonly #peers: (KadPeer | undefined)[] = []
  readonly #servers = new BytesMap<number>()

  constructor(settings: WorldSettings, hydra?: HydraSettings, prefixOf?: PrefixOf) {
    this.settings = settings
    this.hydra = hydra
    this.population = new Population(settings, hydra?.heads, hydra?.leaves !== true, prefixOf)
    this.tables = new Tables(settings, this.population)
    for (let server = 0; server < this.population.size; server++) this.#servers.set(this.population.idOf(server), server)
  }

  /** Undefined for invented peers. */
  serverOf(id: Uint8Array): number | undefined {
    return this.#servers.get(id)
  }

  /** What a request is for: the servers' own keys need not be hashes. */
  keyOf(bytes: Uint8Array): Key {
    const server = this.#servers.get(bytes)
    return server === undefined ? keyOf(bytes) : this.population.keyOf(server)
  }

  /** A server as others name it; always the same object. */
  kadPeer(server: number): KadPeer {
    const known = this.#peers[server]
    if (known !== undefined) return known
    const address: Address = { bytes: addressOf(server), dialable: this.population.isDialable(server) }
    const peer: KadPeer = { id: this.population.idOf(server), addresses: [address] }
    this.#peers[server] = peer
    return peer
  }

  /** Ranks of the peers a server names: the target itself first if it is in the table, as Go does, then the k nearest. */
  closerPeers(server: number, target: Key, now: SimTime): number[] {
    const { tables, population } = this
    if (population.isHead(server) && this.hydra?.names === 'nobody') return []
    if (population.isHead(server) && this.hydra?.names === 'everybody') {
      return population.nearest(target, this.settings.k, (other) => other !== server && population.isOnline(other, now))
    }
    return tables.nearest(tables.ownerOf(server), target, this.settings.k, now)
  }

  answer(server: number, request: Exclude<KadRequest, { type: 'add-provider' }>, now: SimTime): KadResponse {
    if (request.type === 'put-value') {
      const { record } = request
      this.#storeOf(server).records.set(record.key, record)
      return { type: 'put-value', key: record.key, closer: [], providers: [], record }
    }
    const store = this.#stores.get(server)
    return {
      type: request.type,
      key: request.key,
      closer: this.closerPeers(server, this.keyOf(request.key), now).map((other) => this.kadPeer(other)),
      providers: request.type === 'get-providers' ? (this.#providersAt(server)?.get(request.key) ?? []) : [],
      record: request.type === 'get-value' ? store?.records.get(request.key) : undefined,
    }
  }

  addProvider(server: number, key: Uint8Array, provider: KadPeer): void {
    this.#storeOf(server)
    const providers = this.#providersAt(server)
    const known = providers?.get(key) ?? []
    if (!known.some(({ id }) => equalBytes(id, provider.id))) providers?.set(key, [...known, provider])
  }

  /** Of each answer of that server, in ms, on top of everything else. */
  delayOf(server: number): number {
    return this.hydra !== undefined && this.population.isHead(server) ? this.hydra.delayMs : 0
  }

  /** Heads share one store; without it they keep nothing. */
  #providersAt(server: number): BytesMap<KadPeer[]> | undefined {
    if (!this.population.isHead(server)) return this.#stores.get(server)?.providers
    return this.hydra?.isDatabaseOn === true ? this.#database : undefined
  }

  #storeOf(server: number): Store {
    const known = this.#stores.get(server)
    if (known !== undefined) return known
    const store: Store = { providers: new BytesMap(), records: new BytesMap() }
    this.#stores.set(server, store)
    return store
  }
}

/**
 * Hydra boosters (seed 001): heads that are ordinary servers in everything but one. They share one record store, the database;
 * when it is switched off they neither keep nor return provider records, and go on naming closer peers.
 */
export interface HydraSettings {
  readonly heads: readonly Uint8Array[]
  readonly isDatabaseOn: boolean
  /** Of each answer of a head, in ms: for the database, or because its host has too much to do. */
  readonly delayMs: number
  /** Whom heads name: who is in their own tables (the default), the nearest of all that are online, or nobody. */
  readonly names?: 'table' | 'everybody' | 'nobody'
  /** Heads come and go as others do. */
  readonly leaves?: boolean
}

interface Store {
  readonly providers: BytesMap<KadPeer[]>
  readonly records: BytesMap<KadRecord>
}

/** `/ip4/…/tcp/4001` with an address of its own, spread over 37,888 networks of /16: IP diversity is no topic here. */
function addressOf(server: number): Uint8Array {
  const hash = hashOf(ADDRESS, server)
  const first = 23 + ((hash >>> 24) % 148)
  return Uint8Array.of(4, first < 127 ? first : first + 1, (hash >> 16) & 0xff, (hash >> 8) & 0xff, hash & 0xff, 6, 0x0f, 0xa1)
}

const ADDRESS = 0x61646472
