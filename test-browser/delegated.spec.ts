import { createDelegatedRoutingV1HttpApiServer } from '@helia/delegated-routing-v1-http-api-server'
import { multiaddr } from '@multiformats/multiaddr'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import { decode as decodeMultihash } from 'multiformats/hashes/digest'
import { expect, test } from './support/fixtures.ts'
import { sampleNamed, type StageInfo } from './support/stage-info.ts'

/** A router that knows the providers of the swarm's samples, and the swarm's peers. */
async function startRouter(stage: StageInfo): Promise<{ url: string; asked(): number; close(): Promise<void> }> {
  let asked = 0
  const info = (id: string) => ({
    id: CID.createV1(0x72, decodeMultihash(base58btc.baseDecode(id))),
    multiaddrs: (stage.peers.find((peer) => peer.id === id)?.addresses ?? []).map((address) => multiaddr(address)),
  })
  const routing = {
    async *findProviders(cid: CID) {
      asked++
      const sample = stage.samples.find(
        (candidate) => CID.parse(candidate.cid).multihash.digest.join() === cid.multihash.digest.join(),
      )
      for (const id of sample?.providerIds ?? []) yield info(id)
    },
    findPeer: async (cid: CID) => info(base58btc.baseEncode(cid.multihash.bytes)),
  }
  const server = await createDelegatedRoutingV1HttpApiServer({ routing } as never, { listen: { host: '127.0.0.1', port: 0 } })
  const { port } = server.server.address() as { port: number }
  return { url: `http://127.0.0.1:${port}`, asked: () => asked, close: () => server.close() }
}

for (const mode of ['race', 'fallback'] as const) {
  test(`Without any DHT peer a delegated router is enough to find and fetch: ${mode}`, async ({ lab, stage }) => {
    const router = await startRouter(stage)
    try {
      const { cid, providerIds } = sampleNamed(stage, 'slab')
      const seen = await lab.evaluate(
        async ({ content, delegatedRouting }) => {
          const client = await window.lab.start('one', { bootstrap: [], delegatedRouting, worker: '/worker-for-routers.js' })
          const providers = await window.lab.collect(client.findProviders(content))
          const peer = await client.findPeer(providers[0]?.id ?? '')
          const { bytes, from } = await client.getBlock(content, { signal: AbortSignal.timeout(20_000) })
          const { delegated } = await client.status()
          await client.stop()
          return { providers, addresses: peer.multiaddrs.length, length: bytes.length, from, delegated }
        },
        { content: cid, delegatedRouting: { mode, routers: [router.url] } },
      )
      expect(seen.providers.map(({ id }) => id).toSorted()).toEqual([...providerIds].toSorted())
      expect(new Set(seen.providers.map(({ from }) => from))).toEqual(new Set([router.url]))
      expect(seen.addresses).toBeGreaterThan(0)
      expect(seen.length).toBe(256 * 1024)
      expect(providerIds).toContain(seen.from)
      expect(seen.delegated?.routers).toMatchObject([{ url: router.url, state: 'asked', failures: 0 }])
      expect(router.asked(), 'once for the search, and the want used what it said').toBe(1)
    } finally {
      await router.close()
    }
  })
}

test('With the DHT at hand a fallback router is not asked, and off means off', async ({ lab, stage }) => {
  const router = await startRouter(stage)
  try {
    const { cid, providerIds } = sampleNamed(stage, 'note')
    for (const mode of ['fallback', 'off'] as const) {
      const found = await lab.evaluate(
        async ({ bootstrap, content, delegatedRouting }) => {
          const client = await window.lab.start('one', { bootstrap, delegatedRouting, worker: '/worker-for-routers.js' })
          const providers = await window.lab.collect(client.findProviders(content))
          await client.stop()
          return providers.map(({ id }) => id)
        },
        { bootstrap: stage.bootstrap, content: cid, delegatedRouting: { mode, routers: [router.url] } },
      )
      expect(found.toSorted()).toEqual([...providerIds].toSorted())
    }
    expect(router.asked()).toBe(0)
  } finally {
    await router.close()
  }
})
