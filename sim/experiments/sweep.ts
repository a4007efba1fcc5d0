import { limits } from '../../worker/engine/limits.ts'
import { SweepWorld } from '../world/sweep-world.ts'
import type { Cell, Experiment } from './experiment.ts'

/** A8–A12: one sweep over the network for growing numbers of CIDs, beside one provide a CID and the founders' table. */
export const sweep: Experiment = {
  name: 'sweep',
  title: 'one sweep over all servers: lookups, FIND_NODE requests, connections, ADD_PROVIDERs, against one lookup a CID',
  defaults: { seed: 1, seeds: 1, peers: 10_000 },
  reportOptions: { seed: 1, seeds: 1, peers: 25_000 },
  run(options, progress) {
    const runs = sizes.map((cids) => {
      progress(`${cids} CIDs`)
      return { cids, ...sweepOnce(options.seed, options.peers, cids) }
    })
    const dense = runs.at(-1)!
    const computed = computedSizes.map((cids) => ({ ...dense, cids, addProviders: 20 * cids, minutes: Number.NaN }))
    const rows = [...runs, ...computed].map((run): Cell[] => [
      run.cids,
      run.cids > dense.cids ? 'computed' : 'run',
      run.lookups,
      run.searches,
      run.requests,
      run.connections,
      run.addProviders,
      run.minutes,
      (20 * run.cids) / run.connections,
      published.get(run.cids) ?? '–',
      run.cids / run.searches,
      (run.cids * requestsPerLookup) / run.requests,
    ])
    return {
      experiment: 'sweep',
      settings: { ...options, k: 20, sizes, requestsPerLookup, pageKeys: limits.regionPageKeys.value },
      notes: [
        'Servers know their neighbourhood in full, all can be dialed, none is gone. *Lookups* begin at the routing table; *searches* are for one target, asked of neighbours known from the region before; *requests* are the FIND_NODEs of the searches (those of the few lookups, about 25 each, are not in them).',
        `Beside it, without a sweep: one lookup a CID, 20 connections and ${requestsPerLookup} FIND_NODE requests each (an assumption, not run here). The founders computed their gain (seed 000) for connections and lookups at 25,000 servers.`,
        '*computed*: but for ADD_PROVIDERs nothing grows any more once every region has more keys than peers, so that the largest run is taken. Connections above the number of servers are those that were closed, at 100 open, before a neighbouring region needed them again.',
        'Time is that of one tab with six peers at a time, 350 ms a connection and 80 ms a round trip: of the model, not of a network.',
      ],
      tables: [
        {
          title: `One sweep over ${options.peers} servers`,
          columns: [
            'CIDs',
            '',
            'lookups',
            'searches',
            'FIND_NODE',
            'connections',
            'ADD_PROVIDER',
            'minutes',
            'connections saved ×',
            'founders ×',
            'searches saved ×',
            'FIND_NODE saved ×',
          ],
          rows,
        },
      ],
      plots: [
        {
          name: 'requests',
          title: 'FIND_NODE requests of one sweep',
          x: { label: 'CIDs', scale: 'log' },
          y: { label: 'requests' },
          series: [{ label: 'sweep', points: runs.map(({ cids, requests }) => ({ x: cids, y: requests })) }],
        },
      ],
    }
  },
}

const sizes = [1_000, 5_000, 25_000, 100_000]
const computedSizes = [500_000, 1_000_000, 10_000_000]
const requestsPerLookup = 25
const published = new Map([
  [25_000, 20],
  [100_000, 80],
  [500_000, 400],
  [1_000_000, 800],
  [10_000_000, 8_000],
])

export function sweepOnce(seed: number, servers: number, cids: number) {
  const world = new SweepWorld({ seed, servers })
  world.add(world.newKeys(cids), false)
  world.start()
  const isDone = (): boolean => world.counts.tells > 0 && world.machine.status(world.now).phase === 'idle'
  if (!world.agenda.run(24 * 3_600_000, isDone)) throw new Error(`not done within a day, seed ${seed}`)
  const { totals } = world.machine.status(world.now)
  return {
    lookups: totals.lookups,
    searches: totals.searches,
    requests: totals.requests,
    connections: world.counts.connections,
    contacted: world.servers.filter(({ contacts }) => contacts > 0).length,
    addProviders: world.counts.addProviders,
    regions: totals.regions,
    minutes: world.now / 60_000,
  }
}
