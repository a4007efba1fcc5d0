import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium, type Page } from '@playwright/test'
import { chromiumArgs, chromiumPath } from './browser.ts'
import type { DemoOptions } from './options.ts'
import type { FetchResult, Measurements, SearchResult } from './page/results.ts'
import { type Figures, noFigures, table } from './report.ts'
import { type Stage, startStage } from './stage.ts'

/**
 * `npm run demo -- --check`: a headless Chromium does on the page what a visitor would, twice in one profile. Every
 * figure is one the page has measured for its own display; nothing is measured here.
 */

/** What the page should have shown and did not, in a sentence. */
class CheckFailure extends Error {}

interface Visit {
  readonly measured: Measurements
  readonly searches: readonly SearchResult[]
  readonly fetches: readonly FetchResult[]
}

/** Prints a table and the line of JSON; gives the exit code. Never rejects. */
export async function check(options: DemoOptions): Promise<number> {
  const cleanUps: (() => Promise<unknown>)[] = []
  let figures: Figures = noFigures
  let failure: string | undefined
  try {
    figures = await within(options.timeoutMs, run(options, cleanUps))
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error)
  }
  await Promise.race([cleanUp(cleanUps), rejectedAfter(10_000).catch(() => undefined)])
  if (failure === undefined) {
    process.stdout.write(`${JSON.stringify({ ok: true, ...figures })}\n`)
    return 0
  }
  process.stderr.write(`The check failed: ${failure}\n`)
  process.stdout.write(`${JSON.stringify({ ok: false, ...figures, problem: failure })}\n`)
  return 1
}

async function run(options: DemoOptions, cleanUps: (() => Promise<unknown>)[]): Promise<Figures> {
  say('Starting the local swarm …')
  const stage = await startStage(options.swarm, options.port ?? 0)
  cleanUps.push(() => stage.stop())
  const profile = await mkdtemp(join(tmpdir(), 'amino-check-'))
  cleanUps.push(() => rm(profile, { recursive: true, force: true, maxRetries: 5 }))
  say('Starting Chromium …')
  const context = await launch(profile)
  cleanUps.push(() => context.close())
  const page = context.pages()[0] ?? (await context.newPage())
  page.setDefaultTimeout(options.timeoutMs)

  await page.goto(stage.server.url)
  const cold = await visit(page, stage, stage.swarm.samples)
  await Promise.all([page.waitForEvent('load'), page.locator('#reload-button').click()])
  const warm = await visit(page, stage, stage.swarm.samples.slice(0, 1))
  const figures = figuresOf(stage, cold, warm)
  say(table(stage.swarm.samples, cold, warm, figures))
  return figures
}

async function launch(profile: string): Promise<BrowserContext> {
  const executablePath = chromiumPath()
  try {
    return await chromium.launchPersistentContext(profile, {
      ...(executablePath === undefined ? {} : { executablePath }),
      args: chromiumArgs,
      headless: true,
    })
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
    throw new CheckFailure(`Chromium could not be started (${reason}); set CHROMIUM_PATH to one that works.`)
  }
}

/** Finds and fetches each sample, one after the other, as soon as the page is ready. */
async function visit(page: Page, stage: Stage, samples: Stage['swarm']['samples']): Promise<Visit> {
  await page.waitForFunction(() => window.aminoDemo?.state === 'ready' || window.aminoDemo?.state === 'failed', undefined, {
    polling: 20,
  })
  const opened = await page.evaluate(() => window.aminoDemo)
  if (opened.state === 'failed') throw new CheckFailure(`The client did not start: ${await page.locator('#alert').innerText()}`)
  say(`  ${opened.start} start at ${stage.server.url}`)
  const searches: SearchResult[] = []
  const fetches: FetchResult[] = []
  for (const [index, sample] of samples.entries()) {
    await page.locator('#cid').fill(sample.cid)
    await page.locator('#find-button').click()
    await ended(page, 'searches', index)
    await page.locator('#fetch-button').click()
    await ended(page, 'fetches', index)
  }
  const measured = await page.evaluate(() => window.aminoDemo)
  for (const [index, sample] of samples.entries()) {
    searches.push(goodSearch(measured.searches[index], sample.name))
    fetches.push(goodFetch(measured.fetches[index], sample))
  }
  return { measured, searches, fetches }
}

/** Until the operation is over and its button can be pressed again. */
async function ended(page: Page, list: 'searches' | 'fetches', index: number): Promise<void> {
  await page.waitForFunction(
    ([name, place]) => {
      const result = window.aminoDemo[name][place]
      return result !== undefined && result.outcome !== 'running'
    },
    [list, index] as const,
    { polling: 20 },
  )
  await page.locator('#find-button:enabled').waitFor()
}

function goodSearch(search: SearchResult | undefined, name: string): SearchResult {
  if (search?.outcome !== 'done')
    throw new CheckFailure(`The search for “${name}” ended with ${search?.code ?? search?.outcome ?? 'nothing'}.`)
  if (search.providers === 0) throw new CheckFailure(`The search for “${name}” found no provider.`)
  return search
}

function goodFetch(fetched: FetchResult | undefined, sample: Stage['swarm']['samples'][number]): FetchResult {
  if (fetched?.outcome !== 'done')
    throw new CheckFailure(`Fetching “${sample.name}” ended with ${fetched?.code ?? fetched?.outcome ?? 'nothing'}.`)
  if (sample.kind === 'unixfs' && fetched.kind !== 'picture')
    throw new CheckFailure(`“${sample.name}” was fetched, but is no picture.`)
  if (sample.kind === 'raw' && fetched.bytes !== sample.bytes) {
    throw new CheckFailure(`“${sample.name}” has ${sample.bytes} bytes, and ${fetched.bytes} were fetched.`)
  }
  return fetched
}

function figuresOf(stage: Stage, cold: Visit, warm: Visit): Figures {
  const first = cold.searches[0]
  const blocks = cold.fetches.filter((_fetched, index) => stage.swarm.samples[index]?.kind === 'raw')
  const largest = blocks.toSorted((one, other) => other.bytes - one.bytes)[0]
  if (cold.measured.start !== 'cold') throw new CheckFailure('The first visit of a new profile did not start cold.')
  if (warm.measured.start !== 'warm') throw new CheckFailure('After the reload the client did not start warm: nothing was kept.')
  return {
    peers: cold.measured.tablePeers,
    providers: cold.searches.reduce((sum, search) => sum + search.providers, 0),
    firstProviderMs: rounded(first?.firstProviderMs, 'the first provider'),
    queryMs: rounded(first?.queryMs, 'the search'),
    blockBytes: rounded(largest?.bytes, 'a raw block'),
    blockMs: rounded(largest?.ms, 'a raw block'),
    warmFirstProviderMs: rounded(warm.searches[0]?.firstProviderMs, 'the first provider of the warm start'),
    mainThreadLongTasks: rounded(cold.measured.longTasks, 'long tasks') + rounded(warm.measured.longTasks, 'long tasks'),
  }
}

/** Tenths of a millisecond are as exact as a browser's clock is. */
function rounded(value: number | undefined, what: string): number {
  if (value === undefined || !Number.isFinite(value)) throw new CheckFailure(`The page has no figure for ${what}.`)
  return Math.round(value * 10) / 10
}

async function cleanUp(cleanUps: readonly (() => Promise<unknown>)[]): Promise<void> {
  for (const step of cleanUps.toReversed()) await step().catch(() => undefined)
}

async function within<T>(timeoutMs: number, job: Promise<T>): Promise<T> {
  // The job may still fail when nobody waits for it any more.
  job.catch(() => undefined)
  return Promise.race([job, rejectedAfter(timeoutMs)])
}

function rejectedAfter(timeoutMs: number): Promise<never> {
  return new Promise((_resolve, reject) => {
    const late = () => reject(new CheckFailure(`It took longer than ${timeoutMs / 1_000} seconds.`))
    setTimeout(late, timeoutMs).unref()
  })
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
