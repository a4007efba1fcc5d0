import { BytesMap } from '../../worker/engine/bytes-map.ts'
import { type Fill, limits } from '../../worker/engine/limits.ts'
import { keyOf, type PeerIdBytes } from '../../worker/engine/peer.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { BitswapPartner } from '../clients/bitswap-partner.ts'
import { EngineClient, type QueryRun, storedTable } from '../clients/engine-client.ts'
import { hashOf } from '../core/draws.ts'
import { Network } from '../world/network.ts'
import { newId } from '../world/population.ts'
import { aminoWorld } from '../world/settings.ts'
import { Workload } from '../world/workload.ts'
import { World } from '../world/world.ts'

/**
 * The long life of one engine: a page that is open for days, in a world that changes, with all that a page and its host do.
 * Sleep, lost networks, wants and queries of all kinds come as chance has them.
 */
export interface SoakOutcome {
  /** What did not hold; empty if all is well. */
  readonly violations: readonly string[]
  /** The most that was ever seen. */
  readonly most: Fill
  /** The most that was seen in each quarter of the time, and what there is at its end. */
  readonly quarters: readonly { readonly most: Fill; readonly atEnd: Fill; readonly held: Held }[]
  readonly queries: number
  readonly failedQueries: number
  readonly wants: number
  readonly sleeps: number
  readonly outages: number
  readonly events: number
  /** Requests the engine has sent. */
  readonly requests: number
}

/** What has no bound of its own in `limits.ts`. */
export interface Held {
  readonly tableEntries: number
  readonly connections: number
  readonly openQueries: number
  readonly pendingOrders: number
}

/** A bound that somebody else sets: the host closes connections beyond it. */
const CONNECTIONS_MAX = 100

export type Bounds = Readonly<Record<keyof Fill, { readonly value: number }>>

/** `bounds` are replaced by tests, to see that a broken one is found. */
export function soakOne(init: { seed: number; peers: number; hours: number }, bounds: Bounds = limits): SoakOutcome {
  const life = new Life(init.seed, init.peers, bounds)
  const quarters = [1, 2, 3, 4].map((quarter) => life.until((init.hours * HOUR_MS * quarter) / 4))
  return life.outcome(quarters)
}

const HOUR_MS = 3_600_000
/** Between two things that the page does. */
const ACT_EVERY_MS = 45_000
/** Between two looks at what the engine holds, apart from those after every action. */
const LOOK_EVERY_MS = 5_000

class Life {
  readonly #network: Network
  readonly #client: EngineClient
  readonly #partner: BitswapPartner
  readonly #workload: Workload
  readonly #rng: Rng
  readonly #bounds: Bounds
  readonly #violations = new Set<string>()
  readonly #open = new Set<QueryRun>()
  readonly #published = new BytesMap<true>()
  #most: Fill = {}
  #quarter: Fill = {}
  #queries = 0
  #failedQueries = 0
  #wants = 0
  #sleeps = 0
  #outages = 0

  constructor(seed: number, peers: number, bounds: Bounds) {
    const world = new World({ ...aminoWorld, seed, peers, dialable: 0.8, mute: 0.02 })
    this.#network = new Network({ world })
    this.#client = new EngineClient({ network: this.#network, number: 1 })
    this.#rng = new Rng(hashOf(seed, SOAK))
    this.#partner = new BitswapPartner(this.#client, this.#network.agenda, this.#rng.child())
    this.#client.witness = this.#partner
    this.#workload = new Workload(seed, { contents: 2_000 })
    this.#bounds = bounds
    this.#client.start({
      tableEntries: storedTable(this.#network, this.#client.id, keyOf(this.#client.id)),
      bootstrap: [0, 1, 2],
    })
    this.#client.handle({ type: 'own-addresses-changed', addresses: [ownAddress] })
  }

  until(end: number): SoakOutcome['quarters'][number] {
    this.#quarter = {}
    while (this.#network.now < end) {
      this.#act()
      const next = Math.min(end, this.#network.now + this.#rng.below(2 * ACT_EVERY_MS))
      while (this.#network.now < next) {
        this.#network.agenda.run(Math.min(next, this.#network.now + LOOK_EVERY_MS))
        this.#look()
      }
      this.#client.closeConnections(CONNECTIONS_MAX, (server) =>
        this.#network.world.population.isOnline(server, this.#network.now),
      )
    }
    return { most: this.#quarter, atEnd: this.#client.engine.fill(), held: this.#held() }
  }

  outcome(quarters: SoakOutcome['quarters']): SoakOutcome {
    this.#network.agenda.run(this.#network.now + limits.kadQueryTimeoutMs.value + 1)
    this.#settle()
    for (const run of this.#open) this.#violations.add(`query ${run.query} has never ended`)
    return {
      violations: [...this.#violations],
      most: this.#most,
      quarters,
      queries: this.#queries,
      failedQueries: this.#failedQueries,
      wants: this.#wants,
      sleeps: this.#sleeps,
      outages: this.#outages,
      events: this.#network.agenda.performed,
      requests: this.#client.engine.status().kad.counters.requestsSent,
    }
  }

  #held(): Held {
    this.#settle()
    return {
      tableEntries: this.#client.engine.status().kad.tableSize,
      connections: this.#client.connections,
      openQueries: this.#open.size,
      pendingOrders: this.#client.pendingOrders,
    }
  }

  #look(): void {
    const fill = this.#client.engine.fill()
    for (const violation of brokenBounds(fill, this.#bounds)) this.#violations.add(violation)
    if (this.#client.engine.status().kad.buckets.some((entries) => entries > K))
      this.#violations.add('a bucket holds more than k')
    this.#most = mostOf(this.#most, fill)
    this.#quarter = mostOf(this.#quarter, fill)
    this.#settle()
  }

  #settle(): void {
    for (const run of this.#open) {
      if (run.endings > 1) this.#violations.add(`query ${run.query} ended ${run.endings} times`)
      if (run.endedAt === undefined) continue
      if (run.failure !== undefined) this.#failedQueries++
      this.#open.delete(run)
    }
  }

  #act(): void {
    const draw = this.#rng.unit()
    if (draw < 0.004) this.#sleep()
    else if (draw < 0.02) this.#outage()
    else if (draw < 0.04) this.#crowd()
    else if (draw < 0.25) this.#wantSome()
    else if (draw < 0.35) this.#others()
    else this.#ask()
  }

  /** The machine sleeps: no time passes for the engine, and nothing that was on its way arrives. */
  #sleep(): void {
    this.#sleeps++
    this.#client.suspend()
    this.#network.agenda.run(this.#network.now + this.#rng.below(3 * HOUR_MS))
    this.#client.resume()
  }

  /** All connections break and no dial succeeds, while the page goes on asking. */
  #outage(): void {
    this.#outages++
    this.#client.goOffline()
    this.#ask()
    this.#network.agenda.run(this.#network.now + this.#rng.below(10 * 60_000))
    this.#look()
    this.#client.goOnline()
  }

  /** More queries at once than are taken. */
  #crowd(): void {
    for (let count = 0; count < 1.2 * limits.kadQueriesMax.value; count++) this.#ask()
    this.#look()
  }

  #wantSome(): void {
    for (let count = 1 + this.#rng.below(20); count > 0; count--) {
      this.#wants++
      this.#partner.want(cidOf(this.#multihash()), `context ${this.#rng.below(40)}`)
    }
  }

  #others(): void {
    for (let count = this.#rng.below(400); count > 0; count--) this.#partner.askUs(cidOf(this.#multihash()))
    const { id, addresses } = this.#network.kadPeer(this.#anyServer())
    this.#client.handle({ type: 'dht-server-seen', info: { peer: this.#client.engine.peers.intern(id), addresses } })
  }

  #ask(): void {
    const key = this.#multihash()
    const kind = this.#rng.below(6)
    this.#queries++
    const run = this.#client.query((query) => {
      switch (kind) {
        case 0:
          return { type: 'closest-peers', query, key }
        case 1:
          return { type: 'find-providers', query, multihash: key, limit: 1 + (query % 20) }
        case 2:
          return { type: 'find-peer', query, id: this.#network.world.population.idOf(this.#anyServer()) as PeerIdBytes }
        case 3:
          return { type: 'get-value', query, key, quorum: 16 }
        case 4:
          return { type: 'put-value', query, key, value: Uint8Array.of(query & 0xff) }
        default:
          return { type: 'provide', query, multihash: key, mode: query % 2 === 0 ? 'classic' : 'optimistic' }
      }
    })
    this.#open.add(run)
  }

  /** Of content that is provided now; records of it appear when it is first asked for. */
  #multihash(): Uint8Array {
    const place = this.#rng.below(this.#workload.settings.contents)
    const { multihash, providers } = this.#workload.contentAt(place, this.#network.now)
    if (this.#published.has(multihash)) return multihash
    this.#published.set(multihash, true)
    const { world, now } = this.#network
    const holders = world.population.nearest(keyOf(multihash), K, (server) => world.population.isOnline(server, now))
    for (const provider of providers.slice(0, PROVIDERS_MAX)) {
      const info = { id: newId(new Rng(hashOf(SOAK, provider))), addresses: [ownAddress] }
      for (const holder of holders) world.addProvider(holder, multihash, info)
    }
    return multihash
  }

  #anyServer(): number {
    return this.#rng.below(this.#network.world.population.size)
  }
}

export function brokenBounds(fill: Fill, bounds: Bounds): string[] {
  return (Object.entries(fill) as [keyof Fill, number][])
    .filter(([name, count]) => count > bounds[name].value)
    .map(([name]) => `more than ${name}`)
}

export function mostOf(one: Fill, other: Fill): Fill {
  const most: Fill = { ...one }
  for (const [name, count] of Object.entries(other) as [keyof Fill, number][]) most[name] = Math.max(most[name] ?? 0, count)
  return most
}

/** Structures that are more than a tenth fuller in the last of four quarters than in any before, without being full. */
export function growing(quarters: readonly Fill[], bounds: Bounds = limits): (keyof Fill)[] {
  const last = quarters.at(-1) ?? {}
  const before = quarters.slice(0, -1).reduce(mostOf, {})
  return (Object.keys(last) as (keyof Fill)[]).filter((name) => {
    return last[name]! < bounds[name].value && last[name]! > 1.1 * (before[name] ?? 0) && last[name]! > SOME
  })
}

/** Below it one more or less is chance. */
const SOME = 16

/** A raw CID, version 1. */
function cidOf(multihash: Uint8Array): Uint8Array {
  return Uint8Array.of(1, 0x55, ...multihash)
}

const K = 20
/** Of a content: more in one answer than anybody reads. */
const PROVIDERS_MAX = 30
const SOAK = 0x736f616b
const ownAddress = { bytes: Uint8Array.of(4, 99, 1, 1, 1, 6, 0, 1), dialable: true }
