import { atBestTimes, inSteps, oneByOne, type Bound } from '../bitswap/bound.ts'
import { everyMs, runCounted, runFlood, runOurs, type Arm, type Outcome } from '../bitswap/run.ts'
import { totalOf, type Messages } from '../bitswap/measured.ts'
import { causeTables } from './bitswap-causes.ts'
import { gateways, keptMs, latencies, rememberedMs, skew, sniffed, type Traffic } from '../bitswap/traffic.ts'
import { estimate, mean, percentile } from '../core/statistics.ts'
import { limits } from '../../worker/engine/limits.ts'
import type { Cell, Experiment, Options, Plot, Table } from './experiment.ts'

/** C1 to C5 and C8 to C11: what a request costs and how often it succeeds, by flooding and by our engine. */
export const bitswap: Experiment = {
  name: 'bitswap',
  title: 'messages, success and latency of a request: the flood of 2022, and our engine that knows whom to ask',
  defaults: { seed: 1, seeds: 1, peers: 856 },
  reportOptions: { seed: 1, seeds: 5, peers: 856 },
  run(options, progress) {
    const run = (arm: TrafficArm | FloodArm) => {
      progress(arm.label)
      return seedsOf(options).map((seed) => runArm(arm, seed, options.peers))
    }
    const main = new Map(arms.map((arm) => [arm.label, run(arm)]))
    const frontier = new Map(
      frontierArms.map((arm) => {
        // Two of these were run above.
        const same = new Map([
          [`no DHT, ${usual} a second`, 'ours, 856, no DHT'],
          [`DHT, ${usual} a second`, 'ours, 856'],
        ])
        return [arm.label, main.get(same.get(arm.label) ?? '') ?? run(arm)]
      }),
    )
    const restarts = new Map(restartArms.map((arm) => [arm.label, run(arm)]))
    const remembered = new Map(rememberedArms.map((arm) => [arm.label, run(arm)]))
    const floods = main.get('flood, 856')!
    return {
      experiment: 'bitswap',
      settings: { ...options, warmUp, requests, floodRequests, tried, everyMs, sniffed, gateways, keptMs, rememberedMs },
      notes,
      tables: [
        requestTable('A request', main),
        boundTable(floods, new Map([...main, ...frontier])),
        requestTable('Messages against time and success: the frontier', frontier),
        requestTable(
          'Wants that were heard: so much of what is wanted a connected peer was heard to want in the ten minutes before',
          new Map([['0 %, no DHT', main.get('ours, 856, no DHT')!], ['0 %, DHT', main.get('ours, 856')!], ...remembered]),
        ),
        requestTable(`The first ${afterRestart} requests after a restart (C8)`, restarts),
        messageTable(main),
        ...causeTables(main),
        classTable(options, progress),
        fitTable(floods),
      ],
      plots: [frontierPlot(frontier)],
    }
  },
}

/** A whole window of the ranking at the rate of the study. */
export const warmUp = 2_880
const requests = 700
/** Cheap, and enough that the rare ones among its messages come out as the report has them. */
const floodRequests = 21_000
/** Of these, so many for what is searched for by trial. */
const tried = 4_000
const afterRestart = 200

export type FloodArm = Pick<Arm, 'label' | 'connections'>
export type TrafficArm = Arm & { readonly traffic: Traffic }

export const ours = { connections: 856, dht: true, discovery: {}, traffic: sniffed }
const half = { ...sniffed, inContext: 0.5 }
const arms: readonly (FloodArm | TrafficArm)[] = [
  { label: 'flood, 856', connections: 856 },
  { label: 'flood, 96', connections: 96 },
  { ...ours, label: 'ours, 856, no DHT', dht: false },
  { ...ours, label: 'ours, 856' },
  { ...ours, label: 'ours, 96', connections: 96 },
  { ...ours, label: 'ours, 856, gateway list, no DHT', traffic: gateways, dht: false },
  { ...ours, label: 'ours, 856, gateway list', traffic: gateways },
  { ...ours, label: 'top 10 first', discovery: { leaders: { type: 'top', peers: 10 } } },
  { ...ours, label: '20 blocks or more first', discovery: { leaders: { type: 'threshold', blocks: 20 } } },
  { ...ours, label: 'share 0.6 first', discovery: { leaders: { type: 'coverage', share: 0.6 } } },
  { ...ours, label: 'cold by DHT', discovery: { coldStart: 'dht' } },
  { ...ours, label: 'cold by flood', discovery: { coldStart: 'flood' } },
  { ...ours, label: 'half NFTs', traffic: half },
  { ...ours, label: 'half NFTs, context', traffic: half, usesContext: true },
]

/** The default. */
const usual = limits.peersPerSecond.value
const rates = [1, usual, 6, 16]

const frontierArms: readonly TrafficArm[] = rates.flatMap((peersPerSecond) => [
  { ...ours, label: `no DHT, ${peersPerSecond} a second`, dht: false, discovery: { peersPerSecond } },
  { ...ours, label: `DHT, ${peersPerSecond} a second`, discovery: { peersPerSecond } },
  { ...ours, label: `DHT, ranked only, ${peersPerSecond} a second`, discovery: { peersPerSecond, broadcast: 'ranked' } },
])

const restartArms: readonly TrafficArm[] = [
  { ...ours, label: 'none' },
  { ...ours, label: 'what was learned is kept', restart: { keptAgoMs: 60_000 } },
  { ...ours, label: 'it is kept, for twelve hours', restart: { keptAgoMs: 12 * 3_600_000 } },
  { ...ours, label: 'it is forgotten', restart: 'forgotten' },
]

/** D in C: what want inspection adds to the planner, by how much of what is wanted a neighbour wanted shortly before. */
const rememberedArms: readonly TrafficArm[] = [0.2, 0.4, 0.6, 0.8, 1].flatMap((remembered) => {
  const traffic = { ...sniffed, remembered }
  return [
    { ...ours, label: `${100 * remembered} %, no DHT`, dht: false, traffic },
    { ...ours, label: `${100 * remembered} %, DHT`, traffic },
  ]
})

function runArm(arm: TrafficArm | FloodArm, seed: number, peers: number): Outcome[] {
  if (!('discovery' in arm)) {
    return runFlood({ seed, traffic: sniffed, peers, warmUp, requests: floodRequests }, arm.connections)
  }
  const isRestart = restartArms.includes(arm)
  return runOurs({ seed, traffic: arm.traffic, peers, warmUp, requests: isRestart ? afterRestart : requests }, arm)
}

export function requestTable(title: string, runs: ReadonlyMap<string, readonly Outcome[][]>): Table {
  return {
    title,
    columns: ['arm', ...columns.map(({ name }) => name)],
    rows: [...runs].map(([label, seeds]): Cell[] => [label, ...columns.map(({ of }) => estimate(seeds.map(of)))]),
  }
}

/** What nobody could do better, and what we do, without the DHT. */
function boundTable(floods: readonly Outcome[][], runs: ReadonlyMap<string, readonly Outcome[][]>): Table {
  const of = floods.map((run) => available(run).map(({ request }) => request))
  const rows: [string, Bound[]][] = [
    ['knows all chances, one by one, however long, 97 %', of.map((some) => oneByOne(some, 0.97))],
    [
      'knows all chances and when answers come, at the best times in 15 s, 97 %',
      of.map((some) => atBestTimes(some.slice(0, tried), 0.97)),
    ],
    ...rates.flatMap((rate): [string, Bound[]][] => [
      [`knows all chances, our steps, ${rate} a second, 97 %`, of.map((some) => inSteps(some, 0.97, rate))],
    ]),
  ]
  const learned = rates
    .map((rate) => `no DHT, ${rate} a second`)
    .map((label): Cell[] => {
      const seeds = runs.get(label)!
      const cell = (value: (run: readonly Outcome[]) => number) => estimate(seeds.map(value))
      const p = (share: number) => cell((run) => percentile(times(run), share))
      return [
        `ours, ${label}`,
        cell((run) => (100 * found(run).length) / available(run).length),
        cell(messagesOf),
        p(0.5),
        p(0.9),
      ]
    })
  return {
    title: 'The bound: what a request costs who knows how likely each peer has it, without the DHT',
    columns: ['', 'found %', 'messages', 'p50 ms', 'p90 ms'],
    rows: [
      ...rows.map(([label, bounds]): Cell[] => [
        label,
        estimate(bounds.map((bound) => 100 * bound.found)),
        estimate(bounds.map(({ messages }) => messages)),
        estimate(bounds.map(({ p50Ms }) => p50Ms)),
        estimate(bounds.map(({ p90Ms }) => p90Ms)),
      ]),
      ...learned,
    ],
  }
}

function frontierPlot(runs: ReadonlyMap<string, readonly Outcome[][]>): Plot {
  const kinds = ['no DHT', 'DHT', 'DHT, ranked only']
  return {
    name: 'frontier',
    title: 'What messages buy: mean time of a request against its messages',
    x: { label: 'messages a request' },
    y: { label: 'mean time, ms' },
    series: kinds.map((label) => ({
      label,
      points: rates.map((rate) => {
        const seeds = runs.get(`${label}, ${rate} a second`)!
        return { x: mean(seeds.map(messagesOf)), y: mean(seeds.map((run) => mean(times(run)))) }
      }),
    })),
  }
}

export function messageTable(runs: ReadonlyMap<string, readonly Outcome[][]>): Table {
  return {
    title: 'Messages of a request that connected peers served (C3)',
    columns: ['', ...messageNames, 'all'],
    rows: [
      ['report', 856.07, 8.3, 849.74, 3.95, 0.18, 1.74, 1719.98],
      ...[...runs].map(([label, seeds]): Cell[] => [
        label,
        ...messageNames.map((name) => estimate(seeds.map((run) => mean(byBitswap(run).map((one) => one.messages[name]))))),
        estimate(seeds.map(messagesOf)),
      ]),
    ],
  }
}

/** C1: all requests, also for what nobody has, with the selfish checker after them; and what the engine counts itself. */
function classTable(options: Options, progress: (line: string) => void): Table {
  const arm = (dht: boolean): Arm => ({ ...ours, label: '', dht, checks: true })
  const runs = [false, true].map((dht) => {
    progress(`outcome classes, ${dht ? 'with' : 'without'} the DHT`)
    return seedsOf(options).map((seed) =>
      runCounted({ seed, traffic: sniffed, peers: options.peers, warmUp: 300, requests: 300 }, arm(dht)),
    )
  })
  const classes = ['SUCCESS', 'FAILURE', 'NO_PROV', 'FETCH_FAILED'] as const
  const classOf = ({ measured: { isFound, checked } }: Outcome) => {
    if (isFound) return 'SUCCESS'
    return checked === undefined ? 'NO_PROV' : checked === 'block' ? 'FAILURE' : 'FETCH_FAILED'
  }
  const [without, withDht] = runs as [(typeof runs)[0], (typeof runs)[0]]
  const report = [50_062, 831, 20_779, 97]
  const counters = ['wantsSuccess', 'wantsFailure', 'wantsNoProvider', 'wantsFetchFailed'] as const
  const share = (some: number, all: number) => (100 * some) / all
  return {
    title: 'Outcome classes of all requests (C1, C2)',
    columns: ['class', 'report %', 'no DHT, checked %', 'messages', 'DHT, checked %', 'messages', 'DHT, the engine’s counters %'],
    rows: classes.map((name, index): Cell[] => {
      const columnsOf = (some: typeof without): Cell[] => {
        const ofClass = some.map(({ outcomes }) => outcomes.filter((outcome) => classOf(outcome) === name))
        return [
          estimate(some.map(({ outcomes }, run) => share(ofClass[run]!.length, outcomes.length))),
          estimate(ofClass.map((all) => mean(all.map(({ measured }) => totalOf(measured.messages))))),
        ]
      }
      return [
        name,
        share(report[index]!, 71_769),
        ...columnsOf(without),
        ...columnsOf(withDht),
        estimate(
          withDht.map((run) => {
            const all = counters.reduce((sum, counter) => sum + run.counters[counter], 0)
            return share(run.counters[counters[index]!], all)
          }),
        ),
      ]
    }),
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

const messageNames = [
  'wantHave',
  'wantBlock',
  'cancel',
  'have',
  'dontHave',
  'block',
] as const satisfies readonly (keyof Messages)[]

const columns: readonly { readonly name: string; readonly of: (run: readonly Outcome[]) => number }[] = [
  { name: 'found %', of: (run) => (100 * found(run).length) / available(run).length },
  { name: 'by Bitswap %', of: (run) => (100 * byBitswap(run).length) / available(run).length },
  { name: 'messages', of: messagesOf },
  {
    name: 'messages p50',
    of: (run) =>
      percentile(
        byBitswap(run).map(({ messages }) => totalOf(messages)),
        0.5,
      ),
  },
  { name: 'DHT requests', of: (run) => mean(found(run).map(({ dhtMessages }) => dhtMessages)) },
  { name: 'mean ms', of: (run) => mean(times(run)) },
  { name: 'p50 ms', of: (run) => percentile(times(run), 0.5) },
  { name: 'p90 ms', of: (run) => percentile(times(run), 0.9) },
  { name: 'p99 ms', of: (run) => percentile(times(run), 0.99) },
]

const notes = [
  'Settings of the planner were chosen on seeds 101 and 1000 to 1005; this page was written with other seeds.',
  'Requests, holders and round trips are drawn before anybody asks: every arm meets the same. *found*: of the requests somebody could serve, within 15 s. *by Bitswap*: from a peer that was connected when the request began. *messages*: entries of wantlists, presences and blocks, sent and received, of requests that connected peers served, as the report counts them; a few requests for what only strangers have cost hundreds, so that the mean is far above the median.',
  'The goals: 20 messages at 97 % without the DHT, and at 99 % with it. *ours, 856* is the default with the DHT. These requests come after two hours, when of those peers that seldom have something few are known; how it goes on is on the page *bitswap-study*. The bounds are of somebody who knows how likely each of the 856 peers has a block. They are charged a CANCEL for each question in vain, of which ours spares most: the bounds are for who does not. The table after it says where ours go: a few requests for what only rare peers have, which are looked for among all strangers, cost hundreds each, and so do those of which every holder answers late.',
  'A CANCEL is counted where it is sent. That of a want-have waits two minutes at most; if a message goes to the same peer meanwhile and can be a whole wantlist, it ends what is not in it, and no CANCEL is sent.',
  'Wants that were heard: both lists of the study were asked for days or months after somebody had wanted what is on them, and nothing on them is remembered. Somebody who wants what neighbours want meets it minutes later. The wanter is drawn from all connected peers, has got what any connected peer holds, and keeps it for six hours on average (exponential).',
  'After the first step the planner asks no faster than late answers and the search let expect to be in vain; how late answers are it learns.',
  'The flood is the rule of 2022 with three fitted parameters (peers with an older protocol, of those the ones that hold the block, HAVEs that were stale): its table is a calibration and no prediction. Of DONT_HAVEs, which are rare, the report gives two digits, and they are met less well than the others. It has no DHT: the study switched it off.',
  'The report does not say how many connected peers hold a block beyond the mean of HAVEs (3.95); a geometric number is drawn, its holders by the share that a peer serves. The first table of the report (skew) and this are not independent: see the fit.',
  'Outcome classes: without the DHT each request that was not served in 15 s is followed by a walk, and the peer it names by a probe (the selfish checker). With it the engine also counts itself: FAILURE is then what a peer had that only the search found, and a request that is given up after 15 s counts nowhere.',
  'Not modelled: bandwidth, loss, churn, peers that lie, peers that get a block while it is asked for: who says HAVE sends the block, and takes as long for it as for the HAVE. The DHT is a delay (lognormal, mean about 0.62 s) and knows 70 % of what connected peers hold; a dial takes 0.4 s. But for the outcome classes, what nobody has is not requested by our arms.',
]

export function seedsOf({ seed, seeds }: Options): number[] {
  return Array.from({ length: seeds }, (_, index) => seed + index)
}

function available(run: readonly Outcome[]): readonly Outcome[] {
  return run.filter(({ request }) => request.kind === 'held' || request.kind === 'only-by-dht')
}

function found(run: readonly Outcome[]) {
  return available(run).flatMap(({ measured }) => (measured.isFound ? [measured] : []))
}

function byBitswap(run: readonly Outcome[]) {
  return found(run).filter(({ isByBitswap }) => isByBitswap)
}

function messagesOf(run: readonly Outcome[]): number {
  return mean(byBitswap(run).map(({ messages }) => totalOf(messages)))
}

function times(run: readonly Outcome[]): number[] {
  return found(run).map(({ latencyMs }) => latencyMs)
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

export { available, byBitswap, found, messagesOf, times }
