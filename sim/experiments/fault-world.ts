import { limits } from '../../worker/engine/limits.ts'
import { keyOf, type PeerIdBytes } from '../../worker/engine/peer.ts'
import { compareKeysTo } from '../../worker/engine/kad/distance.ts'
import type { KadCommand, KadOptions } from '../../worker/engine/kad/contract.ts'
import type { QueryId } from '../../worker/engine/query.ts'
import { Rng } from '../../worker/engine/rng.ts'
import type { Shuffle } from '../core/agenda.ts'
import type { Trace } from '../core/trace.ts'
import { EngineClient, type QueryRun, storedTable } from '../clients/engine-client.ts'
import { Faults, type FaultShares, randomFaults } from '../world/faults.ts'
import { Network } from '../world/network.ts'
import { stableWorld, type WorldSettings } from '../world/settings.ts'
import { World } from '../world/world.ts'

/**
 * One random world with random faults and random commands, all from one seed.
 *
 *   safety phase: faults on, a command every second or so ──one minute──▶ liveness phase: faults off, until all must have ended
 *
 * In both, invariants are looked at again and again; at the end every query must have ended once.
 */
export interface FaultOutcome {
  readonly seed: number
  readonly settings: WorldSettings
  readonly faults: FaultShares
  readonly queries: number
  readonly failedQueries: number
  readonly cancelled: number
  /** What did not hold; empty if all is well. */
  readonly violations: readonly string[]
  readonly events: number
  /** Those that happened in the same moment as the one before. */
  readonly coincidences: number
  /** Of the trace, if there was one. */
  readonly digest: string | undefined
}

const SAFETY_MS = 60_000

/** Longer than any rest of the engine between two tries. */
const STANDSTILL_MS = 12_000

export function faultWorld(seed: number, init: { readonly shuffle?: Shuffle; readonly trace?: Trace } = {}): FaultOutcome {
  const rng = new Rng(seed)
  const settings = randomSettings(rng, seed)
  const faults = randomFaults(rng)
  const network = new Network({ world: new World(settings), faults: new Faults(faults, seed, SAFETY_MS), ...init })
  const kad = KAD_OPTIONS[rng.below(KAD_OPTIONS.length)]!
  const subjects = Array.from({ length: 1 + rng.below(2) }, (_, index) => new Subject(network, index + 1, kad, rng.child()))
  const violations: string[] = []
  try {
    for (const subject of subjects) subject.start()
    while (network.now < SAFETY_MS) {
      for (const subject of subjects) subject.act()
      network.agenda.run(network.now + rng.below(2_000))
      for (const subject of subjects) violations.push(...subject.brokenBounds())
    }
    while (network.now <= SAFETY_MS + limits.kadQueueTimeoutMs.value + limits.kadQueryTimeoutMs.value + 2_000) {
      network.agenda.run(network.now + 2_000)
      for (const subject of subjects) violations.push(...subject.brokenBounds())
    }
    for (const subject of subjects) violations.push(...subject.brokenEndings())
  } catch (error) {
    violations.push(`thrown at ${network.now} ms: ${error instanceof Error ? error.message : String(error)}`)
  }
  const queries = subjects.flatMap((subject) => subject.runs)
  return {
    seed,
    settings,
    faults,
    queries: queries.length,
    failedQueries: queries.filter(({ failure }) => failure !== undefined).length,
    cancelled: subjects.reduce((sum, subject) => sum + subject.cancelled.size, 0),
    violations: [...new Set(violations)],
    events: network.agenda.performed,
    coincidences: network.agenda.coincidences,
    digest: init.trace?.digest(),
  }
}

const KAD_OPTIONS: readonly KadOptions[] = [
  { k: 20, alpha: 10, beta: 3 },
  { k: 20, alpha: 3, beta: 1 },
  { k: 4, alpha: 2, beta: 2 },
]

function randomSettings(rng: Rng, seed: number): WorldSettings {
  const some = (most: number) => (rng.unit() < 0.5 ? 0 : most * rng.unit())
  return {
    ...stableWorld,
    seed,
    peers: 50 + rng.below(250),
    dialable: 1 - some(0.8),
    dead: some(0.6),
    missingEntries: rng.unit() < 0.5,
    churn: rng.unit() < 0.5,
    refusing: some(0.5),
    mute: some(0.3),
    slow: some(0.3),
    loss: some(0.1),
  }
}

/** One engine, what it was told to do, and what must hold of it. */
class Subject {
  readonly runs: QueryRun[] = []
  readonly cancelled = new Set<QueryId>()
  readonly #network: Network
  readonly #client: EngineClient
  readonly #rng: Rng
  readonly #k: number
  readonly #commands = new Map<QueryId, KadCommand>()

  constructor(network: Network, number: number, kad: KadOptions, rng: Rng) {
    this.#network = network
    this.#client = new EngineClient({ network, number, engine: { kad } })
    this.#rng = rng
    this.#k = kad.k
  }

  start(): void {
    const client = this.#client
    const tableEntries = this.#rng.unit() < 0.5 ? storedTable(this.#network, client.id, keyOf(client.id)) : []
    client.start({ tableEntries, bootstrap: [this.#anyServer(), this.#anyServer()] })
  }

  act(): void {
    const draw = this.#rng.below(12)
    if (draw === 0) this.#client.disconnectAll()
    else if (draw === 1) this.#changeAddresses()
    else if (draw === 2) this.#cancelOne()
    else if (draw === 3) this.#seeServer()
    else if (draw > 5) this.#ask()
  }

  brokenBounds(): string[] {
    const { kad } = this.#client.engine.status()
    const broken: string[] = []
    const check = (holds: boolean, what: string) => {
      if (!holds) broken.push(what)
    }
    check(
      kad.buckets.every((entries) => entries <= this.#k),
      'a bucket holds more than k',
    )
    check(kad.activeQueries <= limits.kadQueriesMax.value, 'more queries under way than kadQueriesMax')
    check(this.#client.pendingDialsMax <= limits.pendingDialsMax.value, 'more dials pending than pendingDialsMax')
    check(
      this.runs.every(({ endings }) => endings <= 1),
      'a query ended twice',
    )
    check(!this.#standsStill(), 'a query is under way and nothing is done for it')
    for (const run of this.runs) broken.push(...this.#brokenItems(run))
    return broken
  }

  brokenEndings(): string[] {
    const { kad } = this.#client.engine.status()
    const broken = this.runs.flatMap(({ query, endings }) => {
      const expected = this.cancelled.has(query) ? 0 : 1
      return endings === expected ? [] : [`query ${query} (${this.#commands.get(query)?.type}) ended ${endings} times`]
    })
    if (kad.activeQueries > 0) broken.push(`${kad.activeQueries} queries are under way after all have ended`)
    return broken
  }

  /** A provide may wait for an address of ours; everybody else waits for a peer, or a moment between two tries. */
  #standsStill(): boolean {
    const since = this.#network.now - STANDSTILL_MS
    if (this.#client.lastBusyAt > since) return false
    return this.runs.some(({ query, endings, startedAt }) => {
      return endings === 0 && startedAt <= since && !this.cancelled.has(query) && this.#commands.get(query)?.type !== 'provide'
    })
  }

  #brokenItems({ query, items }: QueryRun): string[] {
    const command = this.#commands.get(query)
    if (command?.type === 'find-providers') return items.length <= command.limit ? [] : ['more providers than the limit']
    if (command?.type !== 'closest-peers') return []
    const target = keyOf(command.key)
    const peers = items.flatMap((item) => (item.type === 'peer' ? [item.info.peer] : []))
    const inOrder = peers.every((peer, index) => index === 0 || compareKeysTo(target, peers[index - 1]!.key, peer.key) < 0)
    return peers.length <= this.#k && inOrder ? [] : ['closest peers are too many, out of order, or twice the same']
  }

  #ask(): void {
    const key = Uint8Array.of(0x12, 32, ...new Rng(this.#rng.below(6)).bytes(32))
    const kind = this.#rng.below(6)
    const limit = 1 + this.#rng.below(5)
    const id = this.#network.world.population.idOf(this.#anyServer()) as PeerIdBytes
    const run = this.#client.query((query) => {
      const commands: readonly KadCommand[] = [
        { type: 'closest-peers', query, key },
        { type: 'find-providers', query, multihash: key, limit },
        { type: 'find-peer', query, id },
        { type: 'get-value', query, key, quorum: limit },
        { type: 'put-value', query, key, value: Uint8Array.of(limit) },
        { type: 'provide', query, multihash: key },
      ]
      const command = commands[kind]!
      this.#commands.set(query, command)
      return command
    })
    this.runs.push(run)
  }

  #cancelOne(): void {
    const open = this.runs.filter(({ query, endings }) => endings === 0 && !this.cancelled.has(query))
    const run = open[this.#rng.below(Math.max(1, open.length))]
    if (run === undefined) return
    this.cancelled.add(run.query)
    this.#client.handle({ type: 'cancel', query: run.query })
  }

  #changeAddresses(): void {
    const addresses = this.#rng.unit() < 0.5 ? [] : [{ bytes: Uint8Array.of(4, 99, 1, 1, 1, 6, 0, 1), dialable: true }]
    this.#client.handle({ type: 'own-addresses-changed', addresses })
  }

  #seeServer(): void {
    const { id, addresses } = this.#network.world.kadPeer(this.#anyServer())
    const peer = this.#client.engine.peers.intern(id)
    if (this.#rng.unit() < 0.7) this.#client.handle({ type: 'dht-server-seen', info: { peer, addresses } })
    else this.#client.handle({ type: 'dht-server-gone', peer })
  }

  #anyServer(): number {
    return this.#rng.below(this.#network.world.population.size)
  }
}
