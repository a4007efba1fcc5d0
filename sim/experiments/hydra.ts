import { BytesMap } from '../../worker/engine/bytes-map.ts'
import type { KadRequest } from '../../worker/engine/kad/message.ts'
import { keyOf } from '../../worker/engine/peer.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { EngineClient, settledMs, storedTable } from '../clients/engine-client.ts'
import { LookupLog, type LookupTally } from '../clients/lookup-log.ts'
import { GoPatience } from '../clients/patience.ts'
import { RuleClient } from '../clients/rule-client.ts'
import { hashOf, unitOf } from '../core/draws.ts'
import { type Estimate, estimate, mean, percentile } from '../core/statistics.ts'
import { GoLikeLookup } from '../rules/go-like.ts'
import { Network } from '../world/network.ts'
import { newId } from '../world/population.ts'
import { aminoWorld } from '../world/settings.ts'
import { Workload } from '../world/workload.ts'
import { World } from '../world/world.ts'
import { balancedHeads } from './coverage.ts'
import type { Cell, Experiment, Options } from './experiment.ts'

/** B1–B8: time to the first provider with Hydras, without their database, and for those who ignore them. */
export const hydra: Experiment = {
  name: 'hydra',
  title: 'time and path length to the first provider: Hydras as they were, without their database, ignored',
  defaults: { seed: 1, seeds: 2, peers: 4_000 },
  reportOptions: { seed: 1, seeds: 20, peers: 16_208 },
  run(options, progress) {
    const studies = SUBJECTS.map((subject) => study(subject, options, progress))
    return {
      experiment: 'hydra',
      settings: { ...options, heads: headsOf(options.peers), ageMs: AGE_MS, clients: CLIENTS, lookups: LOOKUPS, aminoWorld },
      notes: NOTES,
      tables: [
        { title: 'Time to the first provider', columns: TIME_COLUMNS, rows: studies.flatMap(timeRows) },
        {
          title: 'Slower than before, in %',
          columns: ['client', 'what', 'p50', 'p90', 'p95'],
          rows: [...REPORTED, ...studies.flatMap(changeRows)],
        },
        {
          title: 'Requests in a row to the first provider, share of lookups in %',
          columns: ['client', 'arm', '1', '2', '3', 'more'],
          rows: studies.flatMap(depthRows),
        },
      ],
      plots: [],
    }
  },
}

interface Subject {
  readonly label: string
  /** Undefined: our engine. */
  readonly alpha: number | undefined
  /** Whether the client has connections to the peers of its table. */
  readonly isConnected: boolean
  readonly delayMs: number
}

const SLOW_HEADS_MS = 300

const SUBJECTS: readonly Subject[] = [
  { label: 'go-like, α 10', alpha: 10, isConnected: true, delayMs: 0 },
  { label: 'go-like, α 3', alpha: 3, isConnected: true, delayMs: 0 },
  { label: 'go-like, α 10, nobody connected', alpha: 10, isConnected: false, delayMs: 0 },
  { label: `go-like, α 10, heads + ${SLOW_HEADS_MS} ms`, alpha: 10, isConnected: true, delayMs: SLOW_HEADS_MS },
  {
    label: `go-like, α 10, nobody connected, heads + ${SLOW_HEADS_MS} ms`,
    alpha: 10,
    isConnected: false,
    delayMs: SLOW_HEADS_MS,
  },
  { label: 'ours', alpha: undefined, isConnected: true, delayMs: 0 },
]

/** `ignore`: the client never asks a head. `off`: the database is switched off. */
const ARMS = ['normal', 'ignore', 'off', 'off, ignore'] as const
type Arm = (typeof ARMS)[number]

const CLIENTS = 4
const LOOKUPS = 20
const AGE_MS = 6 * 3_600_000
/** RFM 17: of 20 nearest servers 14 / 18 / 20 store a record at p5 / p50 / p90. */
const STORED_SHARE = 0.9

const NOTES = [
  'Arms are paired: the same worlds, clients, CIDs and delays. *go-like*: Kubo’s rule, which the report measured; if not said otherwise, on a host whose table peers are connected; a dial takes 3 round trips. Clients are where those of the report were: us-west, eu-central, ap-southeast, and one for sa-east and af-south. *ours*: our engine, at most 8 dials at a time, with the connections its refresh left.',
  'Heads have balanced ids, stand in one data centre and never leave; CIDs and the number of their providers are of the `workload`, published six hours before at 90 % of the 20 nearest servers of then.',
  `*heads + ${SLOW_HEADS_MS} ms*: each answer of a head is later by that, for its database or for load. An assumption: that ignoring Hydras pays once the database is gone (B6) needs heads that are slower than others.`,
  'A request in a row more or less is not the report’s hop: it counts 3 where a peer of the own table has the record, as far as we can tell.',
  'Where it differs from the report, and why: path lengths agree with α = 3 and depth 1 counted as 3 hops; with α = 10 ten peers of the table are asked at once, one in eight of which is a head, so that hardly any lookup misses one. Times rise by more than in the report wherever a request costs little: compare the rows with connections, without any (each request costs a dial), with late heads, and with both, which comes nearest at p50. What is left at p90 and p95 is not explained by anything here; the report’s times may contain more that is the same in all arms (overloaded hosts, dials among thousands of peers at once).',
  '*found*: share of lookups with a provider. What becomes of records in 48 hours is in `liveness` (B8), the roles of the heads one by one in `hydra-roles` (B3), what the lookup learns of heads in `peer-filter` (B7).',
]

const REPORTED: Cell[][] = [
  ['Kubo 0.16, report', 'normal → ignore (predicted)', '14.8', '14.7', '10.4'],
  ['Kubo 0.16, report', 'normal → off (observed)', '27.8', '16.5', '12.5'],
]

interface Study {
  readonly subject: Subject
  /** By arm, by seed. */
  readonly arms: Record<Arm, LookupTally[][]>
}

export function headsOf(peers: number): number {
  return Math.round((2_015 / 16_208) * peers)
}

function study(subject: Subject, options: Options, progress: (line: string) => void): Study {
  const arms: Record<Arm, LookupTally[][]> = { normal: [], ignore: [], off: [], 'off, ignore': [] }
  for (let index = 0; index < options.seeds; index++) {
    const seed = options.seed + index
    progress(`${subject.label}, seed ${seed}`)
    const heads = balancedHeads(new Rng(hashOf(seed, HEADS)), headsOf(options.peers))
    for (const isDatabaseOn of [true, false]) {
      const settings = { ...aminoWorld, seed, peers: options.peers, dialRoundTrips: 3 }
      const world = new World(settings, { heads, isDatabaseOn, delayMs: subject.delayMs })
      const cids = publish(world)
      const barred = new BytesMap<true>()
      for (const head of heads) barred.set(head, true)
      arms[isDatabaseOn ? 'normal' : 'off'].push(lookUp(world, subject, cids, new BytesMap()))
      arms[isDatabaseOn ? 'ignore' : 'off, ignore'].push(lookUp(world, subject, cids, barred))
    }
  }
  return { subject, arms }
}

/** Regions of the report: us_west_1, eu_central_1, ap_southeast, sa_east_1 and af_south_1, as indices into `zones`. */
const CLIENT_ZONES = [1, 2, 4, 5]

function zoneOfClient(number: number): number {
  return CLIENT_ZONES[number % CLIENT_ZONES.length]!
}

const HEADS = 0x68656164
const PROVIDER = 0x70726f76
/** Of one content: the first one found ends a lookup. */
const PROVIDERS_MAX = 20

export function publish(world: World): Uint8Array[] {
  const { population, settings } = world
  return new Workload(settings.seed, { contents: CLIENTS * LOOKUPS }).at(0).map(({ multihash, providers }, number) => {
    const nearest = population.nearest(keyOf(multihash), settings.k, (other) => population.isOnline(other, 0))
    for (const provider of providers.slice(0, PROVIDERS_MAX)) {
      const id = newId(new Rng(hashOf(settings.seed, PROVIDER, provider)))
      const info = { id, addresses: [{ bytes: Uint8Array.of(4, 99, 1, 1, 1, 6, 0, 1), dialable: true }] }
      for (const server of nearest) {
        if (unitOf(settings.seed, number, server, provider) < STORED_SHARE) world.addProvider(server, multihash, info)
      }
    }
    return multihash
  })
}

function lookUp(world: World, subject: Subject, cids: readonly Uint8Array[], barred: BytesMap<true>): LookupTally[] {
  return Array.from({ length: CLIENTS }, (_, number) => {
    const mine = cids.slice(number * LOOKUPS, (number + 1) * LOOKUPS)
    return subject.alpha === undefined
      ? withEngine(world, number, mine, barred)
      : withRule(world, { ...subject, alpha: subject.alpha, number }, mine, barred)
  }).flat()
}

interface Host {
  readonly number: number
  readonly alpha: number
  readonly isConnected: boolean
}

function withRule(world: World, host: Host, cids: readonly Uint8Array[], barred: BytesMap<true>): LookupTally[] {
  return cids.map(
    (cid, index) => goLikeLookup({ world, host, index, barred, startAt: AGE_MS }, { type: 'get-providers', key: cid }).tally,
  )
}

/** One lookup by Kubo's rule; of providers it ends with the first. */
export function goLikeLookup(
  init: { world: World; host: Host; index: number; barred: BytesMap<true>; startAt: number },
  request: Extract<KadRequest, { type: 'get-providers' | 'find-node' }>,
): { readonly tally: LookupTally; readonly durationMs: number } {
  const { world, host, index, barred, startAt } = init
  const { number, alpha } = host
  const { population, tables, settings } = world
  const isBarred = (server: number) => barred.has(population.idOf(server))
  const owner = tables.owner(keyOf(Uint8Array.of(1, number)))
  const network = new Network({ world, startAt, clientZone: zoneOfClient(number) })
  const target = keyOf(request.key)
  const table: number[] = []
  for (let bucket = 0; bucket <= owner.deepest; bucket++) table.push(...tables.bucket(owner, bucket, startAt))
  const asked = table.filter((server) => !isBarred(server))
  const compare = (a: number, b: number) => population.compareTo(target, a, b)
  const seeds = asked.toSorted(compare).slice(0, settings.k)
  const connected = host.isConnected ? asked.filter((server) => population.isOnline(server, startAt)) : []
  const rule = new GoLikeLookup({ compare, isDialable: () => true }, { k: settings.k, alpha, beta: 3 })
  const patience = new GoPatience()
  const runner = new RuleClient({ network, number, patience, dialsMax: 160, serialised: true, inBrowser: false, connected })
  runner.place.salt = hashOf(settings.seed, number, index)
  const log = new LookupLog(world, startAt)
  runner.begin({ rule, seeds, request, log, isBarred })
  network.agenda.run(startAt + 60_000, () => rule.hasEnded || log.hasProvider)
  return { tally: log.tally(), durationMs: network.now - startAt }
}

function withEngine(world: World, number: number, cids: readonly Uint8Array[], barred: BytesMap<true>): LookupTally[] {
  const network = new Network({ world, startAt: AGE_MS, clientZone: zoneOfClient(number) })
  const client = new EngineClient({ network, number, engine: { denied: barred } })
  client.start({ tableEntries: storedTable(network, client.id, keyOf(client.id)) })
  network.agenda.run(AGE_MS + settledMs)
  return cids.map((cid, index) => {
    client.place.salt = hashOf(world.settings.seed, number, index)
    const log = new LookupLog(world, network.now)
    client.log = log
    const run = client.query((query) => ({ type: 'find-providers', query, multihash: cid, limit: 1 }))
    network.agenda.run(network.now + 60_000, () => run.endedAt !== undefined)
    client.log = undefined
    network.agenda.run(network.now + 5_000)
    return log.tally()
  })
}

const TIME_COLUMNS = ['client', 'arm', 'p50 s', 'p90 s', 'p95 s', 'requests', 'found %']

function timeRows({ subject, arms }: Study): Cell[][] {
  return ARMS.map((arm): Cell[] => {
    const over = (value: (lookups: readonly LookupTally[]) => number) => estimate(arms[arm].map(value))
    return [
      subject.label,
      arm,
      ...SHARES.map((share) => over((lookups) => percentile(timesOf(lookups), share) / 1_000)),
      over((lookups) => mean(lookups.map(({ requests }) => requests))),
      over((lookups) => (100 * timesOf(lookups).length) / lookups.length),
    ]
  })
}

const SHARES = [0.5, 0.9, 0.95]

/** Within each seed, against the arm it is compared with. */
function changeRows({ subject, arms }: Study): Cell[][] {
  const change = (from: Arm, to: Arm): Estimate[] => {
    return SHARES.map((share) => {
      return estimate(
        arms[from].map((lookups, seed) => {
          const before = percentile(timesOf(lookups), share)
          return (100 * (percentile(timesOf(arms[to][seed]!), share) - before)) / before
        }),
      )
    })
  }
  const row = (what: string, from: Arm, to: Arm): Cell[] => [subject.label, what, ...change(from, to)]
  return [
    row('normal → ignore', 'normal', 'ignore'),
    row('normal → off', 'normal', 'off'),
    row('off → off, ignore (the paradox: negative)', 'off', 'off, ignore'),
  ]
}

function depthRows({ subject, arms }: Study): Cell[][] {
  return ARMS.map((arm): Cell[] => {
    const share = (matches: (depth: number) => boolean) => {
      return estimate(
        arms[arm].map((lookups) => {
          const depths = lookups.map((tally) => tally.firstProviderDepth).filter((depth) => depth !== undefined)
          return (100 * depths.filter(matches).length) / depths.length
        }),
      )
    }
    return [subject.label, arm, ...[1, 2, 3].map((wanted) => share((depth) => depth === wanted)), share((depth) => depth > 3)]
  })
}

function timesOf(lookups: readonly LookupTally[]): number[] {
  return lookups.map(({ firstProviderMs }) => firstProviderMs).filter((time) => time !== undefined)
}
