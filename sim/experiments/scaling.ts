import { keyOf } from '../../worker/engine/peer.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { EngineClient, settledMs, storedTable } from '../clients/engine-client.ts'
import { estimate, mean, percentile } from '../core/statistics.ts'
import { Network } from '../world/network.ts'
import { aminoWorld } from '../world/settings.ts'
import { World } from '../world/world.ts'
import { compareLookups } from './lookup-run.ts'
import type { Cell, Experiment, Options } from './experiment.ts'

/** E3 and the promise of Kademlia: what a lookup costs as the network grows. */
export const scaling: Experiment = {
  name: 'scaling',
  title: 'requests, hops, hashes and distances per lookup of our engine from 1,000 to 100,000 servers',
  defaults: { seed: 1, seeds: 2, peers: 10_000 },
  reportOptions: { seed: 1, seeds: 5, peers: 100_000 },
  run(options, progress) {
    const rows = SIZES.filter((size) => size <= options.peers).map((size) => {
      progress(`${size} servers`)
      const perSeed = Array.from({ length: options.seeds }, (_, index) =>
        measure({ ...options, seed: options.seed + index, peers: size }),
      )
      return { size, perSeed }
    })
    const over = (perSeed: readonly Scaled[], value: (one: Scaled) => number) => estimate(perSeed.map(value))
    const points = (value: (one: Scaled) => number) => {
      return rows.map(({ size, perSeed }) => {
        const { mean: y, half } = over(perSeed, value)
        return { x: size, y, half }
      })
    }
    return {
      experiment: 'scaling',
      settings: { ...options, lookups: LOOKUPS, aminoWorld },
      notes: [
        'Amino with all servers dialable. Each lookup begins without connections and with the table of our engine.',
        '*hashes*: sha-256 of ids and keys per lookup; at most one per peer that was ever mentioned, as long as it is remembered. *distances*, *comparisons*: of candidates.',
      ],
      tables: [
        {
          title: 'Per lookup',
          columns: ['servers', 'table entries', 'requests', 'hops', 'time p50 s', 'recall', 'hashes', 'distances', 'comparisons'],
          rows: rows.map(({ size, perSeed }): Cell[] => [size, ...VALUES.map((name) => over(perSeed, (one) => one[name]))]),
        },
      ],
      plots: [
        {
          name: 'cost',
          title: 'Cost of a lookup by size of the network',
          x: { label: 'servers', scale: 'log' },
          y: { label: 'per lookup' },
          series: [
            { label: 'requests', points: points((one) => one.requests) },
            { label: 'hops × 10', points: points((one) => 10 * one.hops) },
            { label: 'hashes ÷ 10', points: points((one) => one.hashes / 10) },
          ],
        },
      ],
    }
  },
}

const SIZES = [1_000, 3_000, 10_000, 30_000, 100_000]
const LOOKUPS = 8
const VALUES = ['table', 'requests', 'hops', 'seconds', 'recall', 'hashes', 'distances', 'comparisons'] as const

type Scaled = Readonly<Record<(typeof VALUES)[number], number>>

function measure(options: Options): Scaled {
  const world = new World({ ...aminoWorld, seed: options.seed, peers: options.peers })
  const { ours } = compareLookups(world, { clients: 1, lookups: LOOKUPS, rules: ['ours'] })
  return {
    requests: mean(ours.map(({ requests }) => requests)),
    hops: mean(ours.map(({ hops }) => hops)),
    seconds: percentile(
      ours.map(({ durationMs }) => durationMs / 1_000),
      0.5,
    ),
    recall: mean(ours.map(({ recall }) => recall)),
    ...counted(world),
  }
}

/** The engine's own counters over some lookups, when it has nothing else to do. */
function counted(world: World): Pick<Scaled, 'table' | 'hashes' | 'distances' | 'comparisons'> {
  const network = new Network({ world })
  const client = new EngineClient({ network, number: 100 })
  client.start({ tableEntries: storedTable(network, client.id, keyOf(client.id)) })
  network.agenda.run(settledMs)
  const before = client.engine.status().kad.counters
  const rng = new Rng(world.settings.seed)
  for (let index = 0; index < LOOKUPS; index++) {
    const run = client.query((query) => ({ type: 'closest-peers', query, key: rng.bytes(34) }))
    network.agenda.run(network.now + 60_000, () => run.endedAt !== undefined)
  }
  const { counters, tableSize } = client.engine.status().kad
  return {
    table: tableSize,
    hashes: (counters.keysHashed - before.keysHashed) / LOOKUPS,
    distances: (counters.distancesComputed - before.distancesComputed) / LOOKUPS,
    comparisons: (counters.distancesCompared - before.distancesCompared) / LOOKUPS,
  }
}
