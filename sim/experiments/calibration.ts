import { estimate, mean, percentile } from '../core/statistics.ts'
import { aminoWorld, measuredStaleness, zoneRoundTrips } from '../world/settings.ts'
import { World } from '../world/world.ts'
import type { Cell, Experiment, Options } from './experiment.ts'

/** How near the simulated Amino comes to the measured one, before anything is concluded from it. */
export const calibration: Experiment = {
  name: 'calibration',
  title: 'the simulated Amino beside what was measured of the real one',
  defaults: { seed: 1, seeds: 2, peers: 5_000 },
  reportOptions: { seed: 1, seeds: 5, peers: 20_811 },
  run(options, progress) {
    const runs = Array.from({ length: options.seeds }, (_, index) => {
      progress(`seed ${options.seed + index}`)
      return calibrate({ ...options, seed: options.seed + index })
    })
    const over = (value: (run: Calibrated) => number) => estimate(runs.map(value))
    const rows: Cell[][] = [
      ['online servers, %', over((run) => 100 * run.online), '74 (RFM 19)'],
      ['entries of bucket 0–8, mean', over((run) => run.nearEntries), '19.9 (RFM 19)'],
      ['stale entries in bucket 0, %', over((run) => 100 * run.staleNear), `${100 * measuredStaleness(0)} (RFM 19)`],
      ['stale entries in buckets from 9 on, %', over((run) => 100 * run.staleFar), '15 (RFM 19)'],
      ['knows all of its 20 nearest, %', over((run) => 100 * run.complete), '61 (RFM 19)'],
      ['knows fewer than 18 of them, %', over((run) => 100 * run.fewerThan18), '4.8 (RFM 19)'],
      ['of 20 holders of a record, online after 12 h', over((run) => run.holders12), '13–16 over 40 h (RFM 17; 14–18 stored)'],
      ['after 40 h', over((run) => run.holders40), 'the same'],
      ['round trip, client to server, p50 ms', over((run) => run.rtt50), '120 (seed 002, with answering)'],
      ['p90 ms', over((run) => run.rtt90), '500'],
    ]
    return {
      experiment: 'calibration',
      settings: { ...options, aminoWorld },
      notes: [
        'What the world is told by parameters comes out as told; the others (how many know their neighbours, who of the holders is still there) follow.',
        'Seed 002 measured answers of connected Bitswap peers, not of DHT servers: an order of magnitude, no more.',
      ],
      tables: [{ title: 'Amino', columns: ['what', 'simulated', 'measured'], rows }],
      plots: [],
    }
  },
}

interface Calibrated {
  readonly online: number
  readonly nearEntries: number
  readonly staleNear: number
  readonly staleFar: number
  readonly complete: number
  readonly fewerThan18: number
  readonly holders12: number
  readonly holders40: number
  readonly rtt50: number
  readonly rtt90: number
}

const HOUR_MS = 3_600_000
const SERVERS = 500

function calibrate(options: Options): Calibrated {
  const { population, tables } = new World({ ...aminoWorld, seed: options.seed, peers: options.peers })
  const all = Array.from({ length: population.size }, (_, server) => server)
  const now = 100 * HOUR_MS
  const isOnline = (server: number) => population.isOnline(server, now)
  const some = all.filter(isOnline).filter((_, index, online) => index % Math.max(1, Math.floor(online.length / SERVERS)) === 0)
  const bucketsOf = (server: number, from: number, to: number) => {
    const owner = tables.ownerOf(server)
    return Array.from({ length: Math.max(0, Math.min(to, owner.deepest + 1) - from) }, (_, index) =>
      tables.bucket(owner, from + index, now),
    )
  }
  const near = some.flatMap((server) => bucketsOf(server, 0, Math.min(9, Math.floor(Math.log2(options.peers / 60)))))
  const staleShare = (entries: readonly number[]) => entries.filter((server) => !isOnline(server)).length / entries.length
  const known = some.map((server) => {
    const owner = tables.ownerOf(server)
    const nearest = population.nearest(owner.key, 20, (other) => other !== server && isOnline(other))
    const held = new Set(tables.nearest(owner, owner.key, 80, now))
    return nearest.filter((other) => held.has(other)).length
  })
  const holders = (hours: number) => {
    return mean(
      some.map((server) => {
        const stored = population.nearest(population.keyOf(server), 20, isOnline)
        return stored.filter((other) => population.isOnline(other, now + hours * HOUR_MS)).length
      }),
    )
  }
  const rtts = some.map((server, index) => {
    const from = population.zoneOf(some[(index * 7 + 3) % some.length]!)
    return zoneRoundTrips[from]![population.zoneOf(server)]! + population.lastMileOf(server)
  })
  return {
    online: all.filter(isOnline).length / all.length,
    nearEntries: mean(near.map((entries) => entries.length)),
    staleNear: staleShare(some.flatMap((server) => bucketsOf(server, 0, 1).flat())),
    staleFar: staleShare(some.flatMap((server) => bucketsOf(server, 9, 22).flat())),
    complete: known.filter((count) => count === 20).length / known.length,
    fewerThan18: known.filter((count) => count < 18).length / known.length,
    holders12: holders(12),
    holders40: holders(40),
    rtt50: percentile(rtts, 0.5),
    rtt90: percentile(rtts, 0.9),
  }
}
