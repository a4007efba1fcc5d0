import type { BrowserContext, Page } from '@playwright/test'
import { CID } from 'multiformats/cid'
import { bundleForPage } from '../demo/build.ts'
import { expect, test } from './support/fixtures.ts'
import { distinctBytes, startNodeHost } from './support/node-host.ts'
import { startNodePeer } from './support/node-peer.ts'
import { sampleNamed, type StageInfo } from './support/stage-info.ts'

const megabyte = 1024 * 1024

async function openHelia(context: BrowserContext, stage: StageInfo): Promise<Page> {
  const page = await context.newPage()
  page.on('pageerror', (error) => expect(error.message).toBe('no fault in the page'))
  await page.goto(`${stage.url}helia.html`)
  await page.waitForFunction(() => window.heliaNamesLab !== undefined)
  await page.evaluate((bootstrap) => window.heliaLab.start({ bootstrap }), stage.bootstrap)
  return page
}

test('A dapp on Helia has no libp2p, no DHT and no Bitswap in its bundle', async () => {
  const { metafile, text } = await bundleForPage('test-browser/support/helia-lab.ts')
  const used = Object.values(metafile.outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : [])),
  )
  const modules = new Set(used.map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules)/.exec(path)?.[1] ?? path))
  // Helia's own helpers: its queue, its logger, interface types. None of them opens a connection.
  const helpers = new Set(['@libp2p/interface', '@libp2p/logger', '@libp2p/utils'])
  const network = [...modules].filter((name) => /libp2p|kad-dht|bitswap|webrtc|websockets|noise|yamux/.test(name))
  expect(network.filter((name) => !helpers.has(name))).toEqual([])
  expect([...modules]).toContain('dist/helia.js')
  expect(text).not.toContain('/ipfs/kad/1.0.0/')
})

test('unixfs.cat reads a file of several blocks that the DHT knows', async ({ context, stage }) => {
  const { cid, bytes } = sampleNamed(stage, 'picture')
  const page = await openHelia(context, stage)
  const file = await page.evaluate((text) => window.heliaLab.cat(text), cid)
  expect(file.length).toBe(bytes)
  expect(file.events['helia:block-broker:request-block']).toBeGreaterThan(0)
  expect(file.events['helia:block-broker:receive-block']).toBeGreaterThan(1)
})

for (const session of [false, true]) {
  test(`unixfs.cat reads a file of 20 MB from a peer that is named${session ? ', in a session' : ''}`, async ({
    context,
    stage,
  }) => {
    const bytes = distinctBytes(20 * megabyte)
    const host = await startNodeHost(bytes)
    try {
      const page = await openHelia(context, stage)
      const file = await page.evaluate(({ cid, options }) => window.heliaLab.cat(cid, options), {
        cid: host.cid,
        options: { providers: host.addresses, session },
      })
      expect(file).toMatchObject({ length: bytes.length, digest: host.digest })
    } finally {
      await host.stop()
    }
  })
}

test('What a page adds to Helia is found by a Helia on Node and fetched from the page', async ({ context, stage }) => {
  const page = await openHelia(context, stage)
  const added = await page.evaluate(() => window.heliaLab.add('added to Helia in a page'))
  const peer = await startNodePeer(stage.bootstrap)
  try {
    const cid = CID.parse(added.cid)
    const found = await peer.findProviders(cid, AbortSignal.timeout(20_000))
    expect(found.map(({ id }) => id)).toContain(added.peerId)
    const address = `${added.addresses[0]}/p2p/${added.peerId}`
    const fetched = await peer.fetchFrom(address, cid, AbortSignal.timeout(15_000))
    expect(new TextDecoder().decode(fetched)).toContain('added to Helia in a page')
  } finally {
    await peer.stop()
  }
})

test('A name that one page publishes with @helia/ipns is resolved by another', async ({ context, stage }) => {
  const { cid } = sampleNamed(stage, 'note')
  const [publisher, reader] = [await openHelia(context, stage), await openHelia(context, stage)]
  const name = await publisher.evaluate((text) => window.heliaNamesLab.publish(text), cid)
  expect(await reader.evaluate((text) => window.heliaNamesLab.resolve(text), name)).toBe(`/ipfs/${cid}`)
})

test('A read that is given up leaves no want in the Worker', async ({ context, stage }) => {
  const page = await openHelia(context, stage)
  const outcome = await page.evaluate(async () => {
    const nobodyHasIt = 'bafkreiaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
    const startedAt = performance.now()
    const failed = await window.heliaLab.cat(nobodyHasIt, { timeoutMs: 300 }).then(
      () => 'read',
      () => 'failed',
    )
    const status = await window.heliaLab.helia?.amino.status()
    return { failed, ms: performance.now() - startedAt, wants: status?.bitswap.wants }
  })
  expect(outcome).toMatchObject({ failed: 'failed', wants: 0 })
  expect(outcome.ms).toBeLessThan(3_000)
})
