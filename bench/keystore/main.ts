import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { type Browser, chromium, type Page } from '@playwright/test'
import { chromiumArgs, chromiumPath } from '../../demo/browser.ts'
import { buildPage, bundleForPage } from '../../demo/build.ts'
import { type Asset, serveAssets } from '../../demo/server.ts'
import { engineFigures, type EngineFigures } from './engine.ts'
import type { KeystorePage } from './page.ts'

/**
 * `npm run bench:keystore`: the keystore with a million keys, in IndexedDB in a Worker of Chromium, and its part without a disk
 * in Node. Writes `docs/results/keystore.md`, and ends with 1 if a property does not hold.
 */

/** The prefix of a region among 25,000 servers. */
const regionBits = 10

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

type DiskFigures = Awaited<ReturnType<typeof diskFigures>>

async function diskFigures(browser: Browser, url: string, count: number) {
  const tab = await open(browser, url)
  const memory = () => tab.evaluate(() => keystorePage().workerBytes())
  const restart = () =>
    tab.evaluate(async () => {
      await keystorePage().ask('close')
      keystorePage().end()
      keystorePage().start()
    })
  await tab.evaluate(() => keystorePage().start())
  await tab.evaluate(() => keystorePage().ask('open', 'keys'))
  const emptyBytes = await memory()
  const adds: { readonly keys: number; readonly ms: number }[] = []
  const step = Math.ceil(count / 10)
  for (let from = 0; from < count; from += step) {
    const { ms, added } = await tab.evaluate(([at, size]) => keystorePage().ask('add', at, size, 1), [from, step] as const)
    adds.push({ keys: added, ms })
    console.log(`${from + added} keys, ${Math.round((1_000 * added) / ms)} a second`)
  }
  await restart()
  const opened = await tab.evaluate(() => keystorePage().ask('open', 'keys'))
  const openBytes = await memory()
  const regions = await tab.evaluate((bits) => keystorePage().ask('regions', bits, 200), regionBits)
  const counts = await tab.evaluate(() => keystorePage().ask('count', 9, 50))
  const walk = await tab.evaluate(() => keystorePage().ask('walk'))
  const walkBytes = await memory()
  const again = await tab.evaluate(() => keystorePage().ask('add', 0, 10_240, 1))
  const sent = await tab.evaluate(() => keystorePage().ask('sent', 0, 10_240))
  // The second half is given again, as what is to be kept from now on; the first half goes.
  const half = Math.floor(count / 2)
  const given = await tab.evaluate(([at, size]) => keystorePage().ask('add', at, size, 2), [half, count - half] as const)
  await tab.evaluate(() => keystorePage().ask('close'))
  await tab.evaluate(() => keystorePage().end())
  const client = await tab.evaluate(() => keystorePage().startClient('keys'))
  const clientBytes = await memory()
  await tab.evaluate(() => keystorePage().stopClient())
  const emptyClient = await tab.evaluate(() => keystorePage().startClient('nothing'))
  const emptyClientBytes = await memory()
  await tab.evaluate(() => keystorePage().stopClient())
  await tab.evaluate(() => keystorePage().start())
  await tab.evaluate(() => keystorePage().ask('open', 'keys'))
  const removed = await tab.evaluate(() => keystorePage().ask('removeOlder', 2))
  const left = await tab.evaluate(() => keystorePage().ask('walk'))
  await tab.close()
  return {
    ...{ count, half, adds, opened, regions, counts, walk, again, sent, given, removed, left, client, emptyClient },
    ...{ emptyBytes, openBytes, walkBytes, clientBytes, emptyClientBytes },
  }
}

/** A replacement of one set by another that shares half with it, ended by the loss of the tab: at each of its two steps. */
async function brokenOff(browser: Browser, url: string) {
  const [old, next] = [
    { from: 0, size: 20_480 },
    { from: 10_240, size: 20_480 },
  ]
  const results: { readonly step: string; readonly set: 'old' | 'new'; readonly kept: number; readonly wanted: number }[] = []
  for (const step of ['adding', 'removing'] as const) {
    // One context for both tabs: what the first has stored, the second finds.
    const context = await browser.newContext()
    const tab = await openIn(await context.newPage(), url)
    await tab.evaluate(() => keystorePage().start())
    await tab.evaluate((name) => keystorePage().ask('open', name), step)
    await tab.evaluate(({ from, size }) => keystorePage().ask('add', from, size, 1), old)
    if (step === 'adding') {
      await tab.evaluate(({ from, size }) => keystorePage().ask('add', from, size / 2, 2), next)
      await tab.evaluate(({ from, size }) => keystorePage().begin('add', from + size / 2, size / 2, 2), next)
    } else {
      await tab.evaluate(({ from, size }) => keystorePage().ask('add', from, size, 2), next)
      await tab.evaluate(() => {
        const some = keystorePage().untilRemoved(1)
        keystorePage().begin('removeOlder', 2)
        return some
      })
    }
    await tab.close()
    const after = await openIn(await context.newPage(), url)
    await after.evaluate(() => keystorePage().start())
    await after.evaluate((name) => keystorePage().ask('open', name), step)
    const set = step === 'adding' ? old : next
    const kept = await after.evaluate(({ from, size }) => keystorePage().ask('kept', from, size), set)
    results.push({ step, set: step === 'adding' ? 'old' : 'new', kept, wanted: set.size })
    await context.close()
  }
  return results
}

interface Property {
  readonly what: string
  readonly wanted: string
  readonly got: string
  readonly holds: boolean
}

function propertiesOf(disk: DiskFigures, broken: Awaited<ReturnType<typeof brokenOff>>, engine: EngineFigures): Property[] {
  const { count, half, opened, walk, again, left, client, counts, removed } = disk
  const same = (what: string, wanted: number, got: number): Property => ({
    what,
    wanted: String(wanted),
    got: String(got),
    holds: got === wanted,
  })
  return [
    same('keys counted at the start, from the cells', count, opened.keys),
    same('keys that a walk in order finds', count, walk.isOrdered ? walk.keys : Number.NaN),
    same('keys that are new when 10,240 known ones are added again', 0, again.added),
    same('prefixes of 9 bits whose count differs from what is there, of 50', 0, counts.differing),
    same('prefixes of the trie whose count differs from going through all, of 200', 0, engine.differing),
    same('keys that the whole client says it keeps', count, client.kept),
    same('keys left by the replacement', count - half, left.keys),
    same('keys removed by it', half, removed.removed),
    {
      what: 'bytes a key in the Worker’s memory after a start, and after a walk over all keys',
      wanted: 'below 1, and below 10',
      got: `${perKey(disk.openBytes, disk)}, ${perKey(disk.walkBytes, disk)}`,
      holds: disk.openBytes - disk.emptyBytes < count && disk.walkBytes - disk.emptyBytes < 10 * count,
    },
    ...broken.map(({ step, set, kept, wanted }) =>
      same(`replacement lost while ${step}: keys of the ${set} set that are there`, wanted, kept),
    ),
  ]
}

function perKey(bytes: number, { emptyBytes, count }: DiskFigures): string {
  return ((bytes - emptyBytes) / count).toFixed(2)
}

function pageOf(seen: { count: number; disk: DiskFigures; engine: EngineFigures; properties: readonly Property[] }): string {
  const { count, disk, engine, properties } = seen
  const rate = (keys: number, ms: number): string => `${Math.round((1_000 * keys) / ms).toLocaleString('en')} a second`
  const sorted = disk.regions.ms.toSorted((a, b) => a - b)
  const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MB`
  const first = disk.adds[0]!
  const last = disk.adds.at(-1)!
  const rows: [string, string][] = [
    ['open, read the cells, make the schedule', `${Math.round(disk.opened.ms)} ms`],
    [
      'start of a whole client with these keys, with none',
      `${Math.round(disk.client.ms)} ms, ${Math.round(disk.emptyClient.ms)} ms`,
    ],
    [
      'memory of the Worker that holds the keystore alone: empty, opened, after a walk over all keys',
      [disk.emptyBytes, disk.openBytes, disk.walkBytes].map(megabytes).join(', '),
    ],
    [
      'memory of the whole client’s Worker: with these keys, with none',
      [disk.clientBytes, disk.emptyClientBytes].map(megabytes).join(', '),
    ],
    ['add by portions of 512: the first tenth, the last', `${rate(first.keys, first.ms)}, ${rate(last.keys, last.ms)}`],
    ['add again what is known', rate(10_240, disk.again.ms)],
    [
      `a page (1,024 keys at most) of a region of ${regionBits} bits: median, slowest of 200`,
      `${sorted[100]!.toFixed(1)} ms, ${sorted.at(-1)!.toFixed(1)} ms; ${Math.round(disk.regions.keys / 200)} keys each`,
    ],
    ['count by a prefix of 9 bits, from the cells', `${disk.counts.ms.toFixed(3)} ms`],
    ['walk over all keys in order', rate(disk.walk.keys, disk.walk.ms)],
    ['keys leave the queue, 64 at a time', rate(10_240, disk.sent.ms)],
    [
      'replacement: half given again, the other half removed',
      `${rate(count - disk.half, disk.given.ms)}, then ${Math.round(disk.removed.ms / 1_000)} s`,
    ],
  ]
  const memory: [string, string][] = [
    [
      'binary trie: add, bytes a key (its 32 bytes included)',
      `${rate(engine.keys, (1_000 * engine.keys) / engine.trieAddsPerSecond)}, ${Math.round(engine.trieBytesPerKey)}`,
    ],
    ['count by a prefix of 1 to 16 bits', `${(1_000 * engine.prefixCountMs).toFixed(1)} µs`],
    [
      'keystore in memory, kept and queued: add, bytes a key',
      `${rate(engine.keys, (1_000 * engine.keys) / engine.tableAddsPerSecond)}, ${Math.round(engine.tableBytesPerKey)}`,
    ],
  ]
  const table = (lines: readonly [string, string][]): string => lines.map(([what, value]) => `| ${what} | ${value} |`).join('\n')
  return `# The keystore

Written by \`npm run bench:keystore -- --keys ${count}\`, which fails where a property does not hold: ${count.toLocaleString('en')} multihashes of sha2-256. Times are of this
machine (${cpus().length} cores, others at work on it too); counts and bytes are not.

| property | wanted | got | |
|---|---|---|---|
${properties.map(({ what, wanted, got, holds }) => `| ${what} | ${wanted} | ${got} | ${holds ? 'holds' : '**does not hold**'} |`).join('\n')}

## In IndexedDB, in a Worker of Chromium

| | |
|---|---|
${table(disk === undefined ? [] : rows)}

Memory is \`performance.measureUserAgentSpecificMemory()\`, what is attributed to the Worker. IndexedDB's own caches are in another process of
the browser and are not in it.

## Without a disk, in Node ${process.version}

| | |
|---|---|
${table(memory)}

A client with \`storage: false\`, or where the browser refuses to store, keeps its keys in the second of these: for a million CIDs it wants a disk.
`
}

async function open(browser: Browser, url: string): Promise<Page> {
  return openIn(await (await browser.newContext()).newPage(), url)
}

async function openIn(tab: Page, url: string): Promise<Page> {
  await tab.goto(`${url}keystore.html`)
  await tab.waitForFunction(() => 'keystorePage' in globalThis)
  await tab.evaluate(() => {
    const found = (globalThis as unknown as { keystorePage: KeystorePage }).keystorePage
    Object.assign(globalThis, { keystorePage: () => found })
  })
  return tab
}

/** What `openIn` has left in the page; functions that are evaluated there find it by this name. */
declare function keystorePage(): KeystorePage

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
