import { defaultDiscoveryOptions } from '../../worker/engine/bitswap/bitswap.ts'
import type { DiscoveryOptions } from '../../worker/engine/bitswap/contract.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { Mesh, type MeshOptions } from '../bitswap/mesh.ts'
import type { MeshNode } from '../bitswap/mesh-node.ts'
import type { Messages } from '../bitswap/measured.ts'
import { estimate, mean, type Estimate } from '../core/statistics.ts'
import { seedsOf } from './bitswap-tables.ts'
import type { Cell, Experiment, Options, Plot, Table } from './experiment.ts'
import { staleAsks, staleRun } from './stale-signs.ts'
import { fetchUnevenly, unevenFile } from './uneven-holders.ts'

const leecherCount = 30

/** D2 to D8: peers that wanted a block are asked for it at once. The set-up of the prototype's evaluation (2020). */
export const wantInspection: Experiment = {
  name: 'want-inspection',
  title:
    '30 leechers in waves of two, five seconds apart: want-blocks to those who wanted the same, beside the flood and the prototype',
  defaults: { seed: 1, seeds: 1, peers: leecherCount },
  reportOptions: { seed: 1, seeds: 3, peers: leecherCount },
  run(options, progress) {
    const runs = sizes.map(({ label, bytes }) => ({
      label,
      arms: arms.map(({ name, kind }) => {
        progress(`${label}, ${name}`)
        return { name, all: seedsOf(options).map((seed) => inspect({ seed, bytes, kind })) }
      }),
    }))
    return {
      experiment: 'want-inspection',
      settings: { ...options, ...setting, waveMs, leechers: leecherCount, blockBytes },
      notes,
      tables: [
        ...runs.map((run) => sizeTable(run.label, run.arms)),
        againstBaselines(runs),
        boundTable(runs, options.seed),
        bestTable(runs),
        staleTable(options, progress),
        unevenTable(options, progress),
      ],
      plots: [wavePlot(runs[0]!.arms)],
    }
  },
}

const notes = [
  'One seeder and 30 leechers, all connected, no DHT; link latency 100 ms one way with 10 % jitter, 100 MiB/s up, 5 ms to read a block; of the downlink nothing is modelled. Counts are of the whole run. *flood*: our engine with `broadcast: flood` and no guesses. *n*: `guesses`.',
  '*prototype*: its own rules as its description (BBL-104) gives them, not its code, with its five faults (`sim/bitswap/prototype.ts`): ten wanters kept, three asked. *its baseline*: the same sessions without inspection, as go-bitswap was: want-haves to all without DONT_HAVE. All 31 nodes go by the same rules.',
  'Files of more than one block are asked for block by block, at most 32 at a time, in one session. That bounds what want inspection can save: one round trip of many, see the table of what is possible; −25 % of 100 MB would take less than one round trip for each 32 blocks.',
  'Dynamic n: one more is asked as long as the round trip that it saves if all others fail is worth more than the block that it sends in vain if they do not; of blocks that are wanted together only for the first. The table *dynamic n beside the best fixed one* has the best fixed n for each size: the dynamic one should never be worse. At 49 KB three guesses are a little quicker than two, since the first of three answers comes before the first of two, and cost more blocks that nobody needs. The dynamic n makes three there: who has got the block has not said so by a CANCEL yet, which waits for two minutes, so that a guess is trusted less.',
  'The least that is possible where each block is asked of one peer (the first of two answers may come sooner): a leecher knows of each block who has it, the one that is asked has nothing else to do, and each of the 32 places is used anew as soon as its block has come; with the same jitter, 500 draws. The first wave has heard of nobody and must ask who has it, a round trip more.',
  'Stale signs: 39 blocks, each wanted every 97.5 s by one of 30 peers in turn, who throws it away 60 s after it came: every sign is stale, and the engine has to learn how long a block is kept.',
  'Four holders: 191 blocks of 256 KiB, the root first, then the rest, 32 at a time or all. The least: all four send as fast as they can until the last block has come. An uplink takes a message when the one before has left, so that what has not left can still be cancelled.',
]

const waveMs = 5_000
const blockBytes = 262_144
/** Wanted at a time of a file. */
const blocksAhead = 32
const setting = { latencyMs: 100, jitter: 0.1, bytesPerMs: 104_858, storeMs: 5 }
const sizes = [
  { label: '49 KB', bytes: 49_000 },
  { label: '10 MB', bytes: 10_000_000 },
  { label: '30 MB', bytes: 30_000_000 },
  { label: '50 MB', bytes: 50_000_000 },
  { label: '100 MB', bytes: 100_000_000 },
] as const

const engine = (discovery: Partial<DiscoveryOptions>) => ({ engine: { ...defaultDiscoveryOptions, ...discovery } })
const arms: readonly { readonly name: string; readonly kind: MeshOptions['kind'] }[] = [
  { name: 'its baseline', kind: { prototype: { kept: 0, asked: 0 } } },
  { name: 'prototype', kind: { prototype: { kept: 10, asked: 3 } } },
  { name: 'flood', kind: engine({ broadcast: 'flood', guesses: 0 }) },
  { name: 'n = 0', kind: engine({ guesses: 0 }) },
  { name: 'n = 1', kind: engine({ guesses: 1 }) },
  { name: 'n = 2', kind: engine({ guesses: 2 }) },
  { name: 'n = 3', kind: engine({ guesses: 3 }) },
  { name: 'n dynamic', kind: engine({}) },
]

type Runs = readonly { readonly name: string; readonly all: readonly Inspected[] }[]

const over = (all: readonly Inspected[], value: (one: Inspected) => number): Estimate => estimate(all.map(value))

function sizeTable(label: string, runs: Runs): Table {
  const types = ['wantHave', 'wantBlock', 'cancel', 'have', 'dontHave'] as const
  return {
    title: `A file of ${label}`,
    columns: ['arm', 'ended', 'mean s', 'first wave s', 'later waves s', ...types, 'duplicates a leecher'],
    rows: runs.map(({ name, all }): Cell[] => [
      name,
      over(all, ({ ended }) => ended),
      over(all, ({ meanMs }) => meanMs / 1_000),
      over(all, ({ waveMeans }) => waveMeans[0]! / 1_000),
      over(all, ({ waveMeans }) => mean(waveMeans.slice(1)) / 1_000),
      ...types.map((type) => over(all, ({ messages }) => messages[type])),
      over(all, ({ duplicates }) => duplicates / leecherCount),
    ]),
  }
}

/** D4 and D5: what the prototype reported, against the same against the same. */
function againstBaselines(runs: readonly { readonly label: string; readonly arms: Runs }[]): Table {
  const pairs = [
    ['prototype', 'its baseline'],
    ['n dynamic', 'flood'],
    ['n dynamic', 'its baseline'],
    ['n dynamic', 'prototype'],
  ] as const
  const percent = (runs: Runs, [one, other]: (typeof pairs)[number], of: (run: Inspected) => number): Estimate => {
    const all = (name: string) => runs.find((run) => run.name === name)!.all
    return estimate(all(one).map((run, seed) => 100 * (of(run) / of(all(other)[seed]!) - 1)))
  }
  const wants = ({ messages }: Inspected) => messages.wantHave + messages.wantBlock
  return {
    title: 'Against each other, in percent (D4, D5; reported: −25 time, −75 WANT-HAVE, −33 WANTs, +7 WANT-BLOCK)',
    columns: ['size', 'arm', 'against', 'time', 'WANT-HAVE', 'WANTs', 'WANT-BLOCK'],
    rows: runs.flatMap(({ label, arms: all }) =>
      pairs.map((pair): Cell[] => [
        label,
        ...pair,
        percent(all, pair, ({ meanMs }) => meanMs),
        percent(all, pair, ({ messages }) => messages.wantHave),
        percent(all, pair, wants),
        percent(all, pair, ({ messages }) => messages.wantBlock),
      ]),
    ),
  }
}

/** What no rule can do without, by size. */
function boundTable(runs: readonly { readonly label: string; readonly arms: Runs }[], seed: number): Table {
  return {
    title: `The least that is possible with ${blocksAhead} blocks at a time, each asked of one peer`,
    columns: ['size', 'round trips', 'least s', 'its baseline, mean s', 'least against it, %', 'n dynamic against it, %'],
    rows: sizes.map(({ label, bytes }): Cell[] => {
      const { arms: all } = runs.find((run) => run.label === label)!
      const means = (name: string) => all.find((arm) => arm.name === name)!.all.map(({ meanMs }) => meanMs)
      const baseline = means('its baseline')
      const least = leastMs(Math.ceil(bytes / blockBytes), bytes, seed)
      return [
        label,
        Math.ceil(Math.ceil(bytes / blockBytes) / blocksAhead),
        least / 1_000,
        estimate(baseline.map((ms) => ms / 1_000)),
        estimate(baseline.map((ms) => 100 * (least / ms - 1))),
        estimate(means('n dynamic').map((ms, seed) => 100 * (ms / baseline[seed]! - 1))),
      ]
    }),
  }
}

/**
 * A leecher that knows of each block who has it, and whose holders have nothing else to do: each of its places is used anew as
 * soon as its block has come. Those of the first wave have heard of nobody, and must ask who has it: a round trip more.
 */
function leastMs(count: number, bytes: number, seed: number): number {
  const { latencyMs, jitter, storeMs, bytesPerMs } = setting
  const rng = new Rng(seed)
  const oneWay = () => latencyMs * (1 + jitter * (2 * rng.unit() - 1))
  const draws = Array.from({ length: leastDraws }, () => {
    const places = Array.from({ length: Math.min(count, blocksAhead) }, () => 0)
    for (let block = 0; block < count; block++) {
      const first = places.indexOf(Math.min(...places))
      places[first]! += oneWay() + storeMs + bytes / count / bytesPerMs + oneWay()
    }
    return Math.max(...places)
  })
  return mean(draws) + (2 / leecherCount) * 2 * latencyMs
}

const leastDraws = 500

/** How uneven holders share the work, which want inspection does not change. */
function unevenTable({ seed, seeds }: Options, progress: (line: string) => void): Table {
  const cases = unevenUplinks.flatMap((uplinks) =>
    [20, 100].flatMap((latencyMs) => [blocksAhead, unevenFile.blocks].map((ahead) => ({ uplinks, latencyMs, ahead }))),
  )
  return {
    title: 'A file of 50 MB from four holders of all of it',
    columns: ['uplinks, MB/s', 'one way, ms', 'blocks ahead', 'least s', 'from the root on, s', 'blocks that came twice'],
    rows: cases.map(({ uplinks, latencyMs, ahead }): Cell[] => {
      progress(`holders with ${uplinks.join(', ')} MB/s, ${latencyMs} ms, ${ahead} blocks ahead`)
      const options = { ...setting, latencyMs, ahead, kind: engine({}), uplinks: uplinks.map((megabytes) => megabytes * 1_000) }
      const runs = seedsOf({ seed, seeds, peers: 0 }).map((one) => fetchUnevenly({ ...options, seed: one }))
      return [
        uplinks.join(', '),
        latencyMs,
        ahead,
        runs[0]!.leastMs / 1_000,
        estimate(runs.map(({ tookMs }) => tookMs / 1_000)),
        estimate(runs.map(({ duplicates }) => duplicates)),
      ]
    }),
  }
}

const unevenUplinks = [
  [10, 0.5, 0.5, 0.5],
  [10, 0.2, 0.2, 0.2],
  [5, 0.5, 0.5, 0.5],
  [3, 3, 3, 3],
]

/** D7. */
function staleTable({ seed, seeds }: Options, progress: (line: string) => void): Table {
  const rows = arms
    .filter(({ name }) => name === 'prototype' || name.startsWith('n '))
    .map(({ name, kind }): Cell[] => {
      progress(`stale signs, ${name}`)
      const runs = seedsOf({ seed, seeds, peers: 0 }).map((one) => staleAsks({ seed: one, ...setting, kind }))
      return [name, ...runs[0]!.map((_, part) => estimate(runs.map((run) => run[part]!)))]
    })
  return {
    title: 'Want-blocks a want to peers that have the block no more (D7)',
    columns: ['arm', ...Array.from({ length: staleRun.minutes / 10 }, (_, part) => `${10 * part} to ${10 * part + 10} min`)],
    rows,
  }
}

/** D8. */
function bestTable(runs: readonly { readonly label: string; readonly arms: Runs }[]): Table {
  return {
    title: 'Dynamic n beside the best fixed one (D8)',
    columns: ['size', 'best fixed n by time', 'its mean s', 'dynamic, mean s', 'its duplicates a leecher', 'dynamic, duplicates'],
    rows: runs.map(({ label, arms: all }): Cell[] => {
      const fixed = all.filter(({ name }) => /^n = [123]$/.test(name))
      const time = ({ all: some }: Runs[number]) => mean(some.map(({ meanMs }) => meanMs))
      const best = fixed.reduce((a, b) => (time(b) < time(a) ? b : a))
      const dynamic = all.find(({ name }) => name === 'n dynamic')!
      return [
        label,
        best.name,
        over(best.all, ({ meanMs }) => meanMs / 1_000),
        over(dynamic.all, ({ meanMs }) => meanMs / 1_000),
        over(best.all, ({ duplicates }) => duplicates / leecherCount),
        over(dynamic.all, ({ duplicates }) => duplicates / leecherCount),
      ]
    }),
  }
}

function wavePlot(runs: Runs): Plot {
  return {
    name: 'waves',
    title: 'Time to fetch 49 KB by wave',
    x: { label: 'wave of two leechers' },
    y: { label: 'ms' },
    series: runs.map(({ name, all }) => ({
      label: name,
      points: Array.from({ length: leecherCount / 2 }, (_, wave) => ({
        x: wave + 1,
        y: mean(all.map(({ waveMeans }) => waveMeans[wave]!)),
      })),
    })),
  }
}

export interface Inspected {
  readonly meanMs: number
  /** Of each wave of two. */
  readonly waveMeans: readonly number[]
  readonly messages: Messages
  readonly duplicates: number
  /** Leechers that have the whole file. */
  readonly ended: number
}

/** One run: each wave of two begins five seconds after the one before. */
export function inspect(run: { seed: number; bytes: number; kind: MeshOptions['kind'] }): Inspected {
  const mesh = new Mesh({ seed: run.seed, nodes: 1 + leecherCount, ...setting, kind: run.kind })
  const rng = new Rng(run.seed)
  const count = Math.ceil(run.bytes / blockBytes)
  const bytes = new Uint8Array(Math.ceil(run.bytes / count))
  const cids = Array.from({ length: count }, () => new Uint8Array([0x01, 0x55, 0x12, 0x20, ...rng.bytes(32)]))
  const [seeder, ...leechers] = mesh.nodes
  for (const cid of cids) seeder!.store.set(cid, bytes)
  const startedAt = leechers.map((_, index) => waveMs * Math.floor(index / 2))
  for (const [index, leecher] of leechers.entries()) mesh.agenda.planAt(startedAt[index]!, () => fetchAll(leecher, cids))
  mesh.agenda.run(leechers.length * waveMs + 60_000)
  const times = leechers.map(({ endedAt }, index) => {
    return endedAt.size === count ? Math.max(...endedAt.values()) - startedAt[index]! : Number.NaN
  })
  const ended = times.filter((time) => !Number.isNaN(time))
  return {
    meanMs: mean(ended),
    waveMeans: Array.from({ length: leecherCount / 2 }, (_, wave) => mean(times.slice(2 * wave, 2 * wave + 2))),
    messages: mesh.messages,
    duplicates: mesh.nodes.reduce((sum, { duplicates }) => sum + duplicates, 0),
    ended: ended.length,
  }
}

/** The next block is wanted when there is a place: 32 at a time. */
function fetchAll(leecher: MeshNode, cids: readonly Uint8Array[]): void {
  let next = 0
  const more = () => {
    while (next < cids.length && next - leecher.endedAt.size < blocksAhead) leecher.want(next, cids[next++]!)
  }
  leecher.onEnded = more
  more()
}
