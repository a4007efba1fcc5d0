import { atBestTimes, inSteps, oneByOne, type Bound } from '../bitswap/bound.ts'
import { runFlood, runOurs, type Outcome } from '../bitswap/run.ts'
import { gateways, keptMs, rememberedMs, sniffed } from '../bitswap/traffic.ts'
import { estimate, mean, percentile } from '../core/statistics.ts'
import { limits } from '../../worker/engine/limits.ts'
import {
  available,
  found,
  messagesOf,
  messageTable,
  ours,
  requestTable,
  seedsOf,
  times,
  type FloodArm,
  type TrafficArm,
} from './bitswap-tables.ts'
import { inParts, type Cell, type Experiment, type Plot, type Table } from './experiment.ts'

/** C4 and C8 to C11: settings, restarts, hints and wants that were heard, beside what is possible at all. */
export const bitswapThirdHour: Experiment = {
  name: 'bitswap-third-hour',
  title: 'what the planner’s settings, restarts, hints and wants that were heard do: 700 requests after the first two hours',
  defaults: { seed: 11, seeds: 1, peers: 856 },
  reportOptions: { seed: 11, seeds: 5, peers: 856 },
  ...inParts<Outcome[]>({
    names: (options) => armsToRun.flatMap(({ label }) => seedsOf(options).map((seed) => partOf(label, seed))),
    run(name, { peers }) {
      const seed = Number(name.slice(name.lastIndexOf(' ')))
      return runArm(armsToRun.find(({ label }) => name === partOf(label, seed))!, seed, peers)
    },
    result(options, parts) {
      const runsOf = (labels: readonly string[]) =>
        new Map(
          labels.map((label) => [label, seedsOf(options).map((seed) => parts.get(partOf(sameAs.get(label) ?? label, seed))!)]),
        )
      const main = runsOf(arms.map(({ label }) => label))
      const frontier = runsOf(frontierArms.map(({ label }) => label))
      return {
        experiment: 'bitswap-third-hour',
        settings: { ...options, warmUp, requests, floodRequests, tried, sniffed, gateways, keptMs, rememberedMs },
        notes,
        tables: [
          requestTable('A request', main),
          boundTable(main.get('flood, 856')!, frontier),
          requestTable('Messages against time and success: the frontier', frontier),
          requestTable(
            'Wants that were heard: so much of what is wanted a connected peer was heard to want in the ten minutes before',
            runsOf(['0 %, no DHT', '0 %, DHT', ...rememberedArms.map(({ label }) => label)]),
          ),
          requestTable(`The first ${afterRestart} requests after a restart (C8)`, runsOf(restartArms.map(({ label }) => label))),
          messageTable(main),
        ],
        plots: [frontierPlot(frontier)],
      }
    },
  }),
}

function partOf(label: string, seed: number): string {
  return `${label}, seed ${seed}`
}

/** A whole window of the ranking at the rate of the study. */
const warmUp = 2_880
const requests = 700
/** Cheap, and enough that the rare ones among its messages come out as the report has them. */
const floodRequests = 21_000
/** Of these, so many for what is searched for by trial. */
const tried = 4_000
const afterRestart = 200

const half = { ...sniffed, inContext: 0.5 }
const arms: readonly (FloodArm | TrafficArm)[] = [
  { label: 'flood, 856', connections: 856, traffic: sniffed },
  { label: 'flood, 96', connections: 96, traffic: sniffed },
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

/** What is the same by another name. */
const sameAs = new Map([
  [`no DHT, ${usual} a second`, 'ours, 856, no DHT'],
  [`DHT, ${usual} a second`, 'ours, 856'],
  ['0 %, no DHT', 'ours, 856, no DHT'],
  ['0 %, DHT', 'ours, 856'],
])
const armsToRun = [...arms, ...frontierArms, ...restartArms, ...rememberedArms].filter(({ label }) => !sameAs.has(label))

function runArm(arm: TrafficArm | FloodArm, seed: number, peers: number): Outcome[] {
  if (!('discovery' in arm)) {
    return runFlood({ seed, traffic: arm.traffic, peers, warmUp, requests: floodRequests }, arm.connections)
  }
  const isRestart = restartArms.includes(arm)
  return runOurs({ seed, traffic: arm.traffic, peers, warmUp, requests: isRestart ? afterRestart : requests }, arm)
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

const notes = [
  'World, arms and counting are those of the page *bitswap*. Here 700 requests are measured that come after 2,880 others: two hours at the pace of the first list, nine minutes at that of the second. Of those peers that seldom have something few are known then, so that a request without the DHT costs more than over the whole study. What nobody has is not requested. Settings of the planner were chosen on seeds 101 and 1000 to 1005, and seeds 1 to 5 were looked at on the way; this page was written with others.',
  'The bounds are of somebody who knows how likely each of the 856 peers has a block. They are charged a CANCEL for each question in vain, of which ours spares most: the bounds are for who does not.',
  'Wants that were heard: both lists of the study were asked for days or months after somebody had wanted what is on them, and nothing on them is remembered. Somebody who wants what neighbours want meets it minutes later. The wanter is drawn from all connected peers, has got what any connected peer holds, and keeps it for six hours on average (exponential).',
]
