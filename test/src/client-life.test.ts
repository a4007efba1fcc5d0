import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { type AminoClientOptions, createAminoClient } from '../../src/index.ts'
import { handshakeTimeoutMs, startTimeoutMs, stopTimeoutMs } from '../../worker/contract/limits.ts'
import type { StartOptions } from '../../worker/contract/service.ts'
import { serve } from '../../worker/host/rpc-server.ts'
import { ServiceError } from '../../worker/host/service-error.ts'
import { codeOf, collect, signalled, startHarness } from '../support/client-harness.ts'
import { fakeService, peerBytes, peerText, untilAborted } from '../support/fake-service.ts'
import { FakeWorker } from '../support/fake-worker.ts'
import { postProblems } from '../support/plain-data.ts'

const cid = 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'

/** One call of each kind that will not be answered: unary, streamed with a reader, a second read, stopped in mid-stream. */
function pendingCalls(client: Awaited<ReturnType<typeof startHarness>>['client']): Promise<string>[] {
  const stream = client.findProviders(cid)
  return [codeOf(client.findPeer(peerText)), codeOf(client.status()), codeOf(stream.next()), codeOf(stream.next())]
}

const neverAnswers = {
  findPeer: () => new Promise<never>(() => {}),
  status: () => new Promise<never>(() => {}),
  findProviders: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) }),
}

test('the options reach the Worker with their defaults', async (t) => {
  const { service } = await startHarness(t)
  const options = service.seen[0]?.args[0] as StartOptions
  assert.equal(options.bootstrap.length, 4)
  assert.deepEqual(
    { ...options, bootstrap: [] },
    {
      bootstrap: [],
      storage: 'amino-worker',
      identity: 'fresh',
      allowPrivateAddresses: false,
      protocols: { kad: '/ipfs/kad/1.0.0', bitswap: '/ipfs/bitswap/1.2.0' },
      announce: [],
      relay: true,
      server: false,
      transports: { webSocket: true, webTransport: true, webRtc: false },
      iceServers: undefined,
      denyPeers: [],
      delegated: undefined,
      providing: {},
      discovery: { listenToWants: true },
      limits: { operationsMax: 256, connectionsMax: 100, blockStoreBytesMax: 268_435_456 },
    },
  )
})

test('a wrong option is refused before a Worker is made', async () => {
  const wrong: readonly AminoClientOptions[] = [
    { storage: '' },
    { storage: true as never },
    { identity: 'new' as never },
    { identity: 'kept', storage: false },
    { bootstrap: 'x' as never },
    { bootstrap: ['/dns4/a.example/tcp/443/wss'] },
    { announce: ['1.2.3.4'] },
    { protocols: { kad: 'kad' } },
    { denyPeers: ['nobody'] },
    { iceServers: [{ urls: 'https://stun.example' }] },
    { iceServers: [null as never] },
    { limits: null as never },
    { signal: new AbortController() as never },
    { limits: { operationsMax: 0 } },
    { limits: { connectionsMax: 1.5 } },
    { limits: { blockStoreBytesMax: -1 } },
  ]
  const worker = (): never => assert.fail('no Worker is made')
  for (const options of wrong)
    assert.equal(await codeOf(createAminoClient({ worker, ...options })), 'invalid-argument', JSON.stringify(options))
  assert.equal(await codeOf(createAminoClient({ worker, signal: AbortSignal.abort() })), 'aborted')
})

test('what cannot be sent to a Worker is the fault of whoever gave it', async (t) => {
  const unsendable: readonly AminoClientOptions[] = [
    { delegatedRouting: { mode: 'race', routers: [new URL('https://router.example') as never] } },
    { delegatedRouting: new Proxy({ mode: 'race' as const }, {}) },
    { discovery: { leaders: new Proxy({ type: 'dynamic' as const }, {}) } },
  ]
  for (const options of unsendable) {
    const worker = new FakeWorker((scope) => serve(fakeService(), scope, { locks: scope.locks }))
    assert.equal(await codeOf(createAminoClient({ worker: worker.asWorker(), ...options })), 'invalid-argument')
    assert.equal(worker.terminated, true)
  }
  const { client } = await startHarness(t)
  const context = (() => {}) as never
  assert.equal(await codeOf(client.getBlock(cid, { context })), 'invalid-argument')
  const blocks = client.getBlocks([cid], { context })
  assert.equal(await codeOf(blocks.next()), 'invalid-argument')
  assert.equal((await blocks.next()).done, true)
  assert.equal(postProblems.splice(0).length, 3)
})

test('the death of the Worker rejects every pending call, is told once, and a new client starts', async (t) => {
  const { client, worker } = await startHarness(t, neverAnswers)
  const died = signalled()
  const told: string[] = []
  client.addEventListener('died', (event) => {
    told.push(event.detail.error.code)
    died.reach()
  })
  const pending = pendingCalls(client)
  worker.terminate()
  // The first reader hears the error; the stream is over for the second.
  assert.deepEqual(await Promise.all(pending), ['worker-died', 'worker-died', 'worker-died', 'resolved'])
  await died.reached
  assert.equal(await codeOf(client.status()), 'worker-died')
  assert.equal(await codeOf(collect(client.findProviders(cid))), 'worker-died')
  await client.stop()
  assert.equal(await codeOf(client.status()), 'stopped')
  assert.deepEqual(told, ['worker-died'])
  const next = await startHarness(t)
  assert.equal((await next.client.status()).peerId, peerText)
})

test('a client that was stopped, or whose Worker has died, leaves nothing behind on the page', async (t) => {
  const page = Object.assign(new EventTarget(), { hidden: false })
  const scope = globalThis as { document?: unknown }
  scope.document = page
  t.after(() => delete scope.document)
  const [dying, stopping] = [await startHarness(t), await startHarness(t)]
  const listeners = (): number => getEventListeners(page, 'visibilitychange').length
  assert.equal(listeners(), 2)
  const died = signalled()
  dying.client.addEventListener('died', died.reach)
  dying.worker.terminate()
  await died.reached
  assert.equal(listeners(), 1)
  await stopping.client.stop()
  assert.equal(listeners(), 0)
})

test('a message of the Worker that cannot be read ends the client, since some call would wait for it', async (t) => {
  const { client, worker } = await startHarness(t, neverAnswers)
  const pending = pendingCalls(client)
  worker.dispatchEvent(new Event('messageerror'))
  assert.deepEqual(await Promise.all(pending), ['worker-died', 'worker-died', 'worker-died', 'resolved'])
  assert.equal(worker.terminated, true)
})

test('an exception in a Worker that runs is told as a fault and ends nothing', async (t) => {
  const { client, worker } = await startHarness(t)
  const faults: string[] = []
  client.addEventListener('fault', (event) => faults.push(event.detail.message))
  worker.emitError('Uncaught TypeError: oh')
  await client.status()
  assert.deepEqual(faults, ['Uncaught TypeError: oh'])
})

test('what the Worker tells while it starts is heard by whoever listens as soon as there is a client (S2)', async (t) => {
  const { client, service } = await startHarness(t, {
    start: async (_options, onEvent) => {
      onEvent({ type: 'storage-lost', reason: 'blocked' })
      return { peerId: peerBytes, start: 'cold' }
    },
  })
  const told: string[] = []
  const last = signalled()
  client.addEventListener('storage-lost', (event) => told.push(event.detail.reason))
  client.addEventListener('table', (event) => {
    told.push(`table ${event.detail.size}`)
    last.reach()
  })
  service.tell({ type: 'table-changed', size: 7 })
  await last.reached
  assert.deepEqual(told, ['blocked', 'table 7'])
})

test('a client that was stopped at once tells nothing of its start', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { client } = await startHarness(t, {
    start: async (_options, onEvent) => {
      onEvent({ type: 'fault', message: 'oh' })
      return { peerId: peerBytes, start: 'cold' }
    },
  })
  client.addEventListener('fault', () => assert.fail('it was stopped'))
  await client.stop()
  t.mock.timers.tick(1)
})

test('stop rejects what is pending, asks the Worker, terminates it, and can be called again', async (t) => {
  const { client, worker, service } = await startHarness(t, neverAnswers)
  client.addEventListener('died', () => assert.fail('a stopped client has not died'))
  const unread = client.findProviders(cid)
  const pending = pendingCalls(client)
  const stopped = client.stop()
  assert.deepEqual(await Promise.all(pending), ['stopped', 'stopped', 'stopped', 'resolved'])
  await Promise.all([stopped, client.stop(), client[Symbol.asyncDispose]()])
  assert.equal(worker.terminated, true)
  assert.equal(service.seen.filter((call) => call.method === 'stop').length, 1)
  assert.equal(await codeOf(client.hasBlock(cid)), 'stopped')
  assert.equal(await codeOf(collect(unread)), 'stopped')
})

test('when stop resolves, the Worker has given up its locks', async (t) => {
  const { client } = await startHarness(t)
  const lifeLocks = async (): Promise<number> =>
    ((await navigator.locks.query()).held ?? []).filter((lock) => lock.name?.startsWith('amino-worker/')).length
  assert.equal(await lifeLocks(), 1)
  await client.stop()
  assert.equal(await lifeLocks(), 0)
})

test('stop aborts in the Worker what is still under way there', async (t) => {
  const [searching, asking] = [signalled(), signalled()]
  const ended: string[] = []
  const { client } = await startHarness(t, {
    findPeer: (_id, context) => {
      context.signal.addEventListener('abort', () => ended.push('call'))
      asking.reach()
      return untilAborted(context)
    },
    getClosestPeers: async function* (_key, context) {
      context.signal.addEventListener('abort', () => ended.push('stream'))
      searching.reach()
      await untilAborted(context)
    },
    stop: async () => {
      ended.push('service')
    },
  })
  const pending = [codeOf(client.findPeer(peerText)), codeOf(collect(client.getClosestPeers(peerText)))]
  await Promise.all([searching.reached, asking.reached])
  await client.stop()
  assert.deepEqual(await Promise.all(pending), ['stopped', 'stopped'])
  assert.deepEqual(ended, ['call', 'stream', 'service'])
})

test('a Worker that does not stop in time, or dies while it stops, is terminated all the same', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const stopping = signalled()
  const stop = (): Promise<never> => {
    stopping.reach()
    return new Promise(() => {})
  }
  const slow = await startHarness(t, { stop })
  const stopped = slow.client.stop()
  await stopping.reached
  t.mock.timers.tick(stopTimeoutMs)
  await stopped
  assert.equal(slow.worker.terminated, true)
  const dying = await startHarness(t, { stop: () => new Promise(() => {}) })
  const ended = dying.client.stop()
  dying.worker.terminate()
  await ended
})

test('a Worker script that fails to load, or throws while it is evaluated, rejects with its URL', async () => {
  for (const message of [undefined, 'Uncaught SyntaxError: Unexpected token']) {
    const worker = new FakeWorker(() => {})
    const starting = createAminoClient({ worker: worker.asWorker() })
    queueMicrotask(() => worker.emitError(message))
    await assert.rejects(starting, (error: Error & { code: string; detail: { url: string } }) => {
      assert.equal(error.code, 'worker-load-failed')
      assert.equal(typeof error.detail.url, 'string')
      return error.message.includes(message ?? 'could not be loaded')
    })
    assert.equal(worker.terminated, true)
  }
})

test('a Worker that the browser refuses to create rejects with its URL', async (t) => {
  const refusing = class {
    constructor() {
      throw new DOMException('cannot be accessed from this origin', 'SecurityError')
    }
  }
  const scope = globalThis as { Worker?: unknown }
  scope.Worker = refusing
  t.after(() => delete scope.Worker)
  const elsewhere = { code: 'worker-load-failed', detail: { url: 'https://other.example/worker.js' } }
  await assert.rejects(createAminoClient({ worker: 'https://other.example/worker.js' }), elsewhere)
  await assert.rejects(createAminoClient({ worker: new URL('https://other.example/worker.js') }), elsewhere)
  await assert.rejects(createAminoClient(), (error: Error & { detail: { url: string } }) =>
    error.detail.url.endsWith('/worker.js'),
  )
  const worker = (): never => {
    throw new Error('no')
  }
  assert.equal(await codeOf(createAminoClient({ worker })), 'worker-load-failed')
})

test('the URL of a script becomes a module Worker', async (t) => {
  const made: unknown[] = []
  const scope = globalThis as { Worker?: unknown }
  scope.Worker = class {
    constructor(...args: unknown[]) {
      made.push(args)
      // biome-ignore lint/correctness/noConstructorReturn: stands in for the platform's class
      return new FakeWorker((inside) => serve(fakeService(), inside, { locks: inside.locks }))
    }
  }
  t.after(() => delete scope.Worker)
  const client = await createAminoClient({ worker: '/assets/amino.js' })
  await client.stop()
  assert.deepEqual(made, [['/assets/amino.js', { type: 'module' }]])
})

test('a Worker that never answers is given up after a bounded time', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const mute = new FakeWorker(() => {})
  const starting = codeOf(createAminoClient({ worker: mute.asWorker() }))
  t.mock.timers.tick(handshakeTimeoutMs)
  assert.equal(await starting, 'worker-load-failed')
  assert.equal(mute.terminated, true)
})

test('a service that does not start is given up after a bounded time', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const asked = signalled()
  const start = (): Promise<never> => {
    asked.reach()
    return new Promise(() => {})
  }
  const worker = new FakeWorker((scope) => serve(fakeService({ start }), scope, { locks: scope.locks }))
  const starting = codeOf(createAminoClient({ worker: worker.asWorker() }))
  await asked.reached
  t.mock.timers.tick(startTimeoutMs)
  assert.equal(await starting, 'timeout')
  assert.equal(worker.terminated, true)
})

test('a Worker of another version, or of something else, is refused', async () => {
  const answering = (answer: object): Worker => {
    const worker = new FakeWorker((scope) =>
      scope.addEventListener('message', ({ data }) => scope.postMessage({ id: data.id, type: 'RAW', ...answer })),
    )
    return worker.asWorker()
  }
  const other = answering({ value: { ok: true, value: { version: '9.9.9', locked: false, more: 1 } } })
  await assert.rejects(createAminoClient({ worker: other }), {
    code: 'version-mismatch',
    message: /9\.9\.9.*Serve both from the same build/,
  })
  assert.equal(await codeOf(createAminoClient({ worker: answering({ value: undefined }) })), 'worker-load-failed')
  const throws = { type: 'HANDLER', name: 'throw', value: { isError: true, value: { message: 'no such function' } } }
  assert.equal(await codeOf(createAminoClient({ worker: answering(throws) })), 'worker-load-failed')
})

test('a start that the service refuses rejects with its code and terminates the Worker', async () => {
  const start = async (): Promise<never> => {
    throw new ServiceError('storage-in-use', 'Another client uses the storage. Choose another name.')
  }
  const worker = new FakeWorker((scope) => serve(fakeService({ start }), scope, { locks: scope.locks }))
  assert.equal(await codeOf(createAminoClient({ worker: () => worker.asWorker() })), 'storage-in-use')
  assert.equal(worker.terminated, true)
})

test('a start can be aborted, and the death of the Worker ends it too', async () => {
  for (const [code, act] of [
    ['aborted', (controller: AbortController) => controller.abort()],
    ['worker-died', (_controller: AbortController, worker: FakeWorker) => worker.terminate()],
  ] as const) {
    const asked = signalled()
    const start = (): Promise<never> => {
      asked.reach()
      return new Promise(() => {})
    }
    const worker = new FakeWorker((scope) => serve(fakeService({ start }), scope, { locks: scope.locks }))
    const controller = new AbortController()
    const starting = codeOf(createAminoClient({ worker: worker.asWorker(), signal: controller.signal }))
    await asked.reached
    act(controller, worker)
    assert.equal(await starting, code)
    assert.equal(worker.terminated, true)
  }
})

test('without locks the client works, and stop does not wait for one', async (t) => {
  const { client } = await startHarness(t, {}, {}, { locks: undefined })
  await client.status()
  await client.stop()
})

test('calls before the start are refused by the Worker', async () => {
  const { wrapWorker } = await import('../../src/rpc-comlink.ts')
  const worker = new FakeWorker((scope) => serve(fakeService(), scope))
  const remote = wrapWorker(worker.asWorker())
  const answer = await remote.call({ call: 1, request: { method: 'status', args: undefined }, progress: false }, [])
  assert.equal(answer.ok === false && answer.error.code, 'not-started')
  await remote.call({ call: 2, request: { method: 'stop', args: undefined }, progress: false }, [])
  const late = await remote.call({ call: 3, request: { method: 'status', args: undefined }, progress: false }, [])
  assert.equal(late.ok === false && late.error.code, 'stopped')
  worker.terminate()
})
