import { expect, openLab, test } from './support/fixtures.ts'
import { sampleNamed } from './support/stage-info.ts'
import { blockOf } from './support/strangers.ts'

/** Nobody is there: to dial it is enough. */
const serverOverWebRtc =
  '/ip4/127.0.0.1/udp/9/webrtc-direct/certhash/uEiAkH5a4DPGKUuOBjYw0CgwjvcJCJMD2K_1aluKR_tpevQ/p2p/12D3KooWC5hxG4kBvRAvVJKGWGfkU6KGMj9Z5rLdf4e3FgTQ2XqL'

test('One page fetches a block from another over WebRTC, a third finds it by its record; all engines are in Workers', async ({
  lab,
  stage,
  context,
}) => {
  const { cid, bytes } = blockOf('over WebRTC from page to page')
  const provider = await lab.evaluate(
    async ({ bootstrap, text, block }) => {
      const client = await window.lab.start('one', { bootstrap })
      await client.putBlock(text, Uint8Array.from(block))
      await window.lab.addressesWith(client, '/webrtc')
      await client.provide(text)
      return { id: client.peerId, addresses: (await client.status()).addresses }
    },
    { bootstrap: stage.bootstrap, text: cid, block: Array.from(bytes) },
  )
  const { page: other } = await openLab(context, stage)
  const got = await other.evaluate(
    async ({ bootstrap, text }) => {
      const worker = new Worker('/worker.js', { type: 'module' })
      Object.assign(window, { worker })
      const client = await window.lab.start('two', { bootstrap, worker })
      const providers = await window.lab.collect(client.findProviders(text))
      const block = await client.getBlock(text, { providers, signal: AbortSignal.timeout(20_000) })
      const text2 = new TextDecoder().decode(block.bytes)
      // A slow machine may have it over the relay first.
      await window.lab.until(async () => (await client.status()).transports.webrtc.connections === 1)
      return { providers, from: block.from, text: text2, transports: (await client.status()).transports }
    },
    { bootstrap: stage.bootstrap, text: cid },
  )
  expect(got.from).toBe(provider.id)
  expect(got.text).toBe('over WebRTC from page to page')
  expect(got.providers.map(({ id }) => id)).toEqual([provider.id])
  expect(got.transports.webrtc, JSON.stringify(got)).toMatchObject({ available: true, connections: 1 })

  const { page: third, faults } = await openLab(context, stage)
  const found = await third.evaluate(
    async ({ bootstrap, text }) => {
      const client = await window.lab.start('three', { bootstrap })
      const providers = await window.lab.collect(client.findProviders(text))
      const { reason } = await client.probe(text, providers[0] ?? { id: '' })
      await client.stop()
      return { providers, reason }
    },
    { bootstrap: stage.bootstrap, text: cid },
  )
  expect(found.providers.map(({ id }) => id)).toEqual([provider.id])
  expect(found.providers[0]?.multiaddrs.some((address) => address.endsWith('/webrtc'))).toBe(true)
  expect(found.reason).toBe('block')
  expect(faults).toEqual([])

  // Nobody hangs up when a Worker dies: the page notices by the lock that the Worker held.
  const remaining = () => lab.evaluate(async () => (await window.lab.client('one').status()).transports.webrtc.connections)
  await expect.poll(remaining).toBe(1)
  await other.evaluate(() => {
    const { worker } = window as unknown as { worker: Worker }
    worker.terminate()
  })
  await expect.poll(remaining, { timeout: 5_000 }).toBe(0)
})

test('A tab that is closed is gone for the others at once', async ({ lab, stage, browser }) => {
  const elsewhere = await browser.newContext()
  const { page: other } = await openLab(elsewhere, stage)
  const served = await other.evaluate(
    async (bootstrap) => {
      const client = await window.lab.start('one', { bootstrap })
      const cids = await window.lab.putBlocks(client, 1, 1_024)
      return { id: client.peerId, multiaddrs: await window.lab.addressesWith(client, '/webrtc'), cid: cids[0] ?? '' }
    },
    stage.relays.slice(0, 1),
  )
  const connections = () => lab.evaluate(async () => (await window.lab.client('two').status()).transports.webrtc.connections)
  await lab.evaluate(async ({ id, multiaddrs, cid }) => {
    const client = await window.lab.start('two', { bootstrap: [] })
    await client.getBlock(cid, { providers: [{ id, multiaddrs }], signal: AbortSignal.timeout(25_000) })
  }, served)
  await expect.poll(connections).toBe(1)
  await other.close()
  // Chromium alone tells nobody, and says after 15 s that the other side is silent.
  await expect.poll(connections, { timeout: 8_000 }).toBe(0)
  await elsewhere.close()
})

test('Where the browser does not hand data channels over, WebRTC is unavailable and nothing else suffers', async ({
  lab,
  stage,
}) => {
  const { cid, providerIds } = sampleNamed(stage, 'note')
  const providers = await lab.evaluate(
    async ({ bootstrap, text, address }) => {
      const post = MessagePort.prototype.postMessage
      MessagePort.prototype.postMessage = function (this: MessagePort, message: unknown, transfer?: unknown) {
        const moved = Array.isArray(transfer) ? transfer : []
        if (moved.some((item) => item instanceof RTCDataChannel)) throw new DOMException('Not here.', 'DataCloneError')
        post.call(this, message, moved as never)
      } as typeof post
      const client = await window.lab.start('one', { bootstrap: [...bootstrap, address] })
      return (await window.lab.collect(client.findProviders(text))).map(({ id }) => id)
    },
    { bootstrap: stage.bootstrap, text: cid, address: serverOverWebRtc },
  )
  const transportsOf = async () => (await lab.evaluate(() => window.lab.client('one').status())).transports
  await expect.poll(transportsOf).toMatchObject({ webrtc: { available: false, connections: 0 } })
  const transports = await transportsOf()
  expect(transports.webrtc.problem).toMatch(/does not hand data channels to Workers/)
  expect(transports['webrtc-direct'].available).toBe(false)
  expect(transports.websocket.connections).toBeGreaterThan(0)
  expect(providers.toSorted()).toEqual([...providerIds].toSorted())
})
