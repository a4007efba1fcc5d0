import type { Page } from '@playwright/test'
import type { Progress } from 'amino-worker'
import { CID } from 'multiformats/cid'
import { frame, wantMessage } from './support/bitswap-bytes.ts'
import { expect, labReady, test } from './support/fixtures.ts'
import { startLiar } from './support/liar.ts'
import { distinctBytes, startNodeHost } from './support/node-host.ts'
import { sampleNamed } from './support/stage-info.ts'
import { blockOf } from './support/strangers.ts'

const storage = 'discovery'

test('Ranking and search delay survive a reload', async ({ lab, stage }) => {
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

test('Who served is dialed at the next visit for what it had, although nobody names it any more', async ({ lab }) => {
  const hosts = [await startNodeHost(distinctBytes(10_000)), await startNodeHost(distinctBytes(20_000))] as const
  try {
    const served = await lab.evaluate(
      async ({ name, wants }) => {
        const client = await window.lab.start('one', { bootstrap: [], storage: name })
        for (const { text, address } of wants) {
          await client.getBlock(text, { providers: [{ id: address.split('/p2p/')[1]!, multiaddrs: [address] }] })
          await client.deleteBlock(text)
        }
        const { rankedPeers } = (await client.status()).bitswap
        await client.stop()
        return rankedPeers
      },
      { name: 'who served', wants: hosts.map(({ cid, addresses }) => ({ text: cid, address: addresses[0]! })) },
    )
    expect(served).toBe(2)
    await reload(lab)
    const fetch = (name: string) =>
      lab.evaluate(
        async ({ storage, text }) => {
          const client = await window.lab.start('one', { bootstrap: [], storage })
          const got = await window.lab.outcome(client.getBlock(text).then(({ from }) => from))
          await client.stop()
          return got.ok ? got.value : got.code
        },
        { storage: name, text: hosts[1].cid },
      )
    // Neither is in the DHT, and no bootstrapper is known: whoever has learned nothing finds nobody.
    expect(await fetch('who knows nothing')).toBe('no-peers')
    expect(hosts[1].addresses[0]).toContain(`/p2p/${await fetch('who served')}`)
  } finally {
    for (const host of hosts) await host.stop()
  }
})

test('What others wanted is known at the next visit, and to no later one once the page does not listen to wants', async ({
  lab,
}) => {
  const wanted = Array.from({ length: 10 }, (_, index) => CID.parse(blockOf(`somebody wants ${index}`).cid).bytes)
  const asker = await startLiar(async (_wants, say) => say(frame(wantMessage(wanted))))
  const visit = (options: { listenToWants?: boolean }, address?: string) =>
    lab.evaluate(
      async ({ given, text, provider }) => {
        const client = await window.lab.start('one', { bootstrap: [], storage: 'what others wanted', ...given })
        const registryCids = async () => (await client.status()).bitswap.registryCids
        const before = await registryCids()
        if (provider !== undefined) {
          // Asked for anything, it says what it wants itself.
          void window.lab.outcome(client.getBlock(text, { providers: [provider] }))
          await window.lab.until(async () => (await registryCids()) > before)
        }
        const after = await registryCids()
        await client.stop()
        return [before, after]
      },
      {
        given: options,
        text: blockOf('nobody has this').cid,
        provider: address === undefined ? undefined : { id: asker.id, multiaddrs: [address] },
      },
    )
  try {
    expect(await visit({}, asker.multiaddrs[0])).toEqual([0, wanted.length])
    await reload(lab)
    expect(await visit({})).toEqual([wanted.length, wanted.length])
    expect(await visit({ listenToWants: false })).toEqual([0, 0])
    expect(await visit({})).toEqual([0, 0])
  } finally {
    await asker.stop()
  }
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
      const told = new Set<string>()
      const onProgress = (progress: Progress) => told.add(String(progress.cid))
      const ended = await window.lab.outcome(async () => {
        for await (const { cid } of client.getBlocks(texts, { onProgress })) got.push(cid.toString())
      })
      const failure = ended.ok ? {} : { code: ended.code, detail: ended.detail }
      return { got: got.toSorted(), told: [...told].toSorted(), ...failure }
    },
    { bootstrap: stage.bootstrap, texts: [missing, ...cids] },
  )
  expect(seen).toEqual({
    got: cids.toSorted(),
    told: [missing, ...cids].toSorted(),
    code: 'not-found',
    detail: { missing: 1, wanted: 4 },
  })
})

async function reload(lab: Page): Promise<void> {
  await lab.reload()
  await labReady(lab)
}
