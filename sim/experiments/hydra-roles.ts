import { BytesMap } from '../../worker/engine/bytes-map.ts'
import { keyOf } from '../../worker/engine/peer.ts'
import { Rng } from '../../worker/engine/rng.ts'
import type { LookupTally } from '../clients/lookup-log.ts'
import { hashOf } from '../core/draws.ts'
import { estimate, mean, percentile } from '../core/statistics.ts'
import { aminoWorld } from '../world/settings.ts'
import { type HydraSettings, World } from '../world/world.ts'
import { balancedHeads } from './coverage.ts'
import type { Cell, Experiment } from './experiment.ts'
import { goLikeLookup, headsOf, publish } from './hydra.ts'

/** B3: what each role of a head does for others, with and without it. */
export const hydraRoles: Experiment = {
  name: 'hydra-roles',
  title: 'the roles of a Hydra’s heads, each taken away and each alone: FIND_NODE, GET_PROVIDERS, ADD_PROVIDER, stability',
  defaults: { seed: 1, seeds: 1, peers: 4_000 },
  reportOptions: { seed: 1, seeds: 4, peers: 16_208 },
  run(options, progress) {
    const seeds = Array.from({ length: options.seeds }, (_, index) => options.seed + index)
    const measured = ARMS.map((arm) => {
      progress(arm.label)
      return { arm, perSeed: seeds.map((seed) => measure(arm, seed, options.peers)) }
    })
    const columns: [string, (one: Measured) => number][] = [
      ['FIND_NODE: near p50 s', ({ nearMs }) => percentile(nearMs, 0.5) / 1_000],
      ['p90 s', ({ nearMs }) => percentile(nearMs, 0.9) / 1_000],
      ['end p50 s', ({ walkMs }) => percentile(walkMs, 0.5) / 1_000],
      ['GET_PROVIDERS p50 s', ({ findMs }) => percentile(findMs, 0.5) / 1_000],
      ['p90 s', ({ findMs }) => percentile(findMs, 0.9) / 1_000],
      ['requests in a row', ({ depths }) => mean(depths)],
      ['found %', ({ found }) => 100 * found],
    ]
    return {
      experiment: 'hydra-roles',
      settings: {
        ...options,
        heads: headsOf(options.peers),
        clients: CLIENTS,
        lookups: LOOKUPS,
        alpha: ALPHA,
        ageMs: AGE_MS,
        aminoWorld,
      },
      notes: [
        `Kubo’s rule with α = ${ALPHA} on a host whose table peers are connected, as in \`hydra\`; CIDs of the \`workload\`, provided once and looked for ${AGE_MS / 3_600_000} hours later.`,
        '*database*: heads share one store of provider records. *everybody*: a head names the nearest of all servers that are online, as if all heads together knew them, and not those of its own table (an upper bound of what a shared peer store can do; in `hydra` heads have tables like others). *stays*: heads are never offline; otherwise they come and go as others do. *no heads*: those ids are ordinary servers.',
        `*FIND_NODE*: *near*: until ${NEAR} of the 20 nearest online servers have answered, *end*: of the whole lookup, which waits for slow and dead peers whatever heads do. ADD_PROVIDER goes out to the 20 nearest when it has ended, on connections that are there: a provide takes as long and one way.`,
        'Bridge to indexers: not simulated; the client has it as delegated routing.',
      ],
      tables: [
        {
          title: 'Each role',
          columns: ['heads', ...columns.map(([name]) => name)],
          rows: measured.map(({ arm, perSeed }): Cell[] => [
            arm.label,
            ...columns.map(([, value]) => estimate(perSeed.map(value))),
          ]),
        },
      ],
      plots: [],
    }
  },
}

interface Arm {
  readonly label: string
  /** Undefined: no heads. */
  readonly roles: Pick<HydraSettings, 'isDatabaseOn' | 'names' | 'leaves'> | undefined
}

const ARMS: readonly Arm[] = [
  { label: 'database, everybody, stays', roles: { isDatabaseOn: true, names: 'everybody', leaves: false } },
  { label: 'without the database', roles: { isDatabaseOn: false, names: 'everybody', leaves: false } },
  { label: 'without everybody', roles: { isDatabaseOn: true, names: 'table', leaves: false } },
  { label: 'without staying', roles: { isDatabaseOn: true, names: 'everybody', leaves: true } },
  { label: 'only database', roles: { isDatabaseOn: true, names: 'table', leaves: true } },
  { label: 'only everybody', roles: { isDatabaseOn: false, names: 'everybody', leaves: true } },
  { label: 'only stays', roles: { isDatabaseOn: false, names: 'table', leaves: false } },
  { label: 'no heads', roles: undefined },
]

const ALPHA = 3
const CLIENTS = 4
const LOOKUPS = 20
const AGE_MS = 24 * 3_600_000

interface Measured {
  readonly walkMs: readonly number[]
  /** Until some of the nearest have answered. */
  readonly nearMs: readonly number[]
  readonly findMs: readonly number[]
  readonly depths: readonly number[]
  readonly found: number
}

function measure({ roles }: Arm, seed: number, peers: number): Measured {
  const heads = balancedHeads(new Rng(hashOf(seed, HEADS)), headsOf(peers))
  const settings = { ...aminoWorld, seed, peers, dialRoundTrips: 3 }
  // The same ids in every arm: without heads they are servers like others.
  const world = new World(settings, { heads, isDatabaseOn: false, delayMs: 0, leaves: true, ...roles })
  const cids = publish(world)
  const nobody = new BytesMap<true>()
  const lookups = cids.map((key, number) => {
    const host = { number: Math.floor(number / LOOKUPS), alpha: ALPHA, isConnected: true }
    const init = { world, host, index: number % LOOKUPS, barred: nobody, startAt: AGE_MS }
    const walk = goLikeLookup(init, { type: 'find-node', key })
    return { walk, find: goLikeLookup(init, { type: 'get-providers', key }).tally }
  })
  const finds = lookups.map(({ find }) => find)
  const known = (times: readonly (number | undefined)[]) => times.filter((time) => time !== undefined)
  return {
    walkMs: lookups.map(({ walk }) => walk.durationMs),
    nearMs: lookups.map(({ walk }, number) => nearAfterMs(world, cids[number]!, walk.tally)),
    findMs: known(finds.map(({ firstProviderMs }) => firstProviderMs)),
    depths: known(finds.map(({ firstProviderDepth }) => firstProviderDepth)),
    found: known(finds.map(({ firstProviderMs }) => firstProviderMs)).length / finds.length,
  }
}

function nearAfterMs({ population, settings }: World, cid: Uint8Array, { answered, answeredMs }: LookupTally): number {
  const nearest = population.nearest(keyOf(cid), settings.k, (server) => population.isOnline(server, AGE_MS))
  const times = answeredMs.filter((_, index) => nearest.includes(answered[index]!))
  return times[NEAR - 1] ?? Number.NaN
}

const NEAR = 3
const HEADS = 0x68656164
