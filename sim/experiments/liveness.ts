import { keyOf } from '../../worker/engine/peer.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { EngineClient, settledMs, storedTable } from '../clients/engine-client.ts'
import { hashOf, unitOf } from '../core/draws.ts'
import { type Estimate, estimate, mean } from '../core/statistics.ts'
import { Network } from '../world/network.ts'
import { aminoWorld } from '../world/settings.ts'
import { Workload } from '../world/workload.ts'
import { World } from '../world/world.ts'
import { balancedHeads } from './coverage.ts'
import type { Cell, Experiment } from './experiment.ts'
import { headsOf } from './hydra.ts'

/** B8: what becomes of provider records over 48 hours when the heads of the Hydras keep none. */
export const liveness: Experiment = {
  name: 'liveness',
  title: 'records over 48 hours of churn: all of the 20 nearest keep them, 19 of them, or all but the heads of Hydras',
  defaults: { seed: 1, seeds: 2, peers: 2_000 },
  reportOptions: { seed: 1, seeds: 5, peers: 16_208 },
  run(options, progress) {
    const perSeed = Array.from({ length: options.seeds }, (_, index) => {
      progress(`seed ${options.seed + index}`)
      return lives(options.seed + index, options.peers)
    })
    const rows = ARMS.map((arm, index): Cell[] => {
      const over = (value: (life: Life[number]) => number): Estimate => estimate(perSeed.map((life) => value(life[index]!)))
      return [
        arm.keeps,
        arm.reprovides ? 'after 22 and 44 h' : 'never',
        arm.isKept ? 'keep' : 'lose',
        over(({ stored }) => stored),
        over(({ holders }) => Math.min(...holders)),
        over(({ holders }) => holders.at(-1)!),
        over(({ nearest }) => nearest.at(-1)!),
        over(({ without }) => 100 * Math.max(...without)),
        over(({ found }) => 100 * found),
      ]
    })
    return {
      experiment: 'liveness',
      settings: {
        ...options,
        heads: headsOf(options.peers),
        contents: CONTENTS,
        hours: HOURS,
        storedShare: STORED_SHARE,
        aminoWorld,
      },
      notes: [
        `${CONTENTS} contents of the workload, each provided once at the beginning to those of the 20 nearest online servers that keep records (${100 * STORED_SHARE} % of them do store it: RFM 17), or again after 22 and 44 hours. Looked at every half hour for ${HOURS} h; records of 48 hours have not expired by then.`,
        '*keeps*: **20**: all; **19**: all but one, drawn for each content; **no head**: all but the heads, who are one in eight. *restart*: whether servers that leave and come back still have their records, as Kubo has.',
        '*holders*: who have the record and are online, mean of all contents: the least in any half hour, and at the end. *nearest*: of those at the end, who are among the 20 nearest that are online, where a lookup looks. *without any*: contents without such a holder, in %, in the worst half hour.',
        `*found*: by our engine, that looks for ${SEARCHED} of the contents in the last hour, in %.`,
        'The report took from RFM 17 that 19 are enough; RFM 17 found 13–16 of 20 holders online over 40 h.',
      ],
      tables: [
        {
          title: `Over ${HOURS} hours`,
          columns: [
            'keeps',
            'again',
            'restart',
            'stored',
            'holders, least',
            'holders, end',
            'nearest, end',
            'without any %',
            'found %',
          ],
          rows,
        },
      ],
      plots: [],
    }
  },
}

const KEEPS = ['20', '19', 'no head'] as const

interface Arm {
  readonly keeps: (typeof KEEPS)[number]
  readonly reprovides: boolean
  /** Whether records outlive a restart of their holder. */
  readonly isKept: boolean
}

const ARMS: readonly Arm[] = [true, false].flatMap((reprovides) =>
  [true, false].flatMap((isKept) => KEEPS.map((keeps) => ({ keeps, reprovides, isKept }))),
)

/** One for each arm; lists are by half hour. */
type Life = readonly {
  readonly stored: number
  readonly holders: readonly number[]
  readonly nearest: readonly number[]
  readonly without: readonly number[]
  readonly found: number
}[]

const CONTENTS = 300
const SEARCHED = 40
const HOURS = 47.5
const STORED_SHARE = 0.9
const HALF_HOUR_MS = 1_800_000
const HALF_HOURS = Array.from({ length: 2 * HOURS }, (_, index) => (index + 1) * HALF_HOUR_MS)
const REPROVIDE_MS = [22, 44].map((hours) => 2 * hours * HALF_HOUR_MS)

function lives(seed: number, peers: number): Life {
  const heads = balancedHeads(new Rng(hashOf(seed, HEADS)), headsOf(peers))
  const contents = new Workload(seed, { contents: CONTENTS }).at(0).map(({ multihash }) => multihash)
  const newWorld = () => new World({ ...aminoWorld, seed, peers }, { heads, isDatabaseOn: false, delayMs: 0 })
  // Where lookups look does not depend on who keeps what.
  const { population, settings } = newWorld()
  const nearest = HALF_HOURS.map((now) => {
    return contents.map((content) => population.nearest(keyOf(content), settings.k, (server) => population.isOnline(server, now)))
  })
  return ARMS.map((arm) => live(newWorld(), arm, contents, nearest))
}

/** A record at a server, and since when. */
interface Kept {
  readonly server: number
  readonly at: number
}

/** `nearest`: of each content, by half hour. */
function live(
  world: World,
  arm: Arm,
  contents: readonly Uint8Array[],
  nearest: readonly (readonly (readonly number[])[])[],
): Life[number] {
  const provideTimes = arm.reprovides ? [0, ...REPROVIDE_MS] : [0]
  const records = contents.map((content, number) => provideTimes.flatMap((at) => provide(world, arm, content, number, at)))
  const holdersOf = (content: number, now: number) => {
    return new Set(records[content]!.filter((record) => isHeld(world, arm, record, now)).map(({ server }) => server))
  }
  const seen = HALF_HOURS.map((now, index) => {
    return contents.map((_, content) => {
      const holders = holdersOf(content, now)
      return { holders: holders.size, nearest: nearest[index]![content]!.filter((server) => holders.has(server)).length }
    })
  })
  const lastMs = HALF_HOURS.at(-1)!
  for (const [index, content] of contents.entries()) {
    for (const server of holdersOf(index, lastMs)) world.addProvider(server, content, PROVIDER)
  }
  return {
    stored: mean(records.map((kept) => kept.filter(({ at }) => at === 0).length)),
    holders: seen.map((looks) => mean(looks.map(({ holders }) => holders))),
    nearest: seen.map((looks) => mean(looks.map((look) => look.nearest))),
    without: seen.map((looks) => looks.filter((look) => look.nearest === 0).length / looks.length),
    found: search(world, contents.slice(0, SEARCHED), lastMs),
  }
}

function isHeld({ population }: World, { isKept }: Arm, { server, at }: Kept, now: number): boolean {
  if (at > now) return false
  return isKept ? population.isOnline(server, now) : population.staysOnline(server, at, now)
}

function provide(world: World, arm: Arm, content: Uint8Array, number: number, at: number): Kept[] {
  const { population, settings } = world
  const nearest = population.nearest(keyOf(content), settings.k, (server) => population.isOnline(server, at))
  const left = arm.keeps === '19' ? nearest[hashOf(settings.seed, LEFT, number) % nearest.length] : undefined
  return nearest
    .filter((server) => server !== left && !(arm.keeps === 'no head' && population.isHead(server)))
    .filter((server) => unitOf(settings.seed, number, server, at) < STORED_SHARE)
    .map((server) => ({ server, at }))
}

/** Share found by our engine. */
function search(world: World, contents: readonly Uint8Array[], at: number): number {
  const network = new Network({ world, startAt: at })
  const client = new EngineClient({ network, number: 1 })
  client.start({ tableEntries: storedTable(network, client.id, keyOf(client.id)) })
  network.agenda.run(at + settledMs)
  const found = contents.map((multihash) => {
    const run = client.query((query) => ({ type: 'find-providers', query, multihash, limit: 1 }))
    network.agenda.run(network.now + 60_000, () => run.endedAt !== undefined)
    return run.items.length > 0
  })
  return found.filter(Boolean).length / contents.length
}

const PROVIDER = {
  id: new Rng(1).bytes(34) as never,
  addresses: [{ bytes: Uint8Array.of(4, 99, 1, 1, 1, 6, 0, 1), dialable: true }],
}
const HEADS = 0x68656164
const LEFT = 0x6c656674
