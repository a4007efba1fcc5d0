import { expect, test } from './support/fixtures.ts'
import { sampleNamed } from './support/stage-info.ts'

test('A page’s own libp2p finds providers and peers through the client', async ({ page, stage }) => {
  const { cid, providerIds } = sampleNamed(stage, 'note')
  const wanted = stage.peers.at(-1)!
  await page.goto(`${stage.url}libp2p.html`)
  await page.waitForFunction(() => window.libp2pLab !== undefined)
  const found = await page.evaluate(({ bootstrap, content, peer }) => window.libp2pLab.search(bootstrap, content, peer), {
    bootstrap: stage.bootstrap,
    content: cid,
    peer: wanted.id,
  })
  expect(found.providers.toSorted()).toEqual([...providerIds].toSorted())
  expect(found.addresses).toEqual(expect.arrayContaining([...wanted.addresses]))
  expect(found.closest).toBe(20)
  expect(found.errors).toEqual([])
})
