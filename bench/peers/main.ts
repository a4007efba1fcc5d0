import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { bundleForPage } from '../../demo/build.ts'
import type { Asset } from '../../demo/server.ts'
import { svgOf } from '../../sim/cli/plot.ts'
import { plots, targetsSection, type WorldResult, worldSection } from './report.ts'
import { type Contestant, oneRun, type Part, type Run, TO_THE_END } from './visiting.ts'
import { LATENCY_MS, SPREAD, startWorld } from './world.ts'

/**
 * `npm run bench:peers`: the same operations by Helia with its own libp2p, the same tuned by hand, and Helia with our
 * client; in Chromium, on one swarm of real js-libp2p peers behind delayed links. Runs alternate, each in a fresh
 * browser. Writes `docs/results/peers.md` and its plots.
 */

const helia: Contestant = { name: 'Helia', page: 'page-helia', extra: { tuned: false } }
const tuned: Contestant = { name: 'Helia, tuned', page: 'page-helia', extra: { tuned: true } }
const ours: Contestant = { name: 'Helia on amino-worker', page: 'page-ours', extra: {} }
const PARTS: readonly Part[] = ['start', 'search', 'block', 'bulk']

const folder = 'docs/results'
const DEAD = 0.3
const UNDIALABLE = 0.2
const BLOCK_BYTES = 256 * 1024

interface Plan {
  readonly peers: readonly number[]
  readonly runs: number
  readonly parts: ReadonlySet<Part>
  readonly worlds: readonly string[]
  /** Searches of a run that are left at their first provider. */
  readonly firsts: number
  readonly holders: number
  readonly bulkBytes: number
  readonly write: boolean
}

function plan(): { plan: Plan; command: string } {
  const text = (value: string) => ({ type: 'string', default: value }) as const
  const { values } = parseArgs({
    options: {
      peers: text('40,200'),
      runs: text('3'),
      only: text(PARTS.join(',')),
      worlds: text('good,bad'),
      firsts: text('10'),
      holders: text('3'),
      megabytes: text('50'),
      dry: { type: 'boolean', default: false },
    },
  })
  const parts = values.only.split(',') as Part[]
  const unknown = parts.find((part) => !PARTS.includes(part))
  if (unknown !== undefined) throw new Error(`There is no part "${unknown}": take of ${PARTS.join(', ')}.`)
  return {
    plan: {
      peers: values.peers.split(',').map(Number),
      runs: Number(values.runs),
      parts: new Set(parts),
      worlds: values.worlds.split(','),
      firsts: Number(values.firsts),
      holders: Number(values.holders),
      bulkBytes: parts.includes('bulk') ? Number(values.megabytes) * 2 ** 20 : 0,
      write: !values.dry,
    },
    command: process.argv.length > 2 ? `npm run bench:peers -- ${process.argv.slice(2).join(' ')}` : 'npm run bench:peers',
  }
}

async function main(): Promise<void> {
  const { plan: given, command } = plan()
  const startedAt = performance.now()
  const { assets, sizes } = await pages()
  const results: WorldResult[] = []
  for (const peers of given.peers) {
    for (const kind of given.worlds) results.push(await measure(peers, kind === 'bad', given, assets))
  }
  const bulkBlocks = given.bulkBytes / BLOCK_BYTES + 1
  const page = gzipSync(readFileSync('dist/index.js'), { level: 9 }).length
  const names = { tuned: tuned.name, ours: ours.name }
  const largest = results.filter(({ bad }) => bad).at(-1)
  const drawn = largest === undefined ? [] : plots(largest)
  const text = [
    heading(command, given, sizes, (performance.now() - startedAt) / 60_000),
    targetsSection(results, names, bulkBlocks, page),
    ...drawn.map(({ name, title }) => `![${title}](peers-${name}.svg)\n`),
    ...results.map((result) => worldSection(result, bulkBlocks, given.bulkBytes)),
  ].join('\n')
  console.log(text)
  if (!given.write) return
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}/peers.md`, text)
  for (const plot of drawn) writeFileSync(`${folder}/peers-${plot.name}.svg`, svgOf(plot))
}

async function measure(peers: number, bad: boolean, given: Plan, assets: ReadonlyMap<string, Asset>): Promise<WorldResult> {
  const name = `${peers} servers, ${bad ? `${100 * DEAD} % dead, ${100 * UNDIALABLE} % undialable` : 'all good'}`
  const { runs, parts, firsts, holders } = given
  const [dead, undialable] = bad ? [DEAD, UNDIALABLE] : [0, 0]
  // Files are fetched where peers are dead only: there it is wanted, and it takes longest.
  const bulkBytes = bad ? given.bulkBytes : 0
  const world = await startWorld({ peers, dead, undialable, runs, searches: 2 + TO_THE_END + firsts, holders, bulkBytes }, assets)
  const all: Record<string, Run[]> = { [helia.name]: [], [tuned.name]: [], [ours.name]: [] }
  try {
    for (let run = 0; run < runs; run++) {
      // As it comes, Helia is only for comparison: one run of it.
      for (const contestant of run === 0 ? [helia, tuned, ours] : [tuned, ours]) {
        const startedAt = performance.now()
        const result = await oneRun(world, contestant, run, parts, run === 0)
        all[contestant.name]!.push(result)
        console.error(
          `${name} · ${contestant.name} · ${((performance.now() - startedAt) / 1000).toFixed(0)} s · ${JSON.stringify(result)}`,
        )
      }
    }
  } finally {
    await world.stop()
  }
  return { name, peers, bad, runs: all }
}

function heading(command: string, { runs, firsts, holders }: Plan, sizes: string, minutes: number): string {
  const [low, high] = [LATENCY_MS * (1 - SPREAD), LATENCY_MS * (1 + SPREAD)].map(Math.round)
  return `# Against Helia with its own libp2p

Written by \`${command}\` in ${minutes.toFixed(0)} minutes: real js-libp2p servers, all with Helia's Bitswap, behind links of ${low} to ${high} ms one
way; Chromium, ${cpus().length} cores that also carry the swarm. *Helia* is \`createHelia\` with the transports that this swarm speaks; it dials
its bootstrap peers after a second, as \`@libp2p/bootstrap\` does. *Tuned* dials them at once, has \`allowQueryWithZeroPeers\`, begins when it
knows a peer, and has no broker of gateways, which would search the DHT a second time for each block. Both keep their datastore.

Median / p95. ${runs} runs of the tuned and of ours, alternating, one of Helia; each in a fresh browser, all on the same swarm. *Cold* and *warm*: from
navigation to the first provider of a first search, without and with the storage of the visit before. A run has ${TO_THE_END} searches to their end and
${firsts} that are left at the first provider, each of another CID; blocks of 16 KiB of ${holders} peers that serve no DHT, each peer first not connected, then
connected. Dials are connections that arrived anywhere, also at the dead; requests, wants and blocks are counted by those that got
or sent them. *Each block sent*: 1 is once. CPU is of the first visit, without its end; *its process* has the Worker in it.
Shipped, minified and gzip: ${sizes}.
`
}

async function pages(): Promise<{ assets: Map<string, Asset>; sizes: string }> {
  const assets = new Map<string, Asset>()
  const sizes: string[] = []
  const kilobytes = (bytes: Uint8Array | string) => `${Math.round(gzipSync(bytes, { level: 9 }).length / 1024)} KB`
  for (const script of ['page-helia', 'page-ours']) {
    const { text } = await bundleForPage(`bench/peers/${script}.ts`)
    const body = `<!doctype html><meta charset="utf-8" /><link rel="icon" href="data:," /><script type="module" src="${script}.js"></script>`
    assets.set(`/${script}.html`, { type: 'text/html; charset=utf-8', body })
    assets.set(`/${script}.js`, { type: 'text/javascript; charset=utf-8', body: text })
    sizes.push(`${script === 'page-helia' ? 'Helia' : 'Helia on ours'} ${kilobytes(text)}`)
  }
  return { assets, sizes: `${sizes.join(', ')} and the Worker's ${kilobytes(readFileSync('dist/worker.js'))}` }
}

await main()
// libp2p leaves timers behind that would keep the process for seconds.
process.exit(0)
