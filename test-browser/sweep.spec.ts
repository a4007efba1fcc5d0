import { CID } from 'multiformats/cid'
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
      let status = await client.provideStatus()
      while (status.queued > 0 || status.phase === 'working') {
        await new Promise((resolve) => setTimeout(resolve, 200))
        status = await client.provideStatus()
      }
      await client.stop()
      return { given, status, peerId: client.peerId }
    },
    { bootstrap: stage.bootstrap, texts: cids, name: storage },
  )
  expect(done.given).toEqual({ given: count, added: count, removed: 0 })
  const { totals } = done.status
  expect(totals).toMatchObject({ keys: count, missed: 0, targeted: 20 * count })
  expect(totals.stored).toBeGreaterThan(0.9 * 20 * count)

  await lab.reload()
  const again = await lab.evaluate(
    async ({ bootstrap, name }) => {
      const client = await window.lab.start('two', { bootstrap, storage: name, identity: 'kept' })
      await new Promise((resolve) => setTimeout(resolve, 2_000))
      return client.provideStatus()
    },
    { bootstrap: stage.bootstrap, name: storage },
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
