import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { bundleForPage } from '../../demo/build.ts'
import type { Asset } from '../../demo/server.ts'
import { svgOf } from '../../sim/cli/plot.ts'
import { plots, targetsSection, type WorldResult, worldSection } from './report.ts'
import { BULK_MS, OPERATION_MS } from './visit.ts'
import { type Contestant, oneRun, type Part, type Run, TO_THE_END, within } from './visiting.ts'
import { LATENCY_MS, SPREAD, startWorld } from './world.ts'

/**
 * `npm run bench:peers`: the same operations by Helia with its own libp2p, the same tuned by hand, and Helia with our
 * client; in Chromium, on one swarm of real js-libp2p peers behind delayed links. Runs alternate, each in a fresh
 * browser. Writes `docs/results/peers.md` and its plots, after each world what there is so far. Whatever hangs is given up
 * after a while, and runs that do not fit into `--minutes` are left out; both is said in the page.
 */

const helia: Contestant = { name: 'Helia', page: 'page-helia', extra: { tuned: false } }
const tuned: Contestant = { name: 'Helia, tuned', page: 'page-helia', extra: { tuned: true } }
const ourName = 'Helia on amino-worker'
const PARTS: readonly Part[] = ['start', 'search', 'block', 'bulk']

const folder = 'docs/results'
const DEAD = 0.3
const UNDIALABLE = 0.2
const BLOCK_BYTES = 256 * 1024
/** A swarm that does not end by then ends with the process. */
const STOP_MS = 30_000

interface Plan {
  readonly peers: readonly number[]
  readonly runs: number
  readonly parts: ReadonlySet<Part>
  readonly worlds: readonly string[]
  /** Searches of a run that are left at their first provider. */
  readonly firsts: number
  readonly holders: number
  readonly bulkBytes: number
  readonly minutes: number
  readonly write: boolean
}

interface World {
  readonly peers: number
  readonly bad: boolean
}

function plan(): { plan: Plan; command: string } {
  const text = (value: string) => ({ type: 'string', default: value }) as const
  const { values } = parseArgs({
    options: {
      peers: text('40,200'),
      runs: text('2'),
      only: text(PARTS.join(',')),
      worlds: text('bad,good'),
      firsts: text('6'),
      holders: text('3'),
      megabytes: text('50'),
      minutes: text('15'),
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
      minutes: Number(values.minutes),
      write: !values.dry,
    },
    command: process.argv.length > 2 ? `npm run bench:peers -- ${process.argv.slice(2).join(' ')}` : 'npm run bench:peers',
  }
}

async function main(): Promise<void> {
  const { plan: given, command } = plan()
  const startedAt = performance.now()
  const minutes = () => (performance.now() - startedAt) / 60_000
  const { assets, sizes, ours } = await pages()
  const worlds = given.worlds.flatMap((kind) => given.peers.map((peers) => ({ peers, bad: kind === 'bad' })))
  const all = worlds.reduce((sum, world) => sum + weightOf(world), 0)
  const results: WorldResult[] = []
  const notes: string[] = []
  let text = ''
  let endsAt = startedAt
  for (const [index, world] of worlds.entries()) {
    // What one leaves over is the next one's.
    endsAt += (60_000 * given.minutes * weightOf(world)) / all
    if (minutes() >= given.minutes) notes.push(`${nameOf(world)}: not measured, the ${given.minutes} minutes were over.`)
    else results.push(...(await measured(world, given, { assets, ours, endsAt, notes })))
    const open = worlds.slice(index + 1).map(nameOf)
    const left = open.length > 0 ? [...notes, `Still to be measured: ${open.join('; ')}.`] : notes
    text = write(results, left, { given, command, sizes, minutes: minutes() })
  }
  console.log(text)
}

function write(
  results: readonly WorldResult[],
  notes: readonly string[],
  { given, command, sizes, minutes }: { given: Plan; command: string; sizes: string; minutes: number },
): string {
  const bulkBlocks = given.bulkBytes / BLOCK_BYTES + 1
  const page = gzipSync(readFileSync('dist/index.js'), { level: 9 }).length
  const largest = results.filter(({ bad }) => bad).at(-1)
  const drawn = largest === undefined ? [] : plots(largest)
  const text = [
    heading(command, given, sizes, minutes),
    ...(notes.length > 0 ? [['## Left out', '', ...notes.map((note) => `- ${note}`), ''].join('\n')] : []),
    targetsSection(results, { tuned: tuned.name, ours: ourName }, bulkBlocks, page),
    ...drawn.map(({ name, title }) => `![${title}](peers-${name}.svg)\n`),
    ...results.map((result) => worldSection(result, bulkBlocks, given.bulkBytes)),
  ].join('\n')
  if (!given.write) return text
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}/peers.md`, text)
  for (const plot of drawn) writeFileSync(`${folder}/peers-${plot.name}.svg`, svgOf(plot))
  return text
}

function nameOf({ peers, bad }: World): string {
  return `${peers} servers, ${bad ? `${100 * DEAD} % dead, ${100 * UNDIALABLE} % undialable` : 'all good'}`
}

/** How its time compares with that of others: waiting for dead peers takes longest, and files are fetched there. */
function weightOf({ peers, bad }: World): number {
  return bad ? (peers > 100 ? 8 : 7) : peers > 100 ? 2 : 1
}

function bulkMs(run: Run): number {
  return (['plain', 'session'] as const).reduce((sum, way) => sum + (way in run ? (run[way]?.ms ?? BULK_MS) : 0), 0)
}

interface Surroundings {
  readonly assets: ReadonlyMap<string, Asset>
  readonly ours: Contestant
  /** When it should be over. */
  readonly endsAt: number
  readonly notes: string[]
}

/** One world that fails takes none of the others with it. */
async function measured(world: World, given: Plan, surroundings: Surroundings): Promise<WorldResult[]> {
  try {
    return [await measure(world, given, surroundings)]
  } catch (error) {
    surroundings.notes.push(`${nameOf(world)} failed: ${error instanceof Error ? error.message : String(error)}.`)
    return []
  }
}

async function measure({ peers, bad }: World, given: Plan, { assets, ours, endsAt, notes }: Surroundings): Promise<WorldResult> {
  const name = nameOf({ peers, bad })
  const { runs, parts, firsts, holders } = given
  const [dead, undialable] = bad ? [DEAD, UNDIALABLE] : [0, 0]
  // Files are fetched where peers are dead only: there it is wanted, and it takes longest.
  const bulkBytes = bad ? given.bulkBytes : 0
  const world = await startWorld({ peers, dead, undialable, runs, searches: 2 + TO_THE_END + firsts, holders, bulkBytes }, assets)
  const all: Record<string, Run[]> = { [helia.name]: [], [tuned.name]: [], [ours.name]: [] }
  try {
    for (let run = 0; run < runs; run++) {
      let nextMs = 0
      // As it comes, Helia is only for comparison: one run of it, and files in the smallest world.
      for (const contestant of run === 0 ? [helia, tuned, ours] : [tuned, ours]) {
        const contestantAt = performance.now()
        const withBulk = run === 0 && (contestant !== helia || peers === Math.min(...given.peers))
        const result = await oneRun(world, contestant, run, parts, withBulk)
        all[contestant.name]!.push(result)
        nextMs += contestant === helia ? 0 : performance.now() - contestantAt - bulkMs(result)
        notes.push(...brokenOff(`${name}, ${contestant.name}, run ${run + 1}`, result))
        log([name, contestant.name, `${((performance.now() - contestantAt) / 1_000).toFixed(0)} s`], result)
      }
      const isOver = performance.now() + nextMs > endsAt
      if (isOver && run + 1 < runs) {
        notes.push(`${name}: ${run + 1} of ${runs} runs, for want of time.`)
        break
      }
    }
  } finally {
    await within(STOP_MS, world.stop())
  }
  return { name, peers, bad, runs: all }
}

function brokenOff(title: string, { brokeOff }: Run): string[] {
  return brokeOff === undefined ? [] : [`${title} broke off: ${brokeOff}.`]
}

function log(titles: readonly string[], run: Run): void {
  const page = run.page && { ...run.page, longTasks: run.page.longTasks.length }
  console.error([...titles, JSON.stringify({ ...run, page })].join(' · '))
}

function heading(command: string, { runs, firsts, holders }: Plan, sizes: string, minutes: number): string {
  const [low, high] = [LATENCY_MS * (1 - SPREAD), LATENCY_MS * (1 + SPREAD)].map(Math.round)
  return `# Against Helia with its own libp2p

Written by \`${command}\` in ${minutes.toFixed(0)} minutes: real js-libp2p servers, all with Helia's Bitswap, behind links of ${low} to ${high} ms one
way; Chromium, ${cpus().length} cores that also carry the swarm. *Helia* is \`createHelia\` with the transports that this swarm speaks; it dials
its bootstrap peers after a second, as \`@libp2p/bootstrap\` does. *Tuned* dials them at once, has \`allowQueryWithZeroPeers\`, begins when it
knows a peer, and has no broker of gateways, which would search the DHT a second time for each block. Both keep their datastore.

Median / p95. ${runs} runs of the tuned and of ours, alternating, one of Helia; each in a fresh browser, all on the same swarm. What has not
come after ${OPERATION_MS / 1_000} s, a file after ${BULK_MS / 1_000} s, is given up and counts as never; Helia as it comes gets files in the smallest world only. *Cold* and *warm*: from
navigation to the first provider of a first search, without and with the storage of the visit before. A run has ${TO_THE_END} searches to their end and
${firsts} that are left at the first provider, each of another CID; blocks of 16 KiB of ${holders} peers that serve no DHT, each peer first not
connected, then connected: that one right after the other, as when a DAG is read block by block. *After others*: of the same peers once more,
each after another one. Dials are connections that arrived anywhere, also at the dead; requests, wants and blocks are counted by those that got
or sent them. *Each block sent*: 1 is once. *The links alone*: the trips of TCP, WebSocket and Noise, of the question, and of the answer on a
stream of the peer's own, over the holders' links; finding the holder comes on top. CPU is of the first visit, without its end; *its
process* has the Worker in it. Long tasks of our visits are told apart by Chromium's profiler, a thousand looks a second, with anything
of the package's page part on the stack: a long task is *of ours* when that was more than half of it. What is left is the evaluation of the
page's bundle, Helia, and this bench. Why a goal is not reached is told in [the index](README.md#goals-that-are-not-reached-and-why).
Shipped, minified and gzip: ${sizes}.
`
}

async function pages(): Promise<{ assets: Map<string, Asset>; sizes: string; ours: Contestant }> {
  const assets = new Map<string, Asset>()
  const kilobytes = (bytes: Uint8Array | string) => `${Math.round(gzipSync(bytes, { level: 9 }).length / 1024)} KB`
  const add = async (script: string) => {
    const { text, map } = await bundleForPage(`bench/peers/${script}.ts`)
    const body = `<!doctype html><meta charset="utf-8" /><link rel="icon" href="data:," /><script type="module" src="${script}.js"></script>`
    assets.set(`/${script}.html`, { type: 'text/html; charset=utf-8', body })
    assets.set(`/${script}.js`, { type: 'text/javascript; charset=utf-8', body: text })
    return { size: kilobytes(text), sources: { script: `/${script}.js`, map } }
  }
  const [theirs, own] = [await add(helia.page), await add('page-ours')]
  const worker = kilobytes(readFileSync('dist/worker.js'))
  return {
    assets,
    sizes: `Helia ${theirs.size}, Helia on ours ${own.size} and the Worker's ${worker}`,
    ours: { name: ourName, page: 'page-ours', extra: {}, sources: own.sources },
  }
}

await main()
// libp2p leaves timers behind that would keep the process for seconds.
process.exit(0)
