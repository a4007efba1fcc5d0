import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createDelegatedRoutingV1HttpApiServer } from '@helia/delegated-routing-v1-http-api-server'
import { multiaddr } from '@multiformats/multiaddr'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import { limits } from '../../../worker/engine/limits.ts'
import { DelegatedRouting } from '../../../worker/host/delegated/delegated-routing.ts'
import type { Fetch } from '../../../worker/host/delegated/http-router.ts'
import { collect } from '../../support/client-harness.ts'
import { peerBytes, peerText } from '../../support/fake-service.ts'

const { multihash } = CID.parse('bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku')
const one = { Schema: 'peer', ID: peerText, Addrs: ['/dns4/peer.example/tcp/443/wss', 'no address'] }
const other = { Schema: 'peer', ID: 'k51qzi5uqu5djveu82z059vo9ywpkjelcln2puaent0pgtmyk9ac3tt6x5ch3l', Addrs: [] }
const forever = new AbortController().signal

/** Routers that answer as the test says, and a clock that it turns. */
function routers(answer: Fetch, urls: readonly string[] = ['https://router.example/']) {
  const asked: string[] = []
  const clock = { now: 0 }
  const routing = new DelegatedRouting({
    urls,
    filterAddrs: ['wss', 'tls'],
    now: () => clock.now,
    fetch: async (url, init) => {
      asked.push(url)
      return answer(url, init)
    },
  })
  const found = async () => (await collect(routing.providers(multihash.bytes, forever))).map(({ id }) => base58btc.baseEncode(id))
  return { routing, asked, clock, found }
}

function ndjson(...lines: readonly (object | string)[]): Response {
  const body = lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join('')
  return new Response(body, { headers: { 'content-type': 'application/x-ndjson' } })
}

test('providers come as NDJSON or as JSON, with binary addresses; the path names the content and the filter', async () => {
  for (const answer of [ndjson(one), Response.json({ Providers: [one] }), Response.json({ Peers: [one] })]) {
    const { routing, asked } = routers(async () => answer)
    const [peer] = await collect(routing.providers(multihash.bytes, forever))
    assert.deepEqual(peer, {
      id: peerBytes,
      addresses: [multiaddr('/dns4/peer.example/tcp/443/wss').bytes],
      router: 'https://router.example',
    })
    const path = '/routing/v1/providers/bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku?filter-addrs=wss%2Ctls'
    assert.deepEqual(asked, [`https://router.example${path}`])
  }
})

test('malformed lines and records are left out, and those beside them count', async () => {
  const { found } = routers(async () => ndjson('{ no json', '[]', 'null', { ID: 7 }, { ID: 'nonsense' }, one, '"text"'))
  assert.deepEqual(await found(), [peerText])
})

test('lines that arrive in pieces, and a last one without an end, are read', async () => {
  const bytes = new TextEncoder().encode(`${JSON.stringify(one)}\n${JSON.stringify(other)}`)
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (let at = 0; at < bytes.length; at += 7) controller.enqueue(bytes.slice(at, at + 7))
      controller.close()
    },
  })
  const { found } = routers(async () => new Response(body, { headers: { 'content-type': 'application/x-ndjson' } }))
  assert.deepEqual(await found(), [peerText, peerText])
})

test('an answer without end is read up to a bound, and its download ends', async () => {
  let isCancelled = false
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(65_536).fill(0x61)),
    cancel: () => {
      isCancelled = true
    },
  })
  const { found } = routers(async () => new Response(body, { headers: { 'content-type': 'application/x-ndjson' } }))
  assert.deepEqual(await found(), [])
  assert.equal(isCancelled, true)
})

test('404 and an empty list mean nothing is known: remembered for a short time', async () => {
  for (const answer of [() => new Response('', { status: 404 }), () => ndjson(), () => Response.json({ Providers: null })]) {
    const { found, asked, clock, routing } = routers(async () => answer())
    assert.deepEqual(await found(), [])
    clock.now = limits.delegatedNegativeCacheMs.value - 1
    assert.deepEqual(await found(), [])
    assert.equal(asked.length, 1)
    clock.now++
    await found()
    assert.equal(asked.length, 2)
    assert.equal(routing.status().routers[0]?.failures, 0)
  }
})

test('what was found is remembered longer, and questions asked at once are one', async () => {
  const { found, asked, clock, routing } = routers(async () => ndjson(one))
  assert.deepEqual(await Promise.all([found(), found()]), [[peerText], [peerText]])
  clock.now = limits.delegatedCacheMs.value - 1
  assert.deepEqual(await found(), [peerText])
  assert.equal(asked.length, 1)
  assert.equal(routing.status().answeredFromCache, 2)
  clock.now++
  await found()
  assert.equal(asked.length, 2)
})

test('a router that fails is left alone after three times, tried once later, and asked again when it answers', async () => {
  let status = 500
  const { found, asked, clock, routing } = routers(async () => (status === 200 ? ndjson(one) : new Response('', { status })))
  for (let time = 0; time < 5; time++) assert.deepEqual(await found(), [])
  assert.equal(asked.length, 3, 'no failure is remembered as an answer')
  assert.equal(routing.status().routers[0]?.state, 'paused')
  clock.now = limits.delegatedPauseMs.value
  await found()
  await found()
  assert.equal(asked.length, 4, 'one attempt, and twice the pause')
  clock.now += 2 * limits.delegatedPauseMs.value
  status = 200
  assert.deepEqual(await found(), [peerText])
  assert.deepEqual(routing.status().routers[0], { url: 'https://router.example', state: 'asked', requests: 5, failures: 4 })
})

test('429 is believed at once: for the time it names, up to a ceiling', async () => {
  for (const [header, pauseMs] of [
    ['7', 7_000],
    ['999999', limits.delegatedPauseMaxMs.value],
    ['soon', limits.delegatedPauseMs.value],
  ] as const) {
    const { found, asked, clock } = routers(async () => new Response('', { status: 429, headers: { 'retry-after': header } }))
    await found()
    clock.now = pauseMs - 1
    await found()
    assert.equal(asked.length, 1, header)
    clock.now = pauseMs
    await found()
    assert.equal(asked.length, 2, header)
  }
})

test('a router that does not answer is given up after a bounded time, and holds nobody else up', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const slow: Fetch = (_url, { signal }) =>
    new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)))
  const { routing } = routers(
    (url, init) => (url.includes('slow') ? slow(url, init) : Promise.resolve(ndjson(one))),
    ['https://slow.example', 'https://quick.example'],
  )
  const providers = routing.providers(multihash.bytes, forever)
  assert.equal((await providers.next()).value?.router, 'https://quick.example')
  const rest = providers.next()
  t.mock.timers.tick(limits.delegatedTimeoutMs.value)
  assert.equal((await rest).done, true)
  assert.deepEqual(
    routing.status().routers.map(({ failures }) => failures),
    [1, 0],
  )
})

test('a reader that leaves ends the request, which is no failure of the router; the next one asks anew', async () => {
  let given = 0
  const { routing, asked } = routers(async (_url, { signal }) => {
    signal?.addEventListener('abort', () => given++)
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        controller.enqueue(new TextEncoder().encode(`${JSON.stringify(one)}\n`))
        signal?.addEventListener('abort', () => controller.error(signal.reason))
      },
    })
    return new Response(body, { headers: { 'content-type': 'application/x-ndjson' } })
  })
  for (const time of [1, 2]) {
    for await (const peer of routing.providers(multihash.bytes, forever)) {
      assert.deepEqual(peer.id, peerBytes)
      break
    }
    assert.equal(given, time)
  }
  const leave = new AbortController()
  const waiting = collect(routing.providers(multihash.bytes, leave.signal))
  leave.abort()
  await waiting
  assert.equal(asked.length, 3)
  assert.equal(routing.status().routers[0]?.failures, 0)
})

test('names, peers and closest peers have their own paths; what is no IPNS record is none', async () => {
  const record = Uint8Array.of(1, 2, 3)
  const { routing, asked } = routers(async (url) => {
    if (!url.includes('/ipns/')) return ndjson(one)
    return new Response(record, { headers: { 'content-type': 'application/vnd.ipfs.ipns-record' } })
  })
  const name = CID.createV1(
    0x72,
    CID.parse('k51qzi5uqu5djveu82z059vo9ywpkjelcln2puaent0pgtmyk9ac3tt6x5ch3l').multihash,
  ).toString()
  assert.deepEqual(await collect(routing.ipns(peerBytes, forever)), [record])
  assert.equal((await collect(routing.peer(peerBytes, forever))).length, 1)
  assert.equal((await collect(routing.closestPeers(multihash.bytes, forever))).length, 1)
  assert.deepEqual(
    asked.map((url) => new URL(url).pathname),
    [`/routing/v1/ipns/${name}`, `/routing/v1/peers/${name}`, `/routing/v1/dht/closest/peers/${CID.createV1(0x55, multihash)}`],
  )
  const html = routers(async () => new Response('<html>', { headers: { 'content-type': 'text/html' } }))
  assert.deepEqual(await collect(html.routing.ipns(peerBytes, forever)), [])
})

test('a real server of the API, on loopback', async (t: TestContext) => {
  const id = CID.createV1(0x72, CID.parse('k51qzi5uqu5djveu82z059vo9ywpkjelcln2puaent0pgtmyk9ac3tt6x5ch3l').multihash)
  const provider = { id, multiaddrs: [multiaddr('/dns4/peer.example/tcp/443/wss')] }
  const routing = {
    findProviders: async function* () {
      yield provider
    },
    findPeer: async () => provider,
    get: async () => {
      throw new Error('no such record')
    },
  }
  const server = await createDelegatedRoutingV1HttpApiServer({ routing } as never, { listen: { host: '127.0.0.1', port: 0 } })
  t.after(() => server.close())
  const { port } = server.server.address() as { port: number }
  const delegated = new DelegatedRouting({ urls: [`http://127.0.0.1:${port}`], filterAddrs: [], fetch, now: () => 0 })
  const expected = [{ id: peerBytes, addresses: [provider.multiaddrs[0]!.bytes], router: `http://127.0.0.1:${port}` }]
  assert.deepEqual(await collect(delegated.providers(multihash.bytes, forever)), expected)
  assert.deepEqual(await collect(delegated.ipns(peerBytes, forever)), [])
  assert.deepEqual(await collect(delegated.peer(peerBytes, forever)), expected)
})
