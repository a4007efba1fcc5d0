import { CID } from 'multiformats/cid'
import type { ProvideStatus } from 'amino-worker'
import { expect, test } from './support/fixtures.ts'
import { startNodePeer } from './support/node-peer.ts'
import { blockOf } from './support/strangers.ts'

const count = 600

test('A page keeps many CIDs provided: the sweep tells them, a reload forgets nothing, and a Node client finds them', async ({
  lab,
  stage,
}) => {
  const cids = Array.from({ length: count }, (_, index) => blockOf(`swept ${index}`).cid)
  const storage = `sweep-${Date.now()}`
  const done = await lab.evaluate(
    async ({ bootstrap, texts, name }) => {
      const client = await window.lab.start('one', { bootstrap, storage: name, identity: 'kept' })
      const given = await client.provideMany(texts)
      return { given, peerId: client.peerId }
    },
    { bootstrap: stage.bootstrap, texts: cids, name: storage },
  )
  const statusOf = (): Promise<ProvideStatus> => lab.evaluate(() => window.lab.client('one').provideStatus())
  await expect.poll(statusOf, { timeout: 60_000 }).toMatchObject({ queued: 0, phase: expect.not.stringMatching('working') })
  const { totals } = await statusOf()
  await lab.evaluate(() => window.lab.client('one').stop())
  expect(done.given).toEqual({ given: count, added: count, removed: 0 })
  expect(totals).toMatchObject({ keys: count, missed: 0, targeted: 20 * count })
  expect(totals.stored).toBeGreaterThan(0.9 * 20 * count)

  await lab.reload()
  const again = await lab.evaluate(
    async ({ bootstrap, name, text }) => {
      const client = await window.lab.start('two', { bootstrap, storage: name, identity: 'kept' })
      // With a whole search behind it the client has had peers to tell, if it thought that there was anything to tell.
      await window.lab.collect(client.findProviders(text))
      return client.provideStatus()
    },
    { bootstrap: stage.bootstrap, name: storage, text: cids[0]! },
  )
  expect(again).toMatchObject({ provided: count, queued: 0, totals: { stored: 0 }, cells: { expired: 0, due: 0 } })

  const peer = await startNodePeer(stage.bootstrap)
  try {
    for (const cid of [cids[0]!, cids[301]!, cids[599]!]) {
      const found = await peer.findProviders(CID.parse(cid), AbortSignal.timeout(20_000))
      expect(found.map(({ id }) => id)).toContain(done.peerId)
    }
  } finally {
    await peer.stop()
  }
})
