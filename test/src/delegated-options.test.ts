import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StartOptions } from '../../worker/contract/service.ts'
import { collect, startHarness } from '../support/client-harness.ts'
import { items, peerBytes, providerItem } from '../support/fake-service.ts'

test('what is said of delegated routing reaches the Worker as it is, which checks it', async (t) => {
  const delegatedRouting = { mode: 'race', routers: ['https://one.example/routing/v1'] } as const
  const { service } = await startHarness(t, {}, { delegatedRouting })
  assert.deepEqual((service.seen[0]!.args[0] as StartOptions).delegated, delegatedRouting)
})

test('a provider that a router has named says so', async (t) => {
  const named = { ...providerItem(1), id: peerBytes, from: 'https://router.example' }
  const { client } = await startHarness(t, { findProviders: () => items(1, () => named) })
  const [provider] = await collect(client.findProviders('bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'))
  assert.equal(provider?.from, 'https://router.example')
})
