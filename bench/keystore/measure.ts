import type { Browser, Page } from '@playwright/test'
import type { KeystorePage } from './page.ts'

/** The keystore on disk, measured from outside: in a Worker of a page in Chromium. */

/** The prefix of a region among 25,000 servers. */
export const regionBits = 10

export type DiskFigures = Awaited<ReturnType<typeof diskFigures>>

export async function diskFigures(browser: Browser, url: string, count: number) {
  const tab = await open(browser, url)
  const memory = () => tab.evaluate(() => keystorePage().workerBytes())
  const restart = () =>
    tab.evaluate(async () => {
      await keystorePage().ask('close')
      keystorePage().end()
      keystorePage().start()
    })
  await tab.evaluate(() => keystorePage().start())
  await tab.evaluate(() => keystorePage().ask('open', 'keys'))
  const emptyBytes = await memory()
  const adds: { readonly keys: number; readonly ms: number }[] = []
  const step = Math.ceil(count / 10)
  for (let from = 0; from < count; from += step) {
    const { ms, added } = await tab.evaluate(([at, size]) => keystorePage().ask('add', at, size, 1), [from, step] as const)
    adds.push({ keys: added, ms })
    console.log(`${from + added} keys, ${Math.round((1_000 * added) / ms)} a second`)
  }
  await restart()
  const opened = await tab.evaluate(() => keystorePage().ask('open', 'keys'))
  const openBytes = await memory()
  const regions = await tab.evaluate((bits) => keystorePage().ask('regions', bits, 200), regionBits)
  const counts = await tab.evaluate(() => keystorePage().ask('count', 9, 50))
  const walk = await tab.evaluate(() => keystorePage().ask('walk'))
  const walkBytes = await memory()
  const again = await tab.evaluate(() => keystorePage().ask('add', 0, 10_240, 1))
  const sent = await tab.evaluate(() => keystorePage().ask('sent', 0, 10_240))
  await tab.evaluate(() => keystorePage().ask('close'))
  await tab.evaluate(() => keystorePage().end())
  const client = await tab.evaluate(() => keystorePage().startClient('keys'))
  const clientBytes = await memory()
  await tab.evaluate(() => keystorePage().stopClient())
  const emptyClient = await tab.evaluate(() => keystorePage().startClient('nothing'))
  const emptyClientBytes = await memory()
  await tab.evaluate(() => keystorePage().stopClient())
  await tab.evaluate(() => keystorePage().start())
  const replacement = await replacementFigures(tab, Math.ceil(count / 10))
  await tab.close()
  return {
    ...{ count, adds, opened, regions, counts, walk, again, sent, client, emptyClient, replacement },
    ...{ emptyBytes, openBytes, walkBytes, clientBytes, emptyClientBytes },
  }
}

/** The second half is given again, as what is to be kept from now on; the first half goes. */
async function replacementFigures(tab: Page, count: number) {
  await tab.evaluate(() => keystorePage().ask('open', 'replaced'))
  await tab.evaluate((size) => keystorePage().ask('add', 0, size, 1), count)
  const half = Math.floor(count / 2)
  const given = await tab.evaluate(([at, size]) => keystorePage().ask('add', at, size, 2), [half, count - half] as const)
  const removed = await tab.evaluate(() => keystorePage().ask('removeOlder', 2))
  const left = await tab.evaluate(() => keystorePage().ask('walk'))
  return { count, half, given, removed, left }
}

export type BrokenOff = Awaited<ReturnType<typeof brokenOff>>

/** A replacement of one set by another that shares half with it, ended by the loss of the tab: at each of its two steps. */
export async function brokenOff(browser: Browser, url: string) {
  const [old, next] = [
    { from: 0, size: 20_480 },
    { from: 10_240, size: 20_480 },
  ]
  const results: {
    readonly step: string
    readonly set: 'old' | 'new'
    readonly kept: number
    readonly wanted: number
    readonly oldOnly: number
  }[] = []
  for (const step of ['adding', 'removing'] as const) {
    // One context for both tabs: what the first has stored, the second finds.
    const context = await browser.newContext()
    const tab = await openIn(await context.newPage(), url)
    await tab.evaluate(() => keystorePage().start())
    await tab.evaluate((name) => keystorePage().ask('open', name), step)
    await tab.evaluate(({ from, size }) => keystorePage().ask('add', from, size, 1), old)
    if (step === 'adding') {
      await tab.evaluate(({ from, size }) => keystorePage().ask('add', from, size / 2, 2), next)
      await tab.evaluate(({ from, size }) => keystorePage().begin('add', from + size / 2, size / 2, 2), next)
    } else {
      await tab.evaluate(({ from, size }) => keystorePage().ask('add', from, size, 2), next)
      await tab.evaluate(() => {
        const some = keystorePage().untilRemoved(1)
        keystorePage().begin('removeOlder', 2)
        return some
      })
    }
    await tab.close()
    const after = await openIn(await context.newPage(), url)
    await after.evaluate(() => keystorePage().start())
    await after.evaluate((name) => keystorePage().ask('open', name), step)
    const set = step === 'adding' ? old : next
    const kept = await after.evaluate(({ from, size }) => keystorePage().ask('kept', from, size), set)
    // Of those that are in the old set alone: none has gone while adding, and some while removing.
    const oldOnly = await after.evaluate(([from, size]) => keystorePage().ask('kept', from, size), [
      old.from,
      next.from - old.from,
    ] as const)
    results.push({ oldOnly, step, set: step === 'adding' ? 'old' : 'new', kept, wanted: set.size })
    await context.close()
  }
  return results
}

async function open(browser: Browser, url: string): Promise<Page> {
  return openIn(await (await browser.newContext()).newPage(), url)
}

async function openIn(tab: Page, url: string): Promise<Page> {
  await tab.goto(`${url}keystore.html`)
  await tab.waitForFunction(() => 'keystorePage' in globalThis)
  await tab.evaluate(() => {
    const found = (globalThis as unknown as { keystorePage: KeystorePage }).keystorePage
    Object.assign(globalThis, { keystorePage: () => found })
  })
  return tab
}

/** What `openIn` has left in the page; functions that are evaluated there find it by this name. */
declare function keystorePage(): KeystorePage
