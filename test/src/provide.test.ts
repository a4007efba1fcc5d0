import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { startHarness } from '../support/client-harness.ts'
import { provideStatusData, stored } from '../support/fake-service.ts'

function cidOf(number: number): CID {
  const digest = new Uint8Array(32)
  new DataView(digest.buffer).setUint32(0, number)
  return CID.createV1(0x55, Digest.create(0x12, digest))
}

test('many CIDs go in portions, each after the last one is stored, and the source is not read ahead', async (t) => {
  let underWay = 0
  const portions: number[] = []
  const { client } = await startHarness(t, {
    providing: async (request) => {
      if (request.type !== 'add') return { changed: 0, status: provideStatusData }
      assert.equal(++underWay, 1)
      await Promise.resolve()
      underWay--
      portions.push(request.cids.length)
      return { changed: request.cids.length - 1, status: provideStatusData }
    },
  })
  let given = 0
  async function* source(): AsyncGenerator<CID> {
    for (; given < 1_100; given++) {
      assert.ok(given <= portions.length * 512 + 512)
      yield cidOf(given)
    }
  }
  const told: unknown[] = []
  const result = await client.provideMany(source(), { onProgress: (progress) => told.push(progress) })
  assert.deepEqual(portions, [512, 512, 76])
  assert.deepEqual(result, { given: 1_100, added: 1_097, skipped: 0, removed: 0 })
  assert.deepEqual(told.at(-1), { given: 1_100, added: 1_097, skipped: 0 })
})

test('a replacement ends with the word that all has come, and one that is broken off does not', async (t) => {
  const { client, service } = await startHarness(t)
  await client.provideMany([cidOf(1)], { replace: true })
  const types = (): string[] =>
    service.seen.flatMap(({ method, args }) => (method === 'providing' ? [(args[0] as { type: string }).type] : []))
  assert.deepEqual(types(), ['add', 'replaced'])
  const controller = new AbortController()
  function* broken(): Generator<CID> {
    yield cidOf(1)
    controller.abort()
    yield cidOf(2)
  }
  const failure = await client
    .provideMany(broken(), { replace: true, signal: controller.signal })
    .catch((error: { code: string }) => error.code)
  assert.equal(failure, 'aborted')
  assert.deepEqual(types(), ['add', 'replaced'])
  await assert.rejects(client.provideMany(['no cid']), { code: 'invalid-cid' })
})

test('the other words of providing reach the Worker, and regions reach the page', async (t) => {
  const { client, service } = await startHarness(t)
  assert.deepEqual(await client.provideOnce(cidOf(1)), stored)
  assert.deepEqual(service.seen.at(-1), { method: 'provide', args: [cidOf(1).bytes, { mode: 'classic', keep: false }] })
  assert.deepEqual(await client.provideStatus(), provideStatusData)
  await client.cancelProvide(cidOf(2))
  assert.deepEqual(service.seen.at(-1)!.args, [{ type: 'cancel', cids: [cidOf(2).bytes] }])
  assert.equal(await client.clearProvides(), 0)
  await client.pauseProviding()
  assert.deepEqual(service.seen.at(-1)!.args, [{ type: 'pause', paused: true }])
  await client.resumeProviding()
  assert.deepEqual(service.seen.at(-1)!.args, [{ type: 'pause', paused: false }])
  const { totals } = provideStatusData
  const region = { ...totals, prefix: '0101', peers: 20, endedAt: 1 }
  const told = new Promise((resolve) => client.addEventListener('region', ({ detail }) => resolve(detail)))
  service.tell({ type: 'region-provided', region })
  assert.deepEqual(await told, region)
})

/** Gives one CID, then hangs. */
function hangingSource(): AsyncIterable<CID> & { readonly left: number } {
  const cids = [cidOf(1)]
  let left = 0
  const next = (): Promise<IteratorResult<CID>> =>
    cids.length > 0 ? Promise.resolve({ done: false, value: cids.pop()! }) : new Promise(() => {})
  const leave = (): Promise<IteratorResult<CID>> => {
    left++
    return new Promise(() => {})
  }
  return {
    [Symbol.asyncIterator]: () => ({ next, return: leave }),
    get left() {
      return left
    },
  }
}

test('a source that hangs does not hold the call: the signal, stop and the death of the Worker end it (C1)', async (t) => {
  const ways: readonly [string, (worker: { terminate(): void }, stop: () => Promise<void>, abort: () => void) => void][] = [
    ['aborted', (_worker, _stop, abort) => abort()],
    ['stopped', (_worker, stop) => void stop()],
    ['worker-died', (worker) => worker.terminate()],
  ]
  for (const [code, end] of ways) {
    const { client, worker } = await startHarness(t)
    const source = hangingSource()
    const controller = new AbortController()
    const call = assert.rejects(client.provideMany(source, { signal: controller.signal }), { name: 'AminoError', code })
    end(
      worker,
      () => client.stop(),
      () => controller.abort(),
    )
    await call
    assert.equal(source.left, 1, 'it is left, and not waited for')
  }
})

test('a source that fails rejects with its own error', async (t) => {
  const { client, service } = await startHarness(t)
  const failure = new Error('of the caller')
  async function* source(): AsyncGenerator<CID> {
    yield cidOf(1)
    throw failure
  }
  await assert.rejects(client.provideMany(source()), (error) => error === failure)
  assert.ok(!service.seen.some(({ method }) => method === 'providing'))
})

test('CIDs with their content in them are skipped, counted, and do not reach the Worker', async (t) => {
  const { client, service } = await startHarness(t)
  const inline = CID.createV1(0x55, Digest.create(0, new Uint8Array(200)))
  const told: unknown[] = []
  const result = await client.provideMany([inline, cidOf(1), inline], { onProgress: (progress) => told.push(progress) })
  assert.equal(result.given, 3)
  assert.equal(result.skipped, 2)
  assert.deepEqual(told, [{ given: 3, added: result.added, skipped: 2 }])
  const [sent] = service.seen.flatMap(({ method, args }) => (method === 'providing' ? [args[0]] : []))
  assert.deepEqual((sent as { cids: Uint8Array[] }).cids, [cidOf(1).bytes])
  assert.deepEqual(await client.provideMany([inline]), { given: 1, added: 0, skipped: 1, removed: 0 })
})

test('an onProgress that throws does not end the call, and what is no iterable is refused', async (t) => {
  const reported: unknown[] = []
  const scope = globalThis as { reportError?: (error: unknown) => void }
  scope.reportError = (error) => reported.push(error)
  t.after(() => delete scope.reportError)
  const { client } = await startHarness(t)
  const failure = new Error('of the caller')
  const onProgress = (): never => {
    throw failure
  }
  assert.equal((await client.provideMany([cidOf(1)], { onProgress })).given, 1)
  assert.deepEqual(reported, [failure])
  for (const none of [undefined, null, 7, {}])
    await assert.rejects(client.provideMany(none as never), { name: 'AminoError', code: 'invalid-argument' })
  assert.equal((await client.provideMany([cidOf(1)], null as never)).given, 1)
  await assert.rejects(client.provideMany([cidOf(1)], { signal: 1 as never }), { name: 'AminoError', code: 'invalid-argument' })
})
