import { make } from './elements.ts'
import { milliseconds } from './words.ts'

/** The last visits of this tab with their figures, so that a warm start can be compared with the cold one before it. */

export interface VisitRow {
  readonly start: 'cold' | 'warm'
  readonly readyMs: number
  readonly firstProviderMs?: number
  readonly queryMs?: number
}

const visitsMax = 6

export function readVisits(key: string): readonly VisitRow[] {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(key) ?? '[]')
    return Array.isArray(kept) ? kept.filter(isRow).slice(-visitsMax) : []
  } catch {
    return []
  }
}

/** Storage may be refused; the rows are then shown for this visit only. */
export function keepVisits(key: string, rows: readonly VisitRow[]): void {
  try {
    sessionStorage.setItem(key, JSON.stringify(rows.slice(-visitsMax)))
  } catch {
    return
  }
}

export function showVisits(place: HTMLElement, rows: readonly VisitRow[]): void {
  const cell = (value: number | undefined) => make('td', '', value === undefined ? '–' : milliseconds(value))
  place.replaceChildren(
    ...rows.map((row, index) => {
      const now = index === rows.length - 1 ? ' (now)' : ''
      const start = make('td', '', make('strong', row.start, row.start), now)
      return make('tr', '', start, cell(row.readyMs), cell(row.firstProviderMs), cell(row.queryMs))
    }),
  )
}

function isRow(row: unknown): row is VisitRow {
  if (typeof row !== 'object' || row === null) return false
  const { start, readyMs } = row as Partial<VisitRow>
  return (start === 'cold' || start === 'warm') && typeof readyMs === 'number'
}
