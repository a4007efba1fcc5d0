import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Progress } from '../../src/index.ts'
import { streamCreditsMax } from '../../worker/contract/limits.ts'
import { ServiceError } from '../../worker/host/service-error.ts'
import { codeOf, collect, signalled, startHarness } from '../support/client-harness.ts'
import { items, peerBytes, peerText, providerItem, untilAborted } from '../support/fake-service.ts'

const cid = 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'

test('a long stream arrives whole and in order', async (t) => {
  const { client } = await startHarness(t, { findProviders: () => items(500, providerItem) })
  const found = await collect(client.findProviders(cid))
  assert.deepEqual(
    found.map((provider) => provider.elapsedMs),
    Array.from({ length: 500 }, (_, index) => index),
  )
})

test('nothing is searched before the first item is asked for', async (t) => {
  const { client, service } = await startHarness(t)
  const unused = client.findProviders(cid)
  await client.status()
  assert.deepEqual(
    service.seen.map((call) => call.method),
    ['start', 'status'],
  )
  await unused.return?.()
  assert.deepEqual(await unused.next(), { value: undefined, done: true })
})

test('leaving the loop ends the search in the Worker', async (t) => {
  const [signal, finalized] = [signalled(), signalled()]
  const { client } = await startHarness(t, {
    findProviders: async function* (_cid, _options, context) {
      context.signal.addEventListener('abort', signal.reach)
      try {
        yield providerItem(0)
        await untilAborted(context)
      } finally {
        finalized.reach()
      }
    },
  })
  const stream = client.findProviders(cid)
  for await (const provider of stream) {
    assert.equal(provider.elapsedMs, 0)
    break
  }
  await Promise.all([signal.reached, finalized.reached])
  assert.deepEqual(await stream.next(), { value: undefined, done: true })
})

test('aborting in mid-stream rejects the pending read and ends the search in the Worker', async (t) => {
  const ended = signalled()
  const { client } = await startHarness(t, {
    findProviders: async function* (_cid, _options, context) {
      context.signal.addEventListener('abort', ended.reach)
      yield providerItem(0)
      await untilAborted(context)
    },
  })
  const controller = new AbortController()
  const stream = client.findProviders(cid, { signal: controller.signal })
  await stream.next()
  const reading = codeOf(stream.next())
  controller.abort()
  assert.equal(await reading, 'aborted')
  await ended.reached
  assert.equal((await stream.next()).done, true)
})

test('aborting between two reads of a stream that has arrived whole drops the rest', async (t) => {
  const { client } = await startHarness(t, { findProviders: () => items(3, providerItem) })
  const controller = new AbortController()
  const stream = client.findProviders(cid, { signal: controller.signal })
  await stream.next()
  await client.status()
  controller.abort()
  assert.equal(await codeOf(stream.next()), 'aborted')
  assert.equal((await stream.next()).done, true)
})

test('an error in mid-stream comes after the items before it, once', async (t) => {
  const { client } = await startHarness(t, {
    findProviders: async function* () {
      yield* items(3, providerItem)
      throw new ServiceError('no-peers', 'The network is gone.')
    },
  })
  const stream = client.findProviders(cid)
  const seen: number[] = []
  const reading = (async () => {
    for await (const provider of stream) seen.push(provider.elapsedMs)
  })()
  assert.equal(await codeOf(reading), 'no-peers')
  assert.deepEqual(seen, [0, 1, 2])
  assert.equal((await stream.next()).done, true)
})

test('a slow reader holds the search back: it is never ahead by more than the window', async (t) => {
  let made = 0
  const { client } = await startHarness(t, {
    findProviders: () =>
      items(100, (index) => {
        made = index + 1
        return providerItem(index)
      }),
  })
  let taken = 0
  let ahead = 0
  for await (const _provider of client.findProviders(cid)) {
    taken++
    // A round trip: whatever the Worker may do by now, it has done.
    await client.status()
    await client.status()
    ahead = Math.max(ahead, made - taken)
    assert.ok(made - taken <= streamCreditsMax, `${made} made, ${taken} taken`)
  }
  assert.equal(taken, 100)
  assert.ok(ahead >= streamCreditsMax / 2, 'the window is used')
})

test('the death of the Worker in mid-stream rejects the next read', async (t) => {
  const { client, worker } = await startHarness(t, {
    findProviders: async function* (_cid, _options, context) {
      yield providerItem(0)
      await untilAborted(context)
    },
  })
  const stream = client.findProviders(cid)
  await stream.next()
  const died = new Promise((resolve) => client.addEventListener('died', resolve))
  worker.terminate()
  await died
  assert.equal(await codeOf(stream.next()), 'worker-died')
  assert.equal((await stream.next()).done, true)
})

test('a search reports its progress while it streams', async (t) => {
  const { client } = await startHarness(t, {
    findProviders: async function* (_cid, _options, context) {
      context.onProgress?.({ type: 'searching-providers' })
      yield providerItem(0)
    },
  })
  const told: string[] = []
  await collect(client.findProviders(cid, { onProgress: (progress) => told.push(progress.type) }))
  assert.deepEqual(told, ['searching-providers'])
})

test('the progress of a stream of blocks says of which block it is', async (t) => {
  const { client } = await startHarness(t, {
    getBlocks: async function* ([wanted], _options, context) {
      context.onProgress?.({ type: 'asking', peer: peerBytes, cid: wanted })
      context.onProgress?.({ type: 'searching-providers', cid: wanted })
      yield { cid: wanted!, bytes: Uint8Array.of(1), from: undefined }
    },
  })
  const told: Progress[] = []
  await collect(client.getBlocks([cid], { onProgress: (progress) => told.push(progress) }))
  assert.deepEqual(
    told.map((progress) => ({ ...progress, cid: progress.cid?.toString() })),
    [
      { type: 'asking', peer: peerText, cid },
      { type: 'searching-providers', cid },
    ],
  )
})
