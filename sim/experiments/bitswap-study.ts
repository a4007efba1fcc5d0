import { everyMs, runFlood, runOurs, type Outcome } from '../bitswap/run.ts'
import { gateways, sniffed } from '../bitswap/traffic.ts'
import { estimate } from '../core/statistics.ts'
import {
  available,
  byBitswap,
  found,
  messagesOf,
  messageTable,
  ours,
  requestTable,
  seedsOf,
  warmUp,
  type FloodArm,
  type TrafficArm,
} from './bitswap.ts'
import type { Cell, Experiment, Table } from './experiment.ts'

/** C1 to C5 for a day at the rate of the study: what is learned in an hour is not what is known after ten. */
export const bitswapStudy: Experiment = {
  name: 'bitswap-study',
  title: 'a day of the study of 2022: all its requests, from the first one on',
  defaults: { seed: 1, seeds: 1, peers: 856 },
  reportOptions: { seed: 1, seeds: 2, peers: 856 },
  run(options, progress) {
    const whole = new Map(
      arms.map((arm) => [
        arm.label,
        seedsOf(options).map((seed) => {
          progress(`${arm.label}, seed ${seed}`)
          return runArm(arm, seed, options.peers)
        }),
      ]),
    )
    const later = new Map([...whole].map(([label, seeds]) => [label, seeds.map((run) => between(run, warmUp, Infinity))]))
    return {
      experiment: 'bitswap-study',
      settings: { ...options, requests, gatewayRequests, warmUp, everyMs, sniffed, gateways },
      notes,
      tables: [
        requestTable('A request after the first two hours', later),
        requestTable('A request, from the first one on', whole),
        periodTable('Messages of a request that connected peers served, by the time of the study', whole, messagesOf),
        periodTable(
          'Found, % of what somebody could serve, by the time of the study',
          whole,
          (run) => (100 * found(run).length) / available(run).length,
        ),
        messageTable(later),
      ],
      plots: [],
    }
  },
}

/** Of 71,769 in fifty hours, and of 32,404. */
const requests = 34_560
const gatewayRequests = 32_404

const all = { ...ours, asksInVain: true }
const arms: readonly (FloodArm | TrafficArm)[] = [
  { label: 'flood, 856', connections: 856 },
  { ...all, label: 'ours, 856, no DHT', dht: false },
  { ...all, label: 'ours, 856' },
  { ...all, label: 'ours, 96', connections: 96 },
  { ...all, label: 'ours, 856, gateway list, no DHT', traffic: gateways, dht: false },
  { ...all, label: 'ours, 856, gateway list', traffic: gateways },
]

function runArm(arm: TrafficArm | FloodArm, seed: number, peers: number): Outcome[] {
  if (!('discovery' in arm)) return runFlood({ seed, traffic: sniffed, peers, warmUp: 0, requests }, arm.connections)
  const asked = arm.traffic === gateways ? gatewayRequests : requests
  return runOurs({ seed, traffic: arm.traffic, peers, warmUp: 0, requests: asked }, arm)
}

const hour = 3_600_000 / everyMs
const periods: readonly (readonly [string, number, number])[] = [
  ['first 10 min', 0, hour / 6],
  ['to 2 h', hour / 6, 2 * hour],
  ['to 6 h', 2 * hour, 6 * hour],
  ['to 12 h', 6 * hour, 12 * hour],
  ['to 24 h', 12 * hour, Infinity],
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
        const parts = seeds.map((run) => between(run, from, until))
        return parts.some((run) => byBitswap(run).length === 0) ? '–' : estimate(parts.map(of))
      }),
    ]),
  }
}

function between(run: readonly Outcome[], from: number, until: number): Outcome[] {
  return run.filter(({ index }) => index >= from && index < until)
}

const notes = [
  'The study sent 71,769 requests of its first list in fifty hours, and 32,404 of its second (at the same rate, here). The page *bitswap* measures 700 requests after two hours, and leaves out what nobody has; here are the first 24 hours of the first list and all of the second, with those that nobody can serve, of which each peer is asked in vain: for all that time something is wanted of nearly everybody. Settings were chosen on seeds 1000 and 1001; this page was written with other seeds.',
  'What the columns mean, what the world is and what it leaves out says *bitswap*. The goals: 20 messages at 97 % without the DHT, and at 99 % with it.',
  'A page that begins knows nobody: its first requests ask strangers, by the dozen. What it learns stays for days (of what is older than two hours half is forgotten in a day), and is kept when the page closes.',
  'Who has what does not change in this day, and nobody comes or goes: where it does, less of what was learned stays true than here.',
]
