import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
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
    async *getClosestPeers() {
      for (const { id, state } of stage.peers) if (state === 'running') yield info(id)
    },
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

type Trouble = 'not-found' | 'too-many' | 'silent' | 'malformed'

/** What stands before a router of the real API: it passes its answers on, or has trouble of its own. */
async function inTrouble(router: string, trouble: Trouble): Promise<{ url: string; asked(): number; close(): Promise<void> }> {
  let asked = 0
  const server = createServer((request, response) => {
    asked++
    response.setHeader('access-control-allow-origin', '*')
    response.setHeader('access-control-expose-headers', 'retry-after')
    if (trouble === 'silent') return
    if (trouble === 'not-found') return void response.writeHead(404).end()
    if (trouble === 'too-many') return void response.writeHead(429, { 'retry-after': '60' }).end()
    const { accept = '*/*' } = request.headers
    void fetch(`${router}${request.url}`, { headers: { accept } }).then(async (answer) => {
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' })
      response.end(`{"Schema":"peer"\nno JSON at all\n{"Schema":"peer","ID":7}\n${await answer.text()}`)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = async (): Promise<void> => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked: () => asked, close }
}

for (const trouble of ['not-found', 'too-many', 'silent'] as const) {
  test(`A router in trouble costs nothing that another one, or the DHT, has: ${trouble}`, async ({ lab, stage }) => {
    const router = await startRouter(stage)
    const troubled = await inTrouble(router.url, trouble)
    try {
      const { cid, providerIds } = sampleNamed(stage, 'slab')
      for (const [bootstrap, routers] of [
        [[], [troubled.url, router.url]],
        [stage.bootstrap, [troubled.url]],
      ] as const) {
        const seen = await lab.evaluate(
          async ({ bootstrap, content, limit, delegatedRouting }) => {
            const client = await window.lab.start('one', { bootstrap, delegatedRouting, worker: '/worker-for-routers.js' })
            // With a limit, since a race is over when both have ended, or enough is known.
            const providers = await window.lab.collect(client.findProviders(content, { limit }))
            const { delegated } = await client.status()
            await client.stop()
            return { ids: providers.map(({ id }) => id), delegated }
          },
          {
            bootstrap: [...bootstrap],
            content: cid,
            limit: providerIds.length,
            delegatedRouting: { mode: 'race' as const, routers: [...routers] },
          },
        )
        expect(seen.ids.toSorted()).toEqual([...providerIds].toSorted())
        const state = trouble === 'too-many' ? 'paused' : 'asked'
        expect(seen.delegated?.routers[0]).toMatchObject({ url: troubled.url, state })
      }
      expect(troubled.asked()).toBeGreaterThan(0)
    } finally {
      await troubled.close()
      await router.close()
    }
  })
}

test('Lines of a router that are none are passed over, and those behind them are read', async ({ lab, stage }) => {
  const router = await startRouter(stage)
  const troubled = await inTrouble(router.url, 'malformed')
  try {
    const { cid, providerIds } = sampleNamed(stage, 'slab')
    const ids = await lab.evaluate(
      async ({ content, delegatedRouting }) => {
        const client = await window.lab.start('one', { bootstrap: [], delegatedRouting, worker: '/worker-for-routers.js' })
        const providers = await window.lab.collect(client.findProviders(content))
        await client.stop()
        return providers.map(({ id }) => id)
      },
      { content: cid, delegatedRouting: { mode: 'race' as const, routers: [troubled.url] } },
    )
    expect(ids.toSorted()).toEqual([...providerIds].toSorted())
  } finally {
    await troubled.close()
    await router.close()
  }
})

test('Closest peers of a router fill the routing table, and who served ranks: the DHT is entered without bootstrap', async ({
  lab,
  stage,
}) => {
  const router = await startRouter(stage)
  try {
    const { cid } = sampleNamed(stage, 'slab')
    const seen = await lab.evaluate(
      async ({ content, delegatedRouting }) => {
        const client = await window.lab.start('one', { bootstrap: [], delegatedRouting, worker: '/worker-for-routers.js' })
        const filled = new Promise<number>((resolve) => {
          client.addEventListener('table', ({ detail }) => detail.size >= 4 && resolve(detail.size))
        })
        const closest = await window.lab.collect(client.getClosestPeers(content))
        const size = await filled
        await client.getBlock(content, { signal: AbortSignal.timeout(20_000) })
        const { bitswap } = await client.status()
        await client.stop()
        return { closest: closest.length, size, ranked: bitswap.rankedPeers }
      },
      { content: cid, delegatedRouting: { mode: 'race' as const, routers: [router.url] } },
    )
    expect(seen.closest).toBeGreaterThan(0)
    expect(seen.size).toBeGreaterThanOrEqual(4)
    expect(seen.ranked).toBeGreaterThan(0)
  } finally {
    await router.close()
  }
})
