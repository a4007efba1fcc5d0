import { totalOf } from '../bitswap/measured.ts'
import type { Outcome } from '../bitswap/run.ts'
import { estimate, mean, percentile } from '../core/statistics.ts'
import type { Cell, Table } from './experiment.ts'

/** Where messages and time of a request go, by what is true of it and what the engine does not know. */
export function causeTables(runs: ReadonlyMap<string, readonly Outcome[][]>): Table[] {
  return [messagesTable(runs), timeTable(runs)]
}

const classes: readonly { readonly name: string; readonly has: (rank: number, tripMs: number) => boolean }[] = [
  { name: 'of the top 20, who answer within 500 ms', has: (rank, tripMs) => rank < 20 && tripMs <= 500 },
  { name: 'of the top 20, who answer later', has: (rank, tripMs) => rank < 20 && tripMs > 500 },
  { name: 'of the top 21 to 50', has: (rank) => rank >= 20 && rank < 50 },
  { name: 'of the top 51 to 150', has: (rank) => rank >= 50 && rank < 150 },
  { name: 'of the others only', has: (rank) => rank >= 150 },
]

const arms = ['ours, 856, no DHT', 'ours, 856'] as const

function messagesTable(runs: ReadonlyMap<string, readonly Outcome[][]>): Table {
  return {
    title: 'Where the messages go: requests that connected peers served, by the likeliest of the holders',
    columns: ['holder', ...arms.flatMap((arm) => [`${arm}: of requests %`, 'messages each', 'of the mean'])],
    rows: classes.map(({ name, has }): Cell[] => [
      name,
      ...arms.flatMap((arm) => {
        const of = runs.get(arm)!.map((run) => {
          const all = served(run)
          const some = all.filter((outcome) => has(...likeliest(outcome)))
          return { some: some.map(({ measured }) => totalOf(measured.messages)), all: all.length }
        })
        return [
          estimate(of.map(({ some, all }) => (100 * some.length) / all)),
          estimate(of.flatMap(({ some }) => (some.length === 0 ? [] : [mean(some)]))),
          estimate(of.map(({ some, all }) => some.reduce((sum, messages) => sum + messages, 0) / all)),
        ]
      }),
    ]),
  }
}

/** A HAVE and a block take two round trips. */
function timeTable(runs: ReadonlyMap<string, readonly Outcome[][]>): Table {
  return {
    title:
      'Where the time goes at p50: a flood hears the quickest holder at once; the rest of ours passes until one that has it is asked',
    columns: ['arm', 'two round trips of the quickest holder, p50 ms', 'of who served, p50 ms', 'the request, p50 ms'],
    rows: ['flood, 856', ...arms].map((arm): Cell[] => {
      const seeds = runs.get(arm)!.map(served)
      const p50 = (of: (outcome: Outcome) => number) => estimate(seeds.map((run) => percentile(run.map(of), 0.5)))
      return [
        arm,
        p50(({ request }) => 2 * Math.min(...request.holders.values())),
        p50(({ request, measured }) => 2 * request.holders.get(measured.servedBy!)!),
        p50(({ measured }) => measured.latencyMs),
      ]
    }),
  }
}

function served(run: readonly Outcome[]): Outcome[] {
  return run.filter(({ request, measured }) => request.kind === 'held' && measured.isFound && measured.isByBitswap)
}

function likeliest({ request }: Outcome): [rank: number, tripMs: number] {
  return [...request.holders].reduce((best, holder) => (holder[0] < best[0] ? holder : best))
}
