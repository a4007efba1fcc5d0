import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { base16 } from 'multiformats/bases/base16'
import { base32 } from 'multiformats/bases/base32'
import { base36 } from 'multiformats/bases/base36'
import { base58btc } from 'multiformats/bases/base58'
import { base64, base64url } from 'multiformats/bases/base64'
import { CID } from 'multiformats/cid'
import type { Progress } from '../../src/index.ts'
import { codeOf, collect, signalled, startHarness } from '../support/client-harness.ts'
import {
  peerBytes,
  peerCidText,
  peerText,
  providerItem,
  statusData,
  stats,
  stored,
  untilAborted,
} from '../support/fake-service.ts'

const cidText = 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'
const cid = CID.parse(cidText)
const recordKey = Uint8Array.from([...Buffer.from('/ipns/'), ...peerBytes])

test('every method hands its arguments to the service as plain values and its result back in public types', async (t) => {
  const { client, service } = await startHarness(t)
  const provider = { id: peerText, multiaddrs: ['/ip4/1.2.3.4/tcp/1/ws'], from: peerText, elapsedMs: 0 }
  assert.equal(client.peerId, peerText)
  assert.equal(client.start, 'cold')
  assert.deepEqual(await collect(client.findProviders(cidText, { limit: 3 })), [provider])
  const closest = { id: peerText, multiaddrs: [], outcome: 'responded' }
  assert.deepEqual(await collect(client.getClosestPeers(Uint8Array.of(1))), [closest, closest])
  assert.deepEqual(await client.findPeer(peerText), { id: peerText, multiaddrs: ['/ip4/1.2.3.4/tcp/4001/ws'] })
  assert.deepEqual(await client.getValue(`/ipns/${peerText}`), { value: Uint8Array.of(1, 2), confirmations: 16, stats })
  assert.deepEqual(await client.putValue(recordKey, Uint8Array.of(5)), stored)
  assert.deepEqual(await client.provide(cid, { mode: 'optimistic' }), stored)
  const block = await client.getBlock(cid, { providers: [{ id: peerText, multiaddrs: ['/ip4/5.6.7.8/tcp/1/ws'] }] })
  assert.deepEqual({ ...block, cid: block.cid.toString() }, { cid: cidText, bytes: Uint8Array.of(7, 8), from: peerText })
  await client.putBlock(cid, Uint8Array.of(7, 8))
  assert.equal(await client.hasBlock(cid), true)
  await client.deleteBlock(cid)
  assert.deepEqual(await client.status(), { ...statusData, peerId: peerText })
  const session = await client.createSession(cid, { context: 'nft' })
  await session.getBlock(cid)
  const streamed = await collect(session.getBlocks([cid, cidText], { context: 'map' }))
  assert.deepEqual(
    streamed.map(({ bytes }) => bytes),
    [Uint8Array.of(0), Uint8Array.of(1)],
  )
  await session.close()
  const failed = { outcome: 'FETCH_FAILED', reason: 'dont-have', bytes: undefined, elapsedMs: 4 }
  assert.deepEqual(await client.probe(cid, { id: peerText }), failed)
  const providers = [{ id: peerBytes, addresses: ['/ip4/5.6.7.8/tcp/1/ws'] }]
  assert.deepEqual(service.seen.slice(1), [
    { method: 'findProviders', args: [cid.bytes, { limit: 3 }] },
    { method: 'getClosestPeers', args: [Uint8Array.of(1)] },
    { method: 'findPeer', args: [peerBytes] },
    { method: 'getValue', args: [recordKey, { quorum: 16 }] },
    { method: 'putValue', args: [recordKey, Uint8Array.of(5)] },
    { method: 'provide', args: [cid.bytes, { mode: 'optimistic', keep: true }] },
    { method: 'getBlock', args: [cid.bytes, { session: undefined, providers }] },
    { method: 'putBlock', args: [cid.bytes, Uint8Array.of(7, 8)] },
    { method: 'hasBlock', args: [cid.bytes] },
    { method: 'deleteBlock', args: [cid.bytes] },
    { method: 'status', args: [] },
    { method: 'openSession', args: [{ root: cid.bytes, context: 'nft', providers: [] }] },
    { method: 'getBlock', args: [cid.bytes, { session: 4, providers: [] }] },
    { method: 'getBlocks', args: [[cid.bytes, cid.bytes], { session: 4, context: 'map', providers: [] }] },
    { method: 'closeSession', args: [4] },
    { method: 'probe', args: [cid.bytes, { id: peerBytes, addresses: [] }] },
  ])
})

test('keys and peer ids are taken in every usual form', async (t) => {
  const { client, service } = await startHarness(t)
  const peerId = { toString: () => peerText }
  for (const id of [peerText, peerCidText, peerId, CID.parse(peerCidText)]) await client.findPeer(id)
  for (const key of [`/ipns/${peerText}`, `/ipns/${peerCidText}`, recordKey]) await client.getValue(key)
  for (const key of [peerText, peerCidText, CID.parse(peerCidText)]) await collect(client.getClosestPeers(key))
  for (const key of [cid, cidText]) await collect(client.getClosestPeers(key))
  await collect(client.getClosestPeers(`/ipns/${peerText}`))
  const given = service.seen.slice(1).map((call) => Buffer.from(call.args[0] as Uint8Array).toString('hex'))
  const [peer, record, content] = [peerBytes, recordKey, cid.multihash.bytes].map((bytes) => Buffer.from(bytes).toString('hex'))
  assert.deepEqual(given, [peer, peer, peer, peer, record, record, record, peer, peer, peer, content, content, record])
})

test('a CID is taken in every base that tools print: 32, 36, 58, and also 16 and 64', async (t) => {
  const { client, service } = await startHarness(t)
  const bases = [base16, base32, base36, base58btc, base64, base64url]
  for (const base of bases) await client.hasBlock(cid.toString(base as typeof base32))
  const given = service.seen.slice(1).map((call) => Buffer.from(call.args[0] as Uint8Array).toString('hex'))
  assert.deepEqual(
    given,
    Array.from(bases, () => Buffer.from(cid.bytes).toString('hex')),
  )
  for (const broken of ['f0155xx', `f${cidText.slice(1)}`, 'mAVU', 'u', 'f']) {
    assert.equal(await codeOf(client.hasBlock(broken)), 'invalid-cid', broken)
  }
})

function* endless() {
  for (;;) yield cid
}

test('a wrong argument rejects with its code before anything is sent', async (t) => {
  const { client, service } = await startHarness(t)
  const wrong = undefined as never
  const cases: readonly (readonly [code: string, call: Promise<unknown>])[] = [
    ['invalid-cid', client.getBlock('not a cid')],
    ['invalid-cid', client.getBlock(`/ipfs/${cidText}`)],
    ['invalid-cid', client.putBlock(wrong, Uint8Array.of(1))],
    ['invalid-cid', client.hasBlock('')],
    ['invalid-cid', client.hasBlock(Object.create(null) as never)],
    ['invalid-cid', client.deleteBlock(`${cidText}a`)],
    ['invalid-cid', client.provide('k51')],
    ['invalid-argument', client.provide(cid, { mode: 'fast' as 'classic' })],
    ['invalid-cid', collect(client.findProviders('bafy'))],
    ['invalid-argument', collect(client.findProviders(cid, { limit: 0 }))],
    ['invalid-argument', collect(client.findProviders(cid, { limit: 1.5 }))],
    ['invalid-argument', collect(client.findProviders(cid, { limit: Number.NaN }))],
    ['invalid-argument', collect(client.findProviders(cid, { limit: '3' as never }))],
    ['invalid-argument', client.getValue(recordKey, { quorum: 21 })],
    ['invalid-argument', client.putBlock(cid, 'text' as never)],
    ['invalid-argument', client.putValue(recordKey, wrong)],
    ['invalid-argument', client.getBlock(cid, { session: {} as never })],
    ['invalid-argument', client.getBlock(cid, { session: null as never })],
    ['invalid-argument', client.getBlock(cid, { providers: peerText as never })],
    ['invalid-argument', client.getBlock(cid, { providers: [{ id: peerText, multiaddrs: '/ip4/1.2.3.4' as never }] })],
    ['invalid-argument', client.getBlock(cid, { signal: new AbortController() as never })],
    ['invalid-argument', client.createSession({ providers: {} as never })],
    ['invalid-argument', collect(client.getBlocks(wrong))],
    ['invalid-argument', collect(client.getBlocks(7 as never))],
    ['invalid-argument', collect(client.getBlocks(endless()))],
    ['invalid-argument', collect(client.getBlocks([cid], { signal: 'soon' as never }))],
    ['invalid-argument', client.serveBlocks(null as never)],
    ['invalid-argument', client.serveBlocks({} as never)],
    ['invalid-cid', collect(client.getBlocks(cidText))],
    ['invalid-cid', client.createSession(7 as never)],
    ['invalid-cid', client.createSession(cid.bytes as never)],
    ['invalid-cid', client.probe(wrong, { id: peerText })],
    ['invalid-key', client.probe(cid, wrong)],
    ['invalid-key', client.getBlock(cid, { providers: [null as never] })],
    ['invalid-key', client.findPeer(cidText)],
    ['invalid-key', client.findPeer('12D3KooW')],
    ['invalid-key', client.findPeer(wrong)],
    ['invalid-key', client.getBlock(cid, { providers: [{ id: 'nobody' }] })],
    ['invalid-key', client.getValue('/dns/example.org')],
    ['invalid-key', client.getValue('/ipns/example.org')],
    ['invalid-key', client.getValue(Uint8Array.from([...Buffer.from('/pk/'), 0x12, 2, 1, 1]))],
    ['invalid-key', client.getValue(Uint8Array.from(Buffer.from(`/ipns/${peerText}`)))],
    ['invalid-key', client.putValue('/pk/', Uint8Array.of(1))],
    ['invalid-key', collect(client.getClosestPeers(new Uint8Array(0)))],
    ['invalid-key', collect(client.getClosestPeers('hello'))],
    ['aborted', client.status({ signal: AbortSignal.abort() })],
    ['aborted', collect(client.findProviders(cid, { signal: AbortSignal.abort() }))],
  ]
  const codes = await Promise.all(cases.map(([_code, call]) => codeOf(call)))
  assert.deepEqual(
    codes,
    cases.map(([code]) => code),
  )
  assert.deepEqual(
    service.seen.map((call) => call.method),
    ['start'],
  )
})

test('what is no signal leaves nothing behind: what is pending besides still ends with stop', async (t) => {
  const { client } = await startHarness(t, { findPeer: (_id, context) => untilAborted(context) })
  const noSignal = new AbortController() as never
  const pending = codeOf(client.findPeer(peerText))
  assert.equal(await codeOf(client.findPeer(peerText, { signal: noSignal })), 'invalid-argument')
  assert.equal(await codeOf(collect(client.findProviders(cid, { signal: noSignal }))), 'invalid-argument')
  await client.stop()
  assert.equal(await pending, 'stopped')
})

test('null options are none', async (t) => {
  const { client } = await startHarness(t)
  const none = null as never
  await client.getBlock(cid, none)
  await client.status(none)
  assert.equal((await collect(client.getBlocks([cid], none))).length, 1)
  await (await client.createSession(none)).close()
  await (await client.createSession(cid, none)).close()
})

test('aborting a call rejects it at once and fires the signal of its context in the Worker', async (t) => {
  const [started, given] = [signalled(), signalled()]
  const { client } = await startHarness(t, {
    findPeer: (_id, context) => {
      context.signal.addEventListener('abort', given.reach)
      started.reach()
      return untilAborted(context)
    },
  })
  const controller = new AbortController()
  const pending = client.findPeer(peerText, { signal: controller.signal })
  await started.reached
  controller.abort(new Error('the reason'))
  await assert.rejects(pending, (error: Error) => {
    assert.equal((error.cause as Error).message, 'the reason')
    return true
  })
  await given.reached
})

test('progress is told in order before the result and never after it', async (t) => {
  let report: ((progress: { type: 'asking'; peer: Uint8Array }) => void) | undefined
  const { client } = await startHarness(t, {
    provide: async (_cid, _options, context) => {
      report = context.onProgress
      context.onProgress?.({ type: 'dialing', peer: peerBytes })
      context.onProgress?.({ type: 'responded', peer: peerBytes, closerPeers: 20, providers: 0, rttMs: 30 })
      context.onProgress?.({ type: 'searching-providers' })
      return stored
    },
  })
  const told: Progress[] = []
  await client.provide(cid, { onProgress: (progress) => told.push(progress) })
  report?.({ type: 'asking', peer: peerBytes })
  await client.status()
  assert.deepEqual(told, [
    { type: 'dialing', peer: peerText },
    { type: 'responded', peer: peerText, closerPeers: 20, providers: 0, rttMs: 30 },
    { type: 'searching-providers' },
  ])
})

test('without onProgress none is asked for, and one that throws disturbs nothing', async (t) => {
  const asked: boolean[] = []
  const { client } = await startHarness(t, {
    provide: async (_cid, _options, context) => {
      asked.push(context.onProgress !== undefined)
      context.onProgress?.({ type: 'searching-providers' })
      return stored
    },
  })
  const reported: unknown[] = []
  const scope = globalThis as { reportError?: (error: unknown) => void }
  scope.reportError = (error) => reported.push(error)
  t.after(() => delete scope.reportError)
  await client.provide(cid)
  await client.provide(cid, {
    onProgress: () => {
      throw new Error('the page’s own fault')
    },
  })
  assert.deepEqual(asked, [false, true])
  assert.equal((reported[0] as Error).message, 'the page’s own fault')
})

test('what the Worker tells by itself arrives as events', async (t) => {
  const { client, service } = await startHarness(t)
  const told: unknown[] = []
  for (const type of ['connections', 'table', 'addresses', 'storage-lost', 'fault'] as const) {
    client.addEventListener(type, (event: CustomEvent) => told.push([event.type, event.detail]))
  }
  service.tell({ type: 'connections-changed', connections: 2 })
  service.tell({ type: 'table-changed', size: 7 })
  service.tell({ type: 'addresses-changed', addresses: ['/ip4/1.2.3.4'] })
  service.tell({ type: 'storage-lost', reason: 'full' })
  service.tell({ type: 'fault', message: 'oh' })
  await client.status()
  assert.deepEqual(told, [
    ['connections', { connections: 2 }],
    ['table', { size: 7 }],
    ['addresses', { addresses: ['/ip4/1.2.3.4'] }],
    ['storage-lost', { reason: 'full' }],
    ['fault', { message: 'oh' }],
  ])
})

test('blocks go to the Worker as a copy and come back without anything else of their buffer', async (t) => {
  const shelf = Uint8Array.of(0, 1, 2, 3, 4, 5)
  const { client, service } = await startHarness(t, {
    getBlock: async (wanted) => ({ cid: wanted, bytes: shelf.subarray(2, 4), from: undefined }),
  })
  const mine = Uint8Array.of(9, 8, 7)
  await client.putBlock(cid, mine.subarray(1))
  assert.deepEqual(mine, Uint8Array.of(9, 8, 7))
  assert.deepEqual(service.seen.at(-1)?.args[1], Uint8Array.of(8, 7))
  const { bytes, from } = await client.getBlock(cid)
  assert.deepEqual([bytes, bytes.buffer.byteLength, from], [Uint8Array.of(2, 3), 2, undefined])
  assert.deepEqual(shelf, Uint8Array.of(0, 1, 2, 3, 4, 5), 'a buffer that holds more is not transferred')
})

test('a block that fills its buffer is transferred, not copied', async (t) => {
  const whole = Uint8Array.of(1, 2, 3)
  const { client } = await startHarness(t, { getBlock: async (wanted) => ({ cid: wanted, bytes: whole, from: undefined }) })
  const { bytes } = await client.getBlock(cid)
  assert.deepEqual(bytes, Uint8Array.of(1, 2, 3))
  assert.equal(whole.buffer.detached, true)
})

test('calls beyond the limit are refused, and there is room again when one has ended', async (t) => {
  const { client } = await startHarness(t, { findPeer: (_id, context) => untilAborted(context) }, {}, { callsMax: 2 })
  const controller = new AbortController()
  const first = client.findPeer(peerText, { signal: controller.signal })
  const stream = client.findProviders(cid)[Symbol.asyncIterator]()
  await stream.next()
  await stream.return?.()
  const second = client.findPeer(peerText, { signal: controller.signal })
  assert.equal(await codeOf(client.status()), 'too-many-queries')
  assert.equal(await codeOf(collect(client.findProviders(cid))), 'too-many-queries')
  controller.abort()
  assert.deepEqual(await Promise.all([codeOf(first), codeOf(second)]), ['aborted', 'aborted'])
  await client.status()
  assert.equal((await collect(client.findProviders(cid))).length, 1)
})

test('errors of the service keep code, sentence and detail; anything else is a fault of this package', async (t) => {
  const { ServiceError } = await import('../../worker/host/service-error.ts')
  const { client } = await startHarness(t, {
    findPeer: async () => {
      throw new ServiceError('not-found', 'Nobody knows this peer.', { asked: 20 })
    },
    hasBlock: async () => {
      throw new TypeError('x is not a function')
    },
    findProviders: () => {
      throw new ServiceError('no-peers', 'No peer could be reached.')
    },
    status: async () => ({ ...statusData, surprise: () => {} }),
  })
  await assert.rejects(client.findPeer(peerText), {
    code: 'not-found',
    message: 'Nobody knows this peer.',
    detail: { asked: 20 },
  })
  await assert.rejects(client.hasBlock(cid), { code: 'internal', message: /TypeError: x is not a function/ })
  assert.equal(await codeOf(collect(client.findProviders(cid))), 'no-peers')
  const { postProblems } = await import('../support/plain-data.ts')
  assert.equal(await codeOf(client.status()), 'internal')
  assert.deepEqual(postProblems.splice(0), ['message.value.value.surprise is a function'])
})

test('many calls at once each get their own answer', async (t) => {
  const { client } = await startHarness(t, {
    getValue: async (key, { quorum }) => ({ value: key, confirmations: quorum, stats }),
    findProviders: async function* (_cid, { limit }) {
      for (let index = 0; index < limit; index++) yield providerItem(index)
    },
  })
  const numbers = Array.from({ length: 20 }, (_, index) => index + 1)
  const values = await Promise.all(numbers.map((quorum) => client.getValue(recordKey, { quorum })))
  assert.deepEqual(
    values.map((value) => value.confirmations),
    numbers,
  )
  const lists = await Promise.all(numbers.map((limit) => collect(client.findProviders(cid, { limit }))))
  assert.deepEqual(
    lists.map((list) => list.length),
    numbers,
  )
})

test('a signal that outlives its calls is not left with listeners', async (t) => {
  const { client } = await startHarness(t)
  const { signal } = new AbortController()
  await client.status({ signal })
  await codeOf(client.findPeer('nobody', { signal }))
  await collect(client.findProviders(cid, { signal }))
  for await (const _peer of client.getClosestPeers(cid, { signal })) break
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})
