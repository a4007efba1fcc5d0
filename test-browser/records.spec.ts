import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { createIPNSRecord, marshalIPNSRecord } from 'ipns'
import type { Page } from '@playwright/test'
import { expect, openLab, test } from './support/fixtures.ts'

const hourMs = 3_600_000

test('An IPNS record that one page has put is got by another, and a newer one takes its place', async ({
  lab,
  stage,
  context,
}) => {
  const key = await generateKeyPair('Ed25519')
  const name = `/ipns/${peerIdFromPrivateKey(key)}`
  const { page: other } = await openLab(context, stage)
  await lab.evaluate(async (bootstrap) => void (await window.lab.start('one', { bootstrap })), stage.bootstrap)
  await other.evaluate(async (bootstrap) => void (await window.lab.start('one', { bootstrap })), stage.bootstrap)

  for (const sequence of [1, 2]) {
    const record = await recordOf(key, sequence)
    expect(await put(lab, name, record)).toMatchObject({ ok: true, value: { targeted: 20, stored: 20, failed: 0 } })
    const got = await get(other, name)
    expect(got).toMatchObject({ ok: true })
    if (!got.ok) return
    expect(got.value.bytes).toEqual(Array.from(record))
    expect(got.value.confirmations).toBeGreaterThanOrEqual(16)
  }
})

test('A record that is signed by another key is refused before anybody is asked', async ({ lab, stage }) => {
  const name = `/ipns/${peerIdFromPrivateKey(await generateKeyPair('Ed25519'))}`
  const forged = await recordOf(await generateKeyPair('Ed25519'), 1)
  await lab.evaluate(async (bootstrap) => void (await window.lab.start('one', { bootstrap })), stage.bootstrap)
  expect(await put(lab, name, forged)).toMatchObject({ ok: false, code: 'invalid-record' })
})

test('A name that nobody has published is not found', async ({ lab, stage }) => {
  const name = `/ipns/${peerIdFromPrivateKey(await generateKeyPair('Ed25519'))}`
  await lab.evaluate(async (bootstrap) => void (await window.lab.start('one', { bootstrap })), stage.bootstrap)
  expect(await get(lab, name)).toMatchObject({ ok: false, code: 'not-found' })
})

async function recordOf(key: PrivateKey, sequence: number): Promise<Uint8Array> {
  const value = '/ipfs/bafkqac3jobxhgidsn5rww4yk'
  return marshalIPNSRecord(await createIPNSRecord(key, value, sequence, hourMs))
}

function put(page: Page, name: string, record: Uint8Array) {
  return page.evaluate(({ key, value }) => window.lab.outcome(window.lab.client('one').putValue(key, Uint8Array.from(value))), {
    key: name,
    value: Array.from(record),
  })
}

function get(page: Page, name: string) {
  return page.evaluate(
    (key) =>
      window.lab.outcome(async () => {
        const { value, confirmations } = await window.lab.client('one').getValue(key)
        return { bytes: Array.from(value), confirmations }
      }),
    name,
  )
}
