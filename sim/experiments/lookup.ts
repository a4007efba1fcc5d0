import { limits } from '../../worker/engine/limits.ts'
import { estimate, mean, percentile } from '../core/statistics.ts'
import { aminoWorld, stableWorld, type WorldSettings } from '../world/settings.ts'
import { World } from '../world/world.ts'
import type { Cell, Experiment, Options, Plot, Series } from './experiment.ts'
import { smallNetworks } from './small-networks.ts'
import { compareLookups, type Measured, type RuleName, ruleNames } from './lookup-run.ts'

/** Three rules side by side on the same worlds: what a lookup costs and finds. */
export const lookup: Experiment = {
  name: 'lookup',
  title: 'one lookup by our rule, by Go’s and by js-libp2p’s: time, requests, dials, hops, recall',
  defaults: { seed: 1, seeds: 2, peers: 2_000 },
  reportOptions: { seed: 301, seeds: 20, peers: 25_000 },
  run(options, progress) {
    const measured = measureAll(options, progress)
    return {
      experiment: 'lookup',
      settings: { ...options, clients: CLIENTS, lookupsPerClient: LOOKUPS, stableWorld, aminoWorld },
      notes: NOTES,
      tables: [
        { title: 'Targets', columns: ['what', 'wanted', 'came out'], rows: targetRows(measured.worlds) },
        { title: 'Worlds', columns: COLUMNS, rows: rowsOf(measured.worlds) },
        { title: 'Amino with fewer and fewer dialable servers', columns: COLUMNS, rows: rowsOf(measured.dialable) },
        {
          title: 'A stable world with more and more offline servers in the tables',
          columns: COLUMNS,
          rows: rowsOf(measured.dead),
        },
        smallNetworks(options),
      ],
      plots: plotsOf(measured),
    }
  },
}

const CLIENTS = 4
const LOOKUPS = 6
const DIALABLE = [0.05, 0.1, 0.25, 0.5, 1]
const DEAD = [0, 0.1, 0.26, 0.4, 0.5]

const NOTES = [
  'Each lookup begins without any connection and with the k nearest peers of one and the same routing table, that of our engine.',
  '*time*: from the command to the end of the lookup, follow-up included. *requests*, *dials*: sent, tried; those given up included.',
  '*hops*: requests in a row that led to the nearest peer that answered; 1 is a peer of the own table.',
  '*recall*: share of the k nearest servers that are online and dialable which answered in the lookup.',
  '*named*: share of those k nearest that any other of them names when asked for the key. An answer holds 20 peers, offline and undialable ones included: with many of those, the nearest servers do not name the outer ones of the k nearest, and only luck with farther servers finds them, whatever the rule.',
  '± is the 95 % confidence interval over seeds; percentiles are taken within a seed.',
  'The rules of patience with dials, and the places for them, were tuned on seeds 1000 to 1039, with 6,000 and 25,000 servers; seeds 1 to 5, 101 to 105 and 201 to 220 were looked at before. This page begins with a seed that nobody had looked at.',
  `Ours dials at most ${limits.pendingDialsMax.value} at a time whose peer has not answered; the go-like rule is not limited, the js-like one to 50.`,
  'New WebSockets of ours and of the js-like rule wait as Chromium lets them wait, by how many are pending and how many failed (`sim/world/web-socket-throttle.ts`, ADR 18). Go has nothing like it: the go-like rule dials at once. With 50 at a time a dial is held back for up to 5 s, so that some of the js-like rule time out; without it, as in Node, its recall is higher and its requests are more (earlier versions of this page).',
]

type Scenario = { readonly label: string; readonly x: number; readonly perRule: Record<RuleName, Measured[][]> }

interface AllMeasured {
  readonly worlds: Scenario[]
  readonly dialable: Scenario[]
  readonly dead: Scenario[]
}

function measureAll(options: Options, progress: (line: string) => void): AllMeasured {
  const at = (label: string, x: number, settings: Partial<WorldSettings> & typeof stableWorld): Scenario => {
    progress(label)
    const perRule: Record<RuleName, Measured[][]> = { ours: [], 'go-like': [], 'js-like': [] }
    for (let index = 0; index < options.seeds; index++) {
      const world = new World({ ...settings, seed: options.seed + index, peers: options.peers })
      const measured = compareLookups(world, { clients: CLIENTS, lookups: LOOKUPS, rules: ruleNames })
      for (const rule of ruleNames) perRule[rule].push(measured[rule])
    }
    return { label, x, perRule }
  }
  return {
    worlds: [
      at('stable', 0, stableWorld),
      at('26 % offline, in tables as often as others', 1, { ...stableWorld, dead: 0.26 }),
      at('Amino', 2, aminoWorld),
    ],
    dialable: DIALABLE.map((dialable) => at(`${100 * dialable} % dialable`, 100 * dialable, { ...aminoWorld, dialable })),
    dead: DEAD.map((dead) => at(`${100 * dead} % offline`, 100 * dead, { ...stableWorld, dead })),
  }
}

const COLUMNS = ['world', 'rule', 'time p50 s', 'p90 s', 'p95 s', 'requests', 'dials', 'hops p50', 'p90', 'recall', 'named']

function rowsOf(scenarios: readonly Scenario[]): Cell[][] {
  return scenarios.flatMap(({ label, perRule }) => {
    return ruleNames.map((rule): Cell[] => {
      const over = (value: (seed: Measured[]) => number) => estimate(perRule[rule].map(value))
      const time = (share: number) =>
        over((seed) =>
          percentile(
            seed.map(({ durationMs }) => durationMs / 1_000),
            share,
          ),
        )
      const hops = (share: number) =>
        over((seed) =>
          percentile(
            seed.map((one) => one.hops),
            share,
          ),
        )
      return [
        label,
        rule,
        time(0.5),
        time(0.9),
        time(0.95),
        over((seed) => mean(seed.map(({ requests }) => requests))),
        over((seed) => mean(seed.map(({ dials }) => dials))),
        hops(0.5),
        hops(0.9),
        over((seed) => mean(seed.map(({ recall }) => recall))),
        over((seed) => mean(seed.map(({ named }) => named))),
      ]
    })
  })
}

/** Ratios are taken within a seed. */
function targetRows(worlds: readonly Scenario[]): Cell[][] {
  const [stable, offline, amino] = worlds as [Scenario, Scenario, Scenario]
  const recall = (seed: Measured[]) => mean(seed.map((one) => one.recall))
  const requests = (seed: Measured[]) => mean(seed.map((one) => one.requests))
  const time = (share: number) => (seed: Measured[]) =>
    percentile(
      seed.map(({ durationMs }) => durationMs),
      share,
    )
  const ratio = ({ perRule }: Scenario, to: RuleName, value: (seed: Measured[]) => number) => {
    return estimate(perRule.ours.map((seed, index) => value(seed) / value(perRule[to][index]!)))
  }
  const against = (world: Scenario, label: string): Cell[][] => [
    [`${label}: p50 time, ours ÷ go-like`, '≤ 0.8', ratio(world, 'go-like', time(0.5))],
    [`${label}: p95 time, ours ÷ go-like`, '≤ 0.6', ratio(world, 'go-like', time(0.95))],
    [`${label}: requests, ours ÷ go-like`, '≤ 1', ratio(world, 'go-like', requests)],
    [`${label}: requests, ours ÷ js-like`, '≤ 0.5', ratio(world, 'js-like', requests)],
  ]
  return [
    ['stable: recall', '≥ 0.99', estimate(stable.perRule.ours.map(recall))],
    ['Amino: recall', '≥ 0.95', estimate(amino.perRule.ours.map(recall))],
    ...against(offline, '26 % offline'),
    ...against(amino, 'Amino'),
  ]
}

function plotsOf({ dialable, dead }: AllMeasured): Plot[] {
  const series = (scenarios: readonly Scenario[], value: (seed: Measured[]) => number): Series[] => {
    return ruleNames.map((rule) => ({
      label: rule,
      points: scenarios.map(({ x, perRule }) => {
        const { mean: y, half } = estimate(perRule[rule].map(value))
        return { x, y, half }
      }),
    }))
  }
  const p95 = (seed: Measured[]) =>
    percentile(
      seed.map(({ durationMs }) => durationMs / 1_000),
      0.95,
    )
  const recall = (seed: Measured[]) => 100 * mean(seed.map((one) => one.recall))
  const requests = (seed: Measured[]) => mean(seed.map((one) => one.requests))
  const offline = { label: 'offline servers, %' }
  const share = { label: 'dialable servers, %', scale: 'log' } as const
  return [
    { name: 'time', title: 'Time of a lookup, p95', x: offline, y: { label: 'seconds' }, series: series(dead, p95) },
    { name: 'recall', title: 'Recall of the 20 nearest', x: share, y: { label: '%' }, series: series(dialable, recall) },
    {
      name: 'requests',
      title: 'Requests per lookup',
      x: offline,
      y: { label: 'requests', scale: 'log' },
      series: series(dead, requests),
    },
  ]
}
