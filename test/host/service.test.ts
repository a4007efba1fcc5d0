import 'fake-indexeddb/auto'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openDB } from 'idb'
import { CID } from 'multiformats/cid'
import { identity } from 'multiformats/hashes/identity'
import type { ErrorCode } from '../../worker/contract/errors.ts'
import type { ProgressData, StartOptions } from '../../worker/contract/service.ts'
import { limits } from '../../worker/engine/limits.ts'
import type { CallContext } from '../../worker/host/amino-service.ts'
import { EngineService } from '../../worker/host/service.ts'
import { settingsOf } from '../../worker/host/settings.ts'
import { ServiceError } from '../../worker/host/service-error.ts'

/** The whole Worker side without a network: what it refuses and what it answers by itself. */

const options: StartOptions = {
  bootstrap: [],
  storage: undefined,
  identity: 'fresh',
  allowPrivateAddresses: true,
  protocols: { kad: '/ipfs/kad/1.0.0', bitswap: '/ipfs/bitswap/1.2.0' },
  announce: [],
  relay: false,
  server: false,
  transports: { webSocket: true, webTransport: false, webRtc: false },
  iceServers: [],
  denyPeers: [],
  providing: { intervalMs: 79_200_000, withoutAddress: false },
  discovery: {
    broadcast: 'steps',
    coldStart: 'steps',
    leaders: { type: 'top', peers: 3 },
    peersPerSecond: 1.7,
    searchDelay: 0,
    guesses: 'dynamic',
    listenToWants: true,
  },
  delegated: { mode: 'off', routers: [] },
  limits: { operationsMax: 16, connectionsMax: 16, blockStoreBytesMax: 1_000_000 },
}

const noWebRtc = (): never => assert.fail('no WebRTC was asked for')

const context = (): CallContext => ({ signal: new AbortController().signal, onProgress: undefined })

async function started(changes: Partial<StartOptions> = {}): Promise<EngineService> {
  const service = new EngineService()
  await service.start({ ...options, ...changes }, () => {}, noWebRtc)
  return service
}

async function refused(call: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(call, (error) => error instanceof ServiceError && error.plain.code === code)
}

test('an address option that is no address is the caller’s mistake, and says which', async () => {
  const wrong: Partial<StartOptions>[] = [
    { announce: ['/nowhere/1'] },
    { announce: ['/p2p/12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8'] },
    { bootstrap: ['/ip4/127.0.0.1/tcp/1/ws'] },
    { bootstrap: ['/ip4/127.0.0.1/tcp/1/ws/p2p/nobody'] },
    { bootstrap: ['/ip4/127.0.0.1/tcp/1/ws/p2p/bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e'] },
    { bootstrap: ['nowhere/p2p/12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8'] },
  ]
  for (const change of wrong) {
    const [text] = [...(change.announce ?? []), ...(change.bootstrap ?? [])]
    await assert.rejects(started(change), (error) => {
      return error instanceof ServiceError && error.plain.code === 'invalid-argument' && error.message.includes(text!)
    })
  }
})

test('a wrong choice for discovery or providing is the caller’s mistake, and what is left out has a default', async () => {
  const wrong: StartOptions['discovery'][] = [
    { broadcast: 'everybody' as never },
    { coldStart: 'slowly' as never },
    { peersPerSecond: 0 },
    { searchDelay: 6_000 },
    { searchDelay: 'p99' as never },
    { guesses: 5 },
    { rankingWindowMs: 0 },
    { rankingWindowMs: '2 h' as never },
    { latencyWindowMs: 48 * 3_600_000 },
    { leaders: { type: 'coverage', share: 0 } },
    { leaders: { type: 'top', peers: 0 } },
    { leaders: null as never },
  ]
  for (const discovery of wrong) await refused(started({ discovery }), 'invalid-argument')
  await refused(started({ providing: { intervalMs: 48 * 3_600_000 } }), 'invalid-argument')
  const { discovery, providing } = settingsOf({ ...options, discovery: {}, providing: {} })
  assert.deepEqual(providing, { intervalMs: 79_200_000, withoutAddress: false })
  assert.deepEqual(discovery, {
    broadcast: 'steps',
    coldStart: 'steps',
    leaders: { type: 'dynamic' },
    peersPerSecond: 1.7,
    searchDelay: 0,
    guesses: 'dynamic',
    listenToWants: true,
    rankingWindowMs: 7_200_000,
    latencyWindowMs: 7_200_000,
  })
})

test('delegated routing is off unless asked for, and its URLs are taken with or without the path of the API', async () => {
  const delegatedOf = (delegated: StartOptions['delegated']) => settingsOf({ ...options, delegated }).delegated
  const off = { mode: 'off', routers: [] }
  assert.deepEqual(delegatedOf(undefined), off)
  const routers = [
    'https://one.example',
    'https://two.example/',
    'http://127.0.0.1:8080/routing/v1/',
    'https://three.example/under',
  ]
  assert.deepEqual(delegatedOf({ mode: 'race', routers }), {
    mode: 'race',
    routers: ['https://one.example', 'https://two.example', 'http://127.0.0.1:8080', 'https://three.example/under'],
  })
  assert.deepEqual(delegatedOf({ mode: 'fallback', routers: [] }), off)
  assert.equal(delegatedOf({ mode: 'fallback' }).routers.length, 1)
})

test('a wrong option of delegated routing is the caller’s mistake', async () => {
  const url = 'https://router.example'
  for (const delegated of [
    null,
    {},
    { mode: 'sometimes' },
    { mode: 'race', routers: url },
    { mode: 'race', routers: ['router.example'] },
    { mode: 'race', routers: [7] },
    { mode: 'race', routers: [`${url}?key=1`] },
    { mode: 'race', routers: Array.from({ length: 9 }, () => url) },
  ] as StartOptions['delegated'][]) {
    await refused(started({ delegated }), 'invalid-argument')
  }
})

test('the block of an identity CID is in the CID', async () => {
  const service = await started()
  const { bytes } = await service.getBlock(
    CID.parse('bafkqac3jobxhgidsn5rww4yk').bytes,
    { session: undefined, context: undefined, providers: [] },
    context(),
  )
  assert.equal(new TextDecoder().decode(bytes), 'ipns rocks\n')
  await service.stop()
})

test('a context that is no short name is the caller’s mistake', async () => {
  const service = await started()
  const cid = CID.parse('bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e').bytes
  for (const name of ['', 'x'.repeat(65), 7 as never]) {
    await refused(service.getBlock(cid, { session: undefined, context: name, providers: [] }, context()), 'invalid-argument')
    await refused(service.openSession({ root: undefined, context: name, providers: [] }), 'invalid-argument')
  }
  await service.stop()
})

test('a value that no server would keep is refused before anything is sent', async () => {
  const service = await started()
  const key = new TextEncoder().encode('/pk/anything')
  await refused(service.putValue(key, new Uint8Array(16_385), context()), 'too-large')
  await refused(service.putValue(key, new Uint8Array(16_384), context()), 'invalid-record')
  await service.stop()
})

test('a key that servers refuse never leaves, and the message says how long it may be', async () => {
  const service = await started({ providing: { withoutAddress: true } })
  const cidOf = (bytes: number): Uint8Array => CID.createV1(0x55, identity.digest(new Uint8Array(bytes))).bytes
  const isRefusal = (code: ErrorCode) => (error: unknown) =>
    error instanceof ServiceError && error.plain.code === code && /has \d+ bytes; .* at most/.test(error.message)
  const long = cidOf(79)
  assert.throws(() => service.findProviders(long, { limit: 1 }, context()), isRefusal('invalid-cid'))
  service.findProviders(cidOf(78), { limit: 1 }, context())
  for (const keep of [true, false])
    await assert.rejects(service.provide(long, { mode: 'classic', keep }, context()), isRefusal('invalid-cid'))
  const add = (...cids: Uint8Array[]) => service.providing({ type: 'add', cids, replacement: undefined })
  await assert.rejects(add(cidOf(10), long), (error) => {
    return isRefusal('invalid-cid')(error) && (error as Error).message.includes(CID.decode(long).toString().slice(0, 60))
  })
  assert.equal((await add(cidOf(78))).status.provided, 1)
  // What is kept since before there was a limit can be let go.
  assert.equal((await service.providing({ type: 'cancel', cids: [long] })).changed, 0)
  const key = new Uint8Array(257)
  assert.throws(() => service.getClosestPeers(key, context()), isRefusal('invalid-key'))
  service.getClosestPeers(key.subarray(1), context())
  await assert.rejects(service.getValue(key, { quorum: 1 }, context()), isRefusal('invalid-key'))
  await assert.rejects(service.putValue(key, new Uint8Array(1), context()), isRefusal('invalid-key'))
  await service.stop()
})

test('a client that is stopped while it starts does not live on', async () => {
  const service = new EngineService()
  const starting = service.start(options, () => {}, noWebRtc)
  await service.stop()
  await refused(starting, 'stopped')
  await refused(service.status(), 'stopped')
})

test('a kept identity comes back, and one that cannot be read is replaced', async () => {
  const kept: Partial<StartOptions> = { storage: 'service-test', identity: 'kept' }
  const ids: string[] = []
  for (const spoiled of [false, false, true, false]) {
    if (spoiled) {
      const database = await openDB('service-test')
      await database.put('meta', Uint8Array.of(1, 2, 3), 'identity')
      database.close()
    }
    const service = await started(kept)
    ids.push((await service.status()).peerId.toString())
    await service.stop()
  }
  const [first, second, third, fourth] = ids
  assert.equal(first, second)
  assert.notEqual(second, third)
  assert.equal(third, fourth)
})

test('a block that the page offers is found when it hashes to its CID, and a lie or a hanging page is not believed', async () => {
  const service = await started()
  const bytes = new TextEncoder().encode('kept by the page')
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  const cid = Uint8Array.of(0x01, 0x55, 0x12, 0x20, ...digest)
  const alone = { session: undefined, context: undefined, providers: [] }
  await service.offerBlocks(async () => Uint8Array.of(1, 2, 3))
  await assert.rejects(service.getBlock(cid, alone, context()), ServiceError)
  await service.offerBlocks(async () => bytes)
  const block = await service.getBlock(cid, alone, context())
  assert.deepEqual(block.bytes, bytes)
  assert.equal(block.from, undefined)
  assert.equal(await service.hasBlock(cid), false, 'it stays where it is')
  await service.stop()
})

test('a page reads many of its own blocks as one stream, more than it is asked for at once and than operations are allowed', async () => {
  const service = await started({ limits: { ...options.limits, operationsMax: 4 } })
  const kept = new Map<string, Uint8Array>()
  const cids: Uint8Array[] = []
  for (let index = 0; index < 150; index++) {
    const bytes = new TextEncoder().encode(`block ${index}`)
    const cid = Uint8Array.of(0x01, 0x55, 0x12, 0x20, ...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)))
    kept.set(cid.toString(), bytes)
    cids.push(cid)
  }
  await service.offerBlocks(async (cid) => kept.get(cid.toString()))
  const streams = [0, 1, 2].map(async () => {
    const got = new Set<string>()
    const alone = { session: undefined, context: undefined, providers: [] }
    for await (const { cid } of service.getBlocks(cids, alone, context())) got.add(cid.toString())
    return got.size
  })
  assert.deepEqual(await Promise.all(streams), [150, 150, 150])
  await service.stop()
})

test('more sessions than are kept are refused with a code, and there is room again when one is closed', async () => {
  const service = await started()
  const open = () => service.openSession({ root: undefined, context: undefined, providers: [] })
  const sessions: number[] = []
  for (let count = 0; count < limits.sessionsMax.value; count++) sessions.push(await open())
  await refused(open(), 'too-many-queries')
  await service.closeSession(sessions[0]!)
  await open()
  await service.stop()
})

test('the progress of a stream says of which block it is', async () => {
  const service = await started()
  const cids = [1, 2, 3].map((number) => Uint8Array.of(0x01, 0x55, 0x12, 0x20, ...new Uint8Array(32).fill(number)))
  const told: (Uint8Array | undefined)[] = []
  const onProgress = ({ type, cid }: ProgressData): void => {
    if (type === 'searching-providers') told.push(cid)
  }
  const stream = service.getBlocks(cids, { session: undefined, context: undefined, providers: [] }, { ...context(), onProgress })
  await assert.rejects(async () => {
    for await (const block of stream) assert.fail(`nobody has ${block.cid.toString()}`)
  }, ServiceError)
  assert.deepEqual(told, cids)
  await service.stop()
})
