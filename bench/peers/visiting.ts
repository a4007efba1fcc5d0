import { type Browser, type CDPSession, chromium, type Page } from '@playwright/test'
import { chromiumArgs, chromiumPath } from '../../demo/browser.ts'
import type { Counts, World } from './world.ts'
import type { Arrival, Found, Visit, Watched } from './visit.ts'

/** One contestant's run: two visits of a fresh browser, cold and warm, step by step, with what each step cost others. */

export interface Contestant {
  readonly name: string
  readonly page: string
  readonly extra: object
}

export interface Step {
  readonly ms: number | undefined
  readonly cost: Counts
}

export interface Run {
  readonly coldMs: number | undefined
  readonly warmMs: number | undefined
  readonly searches: readonly (Found & { readonly cost: Counts })[]
  /** Left at their first provider. */
  readonly firsts: readonly (number | undefined)[]
  readonly unconnected: readonly Step[]
  readonly connected: readonly Step[]
  readonly plain: Step | undefined
  readonly session: Step | undefined
  readonly page: Watched & { readonly threadMs: number; readonly processMs: number }
}

export type Part = 'start' | 'search' | 'block' | 'bulk'

/** How many of a run's searches go to their end. The first and the last are the starts' of the two visits. */
export const TO_THE_END = 3

const visitMs = 90_000
const stopMs = 20_000

export async function oneRun(
  world: World,
  contestant: Contestant,
  run: number,
  parts: ReadonlySet<Part>,
  withBulk: boolean,
): Promise<Run> {
  const executablePath = chromiumPath()
  const browser = await chromium.launch({ args: chromiumArgs, ...(executablePath === undefined ? {} : { executablePath }) })
  try {
    return await visits(world, contestant, run, parts, withBulk, browser)
  } finally {
    await browser.close()
  }
}

async function visits(
  world: World,
  contestant: Contestant,
  run: number,
  parts: ReadonlySet<Part>,
  withBulk: boolean,
  browser: Browser,
): Promise<Run> {
  const [cold = '', warm = '', ...others] = world.searches(run)
  const page = await browser.newPage()
  const tools = await page.context().newCDPSession(page)
  await tools.send('Performance.enable')
  const coldMs = await enter(page, world, contestant, cold)

  const searches: Run['searches'][number][] = []
  const firsts: (number | undefined)[] = []
  if (parts.has('search')) {
    for (const cid of others.slice(0, TO_THE_END)) {
      const { result, cost } = await counted(world, () => call(page, 'find', cid, 'end'))
      searches.push({ ...result, cost })
    }
    for (const cid of others.slice(TO_THE_END)) firsts.push((await call(page, 'find', cid, 'first')).firstMs)
  }
  const unconnected: Step[] = []
  const connected: Step[] = []
  if (parts.has('block')) {
    for (const [first, second] of world.blocks(run)) {
      unconnected.push(await step(world, () => call(page, 'block', first)))
      connected.push(await step(world, () => call(page, 'block', second)))
    }
  }
  const { bulk } = world
  const withFile = bulk !== undefined && withBulk && parts.has('bulk')
  const plain = withFile ? await step(world, () => call(page, 'bulk', bulk.plain.root, bulk.plain.cids, 'plain')) : undefined
  const session = withFile
    ? await step(world, () => call(page, 'bulk', bulk.session.root, bulk.session.cids, 'session'))
    : undefined
  const watched = await call(page, 'watched')
  const costs = { threadMs: await threadMs(tools), processMs: await rendererMs(browser) }
  const warmMs = parts.has('start') ? await enterAgain(page, world, contestant, warm) : undefined
  return { coldMs, warmMs, searches, firsts, unconnected, connected, plain, session, page: { ...watched, ...costs } }
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
  await within(stopMs, call(page, 'stop'))
  await page.goto('about:blank')
  return enter(page, world, contestant, first)
}

type Method = 'find' | 'block' | 'bulk' | 'watched' | 'stop'

async function call<Name extends Method>(
  page: Page,
  name: Name,
  ...args: Parameters<Visit[Name]>
): Promise<Awaited<ReturnType<Visit[Name]>>> {
  const evaluated = page.evaluate(
    ({ name, args }) =>
      (globalThis as unknown as { visit: Record<string, (...args: unknown[]) => unknown> }).visit[name]!(...args),
    { name, args: args as unknown[] },
  )
  return evaluated as Promise<Awaited<ReturnType<Visit[Name]>>>
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

async function within<Result>(ms: number, work: Promise<Result>): Promise<Result | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => (timer = setTimeout(resolve, ms, undefined)))
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
