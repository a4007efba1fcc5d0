import { runFlood, runOurs, type Arm, type Outcome } from '../bitswap/run.ts'
import { totalOf, type Messages } from '../bitswap/measured.ts'
import { gateways, latencies, skew, sniffed, type Traffic } from '../bitswap/traffic.ts'
import { estimate, mean, percentile } from '../core/statistics.ts'
import type { Cell, Experiment, Options } from './experiment.ts'

/** C1 to C5 and C8 to C11: what a request costs and how often it succeeds, by flooding and by our engine. */
export const bitswap: Experiment = {
  name: 'bitswap',
  title: 'messages, success and latency of a request: the flood of 2022, and our engine that knows whom to ask',
  defaults: { seed: 1, seeds: 1, peers: 856 },
  reportOptions: { seed: 1, seeds: 5, peers: 856 },
  run(options, progress) {
    const cells = new Map<string, Outcome[][]>()
    for (const arm of arms) {
      progress(arm.label)
      cells.set(
        arm.label,
        seedsOf(options).map((seed) => {
          const setting = { seed, traffic: arm.traffic, peers: options.peers, warmUp, requests }
          return 'discovery' in arm ? runOurs(setting, arm) : runFlood({ ...setting, requests: 3 * requests }, arm.connections)
        }),
      )
    }
    const rows = [...cells].map(([label, runs]): Cell[] => [label, ...columns.map((column) => estimate(runs.map(column.of)))])
    const floods = cells.get('flood, 856')!
    return {
      experiment: 'bitswap',
      settings: { ...options, warmUp, requests, everyMs: 2_500, sniffed, gateways },
      notes,
      tables: [
        { title: 'A request', columns: ['arm', ...columns.map(({ name }) => name)], rows },
        {
          title: 'Messages of a request that Bitswap found (C3)',
          columns: ['', ...messageNames, 'all'],
          rows: [
            ['report', 856.07, 8.3, 849.74, 3.95, 0.18, 1.74, 1719.98],
            ...[...cells].map(([label, runs]): Cell[] => [
              label,
              ...messageNames.map((name) => estimate(runs.map((run) => mean(byBitswap(run).map((one) => one.messages[name]))))),
              estimate(runs.map(messagesOf)),
            ]),
          ],
        },
        {
          title: 'The fit of the world: blocks served by the top N, and requests below a time (C4, C5)',
          columns: ['', 'report %', 'flood %'],
          rows: [
            ...skew.map(([top, share]): Cell[] => [
              `top ${top}`,
              share,
              estimate(floods.map((run) => 100 * servedByTop(run, top))),
            ]),
            ...latencies
              .slice(1)
              .map(([ms, share]): Cell[] => [`< ${ms} ms`, 100 * share, estimate(floods.map((run) => 100 * below(run, ms)))]),
          ],
        },
      ],
      plots: [],
    }
  },
}

const warmUp = 700
const requests = 700

type FloodArm = Pick<Arm, 'label' | 'connections'>
const ours = { connections: 856, dht: true, discovery: {} }
const arms: readonly ((FloodArm | Arm) & { readonly traffic: Traffic })[] = [
  { label: 'flood, 856', connections: 856, traffic: sniffed },
  { label: 'flood, 96', connections: 96, traffic: sniffed },
  { label: 'ours, 856, no DHT', ...ours, dht: false, traffic: sniffed },
  { label: 'ours, 856', ...ours, traffic: sniffed },
  { label: 'ours, 96', ...ours, connections: 96, traffic: sniffed },
  { label: 'ours, 856, gateway list', ...ours, traffic: gateways },
  { label: 'ours, 856, top 10 first', ...ours, discovery: { leaders: { type: 'top', peers: 10 } }, traffic: sniffed },
  { label: 'ours, 856, share 0.6 first', ...ours, discovery: { leaders: { type: 'coverage', share: 0.6 } }, traffic: sniffed },
  { label: 'ours, 856, ranked only', ...ours, discovery: { broadcast: 'ranked' }, traffic: sniffed },
  { label: 'ours, 856, cold by DHT', ...ours, discovery: { coldStart: 'dht' }, traffic: sniffed },
  { label: 'ours, 856, half NFTs', ...ours, traffic: { ...sniffed, inContext: 0.5 } },
  { label: 'ours, 856, half NFTs, context', ...ours, usesContext: true, traffic: { ...sniffed, inContext: 0.5 } },
]

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
  { name: 'p50 ms', of: (run) => percentile(times(run), 0.5) },
  { name: 'p90 ms', of: (run) => percentile(times(run), 0.9) },
  { name: 'p99 ms', of: (run) => percentile(times(run), 0.99) },
]

const notes = [
  'The goal of 20 messages at 97 % without the DHT is missed: 66 (median 35) at 91 %. A peer that has nothing costs three messages (question, DONT_HAVE, CANCEL), so 20 messages are six questions, and the second step alone asks ten. Without the DHT a want also ends after 210 peers at most. How much each of these makes was not measured apart.',
  'Requests, holders and round trips are drawn before anybody asks: every arm meets the same. *found*: of the requests somebody could serve, within 15 s. *by Bitswap*: from a peer that was connected. *messages*: entries of wantlists, presences and blocks, sent and received, of requests that Bitswap found, as the report counts them.',
  'The flood is the rule of 2022 with three fitted parameters (peers with an older protocol, of those the ones that hold the block, HAVEs that were stale): its table is a calibration and no prediction. It has no DHT: the study switched it off.',
  'The report does not say how many connected peers hold a block beyond the mean of HAVEs (3.95); a geometric number is drawn, its holders by the share that a peer serves. The first table of the report (skew) and this are not independent: see the fit.',
  'Not modelled: bandwidth, loss, churn, peers that lie. The DHT is a delay (lognormal, mean about 0.62 s) and knows 70 % of what connected peers hold; a dial takes 0.4 s. What nobody has is not requested by our arms: it teaches nothing.',
]

export function seedsOf({ seed, seeds }: Options): number[] {
  return Array.from({ length: seeds }, (_, index) => seed + index)
}

function available(run: readonly Outcome[]): readonly Outcome[] {
  return run.filter(({ request }) => request.kind === 'held' || request.kind === 'only-by-dht')
}

function found(run: readonly Outcome[]) {
  return available(run).flatMap(({ measured }) => (measured.isFound ? [measured] : []))
}

function byBitswap(run: readonly Outcome[]) {
  return found(run).filter(({ isByBitswap }) => isByBitswap)
}

function messagesOf(run: readonly Outcome[]): number {
  return mean(byBitswap(run).map(({ messages }) => totalOf(messages)))
}

function times(run: readonly Outcome[]): number[] {
  return found(run).map(({ latencyMs }) => latencyMs)
}

function below(run: readonly Outcome[], ms: number): number {
  const all = byBitswap(run)
  return all.filter(({ latencyMs }) => latencyMs < ms).length / all.length
}

function servedByTop(run: readonly Outcome[], top: number): number {
  const served = new Map<number, number>()
  for (const { servedBy } of byBitswap(run)) if (servedBy !== undefined) served.set(servedBy, (served.get(servedBy) ?? 0) + 1)
  const counts = [...served.values()].sort((a, b) => b - a)
  const all = counts.reduce((sum, count) => sum + count, 0)
  return counts.slice(0, top).reduce((sum, count) => sum + count, 0) / all
}

export { available, byBitswap, found, messagesOf, times }
