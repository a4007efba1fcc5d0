/** What every contestant does, and how it is timed: in the page, from navigation. */

export interface Found {
  readonly firstMs: number | undefined
  readonly endMs: number
  readonly providers: number
}

export interface Contestant {
  find(cid: string): Promise<Found>
  block(cid: string): Promise<number>
  stop(): Promise<void>
}

export interface Task {
  readonly bootstrap: readonly string[]
  readonly searches: readonly string[]
  readonly block: string
}

export interface Measured {
  /** Navigation to the first provider of the first search. */
  readonly coldMs: number
  readonly searches: readonly Found[]
  readonly blockMs: number
  readonly longTasks: number
  readonly longTaskMs: number
}

export async function measure(start: () => Promise<Contestant>, task: Task): Promise<Measured> {
  const tasks: number[] = []
  new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({
    type: 'longtask',
    buffered: true,
  })
  const contestant = await start()
  const [first = '', ...others] = task.searches
  const before = performance.now()
  const cold = await contestant.find(first)
  const searches: Found[] = []
  for (const cid of others) searches.push(await contestant.find(cid))
  const blockMs = await contestant.block(task.block)
  const measured = { coldMs: before + (cold.firstMs ?? Number.NaN), searches, blockMs }
  await contestant.stop()
  return { ...measured, longTasks: tasks.length, longTaskMs: tasks.reduce((sum, ms) => sum + ms, 0) }
}
