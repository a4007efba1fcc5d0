import { expect, openLab, test } from './support/fixtures.ts'
import { closedAddress, openSilentHost } from './support/silent-host.ts'
import { sampleNamed } from './support/stage-info.ts'
import { blockOf } from './support/strangers.ts'

test('A second client on one storage name is refused, in the same tab and in another one, and the first goes on', async ({
  lab,
  stage,
  context,
}) => {
  const second = await lab.evaluate(async () => {
    await window.lab.start('one', { bootstrap: [], storage: 'shared' })
    return window.lab.outcome(window.lab.create({ bootstrap: [], storage: 'shared' }))
  })
  expect(second).toMatchObject({ ok: false, code: 'storage-in-use' })

  const { page: otherTab } = await openLab(context, stage)
  const inOtherTab = await otherTab.evaluate(() => window.lab.outcome(window.lab.create({ bootstrap: [], storage: 'shared' })))
  expect(inOtherTab).toMatchObject({ ok: false, code: 'storage-in-use' })

  expect(await lab.evaluate(async () => (await window.lab.client('one').status()).storage.mode)).toBe('indexeddb')
  await lab.evaluate(() => window.lab.client('one').stop())
  const afterwards = await otherTab.evaluate(
    async () => (await window.lab.start('one', { bootstrap: [], storage: 'shared' })).start,
  )
  expect(afterwards).toBe('cold')
})

for (const [what, url] of [
  ['that does not exist', '/no-such-worker.js'],
  ['with a syntax error', '/worker-with-syntax-error.js'],
  ['that is a page', '/lab.html'],
] as const) {
  test(`A Worker script ${what} is told as such, with its address`, async ({ lab }) => {
    const outcome = await lab.evaluate(
      (worker) => window.lab.outcome(window.lab.create({ bootstrap: [], storage: false, worker })),
      url,
    )
    expect(outcome).toMatchObject({ ok: false, code: 'worker-load-failed' })
  })
}

test('A Worker that the browser refuses to start is told as such', async ({ lab }) => {
  const outcome = await lab.evaluate(() =>
    window.lab.outcome(window.lab.create({ bootstrap: [], storage: false, worker: 'https://elsewhere.invalid/worker.js' })),
  )
  expect(outcome).toMatchObject({ ok: false, code: 'worker-load-failed' })
})

test('Without a reachable bootstrapper calls end with a code and do not hang', async ({ lab }) => {
  const silent = await openSilentHost()
  try {
    const { cid } = blockOf('no peer will be asked for this')
    for (const bootstrap of [[], [await closedAddress()], [silent.address]]) {
      const outcomes = await lab.evaluate(
        async ({ addresses, text }) => {
          const client = await window.lab.start('one', { bootstrap: addresses })
          const signal = AbortSignal.timeout(15_000)
          const calls = [
            window.lab.collect(client.findProviders(text, { signal })),
            window.lab.collect(client.getClosestPeers(text, { signal })),
            client.getBlock(text, { signal }),
          ]
          const ended = await Promise.all(calls.map((call) => window.lab.outcome<unknown>(call)))
          await client.stop()
          return ended.map((outcome) => (outcome.ok ? 'ok' : outcome.code))
        },
        { addresses: bootstrap, text: cid },
      )
      expect(outcomes).toEqual(['no-peers', 'no-peers', 'no-peers'])
    }
  } finally {
    await silent.close()
  }
})

test('Bad input is refused with a code and a sentence, and costs nothing that is stored', async ({ lab }) => {
  const { cid, bytes } = blockOf('a block that stays')
  const outcomes = await lab.evaluate(
    async (block) => {
      const client = await window.lab.start('one', { bootstrap: [] })
      await client.putBlock(block.cid, Uint8Array.from(block.bytes))
      const { outcome, collect } = window.lab
      const other = new TextEncoder().encode('other bytes')
      const ended = {
        'not a CID': await outcome(collect(client.findProviders('not a CID'))),
        'empty CID': await outcome(client.getBlock('')),
        'limit 0': await outcome(() => collect(client.findProviders(block.cid, { limit: 0 }))),
        'limit of a half': await outcome(() => collect(client.findProviders(block.cid, { limit: 0.5 }))),
        'wrong peer id': await outcome(client.findPeer('nobody')),
        'wrong key': await outcome(client.getValue('/elsewhere/key')),
        'wrong bytes': await outcome(client.putBlock(block.cid, other)),
        'no record': await outcome(
          client.putValue('/ipns/k51qzi5uqu5dgutdk6i1ynyzgkqngpha5xpgia3a5qqp4jsh0u4csozksxel2r', other),
        ),
        'bad option': await outcome(window.lab.create({ bootstrap: ['nowhere'] })),
        'bad storage': await outcome(window.lab.create({ bootstrap: [], storage: '' })),
      }
      return { ended, kept: await client.hasBlock(block.cid) }
    },
    { cid, bytes: Array.from(bytes) },
  )
  const codes = Object.fromEntries(Object.entries(outcomes.ended).map(([what, ended]) => [what, ended.ok ? 'ok' : ended.code]))
  expect(codes).toEqual({
    'not a CID': 'invalid-cid',
    'empty CID': 'invalid-cid',
    'limit 0': 'invalid-argument',
    'limit of a half': 'invalid-argument',
    'wrong peer id': 'invalid-key',
    'wrong key': 'invalid-key',
    'wrong bytes': 'invalid-block',
    'no record': 'invalid-record',
    'bad option': 'invalid-argument',
    'bad storage': 'invalid-argument',
  })
  for (const ended of Object.values(outcomes.ended)) expect(ended.ok ? '' : ended.message).toMatch(/^\S.* .*\.$/s)
  expect(outcomes.kept).toBe(true)
})

test('Where IndexedDB is refused the client goes on in memory and says so', async ({ lab, stage }) => {
  const { cid, providerIds } = sampleNamed(stage, 'note')
  const seen = await lab.evaluate(
    async ({ bootstrap, text }) => {
      const client = await window.lab.start('one', { bootstrap, storage: 'refused', worker: '/worker-without-storage.js' })
      const providers = await window.lab.collect(client.findProviders(text))
      const { bytes } = await client.getBlock(text)
      const { storage } = await client.status()
      return {
        providers: providers.map((provider) => provider.id),
        bytes: bytes.length,
        has: await client.hasBlock(text),
        storage,
      }
    },
    { bootstrap: stage.bootstrap, text: cid },
  )
  expect(seen.providers.toSorted()).toEqual([...providerIds].toSorted())
  expect(seen.bytes).toBe(sampleNamed(stage, 'note').bytes)
  expect(seen.has).toBe(true)
  expect(seen.storage.mode).toBe('memory')
  expect(seen.storage.problem).toBeTruthy()
})
