import { cpus } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { chromium, type Page } from '@playwright/test'
import { chromiumArgs, chromiumPath } from '../../demo/browser.ts'
import { bundleForPage } from '../../demo/build.ts'
import type { Asset } from '../../demo/server.ts'
import { startStage, type Stage } from '../../demo/stage.ts'
import { createBlocks, createFile, leafBytes } from './content.ts'
import type { BenchPeer, Way } from './contestant.ts'
import { type Arm, type Measured, type Outcome, writePage } from './report.ts'
import { type Counts, Tally } from './tally.ts'

/**
 * `npm run bench:bitswap`: single blocks one after the other, and a file in blocks of 256 KiB, by our client and by Helia's
 * own Bitswap on the page's thread; in Chromium, from real js-libp2p peers with Helia's Bitswap behind delayed links.
 * Messages are counted at the servers. Arms alternate, each run in a fresh browser. Writes `docs/results/bitswap-live.md`.
 */

const arms: readonly Arm[] = [
  { name: 'ours, getBlock', page: 'page-ours', way: 'getBlock' },
  { name: 'Helia, blockstore.get', page: 'page-helia', way: 'getBlock' },
  { name: 'ours, getBlocks', page: 'page-ours', way: 'getBlocks' },
  { name: 'Helia, session', page: 'page-helia', way: 'session' },
  { name: 'ours, session', page: 'page-ours', way: 'session' },
]

const armMs = 45_000
const connectMs = 60_000

interface Settings {
  readonly peers: number
  readonly runs: number
  readonly latencies: readonly number[]
  readonly megabytes: number
  readonly requests: number
  readonly copies: number
  readonly arms: readonly Arm[]
}

async function main(): Promise<void> {
  const settings = parse()
  const assets = await pages()
  const outcomes: Outcome[] = []
  for (const latencyMs of settings.latencies) {
    const tally = new Tally()
    const contents = [
      await createFile('file', settings.megabytes * 1_000_000, settings.copies),
      ...(await createBlocks(settings.requests, settings.copies)),
    ]
    const swarm = { peers: settings.peers, blockServers: settings.peers, latencyMs, seed: 'bitswap' }
    const stage = await startStage(swarm, 0, assets, undefined, { contents, watch: tally.watch })
    for (let run = 0; run < settings.runs; run++) {
      for (const arm of settings.arms) {
        const result = await once(stage, tally, arm)
        console.log(latencyMs, arm.name, JSON.stringify(result))
        outcomes.push({ arm, latencyMs, result })
      }
    }
    await stage.stop()
  }
  const command = ['npm run bench:bitswap', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' ')
  const leaves = Math.ceil((settings.megabytes * 1_000_000) / leafBytes)
  writePage(outcomes, { ...settings, command, leaves, cores: cpus().length })
}

function parse(): Settings {
  const { values } = parseArgs({
    options: {
      peers: { type: 'string', default: '32' },
      runs: { type: 'string', default: '3' },
      latencies: { type: 'string', default: '100' },
      megabytes: { type: 'string', default: '50' },
      requests: { type: 'string', default: '8' },
      copies: { type: 'string', default: '4' },
      arms: { type: 'string', default: arms.map(({ name }) => name).join(';') },
    },
  })
  const chosen = values.arms.split(';')
  return {
    peers: Number(values.peers),
    runs: Number(values.runs),
    latencies: values.latencies.split(',').map(Number),
    megabytes: Number(values.megabytes),
    requests: Number(values.requests),
    copies: Number(values.copies),
    arms: arms.filter(({ name }) => chosen.includes(name)),
  }
}

async function once(stage: Stage, tally: Tally, { page: script, way }: Arm): Promise<Outcome['result']> {
  const executablePath = chromiumPath()
  const browser = await chromium.launch({ args: chromiumArgs, ...(executablePath === undefined ? {} : { executablePath }) })
  const late = pause(armMs, undefined, { ref: false }).then(() => ({ failed: `not done in ${armMs / 1000} s` }))
  try {
    const page = await browser.newPage()
    await page.goto(`${stage.server.url}${script}.html`)
    await page.waitForFunction(() => globalThis.bitswapBench !== undefined)
    return await Promise.race([measure(stage, tally, page, way), late])
  } catch (error) {
    return { failed: String(error) }
  } finally {
    await browser.close()
    await quiet(tally)
    tally.take()
  }
}

async function measure(stage: Stage, tally: Tally, page: Page, way: Way): Promise<Measured> {
  const { bootstrap, samples, peers } = stage.swarm
  const others: BenchPeer[] = peers.map(({ id, addresses }) => ({ id, multiaddrs: addresses }))
  await Promise.race([
    page.evaluate(
      async (given) => {
        await globalThis.bitswapBench.start(given.bootstrap)
        await globalThis.bitswapBench.connect(given.others)
      },
      { bootstrap, others },
    ),
    pause(connectMs, undefined, { ref: false }).then(() => Promise.reject(new Error('not connected in time'))),
  ])
  await quiet(tally)
  tally.take()
  const requestMs: number[] = []
  const requested: Counts[] = []
  // Once for each client is enough: how the file is fetched makes no difference to them.
  const singles = way === 'getBlock' ? samples.filter(({ name }) => name.startsWith('request ')) : []
  for (const { cid } of singles) {
    requestMs.push(await page.evaluate((text) => globalThis.bitswapBench.request(text), cid))
    await quiet(tally)
    requested.push(tally.take())
  }
  const file = samples.find(({ name }) => name === 'file')!
  const fetch = { way, root: file.cid, leaves: file.blockCids.filter((cid) => cid !== file.cid) }
  const fetched = await page.evaluate((given) => globalThis.bitswapBench.fetch(given.way, given.root, given.leaves), fetch)
  await quiet(tally)
  return { requestMs, requested, fetched, fetch: tally.take() }
}

/** Until nothing has been heard for a while: cancels and late blocks count too. */
async function quiet(tally: Tally): Promise<void> {
  for (let before = -1; before !== tally.sum; ) {
    before = tally.sum
    await pause(quietMs)
  }
}

const quietMs = 400

async function pages(): Promise<Map<string, Asset>> {
  const assets = new Map<string, Asset>()
  for (const script of ['page-helia', 'page-ours']) {
    const { text } = await bundleForPage(`bench/bitswap/${script}.ts`)
    const body = `<!doctype html><meta charset="utf-8" /><link rel="icon" href="data:," /><script type="module" src="${script}.js"></script>`
    assets.set(`/${script}.html`, { type: 'text/html; charset=utf-8', body })
    assets.set(`/${script}.js`, { type: 'text/javascript; charset=utf-8', body: text })
  }
  return assets
}

await main()
// libp2p leaves timers behind that would keep the process for seconds.
process.exit(0)
