import type { ErrorCode } from '../contract/errors.ts'
import type { BlockData } from '../contract/service.ts'
import { limits } from '../engine/limits.ts'
import type { CallContext } from './amino-service.ts'
import { ServiceError, toPlainError } from './service-error.ts'

/**
 * Many blocks as one stream, in the order in which they come. A bounded number is wanted at once, and a next one only when
 * the reader has taken one: a page that reads slowly holds the network back. Blocks that do not come are told at the end, as
 * one error, after all that came; what ends all of them is told at once.
 */
export async function* blocksAsTheyCome(
  cids: readonly Uint8Array[],
  context: CallContext,
  get: (cid: Uint8Array, context: CallContext) => Promise<BlockData>,
): AsyncGenerator<BlockData> {
  const left = new AbortController()
  const ofOne = { ...context, signal: AbortSignal.any([context.signal, left.signal]) }
  const running = new Map<number, Promise<Settled>>()
  const failures: ServiceError[] = []
  let next = 0
  try {
    for (;;) {
      for (; next < cids.length && running.size < limits.streamedBlocksMax.value; next++)
        running.set(next, settled(next, get(cids[next]!, ofOne)))
      if (running.size === 0) break
      const { index, block, error } = await Promise.race(running.values())
      running.delete(index)
      if (error !== undefined) failures.push(error)
      if (error !== undefined && endings.has(error.plain.code)) throw error
      if (block !== undefined) yield block
    }
  } finally {
    left.abort()
  }
  const [first] = failures
  if (first === undefined) return
  const message = `${failures.length} of ${cids.length} blocks did not come. The first reason: ${first.plain.message}`
  throw new ServiceError(first.plain.code, message, { missing: failures.length, wanted: cids.length })
}

/** What is so of one block is so of all of them: the options are wrong, or nobody waits any more. */
const endings: ReadonlySet<ErrorCode> = new Set(['aborted', 'stopped', 'invalid-argument'])

interface Settled {
  readonly index: number
  readonly block?: BlockData
  readonly error?: ServiceError
}

async function settled(index: number, promise: Promise<BlockData>): Promise<Settled> {
  try {
    return { index, block: await promise }
  } catch (error) {
    const { code, message, detail } = toPlainError(error)
    return { index, error: new ServiceError(code, message, detail) }
  }
}
