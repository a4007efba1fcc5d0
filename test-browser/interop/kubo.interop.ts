import { createHash, randomBytes } from 'node:crypto'
import { test as base, expect, type Page } from '@playwright/test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { createIPNSRecord, marshalIPNSRecord, unmarshalIPNSRecord } from 'ipns'
import { expectProgress } from '../support/progress.ts'
import { withWrongHash } from '../support/silent-host.ts'
import { blockOf } from '../support/strangers.ts'
import { type KuboNetwork, lanProtocol, startKuboNetwork } from './kubo-network.ts'
import type { KuboNode, KuboTransport } from './kubo-node.ts'

/** The engine in a page's Worker against real Kubo, over each transport that Kubo offers to browsers. */

const fileBytes = 10 * 1024 * 1024
const longFileBytes = 50 * 1024 * 1024
const frozenMs = 4_000
const chunkBytes = 256 * 1024
/** So small that each is a message still: Kubo fills one up to 16 KiB. */
const smallChunkBytes = 20 * 1024
const smallBlocks = 700
const transports = {
  websocket: { webSocket: true, webTransport: false, webRTC: false },
  webtransport: { webSocket: false, webTransport: true, webRTC: false },
  'webrtc-direct': { webSocket: false, webTransport: false, webRTC: true },
} as const satisfies Record<KuboTransport, object>

const test = base.extend<{ lab: Page }, { network: KuboNetwork }>({
  network: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of the fixtures from this pattern
    async ({}, use) => {
      const network = await startKuboNetwork()
      await use(network)
      await network.stop()
    },
    { scope: 'worker', timeout: 120_000 },
  ],
  lab: async ({ page, network }, use) => {
    const faults: string[] = []
    page.on('pageerror', (error) => faults.push(error.message))
    await page.goto(`${network.url}lab.html`)
    await page.waitForFunction(() => window.lab !== undefined)
    await use(page)
    expect(faults).toEqual([])
  },
})

for (const transport of ['webtransport', 'webrtc-direct', 'websocket'] as const) {
  test.describe(transport, () => {
    test.beforeEach(async ({ lab, network }) => {
      const options = { bootstrap: [nodeAt(network, 0).addresses[transport]], transports: transports[transport] }
      await lab.evaluate(async ({ given, kad }) => void (await window.lab.start('one', { ...given, protocols: { kad } })), {
        given: options,
        kad: lanProtocol,
      })
    })

    test.afterEach(async ({ lab }, { title }) => {
      const { name, all } = await lab.evaluate(async () => {
        const client = window.lab.client('one')
        const status = await client.status()
        await client.stop()
        return { name: status.peerId, all: status.transports }
      })
      expect(all[transport].connections, `${title} ${name} ${JSON.stringify(all)}`).toBeGreaterThan(0)
      // What comes beside it comes over a relay, from the other side.
      const others = Object.entries(all).filter(([other]) => other !== transport && other !== 'relay')
      expect(others.filter(([, { connections }]) => connections > 0)).toEqual([])
    })

    test('providers of what ipfs add has added are found, and the bytes of 10 MB are the same', async ({ lab, network }) => {
      const holder = nodeAt(network, 1)
      const file = randomBytes(fileBytes)
      const { root, blocks } = await added(holder, file)
      const got = await lab.evaluate(
        async ({ cid, wanted }) => {
          const client = window.lab.client('one')
          const providers = await window.lab.collect(client.findProviders(cid))
          const session = await client.createSession()
          await session.getBlock(cid, { providers, signal: AbortSignal.timeout(20_000) })
          const signal = AbortSignal.timeout(40_000)
          const parts = await Promise.all(wanted.map((text) => session.getBlock(text, { signal })))
          const leaves = parts.filter(({ cid: { code } }) => code === 0x55)
          const whole = new Uint8Array(await new Blob(leaves.map(({ bytes }) => bytes as BlobPart)).arrayBuffer())
          const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', whole))
          return { providers: providers.map(({ id }) => id), bytes: whole.length, digest: Array.from(digest) }
        },
        { cid: root, wanted: blocks },
      )
      expect(got.providers).toContain(holder.id)
      expect(got.bytes).toBe(fileBytes)
      expect(Buffer.from(got.digest).toString('hex')).toBe(createHash('sha256').update(file).digest('hex'))
    })

    test('a Kubo that the page is not connected to is found with its addresses', async ({ lab, network }) => {
      const wanted = nodeAt(network, 4)
      const found = await lab.evaluate((id) => window.lab.client('one').findPeer(id), wanted.id)
      expect(found.multiaddrs.map((address) => `${address}/p2p/${wanted.id}`)).toContain(wanted.addresses[transport])
    })

    test('an IPNS record that Kubo published is read, and one that the page puts is resolved by Kubo', async ({
      lab,
      network,
    }) => {
      const publisher = nodeAt(network, 2)
      const target = `/ipfs/${blockOf('an IPNS target of Kubo').cid}`
      await publisher.ipfs(['name', 'publish', '--resolve=false', target])
      const read = await lab.evaluate(async (id) => {
        const { value } = await window.lab.client('one').getValue(`/ipns/${id}`, { quorum: 1 })
        return Array.from(value)
      }, publisher.id)
      expect(unmarshalIPNSRecord(Uint8Array.from(read)).value).toBe(target)

      const key = await generateKeyPair('Ed25519')
      const own = `/ipfs/${blockOf('an IPNS target of the page').cid}`
      const record = marshalIPNSRecord(await createIPNSRecord(key, own, 1n, 3_600_000))
      const name = peerIdFromPrivateKey(key).toString()
      const put = await lab.evaluate(
        ({ id, bytes }) => window.lab.client('one').putValue(`/ipns/${id}`, Uint8Array.from(bytes)),
        { id: name, bytes: Array.from(record) },
      )
      expect(put.stored, JSON.stringify(put)).toBeGreaterThan(0)
      expect(await textOf(nodeAt(network, 3), ['name', 'resolve', '--nocache', '--recursive=false', `/ipns/${name}`])).toBe(own)
    })

    test('what the page provides is found by ipfs routing findprovs', async ({ lab, network }) => {
      const { cid, bytes } = blockOf(`provided by a page over ${transport}`)
      const provided = await lab.evaluate(
        async ({ text, block }) => {
          const client = window.lab.client('one')
          await client.putBlock(text, Uint8Array.from(block))
          const result = await client.provide(text, { signal: AbortSignal.timeout(20_000) })
          return { id: client.peerId, result }
        },
        { text: cid, block: Array.from(bytes) },
      )
      expect(provided.result.stored, JSON.stringify(provided)).toBeGreaterThan(0)
      const providers = await textOf(nodeAt(network, 3), ['routing', 'findprovs', '--num-providers=1', cid])
      expect(providers.split('\n')).toContain(provided.id)
    })
  })
}

for (const transport of ['webtransport', 'websocket', 'webrtc-direct'] as const) {
  test(`While the page is frozen by its own script, a transfer from Kubo over ${transport} goes on, or goes on afterwards`, async ({
    lab,
    network,
  }) => {
    const holder = nodeAt(network, 1)
    const { blocks } = await added(holder, randomBytes(longFileBytes))
    const seen = await lab.evaluate(
      async ({ only, provider, cids, ms }) => {
        const client = await window.lab.start('one', { bootstrap: [], worker: '/worker-watched.js', transports: only })
        const signal = AbortSignal.timeout(80_000)
        let givenUp = 0
        // What was given up meanwhile is asked for again.
        const get = async (cid: string): Promise<number> => {
          for (;;) {
            const got = await window.lab.outcome(client.getBlock(cid, { providers: [provider], signal }))
            if (got.ok) return got.value.bytes.length
            if (got.code !== 'not-found') throw new Error(got.message)
            givenUp++
          }
        }
        const all = cids.map(get)
        await Promise.any(all)
        const frozen = window.lab.busy(ms)
        const bytes = (await Promise.all(all)).reduce((sum, length) => sum + length, 0)
        const { received } = await window.lab.watchWorker()
        return { bytes, frozen, received, givenUp }
      },
      {
        only: transports[transport],
        provider: { id: holder.id, multiaddrs: [holder.addresses[transport]] },
        cids: blocks,
        ms: frozenMs,
      },
    )
    expect(seen.bytes).toBeGreaterThanOrEqual(longFileBytes)
    test.info().annotations.push({ type: 'wants given up', description: String(seen.givenUp) })
    expectProgress(seen)
  })
}

test('Over WebRTC-direct Kubo uses up more channels than a browser once had numbers for, and no message on them is lost', async ({
  lab,
  network,
}) => {
  const holder = nodeAt(network, 1)
  const { blocks } = await added(holder, randomBytes(smallBlocks * smallChunkBytes), smallChunkBytes)
  const got = await lab.evaluate(
    async ({ only, provider, cids }) => {
      const client = await window.lab.start('one', { bootstrap: [], worker: '/worker-watched.js', transports: only })
      const signal = AbortSignal.timeout(60_000)
      const get = async (cid: string): Promise<number> =>
        (await client.getBlock(cid, { providers: [provider], signal })).bytes.length
      const lengths = await window.lab.eachOf(cids, 32, get)
      const { channels } = await window.lab.watchWorker()
      return { bytes: lengths.reduce((sum, length) => sum + length, 0), channels: channels.made }
    },
    {
      only: transports['webrtc-direct'],
      provider: { id: holder.id, multiaddrs: [holder.addresses['webrtc-direct']] },
      cids: blocks,
    },
  )
  expect(got.bytes).toBeGreaterThanOrEqual(smallBlocks * smallChunkBytes)
  expect(got.channels, 'Kubo put each block into a message of its own').toBeGreaterThan(smallBlocks)
})

for (const transport of ['webtransport', 'webrtc-direct'] as const) {
  test(`Over ${transport} a Kubo that shows another certificate than its address says is not reached, and nothing stays`, async ({
    lab,
    network,
  }) => {
    const { id, addresses } = nodeAt(network, 2)
    const seen = await lab.evaluate(
      async ({ cid, peer }) => {
        const client = await window.lab.start('one', { bootstrap: [], worker: '/worker-watched.js' })
        const { reason } = await client.probe(cid, peer)
        const { connections } = await client.status()
        await window.lab.until(async () => {
          const { sessions } = await window.lab.watchWorker()
          return sessions.pending + sessions.open + window.lab.peerConnections().open === 0
        })
        return { reason, connections }
      },
      { cid: blockOf('a block of nobody').cid, peer: { id, multiaddrs: [withWrongHash(addresses[transport])] } },
    )
    expect(seen).toEqual({ reason: 'unreachable', connections: 0 })
  })
}

/** `ipfs add`, which provides the root; with the CIDs of all blocks below it. */
async function added(holder: KuboNode, file: Uint8Array, chunk = chunkBytes): Promise<{ root: string; blocks: string[] }> {
  const args = ['add', '-Q', '--cid-version=1', '--raw-leaves', `--chunker=size-${chunk}`, '--fast-provide-wait']
  const root = await textOf(holder, args, file)
  return { root, blocks: [...new Set((await textOf(holder, ['refs', '-r', root])).split('\n'))] }
}

function nodeAt(network: KuboNetwork, index: number): KuboNode {
  const node = network.nodes[index]
  if (node === undefined) throw new Error(`The network has no node ${index}.`)
  return node
}

async function textOf(node: KuboNode, args: readonly string[], input?: Uint8Array): Promise<string> {
  return Buffer.from(await node.ipfs(args, input))
    .toString()
    .trim()
}
