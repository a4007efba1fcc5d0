import type { Page } from '@playwright/test'
import { expect, labReady, test } from './support/fixtures.ts'
import { sampleNamed } from './support/stage-info.ts'
import { blockOf } from './support/strangers.ts'

const storage = 'discovery'

test('Ranking and search delay survive a reload, and the first block of the next visit comes from who led the ranking', async ({
  lab,
  stage,
}) => {
  const { cid } = sampleNamed(stage, 'brick')
  // Each block once: Helia does not send one again within five seconds. Eight latencies make a percentile.
  const blocks = stage.samples.flatMap((sample) => sample.blockCids)
  const first = await lab.evaluate(
    async ({ bootstrap, name, texts }) => {
      const client = await window.lab.start('one', { bootstrap, storage: name, discovery: { searchDelay: 'p75' } })
      const before = (await client.status()).bitswap
      for (const text of texts) await client.getBlock(text, { context: 'bricks' })
      for (const text of texts) await client.deleteBlock(text)
      const { rankedPeers, searchDelayMs, counters } = (await client.status()).bitswap
      await client.stop()
      return { firstDelayMs: before.searchDelayMs, rankedPeers, searchDelayMs, counters }
    },
    { bootstrap: stage.bootstrap, name: storage, texts: blocks },
  )
  expect(first.firstDelayMs).toBe(500)
  expect(first.rankedPeers).toBeGreaterThan(0)
  expect(first.searchDelayMs).not.toBe(500)
  await reload(lab)
  const second = await lab.evaluate(
    async ({ name, text }) => {
      const client = await window.lab.start('one', { bootstrap: [], storage: name, discovery: { searchDelay: 'p75' } })
      const { rankedPeers, searchDelayMs } = (await client.status()).bitswap
      const { from } = await client.getBlock(text, { context: 'bricks', signal: AbortSignal.timeout(20_000) })
      await client.stop()
      return { rankedPeers, searchDelayMs, from }
    },
    { name: storage, text: cid },
  )
  expect(second.rankedPeers).toBe(first.rankedPeers)
  expect(second.searchDelayMs).toBe(first.searchDelayMs)
  expect(sampleNamed(stage, 'brick').providerIds).toContain(second.from)
})

test('A probe says of one peer whether it keeps its word, and keeps nothing', async ({ lab, stage }) => {
  const { cid, providerIds } = sampleNamed(stage, 'note')
  const live = stage.peers.filter(({ state, bitswap }) => state === 'running' && bitswap)
  const holder = live.find(({ id }) => providerIds.includes(id))!
  const other = live.find(({ id }) => !providerIds.includes(id))!
  const seen = await lab.evaluate(
    async ({ text, peers }) => {
      const client = await window.lab.start('one', { bootstrap: [] })
      const probes = await Promise.all(peers.map((peer) => client.probe(text, peer)))
      return {
        outcomes: probes.map(({ outcome, bytes }) => ({ outcome, length: bytes?.length })),
        kept: await client.hasBlock(text),
      }
    },
    { text: cid, peers: [holder, other].map(({ id, addresses }) => ({ id, multiaddrs: [...addresses] })) },
  )
  expect(seen.outcomes[0]).toEqual({ outcome: 'SUCCESS', length: sampleNamed(stage, 'note').bytes })
  expect(seen.outcomes[1]?.outcome).toBe('FETCH_FAILED')
  expect(seen.kept).toBe(false)
})

test('Many blocks come as one stream, and those that nobody has are told at the end', async ({ lab, stage }) => {
  const cids = ['note', 'brick', 'boulder'].map((name) => sampleNamed(stage, name).cid)
  const missing = blockOf('nobody has this').cid
  const seen = await lab.evaluate(
    async ({ bootstrap, texts }) => {
      const client = await window.lab.start('one', { bootstrap })
      const got: string[] = []
      const ended = await window.lab.outcome(async () => {
        for await (const { cid } of client.getBlocks(texts)) got.push(cid.toString())
      })
      return { got: got.toSorted(), code: ended.ok ? 'none' : ended.code, detail: ended.ok ? {} : ended.detail }
    },
    { bootstrap: stage.bootstrap, texts: [missing, ...cids] },
  )
  expect(seen).toEqual({ got: cids.toSorted(), code: 'not-found', detail: { missing: 1, wanted: 4 } })
})

async function reload(lab: Page): Promise<void> {
  await lab.reload()
  await labReady(lab)
}
