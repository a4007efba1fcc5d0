import { type Browser, type CDPSession, chromium, type Page } from '@playwright/test'
import { chromiumArgs, chromiumPath } from '../../demo/browser.ts'
import type { Counts, World } from './world.ts'
import { beginProfile, type Blame, endProfile, type Sources } from './blame.ts'
import { type Arrival, BULK_MS, type Found, OPERATION_MS, type Visit, type Watched } from './visit.ts'

/** One contestant's run: two visits of a fresh browser, cold and warm, step by step, with what each step cost others. */

export interface Contestant {
  readonly name: string
  readonly page: string
  readonly extra: object
  /** Where its long tasks are to be told apart by whose they are. */
  readonly sources?: Sources
}

export interface Step {
  readonly ms: number | undefined
  readonly cost: Counts
  /** What the link alone would take for it; undefined where that is not known. */
  readonly floorMs?: number
}

/** What was measured; `undefined` stands for what did not come in time, an absent one was not tried. */
export interface Run {
  readonly coldMs?: number | undefined
  readonly warmMs?: number | undefined
  readonly searches: readonly (Found & { readonly cost: Counts })[]
  /** Left at their first provider. */
  readonly firsts: readonly (number | undefined)[]
  readonly unconnected: readonly Step[]
  readonly connected: readonly Step[]
  /** Connected, and others were asked since. */
  readonly later: readonly Step[]
  readonly plain?: Step
  readonly session?: Step
  readonly page?: Watched & { readonly threadMs: number; readonly processMs: number; readonly blame?: Blame | undefined }
  /** Why there is no more. */
  readonly brokeOff?: string
}

export type Part = 'start' | 'search' | 'block' | 'bulk'

/** How many of a run's searches go to their end. The first and the last are the starts' of the two visits. */
export const TO_THE_END = 3

/**
 * One-way trips that a block costs over a connection to be made: TCP, WebSocket and Noise two each, the question one, and
 * three for the answer, which comes on a stream of the peer's own. Over one that stands the last four.
 */
const TRIPS = { unconnected: 10, connected: 4 }

const visitMs = 60_000
const stopMs = 20_000
/** Beside the limit that the page itself keeps. */
const graceMs = 10_000

type Draft = { -readonly [Name in keyof Run]: Run[Name] extends readonly (infer Item)[] ? Item[] : Run[Name] }

/** Ends in bounded time whatever the page does; then with what there is. */
export async function oneRun(
  world: World,
  contestant: Contestant,
  run: number,
  parts: ReadonlySet<Part>,
  withBulk: boolean,
): Promise<Run> {
  const draft: Draft = { searches: [], firsts: [], unconnected: [], connected: [], later: [] }
  const executablePath = chromiumPath()
  const browser = await chromium.launch({ args: chromiumArgs, ...(executablePath === undefined ? {} : { executablePath }) })
  try {
    await visits(world, contestant, run, parts, withBulk, browser, draft)
  } catch (error) {
    draft.brokeOff = error instanceof Error ? error.message : String(error)
  } finally {
    await within(stopMs, browser.close())
  }
  return draft
}

async function visits(
  world: World,
  contestant: Contestant,
  run: number,
  parts: ReadonlySet<Part>,
  withBulk: boolean,
  browser: Browser,
  draft: Draft,
): Promise<void> {
  const { sources } = contestant
  const [cold = '', warm = '', ...others] = world.searches(run)
  const page = await browser.newPage()
  const tools = await page.context().newCDPSession(page)
  await tools.send('Performance.enable')
  if (sources !== undefined) await beginProfile(tools)
  draft.coldMs = await enter(page, world, contestant, cold)
  if (parts.has('search')) await search(page, world, others, draft)
  if (parts.has('block')) await blocks(page, world, run, draft)
  const { bulk } = world
  if (bulk !== undefined && withBulk && parts.has('bulk')) {
    draft.plain = await step(world, () => call(page, BULK_MS, 'bulk', bulk.plain.root, bulk.plain.cids, 'plain'))
    draft.session = await step(world, () => call(page, BULK_MS, 'bulk', bulk.session.root, bulk.session.cids, 'session'))
  }
  const watched = await call(page, OPERATION_MS, 'watched')
  const costs = { threadMs: await threadMs(tools), processMs: await rendererMs(browser) }
  const blame = sources === undefined ? undefined : await endProfile(tools, watched.longTasks, sources)
  draft.page = { ...watched, ...costs, blame }
  if (parts.has('start')) draft.warmMs = await enterAgain(page, world, contestant, warm)
}

async function search(page: Page, world: World, cids: readonly string[], { searches, firsts }: Draft): Promise<void> {
  for (const cid of cids.slice(0, TO_THE_END)) {
    const { result, cost } = await counted(world, () => call(page, OPERATION_MS, 'find', cid, 'end'))
    searches.push({ ...result, cost })
  }
  for (const cid of cids.slice(TO_THE_END)) firsts.push((await call(page, OPERATION_MS, 'find', cid, 'first')).firstMs)
}

async function blocks(page: Page, world: World, run: number, { unconnected, connected, later }: Draft): Promise<void> {
  for (const { cids, oneWayMs } of world.blocks(run)) {
    const [first, second] = cids
    const one = await step(world, () => call(page, OPERATION_MS, 'block', first))
    unconnected.push({ ...one, floorMs: TRIPS.unconnected * oneWayMs })
    const other = await step(world, () => call(page, OPERATION_MS, 'block', second))
    connected.push({ ...other, floorMs: TRIPS.connected * oneWayMs })
  }
  for (const { cids, oneWayMs } of world.blocks(run)) {
    const one = await step(world, () => call(page, OPERATION_MS, 'block', cids[2]))
    later.push({ ...one, floorMs: TRIPS.connected * oneWayMs })
  }
}

async function enter(page: Page, { stage }: World, contestant: Contestant, first: string): Promise<number | undefined> {
  const task: Arrival = { bootstrap: stage.swarm.bootstrap, first, storage: 'bench' }
  const hash = encodeURIComponent(JSON.stringify({ ...task, ...contestant.extra }))
  await page.goto(`${stage.server.url}${contestant.page}.html#${hash}`)
  return within(
    visitMs,
    page.evaluate(() => (globalThis as unknown as { visit: Visit }).visit.entered),
  )
}

async function enterAgain(page: Page, world: World, contestant: Contestant, first: string): Promise<number | undefined> {
  await within(
    stopMs,
    call(page, stopMs, 'stop').catch(() => undefined),
  )
  await page.goto('about:blank')
  return enter(page, world, contestant, first)
}

type Method = 'find' | 'block' | 'bulk' | 'watched' | 'stop'

async function call<Name extends Method>(
  page: Page,
  limitMs: number,
  name: Name,
  ...args: Parameters<Visit[Name]>
): Promise<Awaited<ReturnType<Visit[Name]>>> {
  const evaluated = page.evaluate(
    async ({ name, args }) => ({
      result: await (globalThis as unknown as { visit: Record<string, (...args: unknown[]) => unknown> }).visit[name]!(...args),
    }),
    { name, args: args as unknown[] },
  )
  const answer = await within(limitMs + graceMs, evaluated)
  if (answer === undefined) throw new Error(`the page did not answer to "${name}"`)
  return answer.result as Awaited<ReturnType<Visit[Name]>>
}

async function step(world: World, work: () => Promise<number | undefined>): Promise<Step> {
  const { result, cost } = await counted(world, work)
  return { ms: result, cost }
}

async function counted<Result>(world: World, work: () => Promise<Result>): Promise<{ result: Result; cost: Counts }> {
  const before = world.counts()
  const result = await work()
  const after = world.counts()
  const names = ['dials', 'requests', 'wants', 'blocks'] as const
  return { result, cost: Object.fromEntries(names.map((name) => [name, after[name] - before[name]])) as unknown as Counts }
}

/** What the page's own thread has worked since the navigation. */
async function threadMs(tools: CDPSession): Promise<number> {
  const { metrics } = await tools.send('Performance.getMetrics')
  return 1_000 * (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN)
}

/** All threads of the page's process: its Worker too. */
async function rendererMs(browser: Browser): Promise<number> {
  const tools = await browser.newBrowserCDPSession()
  const { processInfo } = await tools.send('SystemInfo.getProcessInfo')
  const renderers = processInfo.filter(({ type }) => type === 'renderer')
  return 1_000 * renderers.reduce((sum, { cpuTime }) => sum + cpuTime, 0)
}

export async function within<Result>(ms: number, work: Promise<Result>): Promise<Result | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => (timer = setTimeout(resolve, ms, undefined)))
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
