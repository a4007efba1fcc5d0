import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { type Browser, chromium, type Page } from '@playwright/test'
import type { AminoClientOptions, ProviderInput } from 'amino-worker'
import { chromiumArgs, chromiumPath } from '../../demo/browser.ts'
import { buildPage, bundleForPage } from '../../demo/build.ts'
import { type PageServer, serveAssets } from '../../demo/server.ts'
import { type KuboNode, startKubo } from '../../test-browser/interop/kubo-node.ts'
import { findKubo } from '../../tools/kubo.ts'
import { barsOf } from './bars.ts'
import type { Place, Transfer } from './page.ts'

/**
 * `npm run bench:transports`: the same bytes over each transport, once with the engine and libp2p in the Worker, once with
 * the same script on the page's thread. The other side is a real Kubo; for WebRTC between browsers, another page. Runs
 * alternate, each in a fresh browser context. Writes `docs/results/transports.md` and its plots.
 */

const transports = ['websocket', 'webtransport', 'webrtc-direct', 'webrtc'] as const
type Transport = (typeof transports)[number]

const places = ['worker', 'page'] as const

const allowed: Record<Transport, AminoClientOptions['transports']> = {
  websocket: { webSocket: true, webTransport: false, webRTC: false },
  webtransport: { webSocket: false, webTransport: true, webRTC: false },
  'webrtc-direct': { webSocket: false, webTransport: false, webRTC: true },
  // The relay is reached by a WebSocket.
  webrtc: { webSocket: true, webTransport: false, webRTC: true },
}

const blockBytes = 256 * 1024
const megabyte = 1_000_000
const runMs = 120_000
const folder = 'docs/results'
const lanProtocol = '/ipfs/lan/kad/1.0.0'

interface Measured {
  readonly transport: Transport
  readonly place: Place
  readonly megabytesPerSecond: number
  /** Of the page's thread, for all the bytes. */
  readonly taskMs: number
  readonly dialMs: number
  readonly longTasks: readonly number[]
}

interface Served {
  readonly cids: readonly string[]
  readonly provider: ProviderInput
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { mb: { type: 'string', default: '50' }, runs: { type: 'string', default: '3' } } })
  const [megabytes, runs] = [Number(values.mb), Number(values.runs)]
  const found = await findKubo((what) => console.log(what))
  if ('missing' in found) throw new Error(`The bench needs a Kubo: ${found.missing}.`)
  const kubo = await startKubo(found.binary)
  const server = await serve()
  const executablePath = chromiumPath()
  const browser = await chromium.launch({ args: chromiumArgs, ...(executablePath === undefined ? {} : { executablePath }) })
  const measured: Measured[] = []
  try {
    const count = Math.round((megabytes * megabyte) / blockBytes)
    const cids = await addFile(kubo, count)
    const round = transports.flatMap((transport) => places.map((place) => ({ transport, place, cids })))
    for (const what of Array.from({ length: runs }, () => round).flat()) {
      const one = await once(browser, server, kubo, what)
      console.log(JSON.stringify(one))
      measured.push(one)
    }
  } finally {
    await browser.close()
    await server.close()
    await kubo.stop()
  }
  mkdirSync(folder, { recursive: true })
  writePage(measured, megabytes, runs)
}

async function serve(): Promise<PageServer> {
  const { assets } = await buildPage()
  for (const script of ['page', 'frame']) {
    const { text } = await bundleForPage(`bench/transports/${script}.ts`)
    const body = `<!doctype html><meta charset="utf-8" /><link rel="icon" href="data:," /><script type="module" src="${script}.js"></script><body></body>`
    assets.set(`/${script}.html`, { type: 'text/html; charset=utf-8', body })
    assets.set(`/${script}.js`, { type: 'text/javascript; charset=utf-8', body: text })
  }
  return serveAssets(assets, 0)
}

/** The blocks of a file of random bytes, as `ipfs add` makes them. */
async function addFile(kubo: KuboNode, count: number): Promise<string[]> {
  const args = ['add', '-Q', '--cid-version=1', '--raw-leaves', `--chunker=size-${blockBytes}`]
  const root = String(Buffer.from(await kubo.ipfs(args, randomBytes(count * blockBytes)))).trim()
  const refs = String(Buffer.from(await kubo.ipfs(['refs', '-r', root]))).trim()
  return [...new Set(refs.split('\n'))].filter((cid) => cid.startsWith('bafkrei'))
}

async function once(
  browser: Browser,
  server: PageServer,
  kubo: KuboNode,
  { transport, place, cids }: { transport: Transport; place: Place; cids: readonly string[] },
): Promise<Measured> {
  // Pages of one context may share a process, and so a thread.
  const contexts = await Promise.all([browser.newContext(), browser.newContext()])
  const [page, other] = await Promise.all(contexts.map((context) => openPage(context.newPage(), server)))
  if (page === undefined || other === undefined) throw new Error('There is no page.')
  try {
    const options = { protocols: { kad: lanProtocol }, transports: allowed[transport] }
    const served = transport === 'webrtc' ? await serveFrom(other, kubo, cids.length) : kuboServes(kubo, transport, cids)
    const given = { place, options: { ...options, bootstrap: [] }, served, transport }
    const dialMs = await page.evaluate(
      async ({
        place: where,
        options: init,
        served: {
          cids: [first = ''],
          provider,
        },
        transport: name,
      }) => {
        await window.bench.start(where, init)
        return window.bench.connect(first, provider, name)
      },
      given,
    )
    const session = await page.context().newCDPSession(page)
    await session.send('Performance.enable')
    const taskSeconds = async (): Promise<number> => {
      const { metrics } = await session.send('Performance.getMetrics')
      return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN
    }
    const before = await taskSeconds()
    const transfer: Transfer = await page.evaluate(
      ({ cids: [, ...rest], provider }) => window.bench.fetch(rest, provider),
      served,
    )
    const taskMs = 1_000 * ((await taskSeconds()) - before)
    if (transfer.connections[transport] !== 1) throw new Error(`Not over ${transport}: ${JSON.stringify(transfer.connections)}`)
    const megabytesPerSecond = transfer.bytes / megabyte / (transfer.ms / 1_000)
    return { transport, place, megabytesPerSecond, taskMs, dialMs, longTasks: transfer.longTasks }
  } finally {
    await Promise.all(contexts.map((context) => context.close()))
  }
}

async function openPage(opening: Promise<Page>, server: PageServer): Promise<Page> {
  const page = await opening
  page.setDefaultTimeout(runMs)
  await page.goto(`${server.url}page.html`)
  await page.waitForFunction(() => window.bench !== undefined)
  return page
}

/** Another browser with our client serves, by way of Kubo as the relay. */
function serveFrom(other: Page, kubo: KuboNode, count: number): Promise<Served> {
  const options = { protocols: { kad: lanProtocol }, bootstrap: [kubo.addresses.websocket] }
  return other.evaluate(
    async ({ given, blocks, length }) => {
      await window.bench.start('worker', given)
      return window.bench.serve(blocks, length)
    },
    { given: options, blocks: count, length: blockBytes },
  )
}

function kuboServes(kubo: KuboNode, transport: Exclude<Transport, 'webrtc'>, cids: readonly string[]): Served {
  return { cids, provider: { id: kubo.id, multiaddrs: [kubo.addresses[transport]] } }
}

function writePage(measured: readonly Measured[], megabytes: number, runs: number): void {
  const of = (transport: Transport, place: Place) => measured.filter((one) => one.transport === transport && one.place === place)
  const rows = transports.flatMap((transport) =>
    places.map((place) => {
      const all = of(transport, place)
      const longTasks = all.flatMap((one) => one.longTasks)
      const longest = longTasks.length === 0 ? '' : `, longest ${Math.round(Math.max(...longTasks))} ms`
      const cells = [
        spread(
          all.map((one) => one.megabytesPerSecond),
          1,
        ),
        spread(
          all.map((one) => one.taskMs),
          0,
        ),
        `${longTasks.length}${longest}`,
        spread(
          all.map((one) => one.dialMs),
          0,
        ),
      ]
      return `| ${transport} | ${place === 'worker' ? 'Worker' : 'page'} | ${cells.join(' | ')} |`
    }),
  )
  const head = `# Transports: bytes and the page's thread

\`npm run bench:transports -- --mb ${megabytes} --runs ${runs}\`: ${megabytes} MB in blocks of 256 KiB by Bitswap, from a real Kubo over WebSocket,
WebTransport and WebRTC-direct, and from another page over WebRTC (the relay is that Kubo). Chromium, ${cpus().length} cores that also carry the other
side, loopback. *Worker*: as shipped. *page*: the same script, with the same libp2p, on the page's own thread and with the browser's own WebRTC.
Medians of ${runs} alternating runs, then the least and the most. *Thread*: time of tasks of the page's thread for all the bytes, which in both cases end up on the
page. *Long tasks*: of 50 ms and more on that thread, in all runs. *Dial*: until the first block, which is not in the other figures.

| transport | engine on | MB/s | thread, ms | long tasks | dial, ms |
|---|---|---|---|---|---|
${rows.join('\n')}

![MB/s](transports-speed.svg)
![Time of the page's thread](transports-thread.svg)
`
  const file = `${folder}/transports.md`
  writeFileSync(file, `${head}\n${notes(file)}`)
  const series = (value: (one: Measured) => number) =>
    places.map((place) => ({
      label: place === 'worker' ? 'in the Worker' : 'on the page',
      values: transports.map((transport) => median(of(transport, place).map(value))),
    }))
  const plot = (title: string, unit: string, value: (one: Measured) => number) =>
    barsOf({ title, unit, groups: transports, series: series(value) })
  writeFileSync(
    `${folder}/transports-speed.svg`,
    plot(`${megabytes} MB by Bitswap`, 'MB/s', (one) => one.megabytesPerSecond),
  )
  writeFileSync(
    `${folder}/transports-thread.svg`,
    plot(`Time of the page's thread for ${megabytes} MB`, 'ms', (one) => one.taskMs),
  )
}

/** What somebody has written about earlier figures stays, to be looked at again. */
function notes(file: string): string {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const start = text.indexOf('## What it says')
  return start === -1 ? '' : text.slice(start)
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  const [low = Number.NaN, high = Number.NaN] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]]
  return (low + high) / 2
}

function spread(values: readonly number[], digits: number): string {
  const [middle, least, most] = [median(values), Math.min(...values), Math.max(...values)].map((value) => value.toFixed(digits))
  return `${middle} (${least}–${most})`
}

await main()
process.exit(0)
