import { expect, openLab, test } from './support/fixtures.ts'
import { startPeerHost, webRtcDirectListen } from './support/peer-host.ts'
import { expectProgress } from './support/progress.ts'

const blocks = 200
const blockBytes = 256 * 1024
const frozenMs = 4_000

test('While the page is frozen by its own script, bytes of a WebRTC transfer keep coming into the Worker', async ({
  lab,
  stage,
  browser,
}) => {
  test.setTimeout(120_000)
  // A context of its own: pages of one may share a process, and then both would be frozen.
  const elsewhere = await browser.newContext()
  const { page: provider, faults } = await openLab(elsewhere, stage)
  const served = await provider.evaluate(
    async ({ bootstrap, count, bytes }) => {
      const client = await window.lab.start('one', { bootstrap })
      const cids = await window.lab.putBlocks(client, count, bytes)
      const multiaddrs = await window.lab.addressesWith(client, '/webrtc')
      return { id: client.peerId, multiaddrs, cids }
    },
    { bootstrap: stage.relays.slice(0, 1), count: blocks, bytes: blockBytes },
  )
  const seen = await lab.evaluate(
    async ({ provider: { id, multiaddrs, cids }, ms }) => {
      const client = await window.lab.start('two', { bootstrap: [], worker: '/worker-watched.js' })
      const providers = [{ id, multiaddrs }]
      const signal = AbortSignal.timeout(90_000)
      await client.getBlock(cids[0] ?? '', { providers, signal })
      await window.lab.until(async () => {
        const { webrtc, relay } = (await client.status()).transports
        return webrtc.connections === 1 && relay.connections === 0
      })
      const all = cids.map((cid) => client.getBlock(cid, { providers, signal }))
      await Promise.any(all.slice(1))
      const frozen = window.lab.busy(ms)
      const lengths = (await Promise.all(all)).map(({ bytes }) => bytes.length)
      const { received } = await window.lab.watchWorker()
      return { bytes: lengths.reduce((sum, length) => sum + length, 0), frozen, received }
    },
    { provider: served, ms: frozenMs },
  )
  await elsewhere.close()
  expect(seen.bytes).toBe(blocks * blockBytes)
  expectProgress(seen)
  expect(faults).toEqual([])
})

test('While the page is frozen, blocks keep coming over WebRTC-direct from a server that keeps its stream', async ({ lab }) => {
  test.setTimeout(120_000)
  const host = await startPeerHost({ listen: [webRtcDirectListen], blocks, blockBytes, keepsStream: true })
  try {
    const seen = await lab.evaluate(
      async ({ provider, cids, ms }) => {
        const client = await window.lab.start('one', { bootstrap: [], worker: '/worker-watched.js' })
        const signal = AbortSignal.timeout(90_000)
        const all = cids.map((cid) => client.getBlock(cid, { providers: [provider], signal }))
        await Promise.any(all)
        const frozen = window.lab.busy(ms)
        const lengths = (await Promise.all(all)).map(({ bytes }) => bytes.length)
        const { received } = await window.lab.watchWorker()
        return { bytes: lengths.reduce((sum, length) => sum + length, 0), frozen, received }
      },
      { provider: host.peers[0] ?? { id: '', multiaddrs: [] }, cids: host.cids, ms: frozenMs },
    )
    expect(seen.bytes).toBe(blocks * blockBytes)
    expectProgress(seen)
  } finally {
    await lab.evaluate(() => window.lab.clients.get('one')?.stop())
    await host.end()
  }
})
