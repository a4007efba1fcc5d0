import type { Page } from '@playwright/test'
import { CID } from 'multiformats/cid'
import type { AminoClientOptions, ProvideStatus } from 'amino-worker'
import { expect, openLab, test } from './support/fixtures.ts'
import { heardOf } from './support/heard.ts'
import { startNodePeer } from './support/node-peer.ts'
import { blockOf } from './support/strangers.ts'

const count = 400
const k = 20
/** Spec P11: keys that leave the queue together; what was under way is told again. */
const wave = 64

test('A page keeps many CIDs provided: closed in the middle it goes on, a reload tells nothing twice, and a Node client finds them', async ({
  context,
  stage,
}) => {
  // Thousands of records at servers that share this machine.
  test.slow()
  const cids = Array.from({ length: count }, (_, index) => blockOf(`swept ${index}`).cid)
  const options = { bootstrap: stage.bootstrap, storage: `sweep-${Date.now()}`, identity: 'kept' } as const
  const first = await openLab(context, stage)
  const peerId = await start(first.page, options)
  const given = await first.page.evaluate((texts) => window.lab.client('one').provideMany(texts), cids)
  expect(given).toEqual({ given: count, added: count, skipped: 0, removed: 0 })
  const heard = () => heardOf(stage, peerId)
  await expect.poll(async () => (await heard()).messages, { intervals: [50], timeout: 60_000 }).toBeGreaterThan(0.4 * k * count)
  await first.page.close()
  const atTheEnd = await heard()
  expect(atTheEnd.messages, 'closed before all was told').toBeLessThan(k * count)

  const second = await openLab(context, stage)
  await start(second.page, options)
  await expect.poll(async () => (await statusOf(second.page)).queued, { timeout: 60_000 }).toBe(0)
  // The servers take what has left us one after the other.
  await expect.poll(async () => (await heard()).records, { timeout: 60_000 }).toBe(k * count)
  const told = await heard()
  expect(told.messages - told.records, 'told twice: what was under way').toBeLessThanOrEqual(3 * wave * k)
  expect(told.mostConnections, 'one a visit').toBeLessThanOrEqual(2)
  expect((await statusOf(second.page)).totals).toMatchObject({ missed: 0, failed: 0, undialable: 0 })
  await second.page.evaluate(() => window.lab.client('one').stop())

  await second.page.reload()
  await start(second.page, options)
  // With a whole search behind it the client has had peers to tell, if it thought that there was anything to tell.
  await second.page.evaluate((cid) => window.lab.collect(window.lab.client('one').findProviders(cid)), cids[0]!)
  expect(await statusOf(second.page)).toMatchObject({ provided: count, queued: 0, cells: { expired: 0, due: 0 } })
  expect((await heard()).messages).toBe(told.messages)

  const peer = await startNodePeer(stage.bootstrap)
  try {
    for (const cid of [cids[0]!, cids[201]!, cids[399]!]) {
      const found = await peer.findProviders(CID.parse(cid), AbortSignal.timeout(20_000))
      expect(found.map(({ id }) => id)).toContain(peerId)
    }
  } finally {
    await peer.stop()
  }
  expect([...first.faults, ...second.faults]).toEqual([])
})

test('What provideMany has taken is kept when the tab is closed in its middle, and the rest is not', async ({
  context,
  stage,
}) => {
  const options = { bootstrap: [], storage: `taken-${Date.now()}`, identity: 'kept' } as const
  const { page } = await openLab(context, stage)
  await start(page, options)
  const texts = Array.from({ length: 1_200 }, (_, index) => blockOf(`taken ${index}`).cid)
  const taken = await page.evaluate((cids) => {
    async function* slow(): AsyncGenerator<string> {
      yield* cids
      await new Promise(() => {})
    }
    return new Promise<number>((resolve) => {
      const onProgress = ({ given }: { given: number }) => given === 1_024 && resolve(given)
      void window.lab.client('one').provideMany(slow(), { onProgress })
    })
  }, texts)
  await page.close()
  const { page: next } = await openLab(context, stage)
  await start(next, options)
  expect(await statusOf(next)).toMatchObject({ provided: taken, queued: taken, phase: 'not-dialable' })
  const again = await next.evaluate((cids) => window.lab.client('one').provideMany(cids), texts)
  expect(again).toEqual({ given: 1_200, added: 1_200 - taken, skipped: 0, removed: 0 })
})

test('Paused nothing is told, resumed it goes on; cancelled and cleared CIDs are not told; the servers know', async ({
  lab,
  stage,
}) => {
  const cids = Array.from({ length: 40 }, (_, index) => blockOf(`paused ${index}`).cid)
  const peerId = await start(lab, { bootstrap: stage.bootstrap })
  const heard = () => heardOf(stage, peerId)
  const paused = await lab.evaluate(async (texts) => {
    const client = window.lab.client('one')
    await client.pauseProviding()
    await client.provideMany(texts.slice(0, 30))
    await client.cancelProvide(texts[0]!)
    // A provide of its own goes out, and shows that others could have.
    await client.provideOnce(texts[39]!)
    return client.provideStatus()
  }, cids)
  expect(paused).toMatchObject({ phase: 'paused', provided: 29, queued: 29 })
  await expect.poll(async () => (await heard()).records).toBe(k)
  await lab.evaluate(() => window.lab.client('one').resumeProviding())
  await expect.poll(async () => (await statusOf(lab)).queued, { timeout: 30_000 }).toBe(0)
  await expect.poll(async () => (await heard()).records, { timeout: 30_000 }).toBe(30 * k)
  const cleared = await lab.evaluate(async (texts) => {
    const client = window.lab.client('one')
    await client.pauseProviding()
    await client.provideMany(texts.slice(30, 38))
    const removed = await client.clearProvides()
    await client.resumeProviding()
    await client.provideOnce(texts[38]!)
    return { removed, status: await client.provideStatus() }
  }, cids)
  expect(cleared).toMatchObject({ removed: 37, status: { phase: 'idle', provided: 0, queued: 0, nextDueAt: undefined } })
  await expect.poll(async () => (await heard()).records).toBe(31 * k)
  expect((await heard()).messages).toBe(31 * k)
})

test('A page that nobody can dial is told so by every call; the option provides all the same', async ({ lab, stage }) => {
  const [one, many] = [blockOf('nobody dials us').cid, [blockOf('nobody dials us either').cid]]
  const start = { bootstrap: stage.bootstrap, relay: false }
  const peerId = await lab.evaluate(async (options) => (await window.lab.start('silent', options)).peerId, start)
  const outcomes = await lab.evaluate(
    async ({ cid, cids }) => {
      const client = window.lab.client('silent')
      const calls = [client.provide(cid), client.provideOnce(cid), client.provideMany(cids)]
      const codes = await Promise.all(calls.map(async (call) => window.lab.outcome<unknown>(call)))
      return { codes, status: await client.provideStatus() }
    },
    { cid: one, cids: many },
  )
  expect(outcomes.codes).toMatchObject(Array.from({ length: 3 }, () => ({ ok: false, code: 'not-dialable' })))
  expect(outcomes.status).toMatchObject({ phase: 'not-dialable', provided: 0, queued: 0 })
  expect((await heardOf(stage, peerId)).messages).toBe(0)

  const bold = await lab.evaluate(async (options) => {
    const client = await window.lab.start('bold', { ...options, providing: { withoutAddress: true } })
    return client.peerId
  }, start)
  await lab.evaluate((cids) => window.lab.client('bold').provideMany(cids), many)
  await expect.poll(async () => (await heardOf(stage, bold)).records).toBe(k)
})

function start(page: Page, options: AminoClientOptions): Promise<string> {
  return page.evaluate(async (given) => (await window.lab.start('one', given)).peerId, options)
}

function statusOf(page: Page): Promise<ProvideStatus> {
  return page.evaluate(() => window.lab.client('one').provideStatus())
}
