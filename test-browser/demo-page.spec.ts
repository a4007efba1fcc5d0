import type { Locator, Page } from '@playwright/test'
import type { Measurements } from '../demo/page/results.ts'
import { expect, test as base } from './support/fixtures.ts'
import { closedAddress, openSilentHost } from './support/silent-host.ts'
import { sampleNamed } from './support/stage-info.ts'
import { blockOf } from './support/strangers.ts'

/** The demo page with a client that runs; nothing may be written to the console as a warning or an error. */
const test = base.extend<{ demo: Page }>({
  demo: async ({ page, stage }, use) => {
    const complaints: string[] = []
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(error.message))
    await page.goto(stage.url)
    await ready(page)
    await use(page)
    expect(complaints).toEqual([])
  },
})

const looks = [
  { name: 'desktop', viewport: { width: 1280, height: 900 }, colorScheme: 'light' },
  { name: 'desktop-dark', viewport: { width: 1280, height: 900 }, colorScheme: 'dark' },
  { name: 'phone', viewport: { width: 360, height: 740 }, colorScheme: 'light' },
  { name: 'phone-dark', viewport: { width: 360, height: 740 }, colorScheme: 'dark' },
] as const

for (const { name, viewport, colorScheme } of looks) {
  test.describe(name, () => {
    test.use({ viewport, colorScheme })

    test('The picture is found, fetched and shown, and the page fits', async ({ demo, stage }, info) => {
      const { cid, providers } = sampleNamed(stage, 'picture')
      await demo.getByRole('button', { name: 'picture' }).click()
      await expect(demo.getByText('Fetched, and checked against the CID.')).toBeVisible()
      await expect(demo.getByRole('list', { name: 'Providers found' }).getByRole('listitem')).toHaveCount(providers)
      const picture = demo.getByRole('img', { name: 'The fetched picture' })
      await expect(picture).toBeVisible()
      expect(await picture.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBeGreaterThan(0)
      await expect(demo.getByRole('textbox', { name: 'CID' })).toHaveValue(cid)
      expect(await demo.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(viewport.width)
      await info.attach(name, { path: await shot(demo, `demo-${name}`), contentType: 'image/png' })
    })

    test('What is kept is swept and shown: bar, coverage, next due, and what the servers counted', async ({ demo }, info) => {
      await keep(demo, 100)
      await expect(demo.getByText('100 of 100 told in this cycle (100 %).')).toBeVisible({ timeout: 30_000 })
      await expect(demo.getByRole('img', { name: /^Keyspace in 64 parts: \d+ with CIDs, \d+ of them told$/ })).toBeVisible()
      await expect(demo.getByRole('progressbar', { name: 'Told in this cycle' })).toHaveJSProperty('value', 1)
      await expect(figure(demo, 'Told servers a CID')).toHaveText('20.0 of 20.0')
      await expect(figure(demo, 'Out of a browser’s reach')).toHaveText('0 %, 0 failed')
      await expect(figure(demo, 'Next due')).toHaveText(/^([A-Z]\w\w )?\d\d:\d\d:\d\d$/)
      await expect(figure(demo, 'The servers counted')).toHaveText(/^2000 records over \d+ connections$/)
      expect(await demo.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(viewport.width)
      expect(await faintTexts(demo)).toEqual([])
      await info.attach(`${name}-sweep`, { path: await shot(demo, `demo-${name}-sweep`), contentType: 'image/png' })
    })

    test('Text stands out from its ground by 4.5 to 1 at least', async ({ demo }) => {
      expect(await faintTexts(demo)).toEqual([])
    })
  })
}

test('The first visit is cold, a reload is warm, and both are shown with their times', async ({ demo, stage }) => {
  const { cid } = sampleNamed(stage, 'note')
  const visits = demo.getByRole('region', { name: 'Visits' }).getByRole('row')
  await find(demo, cid)
  await expect(visits).toHaveCount(2)
  await expect(visits.nth(1)).toContainText(/^cold.*ms.*ms.*ms/)
  await demo.getByRole('button', { name: 'Reload the page' }).click()
  await expect(visits.nth(2)).toContainText(/^warm/)
  await find(demo, cid)
  await expect(visits.nth(2)).toContainText(/^warm.*ms.*ms.*ms/)
})

test('After forgetting everything the next start is cold', async ({ demo, stage }) => {
  await find(demo, sampleNamed(stage, 'note').cid)
  await demo.getByRole('button', { name: 'Forget everything, start cold' }).click()
  await expect(demo.getByRole('region', { name: 'Visits' }).getByRole('row').nth(2)).toContainText(/^cold/)
})

test('A text of one’s own is provided, and said with how many peers', async ({ demo }) => {
  const { cid } = blockOf('a text of my own')
  await expect.poll(async () => (await measured(demo)).tablePeers).toBeGreaterThanOrEqual(20)
  await demo.getByRole('textbox', { name: 'A small text' }).fill('a text of my own')
  await demo.getByRole('button', { name: 'Provide', exact: true }).click()
  await expect(demo.getByText(/^Stored with \d+ of 20 peers in /)).toBeVisible()
  await expect(demo.getByText(cid)).toBeVisible()
})

test('The sweep is paused, goes on after a reload where it was, and ends when nothing is kept', async ({ demo }) => {
  await demo.getByRole('button', { name: 'Pause' }).click()
  await expect(demo.getByText('Paused', { exact: true })).toBeVisible()
  await keep(demo, 100)
  await expect(demo.getByText('100 CIDs added; they are told region by region.')).toBeVisible()
  await expect(demo.getByText('0 of 100 told in this cycle (0 %).')).toBeVisible()
  await expect(figure(demo, 'Not told yet, or due')).toHaveText('100')
  await expect(figure(demo, 'The servers counted')).toHaveText(/^0 records/)
  // A pause is not remembered: the next visit tells what waits.
  await demo.getByRole('button', { name: 'Reload the page' }).click()
  await expect(demo.getByText('100 of 100 told in this cycle (100 %).')).toBeVisible({ timeout: 30_000 })
  await expect(demo.getByText('Nothing to tell at the moment')).toBeVisible()
  await expect(demo.getByRole('button', { name: 'Pause' })).toBeVisible()
  await demo.getByRole('button', { name: 'Keep none' }).click()
  await expect(demo.getByText('100 CIDs are no longer kept; their records run out within 48 hours.')).toBeVisible()
  await expect(demo.getByText('Nothing is kept provided yet.')).toBeVisible()
  await expect(demo.getByRole('button', { name: 'Keep none' })).toBeDisabled()
})

test('What is no CID is said in words beside the box, which gets the focus', async ({ demo }) => {
  const box = demo.getByRole('textbox', { name: 'CID' })
  await box.fill('no cid')
  await demo.getByRole('button', { name: 'Find providers' }).click()
  await expect(demo.getByText('“no cid” is not a CID.')).toBeVisible()
  await expect(box).toBeFocused()
  await expect(box).toHaveAttribute('aria-invalid', 'true')
})

test('Content that nobody provides is said to be so, for the search and for the fetch', async ({ demo }) => {
  await find(demo, blockOf('nobody provides this').cid)
  await expect(demo.getByText('The search ended, and nobody provides this content.')).toBeVisible()
  await demo.getByRole('button', { name: 'Fetch content' }).click()
  await expect(demo.getByText(/\(not-found\)$/)).toBeVisible()
  await expect(demo.getByRole('button', { name: 'Find providers' })).toBeEnabled()
})

base('A search under way is aborted by its button, which then gives way to the others', async ({ page, stage }) => {
  const silent = await openSilentHost()
  try {
    const swarm = { name: 'silent', bootstrap: [silent.address], peers: 1, samples: stage.samples }
    await page.route('**/swarm.json', (route) => route.fulfill({ json: swarm }))
    await page.goto(stage.url)
    await ready(page)
    await page.getByRole('button', { name: 'note' }).click()
    await page.getByRole('button', { name: 'Abort' }).click()
    await expect(page.getByText('Aborted.')).toBeVisible()
    await expect(page.getByRole('button', { name: 'Abort' })).toBeDisabled()
    await expect(page.getByRole('button', { name: 'Find providers' })).toBeEnabled()
    expect((await measured(page)).searches).toMatchObject([{ outcome: 'aborted', code: 'aborted', providers: 0 }])
  } finally {
    await silent.close()
  }
})

base('Where no peer can be reached the page says so with the code', async ({ page, stage }) => {
  const swarm = { name: 'closed', bootstrap: [await closedAddress()], peers: 1, samples: stage.samples }
  await page.route('**/swarm.json', (route) => route.fulfill({ json: swarm }))
  await page.goto(stage.url)
  await ready(page)
  await page.getByRole('button', { name: 'note' }).click()
  await expect(page.getByText(/^No peer .* \(no-peers\)$/)).toBeVisible()
})

test('A second tab has no storage, says so, and works', async ({ demo, context, stage }) => {
  await expect(demo.getByText('Connected', { exact: true })).toBeVisible()
  const second = await context.newPage()
  await second.goto(stage.url)
  await ready(second)
  await expect(second.getByRole('alert').filter({ hasText: '(storage-in-use)' })).toBeVisible()
  await find(second, sampleNamed(stage, 'note').cid)
  await expect(second.getByRole('list', { name: 'Providers found' }).getByRole('listitem')).toHaveCount(
    sampleNamed(stage, 'note').providers,
  )
})

test('The whole page works from the keyboard, with a ring around what has the focus', async ({ demo, stage }) => {
  await demo.keyboard.press('Tab')
  await expect(demo.getByRole('link', { name: 'Skip to the search' })).toBeFocused()
  const reached = new Set<string>()
  for (let step = 0; step < 28; step += 1) {
    await demo.keyboard.press('Tab')
    const focused = await demo.evaluate(() => {
      const active = document.activeElement
      // The radios are invisible: the ring is around the text beside them.
      const ringed = active instanceof HTMLInputElement && active.type === 'radio' ? active.nextElementSibling : active
      return { id: active?.id ?? '', ring: ringed === null ? 'none' : getComputedStyle(ringed).outlineStyle }
    })
    if (focused.id !== '') expect(focused, focused.id).toEqual({ id: focused.id, ring: 'solid' })
    reached.add(focused.id)
  }
  expect([...reached]).toEqual(
    expect.arrayContaining([
      ...['cid', 'find-button', 'fetch-button', 'text', 'provide-button', 'keep-amount', 'keep-button', 'pause-button'],
      ...['reload-button', 'forget-button'],
    ]),
  )

  await demo.getByRole('textbox', { name: 'CID' }).focus()
  await demo.keyboard.type(sampleNamed(stage, 'note').cid)
  await demo.keyboard.press('Enter')
  await expect(demo.getByRole('list', { name: 'Providers found' }).getByRole('listitem')).toHaveCount(
    sampleNamed(stage, 'note').providers,
  )
})

test('Everything that can be used has a name, and the page has a language, one main heading and regions', async ({ demo }) => {
  const nameless = await demo.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>('button, input, select, textarea, a[href], progress, [role="img"], table')]
      .filter((item) => {
        const labels = 'labels' in item ? [...((item as HTMLInputElement).labels ?? [])] : []
        const named = [item.getAttribute('aria-label'), item.textContent, ...labels.map((label) => label.textContent)]
        return named.every((name) => (name ?? '').trim() === '')
      })
      .map((item) => item.outerHTML),
  )
  expect(nameless).toEqual([])
  await expect(demo.locator('html')).toHaveAttribute('lang', 'en')
  await expect(demo.getByRole('heading', { level: 1 })).toHaveCount(1)
  await expect(demo.getByRole('main')).toHaveCount(1)
})

async function ready(page: Page): Promise<void> {
  await page.waitForFunction(() => window.aminoDemo?.state === 'ready')
}

async function find(page: Page, cid: string): Promise<void> {
  await page.getByRole('textbox', { name: 'CID' }).fill(cid)
  await page.getByRole('button', { name: 'Find providers' }).click()
  await expect.poll(async () => (await measured(page)).searches.at(-1)?.outcome).toBe('done')
}

async function keep(page: Page, notes: number): Promise<void> {
  await page.getByRole('combobox', { name: /^Small notes/ }).selectOption(`${notes}`)
  await page.getByRole('button', { name: 'Keep them provided' }).click()
}

/** The figure under its title. */
function figure(page: Page, title: string): Locator {
  return page.locator('dl > div', { hasText: title }).locator('dd')
}

function measured(page: Page): Promise<Measurements> {
  return page.evaluate(() => window.aminoDemo)
}

/** Kept beside the results of the run, for a look. */
async function shot(page: Page, name: string): Promise<string> {
  const path = `test-results/${name}.png`
  await page.screenshot({ path, fullPage: true })
  return path
}

/** Visible texts whose contrast with the nearest painted ground is below 4.5 (WCAG 2.2, 1.4.3); disabled ones are exempt. */
function faintTexts(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const channels = (color: string) => (color.match(/[\d.]+/g) ?? []).map(Number)
    const luminance = (color: string) => {
      const [red = 0, green = 0, blue = 0] = channels(color).map((value) => {
        const share = value / 255
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
      })
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
    const ground = (from: Element): string => {
      for (let item: Element | null = from; item !== null; item = item.parentElement) {
        const color = getComputedStyle(item).backgroundColor
        if ((channels(color)[3] ?? 1) > 0) return color
      }
      return 'rgb(255, 255, 255)'
    }
    const faint: string[] = []
    for (const item of document.body.querySelectorAll<HTMLElement>('*')) {
      const text = [...item.childNodes]
        .filter((node) => node.nodeType === Node.TEXT_NODE)
        .map((node) => node.textContent?.trim())
        .join('')
      if (text === '' || !item.checkVisibility() || item.closest('button:disabled, noscript') !== null) continue
      const [high = 0, low = 0] = [luminance(getComputedStyle(item).color), luminance(ground(item))].toSorted(
        (one, other) => other - one,
      )
      if ((high + 0.05) / (low + 0.05) < 4.5) faint.push(`${item.tagName} “${text}”`)
    }
    return faint
  })
}
