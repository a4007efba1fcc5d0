import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { Plot } from '../../sim/experiments/experiment.ts'
import { svgOf } from '../../sim/cli/plot.ts'
import type { Fetched, Way } from './contestant.ts'
import type { Counts } from './tally.ts'

/** Tables and plots of one run of the bench, all from the same figures. */

export interface Arm {
  readonly name: string
  readonly page: 'page-ours' | 'page-helia'
  readonly way: Way
}

/** One run of one arm. */
export interface Outcome {
  readonly arm: Arm
  readonly latencyMs: number
  readonly result: Measured | { readonly failed: string }
}

export interface Measured {
  readonly requestMs: readonly number[]
  readonly requested: readonly Counts[]
  readonly fetched: Fetched
  readonly fetch: Counts
}

export interface Head {
  readonly command: string
  readonly peers: number
  readonly runs: number
  readonly latencies: readonly number[]
  readonly megabytes: number
  readonly requests: number
  readonly copies: number
  readonly arms: readonly Arm[]
  readonly leaves: number
  readonly cores: number
}

const folder = 'docs/results'
const name = 'bitswap-live'

export function writePage(outcomes: readonly Outcome[], head: Head): void {
  mkdirSync(folder, { recursive: true })
  const sections = head.latencies.map((latencyMs) => section(latencyMs, outcomes, head))
  const plots = [...head.latencies.map((latencyMs) => throughputPlot(latencyMs, outcomes, head)), requestsPlot(outcomes, head)]
  for (const plot of plots) writeFileSync(`${folder}/${plot.name}.svg`, svgOf(plot))
  const images = plots.map((plot) => `![${plot.title}](${plot.name}.svg)\n`)
  const file = `${folder}/${name}.md`
  writeFileSync(file, [intro(head), ...sections, ...images, notes(file)].join('\n'))
  console.log(`${file} written.`)
}

function intro({ command, peers, runs, megabytes, requests, copies, leaves, cores }: Head): string {
  return `# Bitswap in Chromium, beside Helia's

\`${command}\`: ${peers} js-libp2p servers with Helia's Bitswap behind delayed links, Chromium, ${cores} cores that also carry the swarm.
Arms take turns, ${runs} runs each, every run in a fresh browser that is connected to all servers first. Our client runs in its Worker and stores in
IndexedDB; Helia runs on the page's thread and stores in memory. Messages are counted at the servers, from the bytes on their streams. Our CANCELs of
want-haves wait up to two minutes for a message to the same server that mostly makes them superfluous; those that still wait when the browser is closed are never sent.

- *A request*: ${requests} single blocks of 64 KiB, one after the other, each on ${copies} of the servers. Entries of wantlists, presences and
  blocks a request; medians over all requests, then the slowest.
- *The file*: ${megabytes} MB in a root and ${leaves} leaves of 256 KiB, on ${copies} servers; the DHT knows the root only. Root first, then all leaves at once.
  Medians of the runs, then the worst. *received*: how often each block came. *wants*: want-haves and want-blocks a block. *gap*: the longest time in
  which nothing came. *long tasks*: of the page's thread.

Wanted: at least as fast as Helia's sessions, each block received at most 1.05 times, at most 5 wants a block, no run that does not end.
`
}

function section(latencyMs: number, outcomes: readonly Outcome[], head: Head): string {
  const here = outcomes.filter((outcome) => outcome.latencyMs === latencyMs)
  const requests = clients.map((client) => requestRow(client, ended(here.filter(({ arm }) => arm.page === client.page))))
  const files = head.arms.map((arm) => fileRow(arm, ended(here.filter((outcome) => outcome.arm === arm)), head))
  const failures = here.flatMap(({ arm, result }) =>
    'failed' in result ? [`- ${arm.name}: ${result.failed.split('\n')[0]}`] : [],
  )
  return [
    `## Links of ${latencyMs / 2} to ${latencyMs * 1.5} ms one way\n`,
    '| a request | ms | messages | want-have | want-block | cancel | have | dont-have | block |',
    '|---|---|---|---|---|---|---|---|---|',
    ...requests,
    '',
    '| the file | first block, ms | end, ms | MB/s | received | wants | cancels | gap, ms | long tasks, ms | runs that ended |',
    '|---|---|---|---|---|---|---|---|---|---|',
    ...files,
    '',
    ...(failures.length === 0 ? [] : ['Runs that did not end:\n', ...failures, '']),
  ].join('\n')
}

const clients = [
  { name: 'ours', page: 'page-ours' },
  { name: 'Helia', page: 'page-helia' },
] as const

function requestRow(client: { name: string }, measured: readonly Measured[]): string {
  const counts = measured.flatMap(({ requested }) => requested)
  const of = (count: (counts: Counts) => number) => spread(counts.map(count))
  const cells = [
    spread(measured.flatMap(({ requestMs }) => requestMs)),
    of(messagesOf),
    of(({ wantHaves }) => wantHaves),
    of(({ wantBlocks }) => wantBlocks),
    of(({ cancels }) => cancels),
    of(({ haves }) => haves),
    of(({ dontHaves }) => dontHaves),
    of(({ blocks }) => blocks),
  ]
  return `| ${client.name} | ${cells.join(' | ')} |`
}

function fileRow(arm: Arm, measured: readonly Measured[], { leaves, runs, megabytes }: Head): string {
  const blocks = leaves + 1
  const of = (value: (measured: Measured) => number, digits = 0, worst: 'high' | 'low' = 'high') =>
    spread(measured.map(value), digits, worst)
  const cells = [
    of(({ fetched }) => fetched.firstMs),
    of(({ fetched }) => fetched.endMs),
    of(({ fetched }) => (megabytes * 1_000) / fetched.endMs, 1, 'low'),
    of(({ fetch }) => fetch.blocks / blocks, 2),
    of(({ fetch }) => (fetch.wantHaves + fetch.wantBlocks) / blocks, 1),
    of(({ fetch }) => fetch.cancels / blocks, 1),
    of(({ fetched }) => fetched.gapMs),
    of(({ fetched }) => fetched.longTaskMs),
  ]
  return `| ${arm.name} | ${cells.join(' | ')} | ${measured.length} of ${runs} |`
}

function throughputPlot(latencyMs: number, outcomes: readonly Outcome[], { arms, runs, megabytes }: Head): Plot {
  const pointsOf = (arm: Arm) => {
    const all = outcomes.filter((outcome) => outcome.arm === arm && outcome.latencyMs === latencyMs)
    return Array.from({ length: runs }, (_, run) => {
      const [measured] = ended(all.slice(run, run + 1))
      return { x: run + 1, y: measured === undefined ? Number.NaN : (megabytes * 1_000) / measured.fetched.endMs }
    })
  }
  return {
    name: `${name}-file-${latencyMs}`,
    title: `A file of ${megabytes} MB, links of ${latencyMs} ms one way on average`,
    x: { label: 'run' },
    y: { label: 'MB/s' },
    series: arms.map((arm) => ({ label: arm.name, points: pointsOf(arm) })),
  }
}

function requestsPlot(outcomes: readonly Outcome[], { latencies, requests }: Head): Plot {
  const series = clients.flatMap((client) =>
    latencies.map((latencyMs) => {
      const runs = ended(outcomes.filter((outcome) => outcome.arm.page === client.page && outcome.latencyMs === latencyMs))
      const points = Array.from({ length: requests }, (_, index) => {
        const messages = runs.flatMap(({ requested }) => (requested[index] === undefined ? [] : [messagesOf(requested[index])]))
        return { x: index + 1, y: median(messages) }
      })
      return { label: `${client.name}, ${latencyMs} ms`, points }
    }),
  )
  return {
    name: `${name}-requests`,
    title: 'Messages of a request at the servers, as a visit goes on (medians)',
    x: { label: 'request' },
    y: { label: 'messages' },
    series,
  }
}

function ended(outcomes: readonly Outcome[]): Measured[] {
  return outcomes.flatMap(({ result }) => ('failed' in result ? [] : [result]))
}

function messagesOf({ wantBlocks, wantHaves, cancels, blocks, haves, dontHaves }: Counts): number {
  return wantBlocks + wantHaves + cancels + blocks + haves + dontHaves
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted.length === 0 ? Number.NaN : (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2
}

function spread(values: readonly number[], digits = 0, worst: 'high' | 'low' = 'high'): string {
  if (values.length === 0) return '–'
  const end = worst === 'high' ? Math.max(...values) : Math.min(...values)
  return `${median(values).toFixed(digits)} / ${end.toFixed(digits)}`
}

/** What somebody has written about earlier figures stays, to be looked at again. */
function notes(file: string): string {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const start = text.indexOf('## What it says')
  return start === -1 ? '' : text.slice(start)
}
