import { readFile } from 'node:fs/promises'
import { buildPage } from '../demo/build.ts'
import { expect, test } from './support/fixtures.ts'

/** A word of the UnixFS format that a bundle with the exporter cannot do without. */
const unixfsWord = 'hamt-sharded-directory'

test('UnixFS is in the bundle of the demo page only, not in the package', async () => {
  const dist = new URL('../dist/', import.meta.url)
  const { assets, metafile } = await buildPage()
  expect(assets.get('/page.js')?.body).toContain(unixfsWord)
  expect(Object.keys(metafile.inputs).some((path) => path.includes('ipfs-unixfs-exporter'))).toBe(true)
  for (const file of ['index.js', 'worker.js']) {
    expect(await readFile(new URL(file, dist), 'utf8'), file).not.toContain(unixfsWord)
  }
})

test('The demo page takes the client from the built package', async () => {
  const { metafile } = await buildPage()
  const ours = Object.keys(metafile.inputs).filter((path) => !path.includes('node_modules/') && !path.startsWith('demo/page/'))
  expect(ours.length).toBeGreaterThan(0)
  expect(ours.filter((path) => !path.startsWith('dist/'))).toEqual([])
})
