import { OrderIds, type OrderId } from '../../worker/engine/machine.ts'
import type { Key } from '../../worker/engine/peer.ts'
import type { ProvideEffect, ProvideEvent, RegionReport } from '../../worker/engine/provide/contract.ts'
import { Provide } from '../../worker/engine/provide/provide.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { Keystore } from '../world/keystore.ts'
import { isReachable, OracleWorld, type OracleWorldSettings, type Server } from '../world/oracle-world.ts'
import { newId, randomKey, setPrefix, type PrefixOf } from '../world/population.ts'

/** One sweep of a drawn world, held against its reference: what the experiment `sweep-oracle` and the unit test count. */
export interface OracleCase {
  readonly seed: number
  readonly topology: string
  readonly trouble: string
  readonly k: number
  readonly servers: number
  readonly keys: number
}

export interface OracleVerdict extends OracleCase {
  /** Keys of regions whose keys are all reported as certain. */
  readonly certain: number
  readonly uncertain: number
  /** Of those that are not certain, those that would have gone elsewhere had everybody been asked. */
  readonly learnable: number
  /** What is not as promised, in words. */
  readonly broken: readonly string[]
}

/** The seed is the whole case. */
export function drawCase(seed: number, serversMax: number): OracleCase {
  const rng = new Rng(seed)
  const topology = pick(rng, Object.keys(topologies))
  const { fewest = 2, most = serversMax } = topologies[topology]!
  return {
    seed,
    topology,
    trouble: pick(rng, Object.keys(troubles)),
    k: pick(rng, [1, 1, 2, 3, 5, 8, 20, 20]),
    servers: fewest + rng.below(Math.min(most, serversMax) - fewest + 1),
    keys: pick(rng, [1, 1, 2, 3, 10, 1 + rng.below(60)]),
  }
}

export function judge(drawn: OracleCase): OracleVerdict {
  const { prefixOf, keyPrefixOf } = topologies[drawn.topology]!
  const trouble = troubles[drawn.trouble]!(new Rng(drawn.seed ^ TROUBLE))
  const run = new OracleRun({ ...drawn, ...trouble, prefixOf, keyPrefixOf })
  return { ...drawn, ...run.verdict(isPerfect(drawn.trouble)) }
}

function isPerfect(trouble: string): boolean {
  return trouble === 'none' || trouble === 'late'
}

function bits(value: number, length: number): number[] {
  return Array.from({ length }, (_, position) => (value >> (length - 1 - position)) & 1)
}

interface Topology {
  readonly fewest?: number
  readonly most?: number
  readonly prefixOf?: PrefixOf
  readonly keyPrefixOf?: PrefixOf
}

const topologies: Readonly<Record<string, Topology>> = {
  random: {},
  'keys in a corner': { keyPrefixOf: () => bits(0b101, 3) },
  clustered: { prefixOf: (_, rng) => [...bits(rng.below(3) * 5, 4), ...bits(rng.below(4), 6)] },
  'small clusters': { prefixOf: (_, rng) => bits(rng.below(12) * 21_001, 18) },
  'keys in clusters': {
    prefixOf: (_, rng) => bits(rng.below(4) * 0x2aaa, 16),
    keyPrefixOf: (_, rng) => bits(rng.below(4) * 0x2aaa, 14 + rng.below(3)),
  },
  skewed: { prefixOf: (index, rng) => (index % 10 === 0 ? bits(rng.below(2), 1) : bits(0b10110, 5)) },
  'all of one prefix': { prefixOf: () => bits(0xabcde, 20) },
  'all near one key, keys elsewhere': { prefixOf: () => bits(0x3f, 6), keyPrefixOf: () => bits(0, 6) },
  'a comb': { most: 30, prefixOf: (index) => [...bits(0, index), 1] },
  'a comb, keys at its teeth': {
    most: 30,
    prefixOf: (index) => [...bits(0, index), 1],
    keyPrefixOf: (_, rng) => bits(0, rng.below(30)),
  },
  few: { fewest: 1, most: 25 },
  'one or two': { fewest: 1, most: 2 },
}

interface Trouble extends Pick<OracleWorldSettings, 'dead' | 'undialable' | 'short'> {
  /** Answers come in any order, up to eight seconds late. */
  readonly late?: boolean
  /** Share of lookups without any answer. */
  readonly vain?: number
}

const troubles: Readonly<Record<string, (rng: Rng) => Trouble>> = {
  none: () => ({}),
  late: () => ({ late: true }),
  'some are dead': (rng) => ({ dead: 0.05 + 0.4 * rng.unit() }),
  'some cannot be dialed': (rng) => ({ undialable: 0.1 + 0.8 * rng.unit() }),
  'some answers are short': (rng) => ({ short: 0.1 + 0.9 * rng.unit() }),
  all: (rng) => ({
    dead: 0.3 * rng.unit(),
    undialable: 0.6 * rng.unit(),
    short: 0.5 * rng.unit(),
    late: true,
    vain: 0.3 * rng.unit(),
  }),
}

interface RunInit extends OracleCase, Trouble {
  readonly prefixOf: PrefixOf | undefined
  readonly keyPrefixOf: PrefixOf | undefined
}

class OracleRun {
  readonly #world: OracleWorld
  readonly #keystore: Keystore
  readonly #machine: Provide
  readonly #rng: Rng
  readonly #init: RunInit
  /** By index of a key: servers that have its record. */
  readonly #holders: readonly Set<Server>[]
  readonly #reportOf: (RegionReport | undefined)[]
  readonly #sent = new Set<number>()
  #pending: { readonly at: number; readonly event: ProvideEvent & { readonly order: OrderId } }[] = []
  /** Somebody could not be asked or told: what went to the next nearest meanwhile is no fault. */
  #hasFailures = false
  #now = 0

  constructor(init: RunInit) {
    this.#init = init
    this.#rng = new Rng(init.seed ^ RUN)
    this.#world = new OracleWorld(init)
    const keys = Array.from({ length: init.keys }, (_, index) => {
      const key = randomKey(this.#rng)
      setPrefix(key, init.keyPrefixOf?.(index, this.#rng) ?? [])
      return key
    })
    this.#keystore = new Keystore(keys, true)
    this.#holders = keys.map(() => new Set())
    this.#reportOf = keys.map(() => undefined)
    this.#machine = new Provide({ options: { k: init.k, intervalMs: DAY, withoutAddress: true }, orders: new OrderIds() })
    const self = { id: newId(this.#rng), key: randomKey(this.#rng) }
    this.#send({ type: 'provide-start', self, cells: this.#keystore.cells(), wallMs: START })
    this.#run()
  }

  verdict(isPerfect: boolean): Pick<OracleVerdict, 'certain' | 'uncertain' | 'learnable' | 'broken'> {
    const broken: string[] = []
    let [certain, uncertain, learnable] = [0, 0, 0]
    for (const [report, indices] of this.#byReport()) {
      const isCertain = report?.uncertain === 0
      const shortfalls = indices.map((index) => this.#shortfall(index, this.#world.nearest(this.#keystore.keyAt(index))))
      if (isPerfect && (report === undefined || report.uncertain + report.failed + report.missed > 0)) {
        broken.push(`nothing is wrong with anybody, but: ${JSON.stringify(report)}`)
      }
      if (isCertain) {
        certain += indices.length
        const missing = shortfalls.reduce((sum, one) => sum + one.missing, 0)
        const strangers = shortfalls.reduce((sum, one) => sum + one.strangers, 0)
        if (missing > report.failed)
          broken.push(`${missing} of the nearest were not told, ${report.failed} reported, in ${report.prefix}`)
        if (strangers > 0 && !this.#hasFailures) broken.push(`${strangers} told who are farther, in ${report.prefix}`)
      } else {
        uncertain += indices.length
        learnable += indices.filter((index) => this.#couldBeNearer(index)).length
      }
    }
    return { certain, uncertain, learnable, broken }
  }

  #byReport(): Map<RegionReport | undefined, number[]> {
    const byReport = new Map<RegionReport | undefined, number[]>()
    for (const [index, report] of this.#reportOf.entries()) byReport.set(report, [...(byReport.get(report) ?? []), index])
    return byReport
  }

  /** A region is done: its keys are those in it that were sent and are in no other report. */
  #ended(report: RegionReport): void {
    const own = [...this.#sent].filter((index) => isIn(report.prefix, this.#keystore.keyAt(index)))
    for (const index of own) this.#sent.delete(index)
    // Two regions at a time, one within the other: nobody can tell which of them a key was in.
    if (own.length === report.keys - report.missed) for (const index of own) this.#reportOf[index] = report
  }

  #couldBeNearer(index: number): boolean {
    return this.#shortfall(index, this.#world.learnable(this.#keystore.keyAt(index))).missing > 0
  }

  #shortfall(index: number, wanted: readonly Server[]): { missing: number; strangers: number } {
    const holders = this.#holders[index]!
    const reachable = wanted.filter(isReachable)
    return {
      missing: reachable.filter((server) => !holders.has(server)).length,
      strangers: [...holders].filter((server) => isReachable(server) && !reachable.includes(server)).length,
    }
  }

  #run(): void {
    const isIdle = (): boolean => this.#keystore.queued === 0 && this.#machine.status(this.#now).phase === 'idle'
    for (let steps = 0; !isIdle() && this.#now < LASTS; steps++) {
      if (steps > STEPS_MAX) throw new Error(`seed ${this.#init.seed}: no end`)
      const next = this.#pending.toSorted((a, b) => a.at - b.at)[0]
      const deadline = this.#machine.nextDeadline() ?? Number.POSITIVE_INFINITY
      if (next === undefined && deadline === Number.POSITIVE_INFINITY) return
      if (next === undefined || deadline < next.at) {
        this.#now = Math.max(this.#now, deadline)
        this.#send({ type: 'tick' })
        continue
      }
      this.#pending = this.#pending.filter((pending) => pending !== next)
      this.#now = Math.max(this.#now, next.at)
      this.#send(next.event)
    }
  }

  #send(event: ProvideEvent): void {
    this.#machine.handle(event, this.#now)
    for (let effect = this.#machine.poll(); effect !== undefined; effect = this.#machine.poll()) this.#perform(effect)
  }

  #perform(effect: ProvideEffect): void {
    switch (effect.type) {
      case 'load-keys':
        return this.#answer({
          type: 'keys-loaded',
          order: effect.order,
          keys: this.#keystore.load(effect),
          wallMs: START + this.#now,
        })
      case 'keys-sent':
        for (const { multihash } of effect.keys) this.#sent.add(this.#keystore.indexOf(multihash))
        return this.#keystore.sent(effect)
      case 'region-ended':
        return this.#ended(effect.report)
      case 'tell-time':
        return this.#send({ type: 'time-told', wallMs: START + this.#now })
      case 'drop-order':
        this.#pending = this.#pending.filter(({ event }) => event.order !== effect.order)
        return
      case 'find-closest':
        return this.#lookUp(effect)
      case 'ask-peer':
        return this.#ask(effect)
      case 'tell-peer':
        return this.#tell(effect)
    }
  }

  #lookUp({ order, key }: Extract<ProvideEffect, { type: 'find-closest' }>): void {
    const { vain = 0 } = this.#init
    const found = this.#rng.unit() < vain ? [] : this.#world.lookUp(this.#keyOf(key))
    this.#answer({ type: 'closest-found', order, peers: found.length === 0 ? undefined : found.map(({ info }) => info) })
  }

  #ask({ order, info, key }: Extract<ProvideEffect, { type: 'ask-peer' }>): void {
    const server = this.#world.serverOf(info.peer.id)!
    if (!isReachable(server)) this.#hasFailures = true
    const closer = isReachable(server) ? this.#world.answer(server, this.#keyOf(key)).map((named) => named.info) : undefined
    this.#answer({ type: 'peer-asked', order, closer })
  }

  #tell({ order, info, multihashes }: Extract<ProvideEffect, { type: 'tell-peer' }>): void {
    const server = this.#world.serverOf(info.peer.id)!
    const sent = isReachable(server) ? multihashes.length : server.isAlive && server.isDialable ? multihashes.length >> 1 : 0
    if (sent < multihashes.length) this.#hasFailures = true
    for (const multihash of multihashes.slice(0, sent)) this.#holders[this.#keystore.indexOf(multihash)]!.add(server)
    this.#answer({ type: 'peer-told', order, sent })
  }

  #answer(event: ProvideEvent & { readonly order: OrderId }): void {
    const delay = this.#init.late === true ? 10 + this.#rng.below(8_000) : 10 + this.#rng.below(200)
    this.#pending.push({ at: this.#now + delay, event })
  }

  #keyOf(bytes: Uint8Array): Key {
    return this.#world.serverOf(bytes)?.key ?? this.#keystore.keyOf(bytes)
  }
}

function isIn(prefix: string, key: Key): boolean {
  return Array.from(prefix).every((bit, position) => ((key[position >> 5]! >>> (31 - (position & 31))) & 1) === Number(bit))
}

function pick<T>(rng: Rng, from: readonly T[]): T {
  return from[rng.below(from.length)]!
}

const DAY = 86_400_000
/** Regions that fail are tried again every five minutes: that often. */
const LASTS = 3_600_000
const START = 1_700_000_000_000
const STEPS_MAX = 50_000
const TROUBLE = 0x74726f75
const RUN = 0x72756e
