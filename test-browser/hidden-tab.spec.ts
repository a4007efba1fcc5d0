import { expect, test } from './support/fixtures.ts'
import { openHiddenTab } from './support/hidden-tab.ts'
import { sampleNamed } from './support/stage-info.ts'

test('In a hidden tab, whose own timers are slowed down, the client finds and fetches as it does in front', async ({ stage }) => {
  test.setTimeout(90_000)
  const { cid } = sampleNamed(stage, 'slab')
  const tab = await openHiddenTab(`${stage.url}lab.html`)
  try {
    const ask = () =>
      tab.evaluate(
        async ({ bootstrap, wanted }) => {
          const client = window.lab.clients.get('one') ?? (await window.lab.start('one', { bootstrap }))
          const providers = await window.lab.collect(client.findProviders(wanted))
          const { bytes } = await client.getBlock(wanted, { providers })
          await client.deleteBlock(wanted)
          return { visibility: document.visibilityState, providers: providers.length, bytes: bytes.length }
        },
        { bootstrap: stage.bootstrap, wanted: cid },
      )
    await expect.poll(() => tab.evaluate(() => document.visibilityState === 'hidden' && 'lab' in window, undefined)).toBe(true)
    const first = await ask()
    expect(first).toMatchObject({ visibility: 'hidden' })
    expect(first.providers).toBeGreaterThan(0)
    // Eight timers of 50 ms: a tab in front needs half a second for them, a hidden one eight.
    const spentMs = await tab.evaluate(async (ms) => {
      const begun = performance.now()
      for (let count = 0; count < 8; count++) await new Promise((resolve) => setTimeout(resolve, ms))
      return performance.now() - begun
    }, 50)
    expect(spentMs, 'the browser slows the timers of the tab down').toBeGreaterThan(3_000)
    expect(await ask()).toEqual(first)
    await tab.evaluate(() => window.lab.client('one').stop(), undefined)
  } finally {
    await tab.close()
  }
})
