import type { FetchResult, Measurements, SearchResult } from './page/results.ts'

/** What the check prints. */

export interface Figures {
  /** Peers in the page's routing table at the end of the cold visit. */
  readonly peers: number | null
  /** Providers found for the samples, all samples together. */
  readonly providers: number | null
  /** Cold start, first search: from its call to the first provider; it is called before any bootstrapper has answered. */
  readonly firstProviderMs: number | null
  /** The same search to its end. */
  readonly queryMs: number | null
  /** Size of the largest single raw block of the samples. */
  readonly blockBytes: number | null
  /** That block, from the request to the checked bytes on the page. */
  readonly blockMs: number | null
  /** As `firstProviderMs`, after a reload in the same profile. */
  readonly warmFirstProviderMs: number | null
  /** Tasks of 50 ms and more on the page's main thread in both visits. */
  readonly mainThreadLongTasks: number | null
}

export const noFigures: Figures = {
  peers: null,
  providers: null,
  firstProviderMs: null,
  queryMs: null,
  blockBytes: null,
  blockMs: null,
  warmFirstProviderMs: null,
  mainThreadLongTasks: null,
}

interface VisitReport {
  readonly measured: Measurements
  readonly searches: readonly SearchResult[]
  readonly fetches: readonly FetchResult[]
}

export function table(
  samples: readonly { readonly name: string }[],
  cold: VisitReport,
  warm: VisitReport,
  figures: Figures,
): string {
  const head = ['start', 'sample', 'providers', 'first ms', 'search ms', 'blocks', 'bytes', 'fetch ms']
  const rows = [...rowsOf('cold', samples, cold), ...rowsOf('warm', samples, warm)]
  const summary = `${figures.peers} peers in the routing table, ${figures.mainThreadLongTasks} long tasks on the page's main thread`
  return `\n${aligned([head, ...rows])}\n\n${summary}`
}

function rowsOf(start: string, samples: readonly { readonly name: string }[], { searches, fetches }: VisitReport): string[][] {
  return searches.map((search, index) => {
    const fetched = fetches[index]
    const figures = [search.providers, search.firstProviderMs, search.queryMs, fetched?.blocks, fetched?.bytes, fetched?.ms]
    return [start, samples[index]?.name ?? '', ...figures.map((figure) => (figure === undefined ? '–' : `${Math.round(figure)}`))]
  })
}

/** Words to the left, figures to the right. */
function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_cell, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) =>
    row.map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ')
  return rows.map(line).join('\n')
}
