import { defaultDiscoveryOptions } from '../../worker/engine/bitswap/bitswap.ts'
import type { DiscoveryOptions, SessionId, WantId } from '../../worker/engine/bitswap/contract.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { Mesh } from '../bitswap/mesh.ts'
import type { Messages } from '../bitswap/measured.ts'
import { estimate, mean } from '../core/statistics.ts'
import { seedsOf } from './bitswap.ts'
import type { Cell, Experiment } from './experiment.ts'

const leecherCount = 30

/** D2 to D6 and D8: peers that wanted a block are asked for it at once. The set-up of the prototype's evaluation (2020). */
export const wantInspection: Experiment = {
  name: 'want-inspection',
  title: '30 leechers in waves of two, five seconds apart: want-blocks to those who wanted the same, beside the flood',
  defaults: { seed: 1, seeds: 2, peers: leecherCount },
  reportOptions: { seed: 1, seeds: 5, peers: leecherCount },
  run(options, progress) {
    const tables = sizes.map(({ label, bytes }) => {
      const runs = arms.map(({ name, discovery }) => {
        progress(`${label}, ${name}`)
        return { name, all: seedsOf(options).map((seed) => inspect({ seed, bytes, discovery })) }
      })
      const of = (all: readonly Inspected[], value: (one: Inspected) => number) => estimate(all.map(value))
      return {
        title: `A file of ${label}`,
        columns: [
          'arm',
          'mean s',
          'first wave s',
          'later waves s',
          'want-have',
          'want-block',
          'cancel',
          'have',
          'dont-have',
          'duplicates',
        ],
        rows: runs.map(({ name, all }): Cell[] => [
          name,
          of(all, ({ meanMs }) => meanMs / 1_000),
          of(all, ({ firstWaveMs }) => firstWaveMs / 1_000),
          of(all, ({ laterWavesMs }) => laterWavesMs / 1_000),
          ...(['wantHave', 'wantBlock', 'cancel', 'have', 'dontHave'] as const).map((type) =>
            of(all, ({ messages }) => messages[type]),
          ),
          of(all, ({ duplicates }) => duplicates),
        ]),
      }
    })
    return {
      experiment: 'want-inspection',
      settings: { ...options, ...setting, waveMs, leechers: leecherCount },
      notes: [
        'One seeder and 30 leechers, all connected, no DHT; link latency 100 ms one way with 10 % jitter, 100 MiB/s up, 5 ms to read a block. Counts are of the whole run. *flood*: our engine with `broadcast: flood` and no guesses, two round trips a block. *n*: `guesses`.',
        'The prototype reported −25 % time, −75 % WANT-HAVE, −33 % WANTs and +7 % WANT-BLOCK against its own baseline; it is not run here, and its baseline asked without DONT_HAVE.',
        'Files of more than one block are asked for block by block, at most 32 at a time, in one session.',
      ],
      tables,
      plots: [],
    }
  },
}

const waveMs = 5_000
const blockBytes = 262_144
const setting = { latencyMs: 100, jitter: 0.1, bytesPerMs: 104_858, storeMs: 5 }
const sizes = [
  { label: '49 KB', bytes: 49_000 },
  { label: '10 MB', bytes: 10_000_000 },
] as const

const arms: readonly { readonly name: string; readonly discovery: Partial<DiscoveryOptions> }[] = [
  { name: 'flood', discovery: { broadcast: 'flood', guesses: 0 } },
  { name: 'n = 0', discovery: { guesses: 0 } },
  { name: 'n = 1', discovery: { guesses: 1 } },
  { name: 'n = 2', discovery: { guesses: 2 } },
  { name: 'n = 3', discovery: { guesses: 3 } },
  { name: 'n dynamic', discovery: {} },
]

export interface Inspected {
  readonly meanMs: number
  readonly firstWaveMs: number
  readonly laterWavesMs: number
  readonly messages: Messages
  readonly duplicates: number
  /** Leechers that have the whole file. */
  readonly ended: number
}

/** One run: each wave of two begins five seconds after the one before. */
export function inspect(run: { seed: number; bytes: number; discovery: Partial<DiscoveryOptions> }): Inspected {
  const discovery = { ...defaultDiscoveryOptions, ...run.discovery }
  const mesh = new Mesh({ seed: run.seed, nodes: 1 + leecherCount, ...setting, discovery })
  const rng = new Rng(run.seed)
  const count = Math.ceil(run.bytes / blockBytes)
  const bytes = new Uint8Array(Math.ceil(run.bytes / count))
  const cids = Array.from({ length: count }, () => new Uint8Array([0x01, 0x55, 0x12, 0x20, ...rng.bytes(32)]))
  const [seeder, ...leechers] = mesh.nodes
  for (const cid of cids) seeder!.store.set(cid, bytes)
  const startedAt = leechers.map((_, index) => waveMs * Math.floor(index / 2))
  for (const [index, leecher] of leechers.entries()) {
    mesh.agenda.planAt(startedAt[index]!, () => {
      leecher.handle({ type: 'open-session', session: 1 as SessionId })
      fetchFrom(leecher, cids, mesh, 0)
    })
  }
  mesh.agenda.run(leechers.length * waveMs + 60_000)
  const times = leechers.map(({ endedAt }, index) => {
    return endedAt.size === count ? Math.max(...endedAt.values()) - startedAt[index]! : Number.NaN
  })
  const ended = times.filter((time) => !Number.isNaN(time))
  return {
    meanMs: mean(ended),
    firstWaveMs: mean(times.slice(0, 2)),
    laterWavesMs: mean(times.slice(2).filter((time) => !Number.isNaN(time))),
    messages: mesh.messages,
    duplicates: mesh.nodes.reduce((sum, { machine }) => sum + machine.status().counters.duplicateBlocksReceived, 0),
    ended: ended.length,
  }
}

/** The next block is wanted when there is a place: 32 at a time. */
function fetchFrom(leecher: Mesh['nodes'][number], cids: readonly Uint8Array[], mesh: Mesh, from: number): void {
  let next = from
  for (; next < cids.length && next - leecher.endedAt.size < 32; next++)
    leecher.want((next + 1) as WantId, cids[next]!, 1 as SessionId)
  if (next < cids.length) mesh.agenda.plan(20, () => fetchFrom(leecher, cids, mesh, next))
}
