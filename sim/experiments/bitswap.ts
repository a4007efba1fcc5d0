import { runFlood, runOurs, type Outcome } from '../bitswap/run.ts'
import { gateways, latencies, skew, sniffed } from '../bitswap/traffic.ts'
import { estimate } from '../core/statistics.ts'
import { causeTables } from './bitswap-causes.ts'
import { classTable, runChecked, type Counted } from './bitswap-classes.ts'
import {
  available,
  byBitswap,
  found,
  messagesOf,
  messageTable,
  ours,
  requestTable,
  seedsOf,
  type FloodArm,
  type TrafficArm,
} from './bitswap-tables.ts'
import { inParts, type Cell, type Experiment, type Plot, type Table } from './experiment.ts'

/** C1 to C5 and C9 to C11: the study of 2022 from its first request to its last, by flooding and by our engine. */
export const bitswap: Experiment = {
  name: 'bitswap',
  title:
    'the study of 2022, all its requests: messages, success and latency of the flood, and of our engine that knows whom to ask',
  defaults: { seed: 11, seeds: 1, peers: 856 },
  reportOptions: { seed: 11, seeds: 2, peers: 856 },
  ...inParts<Outcome[] | Counted>({
    names: (options) => [...arms, ...checkedArms].flatMap(({ label }) => seedsOf(options).map((seed) => partOf(label, seed))),
    run(name, { peers }) {
      const seed = Number(name.slice(name.lastIndexOf(' ')))
      const arm = arms.find(({ label }) => name === partOf(label, seed))
      if (arm !== undefined) return runArm(arm, seed, peers)
      return runChecked(seed, peers, checkedArms.find(({ label }) => name === partOf(label, seed))!.dht)
    },
    result(options, parts) {
      const partsOf = <Part>(label: string) => seedsOf(options).map((seed) => parts.get(partOf(label, seed)) as Part)
      const runs = new Map(shown.map((label) => [label, partsOf<Outcome[]>(label)]))
      const [without, withDht] = checkedArms.map(({ label }) => partsOf<Counted>(label)) as [Counted[], Counted[]]
      return {
        experiment: 'bitswap',
        settings: { ...options, requests, sniffed, gateways },
        notes,
        tables: [
          requestTable('A request of the study, from the first one to the last', runs),
          withinTable(runs),
          messageTable(runs),
          periodTable('Messages of a request that connected peers served, as the study goes on', runs, messagesOf),
          periodTable('Found, % of what somebody could serve, as the study goes on', runs, shareFound),
          ...causeTables(runs),
          classTable(without, withDht),
          availabilityTable(runs),
          fitTable(runs.get('flood, 856')!),
        ],
        plots: [latencyPlot(runs)],
      }
    },
  }),
}

function partOf(label: string, seed: number): string {
  return `${label}, seed ${seed}`
}

/** Of the lists of the study. */
const requests: Readonly<Record<string, number>> = { [sniffed.name]: 71_769, [gateways.name]: 32_404 }

const all = { ...ours, asksInVain: true }
/** Those that take longest first. */
const arms: readonly (FloodArm | TrafficArm)[] = [
  { ...all, label: 'ours, 856, no DHT', dht: false },
  { ...all, label: 'ours, 856, gateway list, no DHT', traffic: gateways, dht: false },
  { ...all, label: 'ours, 856' },
  { ...all, label: 'ours, 856, gateway list', traffic: gateways },
  { ...all, label: 'ours, 96', connections: 96 },
  { label: 'flood, 856', connections: 856, traffic: sniffed },
  { label: 'flood, 96', connections: 96, traffic: sniffed },
  { label: 'flood, 856, gateway list', connections: 856, traffic: gateways },
]
const checkedArms = [false, true].map((dht) => ({ label: `outcome classes, ${dht ? 'with' : 'without'} the DHT`, dht }))

const shown = [
  'flood, 856',
  'flood, 96',
  'ours, 856, no DHT',
  'ours, 856',
  'ours, 96',
  'flood, 856, gateway list',
  'ours, 856, gateway list, no DHT',
  'ours, 856, gateway list',
]

function runArm(arm: TrafficArm | FloodArm, seed: number, peers: number): Outcome[] {
  const { traffic } = arm
  const setting = { seed, traffic, peers, warmUp: 0, requests: requests[traffic.name]! }
  return 'discovery' in arm ? runOurs(setting, arm) : runFlood(setting, arm.connections)
}

/** Share of all requests for what is there that took less than so long (report, both lists). */
const reportedWithin = [
  { label: 'report, flood', shares: [38.31, 60.87, 74.74, 87.24, 93.65, 96.93, 98.37] },
  { label: 'report, flood, gateway list', shares: [43.51, 56.72, 63.91, 81.8, 90.29, 98.52, 99.83] },
]

function withinTable(runs: ReadonlyMap<string, readonly Outcome[][]>): Table {
  const times = latencies.slice(1).map(([ms]) => ms)
  return {
    title: 'Found within a time, % of what somebody could serve (C5)',
    columns: ['', ...times.map((ms) => `< ${ms} ms`)],
    rows: [
      ...reportedWithin.map(({ label, shares }): Cell[] => [label, ...shares]),
      ...[...runs].map(([label, seeds]): Cell[] => [
        label,
        ...times.map((ms) => estimate(seeds.map((run) => shareWithin(run, ms)))),
      ]),
    ],
  }
}

function latencyPlot(runs: ReadonlyMap<string, readonly Outcome[][]>): Plot {
  const times = [30, 50, 70, 100, 150, 200, 300, 500, 700, 1_000, 1_500, 2_000, 3_000, 5_000, 7_000, 10_000, 15_000]
  return {
    name: 'latency',
    title: 'Found within a time',
    x: { label: 'ms', scale: 'log' },
    y: { label: '% of what somebody could serve' },
    series: [...runs].map(([label, seeds]) => ({
      label,
      points: times.map((ms) => {
        const { mean, half } = estimate(seeds.map((run) => shareWithin(run, ms)))
        return { x: ms, y: mean, half }
      }),
    })),
  }
}

/** By what was requested before; of the first list that is ten minutes, 2, 6, 12, 24 and 50 hours. */
const periods: readonly (readonly [string, number, number])[] = [
  ['first 240', 0, 240],
  ['to 2,880', 240, 2_880],
  ['to 8,640', 2_880, 8_640],
  ['to 17,280', 8_640, 17_280],
  ['to 34,560', 17_280, 34_560],
  ['to 71,769', 34_560, Infinity],
]

function periodTable(
  title: string,
  runs: ReadonlyMap<string, readonly Outcome[][]>,
  of: (run: readonly Outcome[]) => number,
): Table {
  return {
    title,
    columns: ['arm', ...periods.map(([name]) => name)],
    rows: [...runs].map(([label, seeds]): Cell[] => [
      label,
      ...periods.map(([, from, until]): Cell => {
        const parts = seeds.map((run) => run.filter(({ index }) => index >= from && index < until))
        return parts.some((run) => byBitswap(run).length === 0) ? '–' : estimate(parts.map(of))
      }),
    ]),
  }
}

function availabilityTable(runs: ReadonlyMap<string, readonly Outcome[][]>): Table {
  const floods = (label: string, of: (run: readonly Outcome[]) => number) =>
    estimate(runs.get(label)!.map((run) => 100 * of(run)))
  const lists = [
    { name: 'first list', label: 'flood, 856', success: 98.37, available: 70.91 },
    { name: 'gateway list', label: 'flood, 856, gateway list', success: 99.83, available: 95.64 },
  ]
  return {
    title: 'Success of the flood, and what somebody could serve (C2)',
    columns: ['', ...lists.flatMap(({ name }) => [`${name}: report %`, 'flood %'])],
    rows: [
      [
        'of what somebody could serve, by connected peers',
        ...lists.flatMap(({ label, success }): Cell[] => [
          success,
          floods(label, (run) => byBitswap(run).length / available(run).length),
        ]),
      ],
      [
        'somebody could serve',
        ...lists.flatMap(({ label, available: share }): Cell[] => [
          share,
          floods(label, (run) => available(run).length / run.length),
        ]),
      ],
    ],
  }
}

function fitTable(floods: readonly Outcome[][]): Table {
  return {
    title: 'The fit of the world: blocks served by the top N, and requests below a time (C4, C5)',
    columns: ['', 'report %', 'flood %'],
    rows: [
      ...skew.map(([top, share]): Cell[] => [`top ${top}`, share, estimate(floods.map((run) => 100 * servedByTop(run, top)))]),
      ...latencies
        .slice(1)
        .map(([ms, share]): Cell[] => [`< ${ms} ms`, 100 * share, estimate(floods.map((run) => 100 * below(run, ms)))]),
    ],
  }
}

function below(run: readonly Outcome[], ms: number): number {
  const all = byBitswap(run)
  return all.filter(({ latencyMs }) => latencyMs < ms).length / all.length
}

function servedByTop(run: readonly Outcome[], top: number): number {
  const served = new Map<number, number>()
  for (const { servedBy } of byBitswap(run)) if (servedBy !== undefined) served.set(servedBy, (served.get(servedBy) ?? 0) + 1)
  const counts = [...served.values()].sort((a, b) => b - a)
  const all = counts.reduce((sum, count) => sum + count, 0)
  return counts.slice(0, top).reduce((sum, count) => sum + count, 0) / all
}

function shareFound(run: readonly Outcome[]): number {
  return (100 * found(run).length) / available(run).length
}

function shareWithin(run: readonly Outcome[], ms: number): number {
  return (100 * found(run).filter(({ latencyMs }) => latencyMs < ms).length) / available(run).length
}

const notes = [
  'The study of 2022 asked for 71,769 CIDs of its first list in fifty hours, and for 32,404 of its second, from the logs of gateways, in an hour and 45 minutes. So does each run here: all requests at their pace, from the first one on, when nothing has been learned yet, with those for what nobody has, of which every peer is asked in vain. Settings of the planner were chosen on seeds 101 and 1000 to 1005, and seeds 1 and 2 were looked at on the way; this page was written with others.',
  'Requests, holders and round trips are drawn before anybody asks: every arm meets the same. *found*: of the requests somebody could serve, within 15 s. *by Bitswap*: from a peer that was connected when the request began. *messages*: entries of wantlists, presences and blocks, sent and received, of requests that connected peers served, as the report counts them; a few requests for what only strangers have cost hundreds, so that the mean is far above the median.',
  'The goals: 20 messages at 97 % without the DHT, and at 99 % with it. *ours, 856* is the default with the DHT. Other settings, restarts, hints, wants that were heard, and what is possible at all are on the page *bitswap-third-hour*.',
  'The columns of the tables *as the study goes on* are numbers of requests: of the first list 240 are ten minutes, 2,880 two hours, 8,640 six, 17,280 twelve, 34,560 a day; the second is over with 32,404. A page that begins knows nobody: its first requests ask strangers, by the dozen. What it learns stays for days (of what is older than two hours half is forgotten in a day), and is kept when the page closes.',
  'Where the messages go: a few requests for what only rare peers have, which are looked for among all strangers, cost hundreds each, and so do those of which every holder answers late. After the first step the planner asks no faster than late answers and the search let expect to be in vain; how late answers are it learns. So a flood is quicker: it hears the quickest holder at once, for a hundred times as many messages.',
  'A CANCEL is counted where it is sent. That of a want-have waits two minutes at most; if a message goes to the same peer meanwhile and can be a whole wantlist, it ends what is not in it, and no CANCEL is sent. What such a message repeats is counted again.',
  'The flood is the rule of 2022 with three fitted parameters (peers with an older protocol, of those the ones that hold the block, HAVEs that were stale): its table is a calibration and no prediction. Of DONT_HAVEs, which are rare, the report gives two digits, and they are met less well than the others. It has no DHT: the study switched it off.',
  'The report does not say how many connected peers hold a block beyond the mean of HAVEs (3.95); a geometric number is drawn, its holders by the share that a peer serves. The first table of the report (skew) and this are not independent: see the fit. Of the second list the outcome classes and the pace are the report’s; who has something, and how long answers take, is drawn as for the first.',
  'Outcome classes: without the DHT each request that was not served in 15 s is followed by a walk, and the peer it names by a probe (the selfish checker), 300 requests after 300. With it the engine also counts itself: FAILURE is then what a peer had that only the search found, and a request that is given up after 15 s counts nowhere.',
  'Not modelled: bandwidth, loss, churn, peers that lie, peers that get a block while it is asked for: who says HAVE sends the block, and takes as long for it as for the HAVE; who has what does not change in these days. The DHT is a delay (lognormal, mean about 0.62 s) and knows 70 % of what connected peers hold; a dial takes 0.4 s.',
]
