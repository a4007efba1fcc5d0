import { limits } from '../../worker/engine/limits.ts'
import type { Estimate } from '../core/statistics.ts'
import { aminoWorld, stableWorld, type WorldSettings } from '../world/settings.ts'
import { addProviderBytes, connectionsMax, usualUplink } from '../world/sweep-world.ts'
import type { Cell, Experiment, Options, Table } from './experiment.ts'
import { aloneOnce, type Counted, type Estimates, overSeeds, sampleMax, scaled, sweepOnce } from './sweep-run.ts'

/** A8–A12, A14: one sweep for growing numbers of CIDs, beside one lookup a CID in the same world and the founders' table. */
export const sweep: Experiment = {
  name: 'sweep',
  title: 'one sweep over all servers: lookups, FIND_NODE requests, connections, ADD_PROVIDERs, time, against one lookup a CID',
  defaults: { seed: 1, seeds: 1, peers: 5_000 },
  reportOptions: { seed: 1, seeds: 2, peers: 25_000 },
  run(options, progress) {
    const rows = grownRows(options, progress)
    progress('worlds')
    const worlds = worldTable(options)
    progress('10,000 servers')
    const goTable = besideGo(options)
    progress('uplinks')
    return {
      experiment: 'sweep',
      settings: {
        ...options,
        stableWorld,
        aminoWorld,
        connectionsMax,
        usualUplink,
        addProviderBytes,
        sampleMax,
        witnesses: limits.exploredWitnessesMin.value,
      },
      notes,
      tables: [sweepTable(options, rows), aloneTable(rows), savedTable(rows), goTable, worlds, uplinkTable(options.seed)],
      plots: [
        {
          name: 'requests',
          title: 'FIND_NODE requests',
          x: { label: 'CIDs', scale: 'log' },
          y: { label: 'requests', scale: 'log' },
          series: (['swept', 'alone'] as const).map((way) => ({
            label: way === 'swept' ? 'sweep' : 'each CID alone',
            points: rows.map((row) => ({ x: row.cids, y: row[way].requests.mean })),
          })),
        },
      ],
    }
  },
}

const sizes = [1_000, 5_000, 25_000, 100_000, 500_000, 1_000_000]
const computedSize = 10_000_000
/** CIDs above which one seed has to do. */
const severalSeedsMax = 100_000
/** As many as the founders take servers. */
const worldCids = 25_000
const uplinkArms = [usualUplink / 10, usualUplink, 10 * usualUplink]
const uplinkSizes = [50_000, 200_000]
const uplinkServers = 2_000
/** "Improvement (#connections, #DHT lookups)" in seed 000: 20 × CIDs ÷ 25,000 servers. */
const published = new Map([
  [25_000, 20],
  [100_000, 80],
  [500_000, 400],
  [1_000_000, 800],
  [10_000_000, 8_000],
])
/** Kubo's documentation on its sweep, for about 10,000 servers. */
const lookupsOfGo = 3_000
const worldArms: readonly { readonly name: string; readonly settings: Omit<WorldSettings, 'seed' | 'peers'> }[] = [
  { name: 'all live, all can be dialed', settings: stableWorld },
  { name: '26 % offline, in tables as often as others', settings: { ...stableWorld, dead: 0.26 } },
  { name: '26 % offline, stale as measured', settings: { ...stableWorld, dead: 0.26, staleEntries: 'measured' } },
  { name: 'Amino: that, gaps in tables, servers come and go', settings: aminoWorld },
  ...[0.5, 0.25, 0.1].map((dialable) => ({
    name: `Amino, ${100 * dialable} % can be dialed`,
    settings: { ...aminoWorld, dialable },
  })),
]

const notes = [
  `Servers answer from routing tables: of each bucket all peers, or 20 of them, chosen by chance. *FIND_NODE*: sent to find peers, those of the few lookups included. *receipts*: FIND_NODEs behind each lot of at most ${limits.toldKeysMax.value} records, whose answer says that they were read; *alone* has none. *searches*: targets asked of neighbours known from the region before. *lookups* begin at the routing table. *connections*: made; above the number of servers are those that were closed, at 100 open, before another region needed them again.`,
  `*alone*: the way before the sweep, in the same world: for each CID, in no order, a lookup by the go-like rule and an ADD_PROVIDER to each of the 20 it found, one CID after the other, eight dials at a time as in the sweep. Above ${sampleMax} CIDs those of a sample of ${sampleMax}, scaled up. A connection is used again while it is among the ${connectionsMax} open ones; with several hundred, as Go may have, fewer would be made.`,
  '*computed*: nothing but ADD_PROVIDERs grows any more once every region has more keys than peers. FIND_NODEs, connections and lookups are those of the largest run; records, and the time that their bytes take, are added.',
  `Time is that of one tab: six peers told at a time, dials of five round trips, and ${addProviderBytes} bytes a record over an uplink of ${(usualUplink * 8) / 1_000} Mbit/s.`,
  '*reported*: what the engine itself says of a region. *of the 20 nearest*: who really holds the records, of those servers that were online and nearest when they were told. Servers that are gone and cannot be dialed from here look alike to a browser: the 20 that it counts on are then nearer than the 20 that are online. *uncertain*: of these CIDs the engine itself says that nobody was left who could say that no other server is nearer (spec P7).',
  `± is the 95 % confidence interval over seeds; above ${severalSeedsMax} CIDs one seed was run.`,
]

interface Row {
  readonly cids: number
  readonly how: 'run' | 'computed'
  readonly swept: Estimates
  readonly alone: Estimates
}

function grownRows(options: Options, progress: (line: string) => void): Row[] {
  const { peers } = options
  progress('samples')
  const sample = overSeeds(options, (seed) => aloneOnce({ ...stableWorld, seed, peers }, sampleMax))
  const rows = sizes.map((cids): Row => {
    progress(`${cids} CIDs`)
    const seeds = cids > severalSeedsMax ? 1 : options.seeds
    const swept = overSeeds({ ...options, seeds }, (seed) => sweepOnce({ ...stableWorld, seed, peers }, cids))
    const alone =
      cids > sampleMax
        ? scaled(sample, cids / sampleMax)
        : overSeeds(options, (seed) => aloneOnce({ ...stableWorld, seed, peers }, cids))
    return { cids, how: 'run', swept, alone }
  })
  return [...rows, computedFrom(rows.at(-1)!)]
}

/** Of ten million CIDs: the time grows by the bytes that leave. */
function computedFrom({ cids, swept, alone }: Row): Row {
  const more = 20 * (computedSize - cids)
  const addProviders = { ...swept.addProviders, mean: swept.addProviders.mean + more }
  const receipts = { ...swept.receipts, mean: swept.receipts.mean + more / limits.toldKeysMax.value }
  const minutes = { ...swept.minutes, mean: swept.minutes.mean + (more * addProviderBytes) / usualUplink / 60_000 }
  return {
    cids: computedSize,
    how: 'computed',
    swept: { ...swept, addProviders, receipts, minutes },
    alone: scaled(alone, computedSize / cids),
  }
}

function sweepTable({ peers }: Options, rows: readonly Row[]): Table {
  return {
    title: `One sweep over ${peers} servers`,
    columns: [
      'CIDs',
      '',
      'lookups',
      'searches',
      'FIND_NODE',
      'FIND_NODE a server',
      'receipts',
      'connections',
      'servers told',
      'ADD_PROVIDER',
      'minutes',
    ],
    rows: rows.map(({ cids, how, swept }): Cell[] => [
      cids,
      how,
      swept.lookups,
      swept.searches,
      swept.requests,
      swept.requests.mean / peers,
      swept.receipts,
      swept.connections,
      swept.contacted,
      swept.addProviders,
      swept.minutes,
    ]),
  }
}

function aloneTable(rows: readonly Row[]): Table {
  return {
    title: 'The same, each CID alone',
    columns: ['CIDs', '', 'lookups', 'FIND_NODE', 'connections', 'ADD_PROVIDER', 'hours'],
    rows: rows.map(({ cids, how, alone }): Cell[] => [
      cids,
      how === 'run' && cids > sampleMax ? 'scaled' : how,
      alone.lookups,
      alone.requests,
      alone.connections,
      alone.addProviders,
      alone.minutes.mean / 60,
    ]),
  }
}

function savedTable(rows: readonly Row[]): Table {
  const times = (more: Estimate, less: Estimate): number => more.mean / less.mean
  return {
    title: 'What is saved, beside the table of the founders',
    columns: [
      'CIDs',
      'founders ×',
      '20 × CIDs ÷ connections',
      'connections ×',
      'lookups ×',
      'FIND_NODE ×',
      'with receipts ×',
      'time ×',
    ],
    rows: rows.map(({ cids, swept, alone }): Cell[] => [
      cids,
      published.get(cids) ?? '–',
      (20 * cids) / swept.connections.mean,
      times(alone.connections, swept.connections),
      times(alone.lookups, swept.lookups),
      times(alone.requests, swept.requests),
      alone.requests.mean / (swept.requests.mean + swept.receipts.mean),
      times(alone.minutes, swept.minutes),
    ]),
  }
}

function besideGo(options: Options): Table {
  const world = (seed: number): WorldSettings => ({ ...stableWorld, seed, peers: 10_000 })
  const swept = overSeeds(options, (seed) => sweepOnce(world(seed), worldCids))
  const alone = overSeeds(options, (seed) => aloneOnce(world(seed), worldCids))
  const requests = alone.requests.mean / worldCids
  return {
    title: `10,000 servers and ${worldCids} CIDs, beside the lookups that Go’s sweep is said to take there`,
    columns: ['', 'lookups', 'FIND_NODE'],
    rows: [
      ['this sweep', swept.lookups, swept.requests],
      [`Go’s lookups as published, with the ${requests.toFixed(1)} FIND_NODEs of one here`, lookupsOfGo, lookupsOfGo * requests],
      ['each CID alone', alone.lookups, alone.requests],
    ],
  }
}

function worldTable(options: Options): Table {
  return {
    title: `Worlds with dead and undialable servers, ${worldCids} CIDs`,
    columns: [
      'world',
      'FIND_NODE',
      'connections',
      'failed dials',
      'minutes',
      'records a CID',
      'of the 20 nearest online',
      '% of those that can be dialed',
      'reported: stored %',
      'undialable %',
      'failed %',
      'CIDs uncertain %',
    ],
    rows: worldArms.map(({ name, settings }): Cell[] => {
      const run = overSeeds(options, (seed) => sweepOnce({ ...settings, seed, peers: options.peers }, worldCids))
      const { requests, connections, failedDials, minutes, records, nearestTold, dialableTold } = run
      return [
        name,
        requests,
        connections,
        failedDials,
        minutes,
        records,
        nearestTold,
        scaled({ dialableTold }, 100).dialableTold,
        run.stored,
        run.undialable,
        run.failed,
        run.uncertain,
      ]
    }),
  }
}

function uplinkTable(seed: number): Table {
  const used = ({ addProviders, minutes }: Counted): number => (addProviders * addProviderBytes * 8) / (minutes * 60e6)
  return {
    title: `Time by records and bandwidth, ${uplinkServers} servers: minutes of one sweep, and how much of the uplink its records took`,
    columns: ['uplink Mbit/s', ...uplinkSizes.flatMap((cids) => [`${cids} CIDs: minutes`, 'Mbit/s'])],
    rows: uplinkArms.map((uplink): Cell[] => {
      const runs = uplinkSizes.map((cids) => sweepOnce({ ...stableWorld, seed, peers: uplinkServers, uplink }, cids))
      return [(uplink * 8) / 1_000, ...runs.flatMap((run): Cell[] => [run.minutes, used(run)])]
    }),
  }
}
