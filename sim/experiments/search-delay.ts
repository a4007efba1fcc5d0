import type { SearchDelaySetting } from '../../worker/engine/bitswap/search-delay.ts'
import { runOurs } from '../bitswap/run.ts'
import { sniffed } from '../bitswap/traffic.ts'
import { estimate, mean, percentile } from '../core/statistics.ts'
import { found, messagesOf, seedsOf, times } from './bitswap.ts'
import type { Cell, Experiment } from './experiment.ts'

/** C6 and C7: what it costs and brings to search the DHT at once, later, or when Bitswap has usually answered. */
export const searchDelay: Experiment = {
  name: 'search-delay',
  title: 'the delay before the DHT is searched beside connected peers: 0, fixed, and percentiles of what they took',
  defaults: { seed: 1, seeds: 1, peers: 856 },
  reportOptions: { seed: 1, seeds: 5, peers: 856 },
  run(options, progress) {
    const rows = settings.map((setting): Cell[] => {
      progress(String(setting))
      const runs = seedsOf(options).map((seed) =>
        runOurs(
          { seed, traffic: sniffed, peers: options.peers, warmUp, requests },
          { label: '', connections: 96, dht: true, discovery: { searchDelay: setting } },
        ),
      )
      return [
        typeof setting === 'number' ? `${setting} ms` : setting,
        estimate(runs.map((run) => mean(times(run)))),
        estimate(runs.map((run) => percentile(times(run), 0.5))),
        estimate(runs.map((run) => percentile(times(run), 0.95))),
        estimate(runs.map((run) => percentile(times(run), 0.99))),
        estimate(runs.map((run) => mean(found(run).map(({ dhtMessages }) => dhtMessages)))),
        estimate(runs.map(messagesOf)),
      ]
    })
    return {
      experiment: 'search-delay',
      settings: { ...options, warmUp, requests, connections: 96, sniffed },
      notes: [
        'Our engine with 96 connections; requests, world and counting as in the experiment `bitswap`. *DHT requests*: three for each 100 ms that a search runs, as the report reckons them.',
        'The move between zones and the length of the window are shown by the unit tests of `search-delay.ts`, not here.',
      ],
      tables: [
        {
          title: 'By delay',
          columns: ['delay', 'mean ms', 'p50 ms', 'p95 ms', 'p99 ms', 'DHT requests', 'Bitswap messages'],
          rows,
        },
      ],
      plots: [],
    }
  },
}

const settings: readonly SearchDelaySetting[] = [0, 200, 500, 1_000, 'p50', 'p75', 'p90']
const warmUp = 300
const requests = 700
