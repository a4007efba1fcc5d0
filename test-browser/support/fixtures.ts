import { test as base, type BrowserContext, expect, type Page } from '@playwright/test'
import { type StageInfo, stageInfo } from './stage-info.ts'

interface Fixtures {
  /** An empty page with `window.lab`; a fault in its script fails the test. */
  readonly lab: Page
}

interface WorkerFixtures {
  readonly stage: StageInfo
}

export const test = base.extend<Fixtures, WorkerFixtures>({
  // Playwright reads the names of the fixtures it needs from this pattern, so that it cannot be left out.
  // biome-ignore lint/correctness/noEmptyPattern: see above
  stage: [async ({}, use) => use(stageInfo()), { scope: 'worker' }],
  lab: async ({ context, stage }, use) => {
    const { page, faults } = await openLab(context, stage)
    await use(page)
    expect(faults).toEqual([])
  },
})

export { expect }

export async function openLab(context: BrowserContext, stage: StageInfo): Promise<{ page: Page; faults: readonly string[] }> {
  const page = await context.newPage()
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(error.message))
  await page.goto(`${stage.url}lab.html`)
  await labReady(page)
  return { page, faults }
}

/** After a navigation: the module script may come later than the `load` event's observers. */
export async function labReady(page: Page): Promise<void> {
  await page.waitForFunction(() => window.lab !== undefined)
}
