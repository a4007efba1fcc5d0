import { commonPrefixLength } from '../../worker/engine/kad/distance.ts'
import { keyOf } from '../../worker/engine/peer.ts'
import { Rng } from '../../worker/engine/rng.ts'
import type { EngineClient, QueryRun } from '../clients/engine-client.ts'
import { mean } from '../core/statistics.ts'
import { BrowserNetwork } from '../world/browser-network.ts'
import type { Content } from '../world/workload.ts'

/**
 * A network of browsers, all of them servers, and what is done in it. Everything is asked by a peer drawn among those that are there.
 */
export class PrivateRun {
  readonly network: BrowserNetwork
  readonly rng: Rng
  readonly #online: EngineClient[] = []

  constructor(seed: number, peers: number) {
    this.network = new BrowserNetwork(seed)
    this.rng = new Rng(seed)
    for (let number = 0; number < peers; number++) {
      this.join()
      this.pass(JOIN_EVERY_MS)
    }
  }

  get online(): readonly EngineClient[] {
    return this.#online
  }

  get peers(): number {
    return this.#online.length
  }

  join(): void {
    this.#online.push(this.network.join())
  }

  /** Anybody but the bootstrap peers, who are the ones that never sleep. */
  leave(): void {
    const index = BOOTSTRAPPERS + this.rng.below(this.#online.length - BOOTSTRAPPERS)
    const [client] = this.#online.splice(index, 1)
    if (client !== undefined) this.network.leave(client)
  }

  pass(ms: number): void {
    this.network.agenda.run(this.network.now + ms)
  }

  draw(): EngineClient {
    return this.#online[this.rng.below(this.#online.length)]!
  }

  keys(count: number): Uint8Array[] {
    return Array.from({ length: count }, () => Uint8Array.of(0x12, 32, ...this.rng.bytes(32)))
  }

  /** One after the other, each by another peer; a second apart at least, so that they are no crowd. */
  ask(keys: readonly Uint8Array[], begin: (client: EngineClient, key: Uint8Array) => QueryRun): QueryRun[] {
    return keys.map((key) => {
      const run = begin(this.draw(), key)
      this.network.agenda.run(this.network.now + PATIENCE_MS, () => run.endedAt !== undefined)
      this.pass(1_000)
      return run
    })
  }

  provide(keys: readonly Uint8Array[]): QueryRun[] {
    return this.ask(keys, (client, multihash) => client.query((query) => ({ type: 'provide', query, multihash })))
  }

  /** Each of its providers, one of the browsers that are there, provides it. */
  publish(contents: readonly Content[]): QueryRun[] {
    return contents.flatMap(({ multihash, providers }) => {
      const browsers = new Set(providers.map((provider) => this.#online[provider % this.#online.length]!))
      return [...browsers].slice(0, PROVIDERS_MAX).flatMap((client) => {
        return this.ask([multihash], () => client.query((query) => ({ type: 'provide', query, multihash })))
      })
    })
  }

  findProviders(keys: readonly Uint8Array[]): QueryRun[] {
    return this.ask(keys, (client, multihash) =>
      client.query((query) => ({ type: 'find-providers', query, multihash, limit: 1 })),
    )
  }

  put(keys: readonly Uint8Array[], version: number): QueryRun[] {
    return this.ask(keys, (client, key) =>
      client.query((query) => ({ type: 'put-value', query, key, value: Uint8Array.of(version) })),
    )
  }

  get(keys: readonly Uint8Array[]): QueryRun[] {
    return this.ask(keys, (client, key) => client.query((query) => ({ type: 'get-value', query, key, quorum: QUORUM })))
  }

  tables(): TableState {
    const numbers = this.#online.map(({ place }) => place.id)
    const keys = new Map(this.#online.map(({ place, id }) => [place.id, keyOf(id)]))
    const states = this.#online.map((client) => {
      const entries = client.tableServers()
      const alive = entries.filter((number) => this.network.isOnline(number)).length
      const inBucket = new Map<number, number>()
      for (const number of numbers) {
        if (number === client.place.id) continue
        const cpl = commonPrefixLength(keys.get(client.place.id)!, keys.get(number)!)
        inBucket.set(cpl, (inBucket.get(cpl) ?? 0) + 1)
      }
      const possible = [...inBucket.values()].reduce((sum, count) => sum + Math.min(BUCKET, count), 0)
      return { entries: entries.length, filled: alive / possible, gone: 1 - alive / entries.length }
    })
    return {
      entries: mean(states.map(({ entries }) => entries)),
      filled: mean(states.map(({ filled }) => filled)),
      gone: mean(states.map(({ gone }) => gone)),
      links: mean(this.#online.map((client) => this.network.linksOf(client))),
    }
  }
}

export interface TableState {
  readonly entries: number
  /** Entries that are there, of those that could be. */
  readonly filled: number
  /** Share of entries that have left. */
  readonly gone: number
  readonly links: number
}

export function found(runs: readonly QueryRun[]): number {
  return runs.filter(({ items, result }) => items.length > 0 || result?.type === 'get-value').length / runs.length
}

/** Share of values that are the newest. */
export function current(runs: readonly QueryRun[], version: number): number {
  return runs.filter(({ result }) => result?.type === 'get-value' && result.value[0] === version).length / runs.length
}

export function stored(runs: readonly QueryRun[]): number[] {
  return runs.map(({ result }) => (result?.type === 'provide' || result?.type === 'put-value' ? result.counts.stored : 0))
}

export function seconds(runs: readonly QueryRun[]): number[] {
  return runs.map(({ startedAt, endedAt }) => ((endedAt ?? Number.NaN) - startedAt) / 1_000)
}

/** The client's own default. */
const QUORUM = 16
const BUCKET = 20
/** Of one content: the rest would change nothing. */
const PROVIDERS_MAX = 5
const BOOTSTRAPPERS = 3
const JOIN_EVERY_MS = 300
const PATIENCE_MS = 70_000
