import { CID } from 'multiformats/cid'
import { expect, openLab, test } from './support/fixtures.ts'
import { startNodePeer } from './support/node-peer.ts'
import { blockOf } from './support/strangers.ts'

test('What a page provides is found by a js-libp2p DHT client, which fetches it from the page over a relay', async ({
  lab,
  stage,
}) => {
  const { cid, bytes } = blockOf(`provided by a page`)
  const provided = await lab.evaluate(
    async ({ bootstrap, text, block }) => {
      const client = await window.lab.start('one', { bootstrap })
      await client.putBlock(text, Uint8Array.from(block))
      // An address is there when a relay has granted one.
      while ((await client.status()).addresses.length === 0) {
        await new Promise((resolve) => client.addEventListener('addresses', resolve, { once: true }))
      }
      const result = await client.provide(text)
      return { peerId: client.peerId, result, addresses: (await client.status()).addresses }
    },
    { bootstrap: stage.bootstrap, text: cid, block: Array.from(bytes) },
  )
  expect(provided.result).toMatchObject({ targeted: 20, stored: 20, undialable: 0, failed: 0 })
  expect(provided.addresses.every((address) => address.includes('/p2p-circuit'))).toBe(true)

  const peer = await startNodePeer(stage.bootstrap)
  try {
    const found = await peer.findProviders(CID.parse(cid), AbortSignal.timeout(20_000))
    const page = found.find((provider) => provider.id === provided.peerId)
    const address = page?.addresses.find((candidate) => candidate.includes('/p2p-circuit'))
    expect(address, JSON.stringify(found)).toBeDefined()
    const full = address?.endsWith(provided.peerId) ? address : `${address}/p2p/${provided.peerId}`
    const fetched = await peer.fetchFrom(full, CID.parse(cid), AbortSignal.timeout(15_000))
    expect(new TextDecoder().decode(fetched)).toBe('provided by a page')
  } finally {
    await peer.stop()
  }
})

test('One page provides, another page finds and fetches it', async ({ lab, stage, context }) => {
  const { cid, bytes } = blockOf('from page to page')
  const provider = await lab.evaluate(
    async ({ bootstrap, text, block }) => {
      const client = await window.lab.start('one', { bootstrap })
      await client.putBlock(text, Uint8Array.from(block))
      while ((await client.status()).addresses.length === 0) {
        await new Promise((resolve) => client.addEventListener('addresses', resolve, { once: true }))
      }
      await client.provide(text)
      return client.peerId
    },
    { bootstrap: stage.bootstrap, text: cid, block: Array.from(bytes) },
  )
  const { page: other } = await openLab(context, stage)
  const got = await other.evaluate(
    async ({ bootstrap, text }) => {
      const client = await window.lab.start('one', { bootstrap })
      const providers = await window.lab.collect(client.findProviders(text))
      const block = await client.getBlock(text, { providers, signal: AbortSignal.timeout(20_000) })
      return { providers: providers.map(({ id }) => id), from: block.from, text: new TextDecoder().decode(block.bytes) }
    },
    { bootstrap: stage.bootstrap, text: cid },
  )
  expect(got).toEqual({ providers: [provider], from: provider, text: 'from page to page' })
})

test('Without an address of its own a page is told that providing would be of no use', async ({ lab, stage }) => {
  const { cid, bytes } = blockOf('nobody could dial us')
  const outcome = await lab.evaluate(
    async ({ bootstrap, text, block }) => {
      const client = await window.lab.start('one', { bootstrap, relay: false })
      await client.putBlock(text, Uint8Array.from(block))
      return window.lab.outcome(client.provide(text))
    },
    { bootstrap: stage.bootstrap, text: cid, block: Array.from(bytes) },
  )
  expect(outcome).toMatchObject({ ok: false, code: 'not-dialable' })
})
