import type { Page } from '@playwright/test'
import { expect, test } from './support/fixtures.ts'
import { openSilentHost } from './support/silent-host.ts'
import { sampleNamed } from './support/stage-info.ts'
import { blockOf } from './support/strangers.ts'

const unknownCid = blockOf('a block that nobody has').cid

test('An abort in mid-stream rejects the loop and ends the search in the Worker', async ({ lab, stage }) => {
  const outcome = await lab.evaluate(
    async ({ bootstrap, cid }) => {
      const client = await window.lab.start('one', { bootstrap })
      const controller = new AbortController()
      const providers = client.findProviders(cid, { signal: controller.signal })
      await providers.next()
      controller.abort()
      return window.lab.outcome(providers.next())
    },
    { bootstrap: stage.bootstrap, cid: sampleNamed(stage, 'note').cid },
  )
  expect(outcome).toMatchObject({ ok: false, code: 'aborted' })
  await idle(lab)
})

test('Leaving the loop ends the search in the Worker', async ({ lab, stage }) => {
  const seen = await lab.evaluate(
    async ({ bootstrap, cid }) => {
      const client = await window.lab.start('one', { bootstrap })
      for await (const provider of client.findProviders(cid)) return provider.id
      return undefined
    },
    { bootstrap: stage.bootstrap, cid: sampleNamed(stage, 'note').cid },
  )
  expect(sampleNamed(stage, 'note').providerIds).toContain(seen)
  await idle(lab)
})

test('A search that waits for a silent peer is ended by an abort at once', async ({ lab }) => {
  const silent = await openSilentHost()
  try {
    await lab.evaluate(
      async ({ address, cid }) => {
        const client = await window.lab.start('one', { bootstrap: [address] })
        const controller = new AbortController()
        const search = client.findProviders(cid, { signal: controller.signal })
        Object.assign(window, { controller, pending: window.lab.outcome(window.lab.collect(search)) })
      },
      { address: silent.address, cid: unknownCid },
    )
    await expect.poll(() => activeQueries(lab)).toBeGreaterThan(0)
    const outcome = await lab.evaluate(() => {
      const { controller, pending } = window as unknown as { controller: AbortController; pending: Promise<unknown> }
      controller.abort()
      return pending
    })
    expect(outcome).toMatchObject({ ok: false, code: 'aborted' })
    await idle(lab)
  } finally {
    await silent.close()
  }
})

test('Aborting the wait for a block that nobody has withdraws the want', async ({ lab, stage }) => {
  const outcome = await lab.evaluate(
    async ({ bootstrap, cid }) => {
      const client = await window.lab.start('one', { bootstrap })
      const controller = new AbortController()
      const searching = new Promise<void>((resolve) => {
        const block = client.getBlock(cid, { signal: controller.signal, onProgress: () => resolve() })
        Object.assign(window, { block: window.lab.outcome(block) })
      })
      await searching
      controller.abort()
      return (window as unknown as { block: Promise<unknown> }).block
    },
    { bootstrap: stage.bootstrap, cid: unknownCid },
  )
  expect(outcome).toMatchObject({ ok: false, code: 'aborted' })
  await idle(lab)
})

function activeQueries(lab: Page): Promise<number> {
  return lab.evaluate(async () => (await window.lab.client('one').status()).kad.activeQueries)
}

async function idle(lab: Page): Promise<void> {
  const state = () =>
    lab.evaluate(async () => {
      const { kad, bitswap } = await window.lab.client('one').status()
      return { queries: kad.activeQueries, wants: bitswap.wants }
    })
  await expect.poll(state).toEqual({ queries: 0, wants: 0 })
}
