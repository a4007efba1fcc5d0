import { BytesMap } from '../../worker/engine/bytes-map.ts'
import type { Key, PeerIdBytes, PeerInfo } from '../../worker/engine/peer.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { hashOf } from '../core/draws.ts'
import { newId, type PrefixOf, randomKey, setPrefix } from './population.ts'

/**
 * A few servers with whole routing tables, and what is true of them, by sorting everybody: the slow reference that a sweep is
 * held against. It knows nothing of tries, coverage or simulated networks, and nothing changes in it.
 *
 * A table holds of each bucket all peers, or k of them drawn by chance; the dead and the mute among them, for nobody has
 * thrown them out yet.
 */
export class OracleWorld {
  readonly servers: readonly Server[]
  readonly #k: number
  readonly #seed: number
  readonly #byId = new BytesMap<Server>()
  readonly #tables = new Map<Server, Server[]>()
  readonly #entries: readonly Server[]

  constructor({ seed, k, servers, prefixOf, dead = 0, undialable = 0, short = 0 }: OracleWorldSettings) {
    this.#k = k
    this.#seed = seed
    const rng = new Rng(hashOf(seed, SERVERS))
    this.servers = Array.from({ length: servers }, (_, number): Server => {
      const key = randomKey(rng)
      setPrefix(key, prefixOf?.(number, rng) ?? [])
      const isDialable = rng.unit() >= undialable
      const info = {
        peer: { id: newId(rng) as PeerIdBytes, key },
        addresses: [{ bytes: Uint8Array.of(1), dialable: isDialable }],
      }
      const answersMax = rng.unit() < short ? 1 + rng.below(k) : k
      return { number, info, key, isDialable, isAlive: rng.unit() >= dead, isMute: rng.unit() < dead / 4, answersMax }
    })
    for (const server of this.servers) this.#byId.set(server.info.peer.id, server)
    this.#entries = rng.shuffle(this.servers.filter(isReachable)).slice(0, ENTRIES)
  }

  serverOf(id: Uint8Array): Server | undefined {
    return this.#byId.get(id)
  }

  /** What a server says to FIND_NODE. */
  answer(server: Server, target: Key): Server[] {
    return sortedFrom(target, this.#tableOf(server)).slice(0, server.answersMax)
  }

  /** The k nearest of all that count: whom nobody can dial from here may hold records; those that do not answer are out. */
  nearest(key: Key): Server[] {
    return sortedFrom(key, this.servers.filter(counts)).slice(0, this.#k)
  }

  /**
   * Everybody whom one can hear of by asking for `key`, and for nothing else, whoever answers, from the table of the client on,
   * until nobody is left to ask. The `k` nearest of those that count.
   */
  learnable(key: Key): Server[] {
    return sortedFrom(key, [...this.#heard(key, Number.POSITIVE_INFINITY)].filter(counts)).slice(0, this.#k)
  }

  /** A lookup: asks until the k nearest that have been heard of and can be dialed have answered or failed. */
  lookUp(key: Key): Server[] {
    return sortedFrom(key, [...this.#heard(key, this.#k)].filter(counts)).slice(0, this.#k)
  }

  #heard(key: Key, width: number): Set<Server> {
    const heard = new Set(this.#entries)
    const asked = new Set<Server>()
    for (;;) {
      const nearest = sortedFrom(key, [...heard].filter(isReachable)).slice(0, width)
      const next = nearest.find((server) => !asked.has(server))
      if (next === undefined) return heard
      asked.add(next)
      for (const named of this.answer(next, key)) heard.add(named)
    }
  }

  #tableOf(owner: Server): Server[] {
    const known = this.#tables.get(owner)
    if (known !== undefined) return known
    const buckets = new Map<number, Server[]>()
    for (const server of this.servers) {
      if (server === owner) continue
      const depth = sharedBitsOf(owner.key, server.key)
      buckets.set(depth, [...(buckets.get(depth) ?? []), server])
    }
    const rng = new Rng(hashOf(this.#seed, TABLE, owner.number))
    const table = [...buckets.values()].flatMap((bucket) => rng.shuffle(bucket).slice(0, this.#k))
    this.#tables.set(owner, table)
    return table
  }
}

export interface OracleWorldSettings {
  readonly seed: number
  readonly k: number
  readonly servers: number
  readonly prefixOf?: PrefixOf | undefined
  /** Shares: of servers that are gone (and a quarter as many take connections and never answer), that cannot be dialed from here… */
  readonly dead?: number
  readonly undialable?: number
  /** … and that answer with fewer than k, the nearest of those they know. */
  readonly short?: number
}

export interface Server {
  readonly number: number
  readonly info: PeerInfo
  readonly key: Key
  readonly isDialable: boolean
  readonly isAlive: boolean
  readonly isMute: boolean
  readonly answersMax: number
}

export function isReachable({ isDialable, isAlive, isMute }: Server): boolean {
  return isDialable && isAlive && !isMute
}

/** From a browser, whoever cannot be dialed may live. */
function counts(server: Server): boolean {
  return !server.isDialable || isReachable(server)
}

function sortedFrom(target: Key, servers: readonly Server[]): Server[] {
  const distances = servers.map((server) => ({ server, distance: server.key.map((word, index) => word ^ target[index]!) }))
  distances.sort((a, b) => {
    const word = a.distance.findIndex((value, index) => value !== b.distance[index])
    return word < 0 ? 0 : a.distance[word]! - b.distance[word]!
  })
  return distances.map(({ server }) => server)
}

function sharedBitsOf(a: Key, b: Key): number {
  let bit = 0
  while (bit < 256 && ((a[bit >> 5]! ^ b[bit >> 5]!) & (1 << (31 - (bit & 31)))) === 0) bit++
  return bit
}

const ENTRIES = 3
const SERVERS = 0x73657276
const TABLE = 0x7461626c
