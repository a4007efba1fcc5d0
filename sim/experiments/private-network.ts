import { limits } from '../../worker/engine/limits.ts'
import type { QueryRun } from '../clients/engine-client.ts'
import { type Estimate, estimate, mean, percentile } from '../core/statistics.ts'
import { browserSettings } from '../world/browser-network.ts'
import { Workload } from '../world/workload.ts'
import type { Cell, Experiment, Table } from './experiment.ts'
import { current, found, PrivateRun, seconds, stored, type TableState } from './private-run.ts'

/** The responder at work: a private network of browsers, without any other server. */
export const privateNetwork: Experiment = {
  name: 'private-network',
  title: 'a network of browsers alone: tables, providers and values, half of the peers leaving, expiry over 60 hours',
  defaults: { seed: 1, seeds: 1, peers: 60 },
  reportOptions: { seed: 1, seeds: 1, peers: 300 },
  run(options, progress) {
    const seeds = Array.from({ length: options.seeds }, (_, index) => options.seed + index)
    const lives = seeds.map((seed) => {
      progress(`seed ${seed}: ${options.peers} browsers, half of them leave`)
      return half(seed, options.peers)
    })
    const agers = Math.min(24, Math.max(8, Math.round(options.peers / 40)))
    const ages = [0, 1].map((perHour) => {
      progress(`${agers} browsers for ${HOURS.at(-1)} hours, ${perHour} of them replaced each hour`)
      return seeds.map((seed) => age(seed, agers, perHour))
    })
    return {
      experiment: 'private-network',
      settings: { ...options, ...browserSettings, contents: CONTENTS, agers, recordAgeMs: limits.serverRecordAgeMs.value },
      notes: [
        `Every peer is a whole engine with the option \`server\`. One joins every 0.3 s and knows the first ${browserSettings.bootstrappers}, who never leave. No other server exists.`,
        '*filled*: entries that are there, of those that a table could hold; *gone*: entries that have left. Contents and the number of their providers are of the `workload`. Each search and each value is asked for by a peer drawn among those that are there.',
        'Half of the peers leave in the same second and without a word; the others notice after 5 s. Searches begin at once: *at once* means within two minutes.',
        `*once*: provided, or put, at the beginning and never again. *again*: a second and third time after 22 and 44 hours. Records live for 48 hours, so after 49 hours those stored once should be gone and the others there. Few browsers, because the refreshes of 60 hours take minutes of real time.`,
      ],
      tables: [tablesOf(lives, options.peers), recordsOf(lives), agesOf(ages, agers)],
      plots: [],
    }
  },
}

function tablesOf(lives: readonly Life[], peers: number): Table {
  const rows = PHASES.map((phase): Cell[] => {
    const states = lives.map((life) => life.tables[phase])
    const over = (value: (state: TableState) => number) => estimate(states.map(value))
    return [
      phase,
      phase === 'full' ? peers : estimate(lives.map(({ left }) => left)),
      over(({ entries }) => entries),
      over(({ filled }) => 100 * filled),
      over(({ gone }) => 100 * gone),
      over(({ links }) => links),
    ]
  })
  return { title: 'Tables', columns: ['when', 'peers', 'entries', 'filled %', 'gone %', 'connections'], rows }
}

function recordsOf(lives: readonly Life[]): Table {
  const storing = (what: string, perSeed: readonly (readonly QueryRun[])[]): Cell[] => {
    return ['full', what, ...times(perSeed), estimate(perSeed.map((runs) => mean(stored(runs)))), '']
  }
  const looking = PHASES.flatMap((phase): Cell[][] => {
    const searches = lives.map((life) => life.searches[phase])
    const values = lives.map((life) => life.values[phase])
    return [
      [phase, 'find providers', ...times(searches), '', percent(searches.map(found))],
      [phase, 'get value', ...times(values), '', percent(values.map((runs) => current(runs, VERSION)))],
    ]
  })
  const rows = [
    storing(
      'provide',
      lives.map(({ provides }) => provides),
    ),
    storing(
      'put value',
      lives.map(({ puts }) => puts),
    ),
    ...looking,
  ]
  return { title: 'Providers and values', columns: ['when', 'what', 'p50 s', 'p90 s', 'stored', 'found %'], rows }
}

/** `ages`: by how many are replaced an hour, then by seed. */
function agesOf(ages: readonly (readonly Aged[])[], agers: number): Table {
  const rows = ages.flatMap((perSeed, perHour) =>
    HOURS.map((hour, index): Cell[] => [
      hour,
      perHour,
      ...KINDS.map((kind) => percent(perSeed.map((aged) => aged[kind][index]!))),
    ]),
  )
  const columns = ['hours', 'replaced an hour', 'provided once', 'again', 'value put once', 'again']
  return { title: `Found after hours, %, ${agers} browsers`, columns, rows }
}

function percent(shares: readonly number[]): Estimate {
  return estimate(shares.map((share) => 100 * share))
}

const PHASES = ['full', 'half gone, at once', 'after 15 min', 'after 30 min'] as const
type Phase = (typeof PHASES)[number]

const CONTENTS = 40
const VERSION = 2

interface Life {
  readonly left: number
  readonly tables: Record<Phase, TableState>
  readonly provides: readonly QueryRun[]
  readonly puts: readonly QueryRun[]
  readonly searches: Record<Phase, readonly QueryRun[]>
  readonly values: Record<Phase, readonly QueryRun[]>
}

function half(seed: number, peers: number): Life {
  const run = new PrivateRun(seed, peers)
  // A refresh is over everywhere.
  run.pass(2 * limits.tableRefreshIntervalMs.value)
  const full = run.tables()
  const published = new Workload(seed, { contents: CONTENTS, providers: peers }).at(0)
  const contents = published.map(({ multihash }) => multihash)
  const keys = run.keys(CONTENTS)
  const provides = run.publish(published)
  run.put(keys, VERSION - 1)
  const puts = run.put(keys, VERSION)
  const look = () => ({ searches: run.findProviders(contents), values: run.get(keys) })
  const before = look()
  for (let gone = 0; gone < peers >> 1; gone++) run.leave()
  const atOnceTables = run.tables()
  const atOnce = look()
  run.pass(QUARTER_MS)
  const laterTables = run.tables()
  const later = look()
  run.pass(QUARTER_MS)
  const lastTables = run.tables()
  const last = look()
  const byPhase = <T>(values: readonly [T, T, T, T]): Record<Phase, T> => {
    return { full: values[0], 'half gone, at once': values[1], 'after 15 min': values[2], 'after 30 min': values[3] }
  }
  return {
    left: run.peers,
    tables: byPhase([full, atOnceTables, laterTables, lastTables]),
    provides,
    puts,
    searches: byPhase([before.searches, atOnce.searches, later.searches, last.searches]),
    values: byPhase([before.values, atOnce.values, later.values, last.values]),
  }
}

const QUARTER_MS = 900_000

const HOURS = [1, 21, 43, 47, 49, 60] as const
const HOUR_MS = 3_600_000
const REPEAT_HOURS = [22, 44]
const KINDS = ['providedOnce', 'providedAgain', 'putOnce', 'putAgain'] as const

/** Share found, by hour. */
type Aged = Record<(typeof KINDS)[number], number[]>

function age(seed: number, peers: number, replacedPerHour: number): Aged {
  const run = new PrivateRun(seed, peers)
  run.pass(HOUR_MS)
  const [once, again, oncePut, againPut] = [CONTENTS, CONTENTS, CONTENTS, CONTENTS].map((count) => run.keys(count / 2)) as [
    Uint8Array[],
    Uint8Array[],
    Uint8Array[],
    Uint8Array[],
  ]
  run.provide(once)
  run.provide(again)
  run.put(oncePut, VERSION)
  run.put(againPut, VERSION)
  const beganAt = run.network.now
  const aged: Aged = { providedOnce: [], providedAgain: [], putOnce: [], putAgain: [] }
  for (let hour = 1; hour <= HOURS.at(-1)!; hour++) {
    for (let replaced = 0; replaced < replacedPerHour; replaced++) {
      run.leave()
      run.join()
    }
    run.network.agenda.run(beganAt + hour * HOUR_MS)
    if (REPEAT_HOURS.includes(hour)) {
      run.provide(again)
      run.put(againPut, VERSION)
    }
    if (!(HOURS as readonly number[]).includes(hour)) continue
    aged.providedOnce.push(found(run.findProviders(once)))
    aged.providedAgain.push(found(run.findProviders(again)))
    aged.putOnce.push(current(run.get(oncePut), VERSION))
    aged.putAgain.push(current(run.get(againPut), VERSION))
  }
  return aged
}

function times(perSeed: readonly (readonly QueryRun[])[]): Estimate[] {
  return [0.5, 0.9].map((share) => estimate(perSeed.map((runs) => percentile(seconds(runs), share))))
}
