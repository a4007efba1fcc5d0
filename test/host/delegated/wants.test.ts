import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ErrorCode } from '../../../worker/contract/errors.ts'
import { limits } from '../../../worker/engine/limits.ts'
import { PeerCache, type PeerIdBytes, type PeerInfo } from '../../../worker/engine/peer.ts'
import type { CallContext } from '../../../worker/host/amino-service.ts'
import type { Sources } from '../../../worker/host/delegated/sources.ts'
import { wantWithRouters } from '../../../worker/host/delegated/wants.ts'
import { ServiceError } from '../../../worker/host/service-error.ts'

const named: PeerInfo = { peer: new PeerCache().intern(Uint8Array.of(0, 1, 7) as PeerIdBytes), addresses: [] }

/** A want that ends with this code unless it knows the peer that routers name; they are asked as a fallback. */
async function fallback(code: ErrorCode): Promise<{ readonly end: string; readonly asked: number }> {
  let asked = 0
  const sources = {
    mode: 'fallback',
    async *providersToAsk() {
      asked++
      yield named
    },
  } as unknown as Sources
  const context = { signal: new AbortController().signal, onProgress: undefined }
  const want = async (providers: readonly PeerInfo[]): Promise<string> => {
    if (providers.length > 0) return 'block'
    throw new ServiceError(code, 'It ended.')
  }
  const multihash = Uint8Array.of(0, 0)
  const end = await wantWithRouters({ sources, multihash, providers: [], want, context }).catch(
    (error: ServiceError) => error.plain.code,
  )
  return { end, asked }
}

test('as a fallback routers are asked for what was not found, and not where something else has ended the want', async () => {
  for (const code of ['not-found', 'no-peers', 'timeout'] as const)
    assert.deepEqual(await fallback(code), { end: 'block', asked: 1 })
  for (const code of ['aborted', 'invalid-argument', 'too-many-queries', 'stopped'] as const)
    assert.deepEqual(await fallback(code), { end: code, asked: 0 })
})

test('in a race each peer that a router names joins the want as a part of it, and leaves with it', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const joined = Promise.withResolvers<void>()
  const block = Promise.withResolvers<string>()
  const left: boolean[] = []
  const sources = {
    mode: 'race',
    async *providersToAsk() {
      yield named
      yield named
    },
  } as unknown as Sources
  const parts: (readonly PeerInfo[])[] = []
  const want = (providers: readonly PeerInfo[], { signal }: CallContext, isPart = false): Promise<string> => {
    if (!isPart) return block.promise
    signal.addEventListener('abort', () => left.push(true))
    if (parts.push(providers) === 2) joined.resolve()
    return new Promise(() => {})
  }
  const context = { signal: new AbortController().signal, onProgress: undefined }
  const result = wantWithRouters({ sources, multihash: Uint8Array.of(0, 0), providers: [], want, context })
  t.mock.timers.tick(limits.delegatedWantDelayMs.value)
  await joined.promise
  block.resolve('block')
  assert.equal(await result, 'block')
  assert.deepEqual(
    [parts, left],
    [
      [[named], [named]],
      [true, true],
    ],
  )
})
