import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { chromium } from '@playwright/test'
import { chromiumArgs, chromiumPath } from '../../demo/browser.ts'
import { bundleForPage } from '../../demo/build.ts'
import type { Asset } from '../../demo/server.ts'
import { startStage, type Stage } from '../../demo/stage.ts'
import type { Measured, Task } from './measure.ts'

/**
 * `npm run bench:peers`: the same operations by Helia with its own libp2p, the same tuned by hand, and Helia with our
 * client; in Chromium, on one swarm of real js-libp2p peers behind delayed links. Runs alternate, each in a fresh
 * browser context. Writes `docs/results/peers.md`.
 */

const contestants = [
  { name: 'Helia', page: 'page-helia', extra: { tuned: false } },
  { name: 'Helia, tuned', page: 'page-helia', extra: { tuned: true } },
  { name: 'Helia on amino-worker', page: 'page-ours', extra: {} },
] as const

const worlds = [
  { name: 'all peers good', dead: 0, undialable: 0 },
  { name: '30 % dead, 20 % undialable', dead: 0.3, undialable: 0.2 },
] as const

const file = 'docs/results/peers.md'
const runMs = 180_000

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      peers: { type: 'string', default: '40' },
      runs: { type: 'string', default: '3' },
      latency: { type: 'string', default: '80' },
    },
  })
  const [peers, runs, latencyMs] = [Number(values.peers), Number(values.runs), Number(values.latency)]
  const { assets, bytes } = await pages()
  const sections: string[] = []
  for (const { name, dead, undialable } of worlds) {
    const stage = await startStage({ peers, latencyMs, dead, undialable, seed: 'bench' }, 0, assets)
    const results = new Map<string, Measured[]>()
    for (let run = 0; run < runs; run++) {
      for (const contestant of contestants) {
        const measured = await once(stage, contestant)
        results.set(contestant.name, [...(results.get(contestant.name) ?? []), ...(measured === undefined ? [] : [measured])])
        console.log(name, contestant.name, JSON.stringify(measured))
      }
    }
    sections.push(section(name, results, runs))
    await stage.stop()
  }
  const head = `# Against Helia with its own libp2p\n\n\`npm run bench:peers -- --peers ${peers} --runs ${runs} --latency ${latencyMs}\`: ${peers} js-libp2p servers behind
links of ${latencyMs / 2} to ${latencyMs * 1.5} ms one way, Chromium, ${cpus().length} cores that also carry the swarm. *Helia* has the transports that this swarm
speaks, and dials its bootstrap peers after a second, as \`@libp2p/bootstrap\` does; *tuned* dials them at once, with
\`allowQueryWithZeroPeers\`, and waits for the first of them. Medians, then the slowest, in milliseconds; *cold* is from navigation to the first provider; searches are four
a run, after the first. Shipped, minified and gzip: ${bytes}.\n`
  mkdirSync('docs/results', { recursive: true })
  writeFileSync(file, `${head}\n${sections.join('\n')}\n${notes()}`)
}

/** What somebody has written about earlier figures stays, to be looked at again. */
function notes(): string {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const start = text.indexOf('## What it says')
  return start === -1 ? '' : text.slice(start)
}

async function once(stage: Stage, { page: script, extra }: (typeof contestants)[number]): Promise<Measured | undefined> {
  const executablePath = chromiumPath()
  const browser = await chromium.launch({ args: chromiumArgs, ...(executablePath === undefined ? {} : { executablePath }) })
  try {
    const { samples, bootstrap } = stage.swarm
    const named = (name: string) => samples.find((sample) => sample.name === name)?.cid ?? ''
    const task: Task = { bootstrap, searches: ['note', 'pebble', 'brick', 'boulder', 'picture'].map(named), block: named('slab') }
    const page = await browser.newPage()
    await page.goto(`${stage.server.url}${script}.html#${encodeURIComponent(JSON.stringify({ ...task, ...extra }))}`)
    const handle = await page.waitForFunction(() => (globalThis as { measured?: Promise<Measured> }).measured, undefined, {
      timeout: runMs,
    })
    return await handle.jsonValue()
  } catch (error) {
    console.error(String(error))
    return undefined
  } finally {
    await browser.close()
  }
}

async function pages(): Promise<{ assets: Map<string, Asset>; bytes: string }> {
  const assets = new Map<string, Asset>()
  const sizes: string[] = []
  for (const script of ['page-helia', 'page-ours']) {
    const { text } = await bundleForPage(`bench/peers/${script}.ts`)
    const body = `<!doctype html><meta charset="utf-8" /><link rel="icon" href="data:," /><script type="module" src="${script}.js"></script>`
    assets.set(`/${script}.html`, { type: 'text/html; charset=utf-8', body })
    assets.set(`/${script}.js`, { type: 'text/javascript; charset=utf-8', body: text })
    sizes.push(`${script === 'page-helia' ? 'Helia' : 'ours, without the Worker'} ${Math.round(gzipSync(text).length / 1024)} KB`)
  }
  return { assets, bytes: sizes.join(', ') }
}

function section(world: string, results: ReadonlyMap<string, readonly Measured[]>, runs: number): string {
  const rows = [...results].map(([name, all]) => {
    const searches = all.flatMap((measured) => measured.searches)
    const cells = [
      all.map(({ coldMs }) => coldMs),
      searches.map(({ firstMs }) => firstMs ?? Number.POSITIVE_INFINITY),
      searches.map(({ endMs }) => endMs),
      all.map(({ blockMs }) => blockMs),
      all.map(({ longTaskMs }) => longTaskMs),
    ].map(spread)
    return `| ${name} | ${cells.join(' | ')} | ${all.length} of ${runs} |`
  })
  return [
    `## ${world}\n`,
    '| | cold | first provider | search ended | a block | long tasks | runs that ended |',
    '|---|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}

function spread(values: readonly number[]): string {
  const sorted = values.toSorted((one, other) => one - other)
  const shown = (value: number | undefined) => (value === undefined || !Number.isFinite(value) ? '–' : String(Math.round(value)))
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]]
  return `${shown(low === undefined || high === undefined ? undefined : (low + high) / 2)} / ${shown(sorted.at(-1))}`
}

await main()
// libp2p leaves timers behind that would keep the process for seconds.
process.exit(0)
