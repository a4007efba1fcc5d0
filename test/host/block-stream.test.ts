import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BlockData } from '../../worker/contract/service.ts'
import { limits } from '../../worker/engine/limits.ts'
import { blocksAsTheyCome } from '../../worker/host/block-stream.ts'
import { ServiceError } from '../../worker/host/service-error.ts'

const cids = Array.from({ length: 100 }, (_, index) => Uint8Array.of(index))
const context = { signal: new AbortController().signal, onProgress: undefined }

function block(cid: Uint8Array): BlockData {
  return { cid, bytes: cid, from: undefined }
}

test('blocks come in the order of their coming, a bounded number is wanted at once, and the next only when one is taken', async () => {
  const asked: { cid: Uint8Array; resolve: (data: BlockData) => void }[] = []
  const get = (cid: Uint8Array) => new Promise<BlockData>((resolve) => asked.push({ cid, resolve }))
  const stream = blocksAsTheyCome(cids, context, get)
  const first = stream.next()
  assert.equal(asked.length, limits.streamedBlocksMax.value)
  for (const { cid, resolve } of asked.toReversed()) resolve(block(cid))
  assert.equal((await first).value?.cid[0] !== undefined, true)
  assert.equal(asked.length, limits.streamedBlocksMax.value, 'nothing more is wanted before somebody reads on')
  await stream.next()
  assert.equal(asked.length, limits.streamedBlocksMax.value + 1)
  await stream.return(undefined)
})

test('what does not come is told once, after all that came', async () => {
  const got: number[] = []
  const get = async (cid: Uint8Array) => {
    if (cid[0]! % 10 === 3) throw new ServiceError('not-found', 'Nobody has it.')
    return block(cid)
  }
  const reading = (async () => {
    for await (const { cid } of blocksAsTheyCome(cids, context, get)) got.push(cid[0]!)
  })()
  await assert.rejects(reading, (error: ServiceError) => {
    assert.deepEqual([error.plain.code, error.plain.detail?.['missing']], ['not-found', 10])
    return true
  })
  assert.equal(got.length, 90)
})

test('what is wrong with the options is told at once, and not once for each block', async () => {
  let asked = 0
  const get = async (): Promise<BlockData> => {
    asked++
    throw new ServiceError('invalid-argument', 'The session is not open.')
  }
  await assert.rejects(blocksAsTheyCome(cids, context, get).next(), { message: 'The session is not open.' })
  assert.equal(asked, limits.streamedBlocksMax.value)
})

test('a reader that leaves cancels what is under way, and an abort ends at once', async () => {
  let cancelled = 0
  const get = (cid: Uint8Array, { signal }: { signal: AbortSignal }): Promise<BlockData> =>
    cid[0] === 0
      ? Promise.resolve(block(cid))
      : new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            cancelled++
            reject(new ServiceError('aborted', 'The caller aborted the operation.'))
          })
        })
  for await (const { cid } of blocksAsTheyCome(cids, context, get)) {
    assert.equal(cid[0], 0)
    break
  }
  assert.equal(cancelled, limits.streamedBlocksMax.value - 1)
  const controller = new AbortController()
  const stream = blocksAsTheyCome(cids.slice(1), { ...context, signal: controller.signal }, get)
  const reading = stream.next()
  controller.abort()
  await assert.rejects(reading, (error: ServiceError) => error.plain.code === 'aborted')
})
