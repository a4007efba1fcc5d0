import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { type AminoClient, type AminoClientOptions, AminoError, createAminoClient, type ErrorCode } from '../../src/index.ts'
import type { AminoService } from '../../worker/host/amino-service.ts'
import { serve, type ServerOptions } from '../../worker/host/rpc-server.ts'
import { type FakeService, fakeService } from './fake-service.ts'
import { FakeWorker } from './fake-worker.ts'
import { postProblems } from './plain-data.ts'

export interface Harness {
  readonly client: AminoClient
  readonly service: FakeService
  readonly worker: FakeWorker
}

/** The real client and the real server, with a service to play with, on both ends of a fake Worker. */
export async function startHarness(
  t: TestContext,
  overrides: Partial<AminoService> = {},
  options: AminoClientOptions = {},
  serverOptions: ServerOptions = {},
): Promise<Harness> {
  const service = fakeService(overrides)
  const worker = new FakeWorker((scope) => serve(service, scope, { locks: scope.locks, ...serverOptions }))
  const client = await createAminoClient({ worker: worker.asWorker(), ...options })
  t.after(async () => {
    await client.stop()
    assert.deepEqual(postProblems, [], 'only plain data is posted')
  })
  return { client, service, worker }
}

/** The code with which a promise rejects; 'resolved' if it does not. */
export async function codeOf(promise: Promise<unknown>): Promise<ErrorCode | 'resolved'> {
  try {
    await promise
    return 'resolved'
  } catch (error) {
    assert.ok(error instanceof AminoError, `an AminoError, not ${String(error)}`)
    assert.match(error.message, /^\S.{15,}\.$/s, 'the message is a sentence')
    return error.code
  }
}

export async function collect<Item>(source: AsyncIterable<Item> | Iterable<Item>): Promise<Item[]> {
  const items: Item[] = []
  for await (const item of source) items.push(item)
  return items
}

/** A promise and the function that resolves it; for what a test waits for inside a service. */
export function signalled(): { readonly reached: Promise<void>; readonly reach: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { reached: promise, reach: resolve }
}
