import { expect, test } from './support/fixtures.ts'

/** What each example shows at its end. */
const shown = {
  plain: [/has it, said/, /A note from the local swarm/],
  'helia-cat': [/bytes/, /A picture of \d+ × \d+ pixels/],
  ipns: [/Published \/ipns\/\S+/, /Resolved to \/ipfs\/bafk/],
  provide: [/at \/ip4\/.*\/p2p-circuit/, /20 of 20 peers hold the record/, /Fetched from the author: Written in a browser/],
} as const

for (const [name, lines] of Object.entries(shown)) {
  test(`The example “${name}” runs to its end`, async ({ page, stage }) => {
    await page.goto(`${stage.url}examples/${name}.html`)
    await expect(page.getByText(/^(Done|Failed)/)).toBeVisible({ timeout: 30_000 })
    const text = await page.locator('body').innerText()
    expect(text).toContain('Done.')
    for (const line of lines) expect(text).toMatch(line)
  })
}
