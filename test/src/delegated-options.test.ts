import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AminoClientOptions, createAminoClient } from '../../src/index.ts'
import type { StartOptions } from '../../worker/contract/service.ts'
import { codeOf, collect, startHarness } from '../support/client-harness.ts'
import { items, peerBytes, providerItem } from '../support/fake-service.ts'

async function started(t: Parameters<typeof startHarness>[0], options: AminoClientOptions): Promise<StartOptions['delegated']> {
  const { service } = await startHarness(t, {}, options)
  return (service.seen[0]!.args[0] as StartOptions).delegated
}

test('delegated routing is off unless asked for, and its URLs are taken with or without the path of the API', async (t) => {
  assert.equal((await started(t, {})).mode, 'off')
  const routers = [
    'https://one.example',
    'https://two.example/',
    'http://127.0.0.1:8080/routing/v1/',
    'https://three.example/under',
  ]
  assert.deepEqual(await started(t, { delegatedRouting: { mode: 'race', routers } }), {
    mode: 'race',
    routers: ['https://one.example', 'https://two.example', 'http://127.0.0.1:8080', 'https://three.example/under'],
  })
  assert.equal((await started(t, { delegatedRouting: { mode: 'fallback', routers: [] } })).mode, 'off')
  assert.equal((await started(t, { delegatedRouting: { mode: 'fallback' } })).routers.length, 1)
})

test('a wrong option of delegated routing is refused before anything is started', async () => {
  const url = 'https://router.example'
  for (const delegatedRouting of [
    { mode: 'sometimes' },
    { mode: 'race', routers: ['router.example'] },
    { mode: 'race', routers: [`${url}?key=1`] },
    { mode: 'race', routers: Array.from({ length: 9 }, () => url) },
  ] as NonNullable<AminoClientOptions['delegatedRouting']>[]) {
    assert.equal(await codeOf(createAminoClient({ delegatedRouting })), 'invalid-argument')
  }
})

test('a provider that a router has named says so', async (t) => {
  const named = { ...providerItem(1), id: peerBytes, from: 'https://router.example' }
  const { client } = await startHarness(t, { findProviders: () => items(1, () => named) })
  const [provider] = await collect(client.findProviders('bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'))
  assert.equal(provider?.from, 'https://router.example')
})
