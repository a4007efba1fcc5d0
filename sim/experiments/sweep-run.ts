import { Rng } from '../../worker/engine/rng.ts'
import { estimate, type Estimate } from '../core/statistics.ts'
import type { WorldSettings } from '../world/settings.ts'
import { SweepWorld } from '../world/sweep-world.ts'
import type { Options } from './experiment.ts'

/** One sweep, or one lookup a CID, in one world: what the experiment `sweep` counts. */
/** CIDs that are provided alone. */
export const sampleMax = 2_000
/** CIDs whose holders are remembered. */
const remembered = 500

export type Counted = Readonly<Record<(typeof counted)[number], number>>
const counted = [
  'lookups',
  'searches',
  'requests',
  'receipts',
  'connections',
  'contacted',
  'addProviders',
  'failedDials',
  'minutes',
  'records',
  'nearestTold',
  'dialableTold',
  'stored',
  'undialable',
  'failed',
  'uncertain',
] as const

export type Estimates = Readonly<Record<(typeof counted)[number], Estimate>>

export function overSeeds({ seed, seeds }: Options, run: (seed: number) => Counted): Estimates {
  const perSeed = Array.from({ length: seeds }, (_, index) => run(seed + index))
  return Object.fromEntries(counted.map((name) => [name, estimate(perSeed.map((one) => one[name]))])) as Estimates
}

export function scaled<Names extends string>(
  estimates: Readonly<Record<Names, Estimate>>,
  factor: number,
): Record<Names, Estimate> {
  const grow = ({ mean, half, seeds }: Estimate): Estimate => ({ mean: factor * mean, half: factor * half, seeds })
  const grown = Object.entries<Estimate>(estimates).map(([name, value]) => [name, grow(value)])
  return Object.fromEntries(grown) as Record<Names, Estimate>
}

export type WorldOptions = WorldSettings & { readonly uplink?: number }

export function sweepOnce(settings: WorldOptions, cids: number): Counted {
  const remembersEvery = Math.max(1, Math.floor(cids / remembered))
  const world = new SweepWorld({ ...settings, remembersEvery })
  world.fill(cids, true)
  world.start()
  if (!world.runUntilIdle(7 * 24 * 3_600_000)) throw new Error(`not done within a week, seed ${settings.seed}`)
  const { totals } = world.machine.status(world.now)
  const percent = (part: number): number => (100 * part) / totals.targeted
  return {
    ...countsOf(world),
    searches: totals.searches,
    ...coverageOf(world, remembersEvery),
    stored: percent(totals.stored),
    undialable: percent(totals.undialable),
    failed: percent(totals.failed),
    uncertain: (100 * totals.uncertain) / totals.keys,
  }
}

/** One lookup a CID, for some of them in no order; scaled up. */
export function aloneOnce(settings: WorldOptions, cids: number): Counted {
  const world = new SweepWorld({ ...settings, remembersEvery: 1 })
  world.fill(cids, true)
  const chosen = new Rng(settings.seed).shuffle(Array.from({ length: cids }, (_, index) => index)).slice(0, sampleMax)
  for (const index of chosen) world.provideAlone(index)
  const factor = cids / chosen.length
  const counts = Object.fromEntries(Object.entries(countsOf(world)).map(([name, value]) => [name, factor * value]))
  const unknown = Object.fromEntries(counted.map((name) => [name, Number.NaN]))
  return { ...unknown, ...counts } as Counted
}

function countsOf({ counts, contacts, now }: SweepWorld) {
  return {
    lookups: counts.lookups,
    requests: counts.requests + counts.lookupRequests,
    receipts: counts.receipts,
    connections: counts.connections,
    contacted: contacts.filter((count) => count > 0).length,
    addProviders: counts.addProviders,
    failedDials: counts.failedDials,
    minutes: now / 60_000,
  }
}

/** Who really holds the records, of those servers that were the nearest when they were told. */
function coverageOf({ keystore, holders, world: { population, settings } }: SweepWorld, every: number) {
  let [keys, records, nearestTold, dialable, dialableTold] = [0, 0, 0, 0, 0]
  for (let index = 0; index < keystore.size; index += every) {
    keys++
    const told = holders.get(index) ?? new Map<number, number>()
    records += told.size
    const at = keystore.toldAt[index]!
    for (const server of population.nearest(keystore.keyAt(index), settings.k, (other) => population.isOnline(other, at))) {
      if (told.has(server)) nearestTold++
      if (!population.isDialable(server)) continue
      dialable++
      if (told.has(server)) dialableTold++
    }
  }
  return { records: records / keys, nearestTold: nearestTold / keys, dialableTold: dialableTold / dialable }
}
