import type { DiscoveryOptions } from '../../worker/engine/bitswap/contract.ts'
import type { SearchDelaySetting } from '../../worker/engine/bitswap/search-delay.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { Crowd } from '../bitswap/crowd.ts'
import { runOurs } from '../bitswap/run.ts'
import { drawRequest, sniffed } from '../bitswap/traffic.ts'
import { estimate, mean, percentile } from '../core/statistics.ts'
import { available, found, messagesOf, seedsOf, times } from './bitswap-tables.ts'
import type { Cell, Experiment, Options, Plot, Table } from './experiment.ts'

/** C6 and C7: what it costs and brings to search the DHT at once, later, or when Bitswap has usually answered. */
export const searchDelay: Experiment = {
  name: 'search-delay',
  title: 'the delay before the DHT is searched beside connected peers: 0, fixed, and percentiles of what they took',
  defaults: { seed: 1, seeds: 1, peers: 856 },
  reportOptions: { seed: 1, seeds: 5, peers: 856 },
  run(options, progress) {
    const moves = moveArms.map((arm) => {
      progress(`move, ${arm.label}`)
      return { label: arm.label, runs: seedsOf(options).map((seed) => move(seed, options.peers, arm.discovery)) }
    })
    return {
      experiment: 'search-delay',
      settings: { ...options, warmUp, requests, connections: 96, moved, sniffed },
      notes,
      tables: [delayTable(options, progress), moveTable(moves)],
      plots: [movePlot(moves)],
    }
  },
}

const settings: readonly SearchDelaySetting[] = [0, 200, 500, 1_000, 'p50', 'p75', 'p90']
const warmUp = 300
const requests = 700
/** A request a minute, eight hours in one zone and eight in another, where all takes three times as long. */
const moved = { everyMs: 60_000, hours: 8, slower: 3 }
const minute = 60_000

const moveArms: readonly { readonly label: string; readonly discovery: Partial<DiscoveryOptions> }[] = [
  ...[10, 30, 120, 480].map((minutes) => ({
    label: `p75 of ${minutes < 60 ? `${minutes} min` : `${minutes / 60} h`}`,
    discovery: { searchDelay: 'p75' as const, latencyWindowMs: minutes * minute },
  })),
  { label: 'p50 of 2 h', discovery: { searchDelay: 'p50' } },
  { label: 'p90 of 2 h', discovery: { searchDelay: 'p90' } },
]

const notes = [
  'Our engine with 96 connections; requests, world and counting as in the experiment `bitswap`. *DHT requests*: three for each 100 ms that a search runs, as the report reckons them. *only by DHT*: mean time of requests for what no connected peer has: what the delay is added to.',
  'The report expects of 0 against 1 s: at most 7.12 DHT messages more, 10 to 20 ms less on average, and 1 s less on the tail.',
  'The move: a request a minute (the rate of a person, at which the windows differ; at the rate of the study the bound of 512 samples is reached in half an hour), eight hours in one zone, then eight in one where each round trip takes three times as long. *settles*: from when on the delay stays within a fifth of what it is on average in the last four hours. *unrest*: standard deviation of the delay over the four hours before the move, as a share of its mean: what a short window costs.',
]

function delayTable(options: Options, progress: (line: string) => void): Table {
  const rows = settings.map((setting): Cell[] => {
    progress(String(setting))
    const runs = seedsOf(options).map((seed) =>
      runOurs(
        { seed, traffic: sniffed, peers: options.peers, warmUp, requests },
        { label: '', connections: 96, dht: true, discovery: { searchDelay: setting } },
      ),
    )
    const rare = runs.map((run) => run.filter(({ request }) => request.kind === 'only-by-dht'))
    return [
      typeof setting === 'number' ? `${setting} ms` : setting,
      estimate(runs.map((run) => (100 * found(run).length) / available(run).length)),
      estimate(runs.map((run) => mean(times(run)))),
      ...[0.5, 0.95, 0.99].map((share) => estimate(runs.map((run) => percentile(times(run), share)))),
      estimate(rare.map((run) => mean(times(run)))),
      estimate(runs.map((run) => mean(found(run).map(({ dhtMessages }) => dhtMessages)))),
      estimate(runs.map(messagesOf)),
    ]
  })
  return {
    title: 'By delay (C6)',
    columns: ['delay', 'found %', 'mean ms', 'p50 ms', 'p95 ms', 'p99 ms', 'only by DHT ms', 'DHT requests', 'Bitswap messages'],
    rows,
  }
}

interface Moved {
  /** Each minute. */
  readonly delays: readonly number[]
  readonly settlesMinutes: number
}

function move(seed: number, peers: number, discovery: Partial<DiscoveryOptions>): Moved {
  const rng = new Rng(seed)
  const crowd = new Crowd({ seed: seed + 3_000_003, peers, connections: 96, dht: true, discovery })
  const minutes = moved.hours * 60
  const delays: number[] = []
  for (let index = 0; index < 2 * minutes; index++) {
    if (index === minutes) crowd.tripFactor = moved.slower
    let request = drawRequest(sniffed, rng, peers)
    while (request.kind === 'no-provider') request = drawRequest(sniffed, rng, peers)
    const running = crowd.request(request)
    crowd.agenda.run(crowd.agenda.now + moved.everyMs)
    crowd.measured(running)
    delays.push(crowd.searchDelayMs)
  }
  const after = delays.slice(minutes)
  const settled = mean(after.slice(after.length / 2))
  const lastOff = after.findLastIndex((delay, index) => index < after.length / 2 && Math.abs(delay / settled - 1) > 0.2)
  return { delays, settlesMinutes: lastOff + 1 }
}

type Moves = readonly { readonly label: string; readonly runs: readonly Moved[] }[]

function moveTable(moves: Moves): Table {
  const minutes = moved.hours * 60
  const part = ({ delays }: Moved, from: number, until: number) => delays.slice(minutes + from, minutes + until)
  const unrest = (run: Moved) => {
    const before = part(run, -minutes / 2, 0)
    const centre = mean(before)
    return (100 * Math.sqrt(mean(before.map((delay) => (delay - centre) ** 2)))) / centre
  }
  return {
    title: 'The move between zones, by percentile and window (C7)',
    columns: ['delay', 'before ms', 'after 10 min', '30 min', '1 h', '2 h', '8 h', 'settles, min', 'unrest %'],
    rows: moves.map(({ label, runs }): Cell[] => [
      label,
      estimate(runs.map((run) => mean(part(run, -minutes / 2, 0)))),
      ...[10, 30, 60, 120, 480].map((at) => estimate(runs.map((run) => mean(part(run, at - 5, at))))),
      estimate(runs.map(({ settlesMinutes }) => settlesMinutes)),
      estimate(runs.map(unrest)),
    ]),
  }
}

function movePlot(moves: Moves): Plot {
  const minutes = moved.hours * 60
  return {
    name: 'move',
    title: 'The search delay around a move to a zone three times as far',
    x: { label: 'minutes after the move' },
    y: { label: 'delay, ms' },
    series: moves.map(({ label, runs }) => ({
      label,
      points: Array.from({ length: 60 }, (_, index) => {
        const at = minutes - 120 + index * 10
        return { x: at - minutes, y: mean(runs.map(({ delays }) => mean(delays.slice(at, at + 10)))) }
      }),
    })),
  }
}
