import { mkdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { chromium } from '@playwright/test'
import { chromiumArgs, chromiumPath } from '../../demo/browser.ts'
import { buildPage, bundleForPage } from '../../demo/build.ts'
import { type Asset, serveAssets } from '../../demo/server.ts'
import { engineFigures } from './engine.ts'
import { brokenOff, diskFigures } from './measure.ts'
import { pageOf, propertiesOf } from './report.ts'

/**
 * `npm run bench:keystore`: the keystore with a million keys, in IndexedDB in a Worker of Chromium, and its part without a disk
 * in Node. Writes `docs/results/keystore.md`, and ends with 1 if a property does not hold.
 */

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { keys: { type: 'string', default: '1000000' } } })
  const count = Number(values.keys)
  const server = await serveAssets(await assets(), 0)
  const executablePath = chromiumPath()
  const browser = await chromium.launch({
    // A measurement of memory would wait for the next collection, minutes perhaps.
    args: [...chromiumArgs, '--enable-blink-features=ForceEagerMeasureMemory'],
    ...(executablePath === undefined ? {} : { executablePath }),
  })
  try {
    const disk = await diskFigures(browser, server.url, count)
    const broken = await brokenOff(browser, server.url)
    const engine = await engineFigures(count)
    const properties = propertiesOf(disk, broken, engine)
    mkdirSync('docs/results', { recursive: true })
    writeFileSync('docs/results/keystore.md', pageOf({ count, disk, engine, properties }))
    for (const { what, got, holds } of properties) if (!holds) console.error(`Does not hold: ${what}: ${got}.`)
    return properties.every(({ holds }) => holds) ? 0 : 1
  } finally {
    await browser.close()
    await server.close()
  }
}

async function assets(): Promise<Map<string, Asset>> {
  const javascript = 'text/javascript; charset=utf-8'
  // Memory is told only to pages that are isolated from other origins.
  const headers = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' }
  const [page, worker, built] = [
    await bundleForPage('bench/keystore/page.ts'),
    await bundleForPage('bench/keystore/worker.ts'),
    await buildPage(),
  ]
  const body = `<!doctype html><meta charset="utf-8" /><link rel="icon" href="data:," /><script type="module" src="keystore.js"></script>`
  return new Map<string, Asset>([
    ['/keystore.html', { type: 'text/html; charset=utf-8', body, headers }],
    ['/keystore.js', { type: javascript, body: page.text, headers }],
    ['/keystore-worker.js', { type: javascript, body: worker.text, headers }],
    ['/worker.js', { ...built.assets.get('/worker.js')!, headers }],
  ])
}

process.exit(await main())
