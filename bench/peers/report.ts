import type { Plot } from '../../sim/experiments/experiment.ts'
import type { Counts } from './world.ts'
import type { Run, Step } from './visiting.ts'

/** From runs to `docs/results/peers.md`: tables, targets, plots. Nothing in it is written by hand but what columns mean. */

export interface WorldResult {
  readonly name: string
  readonly peers: number
  readonly bad: boolean
  /** By contestant, in their order. */
  readonly runs: Readonly<Record<string, readonly Run[]>>
}

export interface Names {
  readonly tuned: string
  readonly ours: string
}

/** What a run measures, as numbers; a search that found nothing counts as infinitely long. */
interface Measure {
  readonly title: string
  readonly of: (run: Run) => readonly number[]
  readonly digits?: number
}

const lost = (ms: number | undefined | null): number => ms ?? Number.POSITIVE_INFINITY
const costs = (steps: readonly { readonly cost: Counts }[], name: keyof Counts) => steps.map(({ cost }) => cost[name])
const times = (steps: readonly Step[]) => steps.map(({ ms }) => lost(ms))

const firstProvider: Measure = {
  title: 'first provider',
  of: ({ searches, firsts }) => [...searches.map(({ firstMs }) => lost(firstMs)), ...firsts.map(lost)],
}
const searchEnd: Measure = { title: 'search ended', of: ({ searches }) => searches.map(({ endMs }) => lost(endMs)) }
const dials: Measure = { title: 'dials', of: ({ searches }) => costs(searches, 'dials') }
const unconnected: Measure = { title: 'block, not connected', of: (run) => times(run.unconnected) }
const connected: Measure = { title: 'block, connected', of: (run) => times(run.connected) }
const later: Measure = { title: 'after others', of: (run) => times(run.later) }
/** Of what was tried. */
const once = (run: Run, name: 'coldMs' | 'warmMs'): number[] => (name in run ? [lost(run[name])] : [])
const ofPage =
  (value: (page: NonNullable<Run['page']>) => number | undefined) =>
  ({ page }: Run): number[] => {
    const found = page === undefined ? undefined : value(page)
    return found === undefined ? [] : [found]
  }
const cold: Measure = { title: 'cold', of: (run) => once(run, 'coldMs') }
const warm: Measure = { title: 'warm', of: (run) => once(run, 'warmMs') }
const longTasks: Measure = {
  title: 'long tasks',
  of: ofPage((page) => page.longTasks.reduce((sum, { ms }) => sum + ms, 0)),
}
const longTasksOfOurs: Measure = { title: 'long tasks of ours', of: ofPage(({ blame }) => blame?.ofOurs) }
const oursInLongTasks: Measure = { title: 'of those in our part', of: ofPage(({ blame }) => blame?.oursMs) }
const plainMs: Measure = { title: 'plain', of: ({ plain }) => (plain === undefined ? [] : [lost(plain.ms)]) }
const sessionMs: Measure = { title: 'session', of: ({ session }) => (session === undefined ? [] : [lost(session.ms)]) }

const timeMeasures = [cold, warm, firstProvider, searchEnd, unconnected, connected, later]
const costMeasures: readonly Measure[] = [
  dials,
  { title: 'requests', of: ({ searches }) => costs(searches, 'requests') },
  { title: 'wants a block, not connected', of: (run) => costs(run.unconnected, 'wants') },
  { title: 'wants a block, connected', of: (run) => costs(run.connected, 'wants') },
]
const pageMeasures: readonly Measure[] = [
  longTasks,
  oursInLongTasks,
  { title: 'longest gap of frames', of: ofPage(({ longestGapMs }) => longestGapMs) },
  { title: "CPU of the page's thread", of: ofPage(({ threadMs }) => threadMs) },
  { title: 'CPU of its process', of: ofPage(({ processMs }) => processMs) },
]

export function worldSection(world: WorldResult, bulkBlocks: number, bulkBytes: number): string {
  const parts = [`## ${world.name}`, '', ...measured(world, 'ms', timeMeasures, [floorRow(world)]), '']
  parts.push(...measured(world, 'counted at the servers, a search or a block', costMeasures), '')
  parts.push(...measured(world, 'the page, ms a visit', pageMeasures), '')
  const bulk = bulkRows(world, bulkBlocks, bulkBytes)
  if (bulk.length > 0) parts.push(...bulk, '')
  return parts.join('\n')
}

function measured(
  world: WorldResult,
  title: string,
  measures: readonly Measure[],
  more: readonly (readonly string[])[] = [],
): string[] {
  const rows = Object.entries(world.runs).map(([name, runs]) => {
    return [name, ...measures.map((measure) => spread(runs.flatMap(measure.of)))]
  })
  return table([title, ...measures.map((measure) => measure.title)], [...rows, ...more])
}

function floorRow(world: WorldResult): string[] {
  const cells = (['unconnected', 'connected', 'later'] as const).map((name) => spread(floors(world, name)))
  return ['*the links alone*', ...timeMeasures.slice(0, -cells.length).map(() => ''), ...cells]
}

/** What the links take for the blocks that were measured: over this transport nobody is quicker. */
function floors({ runs }: WorldResult, name: 'unconnected' | 'connected' | 'later'): number[] {
  return Object.values(runs).flatMap((all) => all.flatMap((run) => run[name].flatMap(({ floorMs }) => floorMs ?? [])))
}

function bulkRows(world: WorldResult, blocks: number, bytes: number): string[] {
  const rows = Object.entries(world.runs).flatMap(([name, runs]) =>
    (['plain', 'session'] as const).flatMap((way) => {
      const steps = runs.flatMap((run) => run[way] ?? [])
      if (steps.length === 0) return []
      const ms = median(times(steps))
      const cells = [
        Number.isFinite(ms) ? `${shown(ms)} ms` : 'did not end',
        Number.isFinite(ms) ? (bytes / 1_000 / ms).toFixed(1) : '–',
        (median(costs(steps, 'blocks')) / blocks).toFixed(2),
        (median(costs(steps, 'wants')) / blocks).toFixed(1),
      ]
      return [[name, way === 'plain' ? 'gets at once' : 'session', ...cells]]
    }),
  )
  const title = `${Math.round(bytes / 2 ** 20)} MB`
  return rows.length === 0 ? [] : table([title, 'how', 'time', 'MB/s', 'each block sent', 'wants a block'], rows)
}

interface Target {
  readonly title: string
  readonly wanted: string
  readonly holds: (value: number) => boolean
  /** Ours, and theirs where it is compared; undefined where it was not measured. */
  readonly sides: (world: WorldResult, names: Names) => { readonly ours: number; readonly theirs?: number } | undefined
  /** Only in the larger world. */
  readonly large?: boolean
  /** What the links alone would make of it. */
  readonly floor?: (world: WorldResult) => number
}

function atMost(title: string, limit: number, at: number, measure: Measure, more: Pick<Target, 'large' | 'floor'> = {}): Target {
  return {
    ...more,
    title,
    wanted: `≤ ${limit} ×`,
    holds: (value) => value <= limit,
    sides: (world, { ours, tuned }) => ({
      ours: quantile((world.runs[ours] ?? []).flatMap(measure.of), at),
      theirs: quantile((world.runs[tuned] ?? []).flatMap(measure.of), at),
    }),
  }
}

function bulkTargets(blocks: number): Target[] {
  const counted = (name: keyof Counts) => (world: WorldResult, names: Names) => {
    const steps = (world.runs[names.ours] ?? []).flatMap(({ plain }) => plain ?? [])
    return { ours: median(costs(steps, name)) / blocks }
  }
  return [
    {
      title: 'gets at once, against its sessions, ms',
      wanted: '≤ 1 ×',
      holds: (value) => value <= 1,
      sides: (world, { ours, tuned }) => ({
        ours: median((world.runs[ours] ?? []).flatMap(plainMs.of)),
        theirs: median((world.runs[tuned] ?? []).flatMap(sessionMs.of)),
      }),
    },
    { title: 'each block sent, gets at once', wanted: '≤ 1.05', holds: (value) => value <= 1.05, sides: counted('blocks') },
    { title: 'wants a block, gets at once', wanted: '≤ 5', holds: (value) => value <= 5, sides: counted('wants') },
  ]
}

/** Of the issue: against the tuned contestant, with dead peers. */
export function targetsSection(worlds: readonly WorldResult[], names: Names, bulkBlocks: number, pageBytes: number): string {
  const bad = worlds.filter((world) => world.bad)
  const largest = Math.max(...bad.map(({ peers }) => peers))
  const targets: Target[] = [
    atMost('first provider, p50, ms', 1, 0.5, firstProvider),
    atMost('first provider, p95, ms', 0.5, 0.95, firstProvider, { large: true }),
    atMost("search's end, p50, ms", 0.15, 0.5, searchEnd),
    atMost('dials a search', 0.5, 0.5, dials),
    atMost('block of a peer not connected, ms', 0.2, 0.5, unconnected, {
      floor: (world) => median(floors(world, 'unconnected')),
    }),
    atMost('block of a connected peer, ms', 0.6, 0.5, connected, { floor: (world) => median(floors(world, 'connected')) }),
    atMost('cold start, ms', 0.8, 0.5, cold),
    atMost('warm start, ms', 0.6, 0.5, warm),
    ...bulkTargets(bulkBlocks),
    {
      title: 'long tasks of ours on the page, the worst visit',
      wanted: '0',
      holds: (value) => value === 0,
      sides: (world, { ours }) => worst((world.runs[ours] ?? []).flatMap(longTasksOfOurs.of)),
    },
  ]
  const rows = bad.flatMap((world) => targets.flatMap((target) => targetRow(world, names, target, largest)))
  const limit = 10 * 1024
  rows.push(['', "the page's part, bytes gzip", `≤ ${limit}`, String(pageBytes), '', '', '', verdict(pageBytes <= limit)])
  const lines = table(['servers', 'with dead peers', 'wanted', 'ours', 'tuned', 'came out', 'the links alone', 'reached'], rows)
  return ['## Targets', '', ...lines, ''].join('\n')
}

function worst(values: readonly number[]): { ours: number } | undefined {
  return values.length === 0 ? undefined : { ours: Math.max(...values) }
}

function targetRow(world: WorldResult, names: Names, target: Target, largest: number): string[][] {
  const sides = target.sides(world, names)
  if (sides === undefined || Number.isNaN(sides.ours) || (target.large === true && world.peers < largest)) return []
  const { ours, theirs } = sides
  const start = [String(world.peers), target.title, target.wanted, shown(ours)]
  if (theirs === undefined) return [[...start, '', '', '', verdict(target.holds(ours))]]
  // Both never, or both nothing: no better and no worse.
  const ratio = ours === theirs ? 1 : ours / theirs
  const floor = target.floor === undefined ? '' : `${(target.floor(world) / theirs).toFixed(2)} ×`
  return Number.isNaN(ratio) ? [] : [[...start, shown(theirs), `${ratio.toFixed(2)} ×`, floor, verdict(target.holds(ratio))]]
}

function verdict(holds: boolean): string {
  return holds ? 'yes' : '**no**'
}

/** How the searches' times are spread: one curve a contestant. */
export function plots(world: WorldResult): Plot[] {
  return [firstProvider, searchEnd].map((measure, index) => ({
    name: index === 0 ? 'first-provider' : 'search-end',
    title: `${index === 0 ? 'First provider' : "Search's end"}, ${world.name}`,
    x: { label: 'ms', scale: 'log' },
    y: { label: 'share of the searches' },
    series: Object.entries(world.runs).map(([label, runs]) => {
      const sorted = runs.flatMap(measure.of).toSorted((one, other) => one - other)
      const points = sorted.map((x, rank) => ({ x: Math.max(1, x), y: (rank + 1) / sorted.length }))
      return { label, points: points.filter(({ x }) => Number.isFinite(x)) }
    }),
  }))
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** By nearest rank; the middle of two at the median. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) return Number.NaN
  const sorted = values.toSorted((one, other) => one - other)
  if (share === 0.5) return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2
  return sorted[Math.ceil(share * sorted.length) - 1]!
}

function spread(values: readonly number[]): string {
  return values.length === 0 ? '–' : `${shown(median(values))} / ${shown(quantile(values, 0.95))}`
}

function shown(value: number): string {
  if (!Number.isFinite(value)) return 'never'
  return value >= 10 || value === Math.round(value) ? String(Math.round(value)) : value.toFixed(2)
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)]
}
