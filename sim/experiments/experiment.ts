import type { Estimate } from '../core/statistics.ts'

/** What every experiment takes and gives. An experiment is a function of its options: no clock, no files, no other chance. */
export interface Options {
  readonly seed: number
  /** How many worlds, with seeds `seed`, `seed + 1`, … */
  readonly seeds: number
  readonly peers: number
}

export interface Experiment {
  readonly name: string
  /** What it shows, in one line. */
  readonly title: string
  /** For a quick look. A report says which it used. */
  readonly defaults: Options
  readonly reportOptions: Options
  run(options: Options, progress: (line: string) => void): Result
  /** The same in parts, for more than one processor. */
  readonly parts?: Parts<unknown>
}

/** Of an experiment: they know nothing of each other. */
export interface Parts<Part> {
  /** Those that take longest first. */
  names(options: Options): readonly string[]
  /** What comes of a part can be cloned. */
  run(name: string, options: Options): Part
  result(options: Options, parts: ReadonlyMap<string, Part>): Result
}

export function inParts<Part>(parts: Parts<Part>): Pick<Experiment, 'run' | 'parts'> {
  return {
    parts,
    run(options, progress) {
      const done = new Map<string, Part>()
      for (const name of parts.names(options)) {
        progress(name)
        done.set(name, parts.run(name, options))
      }
      return parts.result(options, done)
    },
  }
}

export interface Result {
  readonly experiment: string
  /** Seed and settings: enough to do it again. */
  readonly settings: Readonly<Record<string, unknown>>
  /** What was counted, and how to read it. Markdown. */
  readonly notes: readonly string[]
  readonly tables: readonly Table[]
  readonly plots: readonly Plot[]
}

export interface Table {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly Cell[])[]
}

export type Cell = string | number | Estimate

export interface Plot {
  readonly name: string
  readonly title: string
  readonly x: Axis
  readonly y: Axis
  readonly series: readonly Series[]
}

export interface Axis {
  readonly label: string
  readonly scale?: 'linear' | 'log'
}

export interface Series {
  readonly label: string
  readonly points: readonly { readonly x: number; readonly y: number; readonly half?: number }[]
}

/** A number for reading: four significant digits. */
export function formatCell(cell: Cell): string {
  if (typeof cell === 'string') return cell
  if (typeof cell === 'number') return formatNumber(cell)
  return Number.isNaN(cell.half) ? formatNumber(cell.mean) : `${formatNumber(cell.mean)} ± ${formatNumber(cell.half, 2)}`
}

function formatNumber(value: number, digits = 4): string {
  if (Number.isNaN(value)) return '–'
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value)
  const size = Math.floor(Math.log10(Math.abs(value)))
  return value.toFixed(Math.min(4, Math.max(0, digits - 1 - size)))
}
