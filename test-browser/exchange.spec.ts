import type { Page } from '@playwright/test'
import { CID } from 'multiformats/cid'
import { expect, openLab, test } from './support/fixtures.ts'
import { startNodePeer } from './support/node-peer.ts'
import { blockOf } from './support/strangers.ts'

/** Puts the block, waits for an address, and tells the DHT. */
async function provide(page: Page, bootstrap: readonly string[], { cid, bytes }: ReturnType<typeof blockOf>): Promise<string> {
  return page.evaluate(
    async ({ addresses, text, block }) => {
      const client = await window.lab.start('one', { bootstrap: addresses })
      await client.putBlock(text, Uint8Array.from(block))
      while ((await client.status()).addresses.length === 0) {
        await new Promise((resolve) => client.addEventListener('addresses', resolve, { once: true }))
      }
      await client.provide(text)
      return client.peerId
    },
    { addresses: bootstrap, text: cid, block: Array.from(bytes) },
  )
}

test('Two pages that a node of the swarm names as providers fetch from each other, and each counts what it served', async ({
  lab,
  stage,
  context,
}) => {
  const { page: other } = await openLab(context, stage)
  const blocks = [blockOf('the first page has this'), blockOf('and the second one that')] as const
  const ids = [await provide(lab, stage.bootstrap, blocks[0]), await provide(other, stage.bootstrap, blocks[1])]

  const node = await startNodePeer(stage.bootstrap)
  try {
    for (const [index, { cid }] of blocks.entries()) {
      const named = await node.findProviders(CID.parse(cid), AbortSignal.timeout(20_000))
      expect(named.map(({ id }) => id)).toContain(ids[index])
    }
  } finally {
    await node.stop()
  }

  const fetch = (page: Page, { cid }: { cid: string }) =>
    page.evaluate(async (text) => {
      const client = window.lab.client('one')
      const { from, bytes } = await client.getBlock(text, { signal: AbortSignal.timeout(30_000) })
      return { from, text: new TextDecoder().decode(bytes) }
    }, cid)
  expect(await fetch(lab, blocks[1])).toEqual({ from: ids[1], text: 'and the second one that' })
  expect(await fetch(other, blocks[0])).toEqual({ from: ids[0], text: 'the first page has this' })
  for (const page of [lab, other]) {
    const { counters } = (await page.evaluate(() => window.lab.client('one').status())).bitswap
    expect([counters['blocksReceived'], counters['duplicateBlocksReceived']]).toEqual([1, 0])
    // More than once where a message was lost with the relayed connection that WebRTC replaced.
    expect(counters['blocksSent']).toBeGreaterThanOrEqual(1)
  }
})

test('A page serves a blockstore of its own to another page: what is in it, and nothing that lies or hangs', async ({
  lab,
  stage,
  context,
}) => {
  const { page: other } = await openLab(context, stage)
  const kept = ['small', 'x'.repeat(50_000), 'y'.repeat(2 * 1_024 * 1_024)].map(blockOf)
  const [lie, hanging] = [blockOf('the store says something else'), blockOf('the store never says')]
  const owner = await lab.evaluate(
    async ({ bootstrap, texts, wrong, never }) => {
      const client = await window.lab.start('one', { bootstrap })
      const contents = new Map(texts.map(({ cid, text }) => [cid, new TextEncoder().encode(text)]))
      contents.set(wrong, Uint8Array.of(1, 2, 3))
      await client.serveBlocks({
        get: (cid) => (String(cid) === never ? new Promise<undefined>(() => undefined) : contents.get(String(cid))),
      })
      return { id: client.peerId, multiaddrs: await window.lab.addressesWith(client, '/webrtc') }
    },
    {
      bootstrap: stage.bootstrap,
      texts: kept.map(({ cid, bytes }) => ({ cid, text: new TextDecoder().decode(bytes) })),
      wrong: lie.cid,
      never: hanging.cid,
    },
  )
  await other.evaluate(async () => void (await window.lab.start('one', { bootstrap: [] })))
  const probe = (cid: string) =>
    other.evaluate(
      async ({ text, provider }) => {
        const { reason, bytes } = await window.lab.client('one').probe(text, provider)
        return { reason, length: bytes?.length }
      },
      { text: cid, provider: owner },
    )
  for (const { cid, bytes } of kept) expect(await probe(cid)).toEqual({ reason: 'block', length: bytes.length })
  for (const { cid } of [lie, hanging]) expect(await probe(cid)).toEqual({ reason: 'dont-have', length: undefined })
  await lab.evaluate(() => window.lab.client('one').serveBlocks(undefined))
  expect(await probe(kept[0]!.cid)).toEqual({ reason: 'dont-have', length: undefined })
  const { counters } = (await lab.evaluate(() => window.lab.client('one').status())).bitswap
  expect(counters['blocksSent']).toBe(kept.length)
})
