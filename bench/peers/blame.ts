import { SourceMap } from 'node:module'
import type { CDPSession } from '@playwright/test'
import type { LongTask } from './visit.ts'

/**
 * Whose work the long tasks of a page were: Chromium's profiler looks a thousand times a second at what the page's thread
 * does, and the bundle's source map says whose each function is.
 */

/** The bundle's. */
export interface Sources {
  /** End of the script's address. */
  readonly script: string
  readonly map: string
}

export interface Blame {
  /** Of the long tasks, how long something of ours was on the stack. */
  readonly oursMs: number
  /** Long tasks of which that was more than half. */
  readonly ofOurs: number
}

export async function beginProfile(tools: CDPSession): Promise<void> {
  await tools.send('Profiler.enable')
  await tools.send('Profiler.setSamplingInterval', { interval: 1_000 })
  await tools.send('Profiler.start')
}

/** `tasks` are those since the last navigation. */
export async function endProfile(tools: CDPSession, tasks: readonly LongTask[], sources: Sources): Promise<Blame> {
  const { metrics } = await tools.send('Performance.getMetrics')
  const navigatedAt = 1_000 * (metrics.find(({ name }) => name === 'NavigationStart')?.value ?? Number.NaN)
  const { profile } = await tools.send('Profiler.stop')
  const samples = samplesOf(profile, isOurs(sources))
  if (samples.length === 0) throw new Error('The profiler has seen nothing.')
  const shares = tasks.map(({ beganMs, ms }) => {
    const [begin, end] = [navigatedAt + beganMs, navigatedAt + beganMs + ms]
    const during = samples.filter(({ at }) => at >= begin && at < end)
    return { ms, oursMs: during.reduce((sum, sample) => sum + (sample.isOurs ? sample.ms : 0), 0) }
  })
  return {
    oursMs: shares.reduce((sum, { oursMs }) => sum + oursMs, 0),
    ofOurs: shares.filter(({ ms, oursMs }) => 2 * oursMs > ms).length,
  }
}

interface Frame {
  readonly url: string
  readonly lineNumber: number
  readonly columnNumber: number
}

interface Profile {
  readonly startTime: number
  readonly nodes: readonly { readonly id: number; readonly callFrame: Frame; readonly children?: readonly number[] }[]
  readonly samples?: readonly number[]
  readonly timeDeltas?: readonly number[]
}

/** Each with the time until the next; in milliseconds of the clock that navigations are noted by. */
function samplesOf(profile: Profile, isOurs: (frame: Frame) => boolean): { at: number; ms: number; isOurs: boolean }[] {
  const parents = new Map(profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)))
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]))
  const known = new Map<number, boolean>()
  const onStack = (id: number | undefined): boolean => {
    if (id === undefined) return false
    const found = known.get(id) ?? (isOurs(frames.get(id)!) || onStack(parents.get(id)))
    known.set(id, found)
    return found
  }
  const { samples = [], timeDeltas = [] } = profile
  let us = profile.startTime
  return samples.map((id, index) => {
    us += timeDeltas[index] ?? 0
    return { at: us / 1_000, ms: (timeDeltas[index + 1] ?? 0) / 1_000, isOurs: onStack(id) }
  })
}

/** The page's part of the package, and Comlink, which only that brings along. */
function isOurs({ script, map }: Sources): (frame: Frame) => boolean {
  const sourceMap = new SourceMap(JSON.parse(map))
  return ({ url, lineNumber, columnNumber }) => {
    if (!url.endsWith(script) || lineNumber < 0) return false
    const entry = sourceMap.findEntry(lineNumber, columnNumber)
    const source = 'originalSource' in entry ? entry.originalSource : ''
    return source.includes('/comlink/') || /^(\.\.\/)*(src|worker)\//.test(source)
  }
}
