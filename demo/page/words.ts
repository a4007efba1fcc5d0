/** Figures and errors in words. */

export function milliseconds(value: number): string {
  if (value < 10) return `${value.toFixed(1)} ms`
  if (value < 10_000) return `${Math.round(value)} ms`
  return `${(value / 1_000).toFixed(1)} s`
}

export function bytes(value: number): string {
  if (value < 1_024) return `${value} bytes`
  if (value < 1_024 * 1_024) return `${(value / 1_024).toFixed(1)} KiB`
  return `${(value / 1_024 / 1_024).toFixed(2)} MiB`
}

export function count(value: number, one: string, many = `${one}s`): string {
  return `${value} ${value === 1 ? one : many}`
}

export function share(part: number, whole: number): string {
  const percent = whole === 0 ? 0 : (100 * part) / whole
  return `${percent > 0 && percent < 10 ? percent.toFixed(1) : Math.floor(percent)} %`
}

/** A moment, with the day where it is another one. */
export function clock(at: number): string {
  const date = new Date(at)
  const time = date.toLocaleTimeString('en', { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' })
  const isToday = date.toDateString() === new Date().toDateString()
  return isToday ? time : `${date.toLocaleDateString('en', { weekday: 'short' })} ${time}`
}

/** The beginning and the end of a peer id or CID: enough to tell two apart. */
export function short(id: string): string {
  return id.length > 20 ? `${id.slice(0, 8)}…${id.slice(-8)}` : id
}

/** What went wrong as the client says it, with the code in brackets. Other errors have no code. */
export function problem(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error && typeof error.code === 'string' ? `${error.message} (${error.code})` : error.message
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
