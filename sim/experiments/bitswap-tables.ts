import type { Arm, Outcome } from '../bitswap/run.ts'
import { totalOf, type Messages } from '../bitswap/measured.ts'
import { sniffed, type Traffic } from '../bitswap/traffic.ts'
import { estimate, mean, percentile } from '../core/statistics.ts'
import type { Cell, Options, Table } from './experiment.ts'

/** What the experiments with Bitswap count of their requests. */

export type FloodArm = Pick<TrafficArm, 'label' | 'connections' | 'traffic'>
export type TrafficArm = Arm & { readonly traffic: Traffic }

export const ours = { connections: 856, dht: true, discovery: {}, traffic: sniffed }

export function requestTable(title: string, runs: ReadonlyMap<string, readonly Outcome[][]>): Table {
  return {
    title,
    columns: ['arm', ...columns.map(({ name }) => name)],
    rows: [...runs].map(([label, seeds]): Cell[] => [label, ...columns.map(({ of }) => estimate(seeds.map(of)))]),
  }
}

export function messageTable(runs: ReadonlyMap<string, readonly Outcome[][]>): Table {
  return {
    title: 'Messages of a request that connected peers served (C3)',
    columns: ['', ...messageNames, 'all'],
    rows: [
      ['report', 856.07, 8.3, 849.74, 3.95, 0.18, 1.74, 1719.98],
      ...[...runs].map(([label, seeds]): Cell[] => [
        label,
        ...messageNames.map((name) => estimate(seeds.map((run) => mean(byBitswap(run).map((one) => one.messages[name]))))),
        estimate(seeds.map(messagesOf)),
      ]),
    ],
  }
}

const messageNames = [
  'wantHave',
  'wantBlock',
  'cancel',
  'have',
  'dontHave',
  'block',
] as const satisfies readonly (keyof Messages)[]

const columns: readonly { readonly name: string; readonly of: (run: readonly Outcome[]) => number }[] = [
  { name: 'found %', of: (run) => (100 * found(run).length) / available(run).length },
  { name: 'by Bitswap %', of: (run) => (100 * byBitswap(run).length) / available(run).length },
  { name: 'messages', of: messagesOf },
  {
    name: 'messages p50',
    of: (run) =>
      percentile(
        byBitswap(run).map(({ messages }) => totalOf(messages)),
        0.5,
      ),
  },
  { name: 'DHT requests', of: (run) => mean(found(run).map(({ dhtMessages }) => dhtMessages)) },
  { name: 'mean ms', of: (run) => mean(times(run)) },
  { name: 'p50 ms', of: (run) => percentile(times(run), 0.5) },
  { name: 'p90 ms', of: (run) => percentile(times(run), 0.9) },
  { name: 'p99 ms', of: (run) => percentile(times(run), 0.99) },
]

export function seedsOf({ seed, seeds }: Options): number[] {
  return Array.from({ length: seeds }, (_, index) => seed + index)
}

export function available(run: readonly Outcome[]): readonly Outcome[] {
  return run.filter(({ request }) => request.kind === 'held' || request.kind === 'only-by-dht')
}

export function found(run: readonly Outcome[]) {
  return available(run).flatMap(({ measured }) => (measured.isFound ? [measured] : []))
}

export function byBitswap(run: readonly Outcome[]) {
  return found(run).filter(({ isByBitswap }) => isByBitswap)
}

export function messagesOf(run: readonly Outcome[]): number {
  return mean(byBitswap(run).map(({ messages }) => totalOf(messages)))
}

export function times(run: readonly Outcome[]): number[] {
  return found(run).map(({ latencyMs }) => latencyMs)
}
