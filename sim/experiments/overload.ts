import { limits } from '../../worker/engine/limits.ts'
import { keyOf } from '../../worker/engine/peer.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { EngineClient, type QueryRun, settledMs, storedTable } from '../clients/engine-client.ts'
import { estimate, percentile } from '../core/statistics.ts'
import { Network } from '../world/network.ts'
import { aminoWorld } from '../world/settings.ts'
import { World } from '../world/world.ts'
import type { Cell, Experiment, Options, Table } from './experiment.ts'

/** A3: ten times as many queries as an engine takes, after some one at a time; then a flood of unhurried searches under urgent ones. */
export const overload: Experiment = {
  name: 'overload',
  title: 'ten times the queries an engine takes: no bound exceeded, what is accepted ends, urgent work goes first',
  defaults: { seed: 1, seeds: 2, peers: 2_000 },
  reportOptions: { seed: 301, seeds: 5, peers: 10_000 },
  run(options, progress) {
    const runs = Array.from({ length: options.seeds }, (_, index) => {
      progress(`seed ${options.seed + index}`)
      return overloadOne({ ...options, seed: options.seed + index })
    })
    const over = (value: (run: Overloaded) => number) => estimate(runs.map(value))
    const most = (value: (run: Overloaded) => number) => Math.max(...runs.map(value))
    const seconds = (phase: keyof Overloaded['times'], share: number) => {
      return over(({ times }) => percentile(times[phase], share) / 1_000)
    }
    const phases: [keyof Overloaded['times'], string][] = [
      ['idle', 'one at a time, nothing else to do'],
      ['refreshing', 'one at a time, during the refresh at the start'],
      ['overloaded', 'at ten times the load, those that were accepted, their waiting included'],
      ['urgent', 'one at a time, during a flood of background searches'],
    ]
    const rows = phases.map(([phase, label]): Cell[] => {
      return [label, over(({ times }) => times[phase].length), seconds(phase, 0.5), seconds(phase, 0.9), seconds(phase, 0.99)]
    })
    return {
      experiment: 'overload',
      settings: { ...options, queries: QUERIES, withinMs: WITHIN_MS, aminoWorld },
      notes: [
        `${QUERIES} queries within ${WITHIN_MS / 1_000} s given to one engine, that takes ${limits.kadPageQueriesMax.value} of the page: a mixture of closest peers, providers and values.`,
        `An engine runs ${limits.kadSearchesMax.value} searches at once, less urgent ones not counted; the others wait. One is refused at once when it would wait more than ${limits.kadQueueWaitMs.value / 1_000} s by how fast searches end while as many run as may, and later when it has waited ${limits.kadQueueTimeoutMs.value / 1_000} s. Its ${limits.kadQueryTimeoutMs.value / 1_000} s of searching begin with its turn.`,
        'Answered: with a result, or with `not-found`, which is the answer for a value that nobody holds: a third of the queries.',
        `The flood: every tenth of a second as many background searches are given as the engine takes, ${limits.kadUnhurriedQueriesMax.value}.`,
        `The gallery: a page that looks for the providers of ${GALLERY} contents at once, each held by the 20 nearest that are there`,
        'Looked at while the rules were made: seeds 1, 2, 1000 to 1002, 101 to 105; this page begins with another.',
        'The bounds were looked at after every hundredth of a second.',
      ],
      tables: [
        { title: 'Time of queries', columns: ['when', 'queries', 'p50 s', 'p90 s', 'p99 s'], rows },
        {
          title: 'Bounds',
          columns: ['what', 'bound', 'most seen'],
          rows: [
            ['queries under way', limits.kadQueriesMax.value, most(({ active }) => active)],
            ['dials under way', limits.pendingDialsMax.value, most(({ dials }) => dials)],
            ['entries of a bucket', 20, most(({ bucket }) => bucket)],
            [
              'longest query, ms',
              limits.kadQueueTimeoutMs.value + limits.kadQueryTimeoutMs.value,
              most(({ longestMs }) => longestMs),
            ],
          ],
        },
        {
          title: 'What became of the overload',
          columns: ['outcome', 'queries'],
          rows: [
            ['refused at once, with `too-many-queries`', over(({ refused }) => refused)],
            ['accepted', over(({ accepted }) => accepted)],
            ['accepted and answered', over(({ answered }) => answered)],
            ['accepted and refused after waiting', over(({ inVain }) => inVain)],
            ['accepted and ended by its time limit', over(({ timedOut }) => timedOut)],
            ['accepted and never ended', over(({ open }) => open)],
            ['share of the accepted that was answered', over(({ accepted, answered }) => answered / accepted)],
          ],
        },
        galleryTable(runs),
      ],
      plots: [],
    }
  },
}

const GALLERY = 100

function galleryTable(runs: readonly Overloaded[]): Table {
  const over = (value: (gallery: readonly QueryRun[]) => number) => estimate(runs.map(({ gallery }) => value(gallery)))
  return {
    title: `A gallery: ${GALLERY} searches for providers at once`,
    columns: ['what', 'came out'],
    rows: [
      ['refused at once', over((gallery) => gallery.filter(isRefused).length)],
      ['answered with a provider', over((gallery) => gallery.filter(({ items }) => items.length > 0).length)],
      ['ended after, p50 s', over((gallery) => percentile(gallery.map(durationOf), 0.5) / 1_000)],
      ['the last, s', over((gallery) => Math.max(...gallery.map(durationOf)) / 1_000)],
    ],
  }
}

const QUERIES = 10 * limits.kadQueriesMax.value
const WITHIN_MS = 10_000

interface Overloaded {
  readonly times: Readonly<Record<'idle' | 'refreshing' | 'overloaded' | 'urgent', readonly number[]>>
  readonly active: number
  readonly dials: number
  readonly bucket: number
  readonly longestMs: number
  readonly refused: number
  readonly accepted: number
  readonly answered: number
  readonly inVain: number
  readonly timedOut: number
  readonly open: number
  readonly gallery: readonly QueryRun[]
}

function overloadOne(options: Options): Overloaded {
  const world = new World({ ...aminoWorld, seed: options.seed, peers: options.peers })
  const network = new Network({ world })
  const client = new EngineClient({ network, number: 1 })
  const rng = new Rng(options.seed)
  client.start({ tableEntries: storedTable(network, client.id, keyOf(client.id)) })
  const refreshing = oneAtATime(network, client, rng, 12)
  network.agenda.run(settledMs)
  const idle = oneAtATime(network, client, rng, 12)
  const seen = { active: 0, dials: 0, bucket: 0 }
  const look = () => {
    const { kad } = client.engine.status()
    seen.active = Math.max(seen.active, kad.activeQueries)
    seen.bucket = Math.max(seen.bucket, ...kad.buckets)
    seen.dials = client.pendingDialsMax
  }
  const runs: QueryRun[] = []
  const until = network.now + WITHIN_MS + limits.kadQueueTimeoutMs.value + limits.kadQueryTimeoutMs.value + 1_000
  const beganAt = network.now
  while (network.now < until) {
    const due = Math.min(QUERIES, Math.ceil(((network.now - beganAt) / WITHIN_MS) * QUERIES))
    while (runs.length < due) runs.push(ask(client, rng, runs.length))
    network.agenda.run(network.now + 10)
    look()
  }
  const gallery = showGallery(network, client, rng)
  const urgent = underFlood(network, client, rng, look)
  const refused = runs.filter((run) => isRefused(run) && run.endedAt === run.startedAt)
  const accepted = runs.filter((run) => !refused.includes(run))
  const done = accepted.filter(({ endedAt }) => endedAt !== undefined)
  const overloaded = done.map(durationOf)
  return {
    times: { idle, refreshing, overloaded, urgent },
    ...seen,
    longestMs: Math.max(...overloaded),
    refused: refused.length,
    accepted: accepted.length,
    answered: done.filter(isAnswered).length,
    inVain: done.filter(isRefused).length,
    timedOut: done.filter(hasTimedOut).length,
    open: accepted.length - done.length,
    gallery,
  }
}

function showGallery(network: Network, client: EngineClient, rng: Rng): QueryRun[] {
  const { world } = network
  const search = (): QueryRun => {
    const multihash = Uint8Array.of(0x12, 32, ...rng.bytes(32))
    const isReachable = (server: number) => world.population.isReachable(server, network.now)
    const holders = world.population.nearest(keyOf(multihash), world.settings.k, isReachable)
    for (const holder of holders) world.addProvider(holder, multihash, world.kadPeer(holders[0]!))
    return client.query((query) => ({ type: 'find-providers', query, multihash, limit: 10 }))
  }
  const gallery = Array.from({ length: GALLERY }, search)
  const longest = limits.kadQueueTimeoutMs.value + limits.kadQueryTimeoutMs.value
  network.agenda.run(network.now + longest, () => gallery.every(({ endedAt }) => endedAt !== undefined))
  return gallery
}

function isRefused({ failure }: QueryRun): boolean {
  return failure?.code === 'too-many-queries'
}

/** With a failure, or with what it had. */
function hasTimedOut({ begunAt, endedAt }: QueryRun): boolean {
  return begunAt !== undefined && endedAt !== undefined && endedAt >= begunAt + limits.kadQueryTimeoutMs.value
}

function isAnswered(run: QueryRun): boolean {
  return !hasTimedOut(run) && (run.result !== undefined || run.failure?.code === 'not-found')
}

function underFlood(network: Network, client: EngineClient, rng: Rng, look: () => void): number[] {
  const flood = () => {
    for (;;) {
      const run = client.query((query) => ({ type: 'closest-peers', query, key: rng.bytes(34), lane: 'background' }))
      if (isRefused(run)) return
    }
  }
  return Array.from({ length: 12 }, () => {
    flood()
    const run = client.query((query) => ({ type: 'closest-peers', query, key: rng.bytes(34) }))
    const until = network.now + limits.kadQueryTimeoutMs.value
    while (run.endedAt === undefined && network.now < until) {
      network.agenda.run(network.now + 100, () => run.endedAt !== undefined)
      flood()
      look()
    }
    return durationOf(run)
  })
}

function oneAtATime(network: Network, client: EngineClient, rng: Rng, count: number): number[] {
  return Array.from({ length: count }, () => {
    const run = client.query((query) => ({ type: 'closest-peers', query, key: rng.bytes(34) }))
    network.agenda.run(network.now + limits.kadQueryTimeoutMs.value + 1, () => run.endedAt !== undefined)
    return durationOf(run)
  })
}

function ask(client: EngineClient, rng: Rng, index: number): QueryRun {
  const key = Uint8Array.of(0x12, 32, ...rng.bytes(32))
  return client.query((query) => {
    if (index % 3 === 0) return { type: 'closest-peers', query, key }
    if (index % 3 === 1) return { type: 'find-providers', query, multihash: key, limit: 1 }
    return { type: 'get-value', query, key, quorum: 1 }
  })
}

function durationOf({ startedAt, endedAt }: QueryRun): number {
  return (endedAt ?? Number.NaN) - startedAt
}
