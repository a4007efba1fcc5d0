import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type BrowserContext, chromium, type Page } from '@playwright/test'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { chromiumArgs, chromiumPath } from '../../demo/browser.ts'
import { bundleForPage } from '../../demo/build.ts'
import type { Asset } from '../../demo/server.ts'
import { startStage, type Stage } from '../../demo/stage.ts'
import { startFinder } from './finder.ts'
import type { SweepPage } from './page.ts'
import { k, type Moment, pageOf, plotOf, propertiesOf, type Seen, type VisitSeen } from './report.ts'

/**
 * `npm run bench:sweep`: a page in Chromium provides many CIDs to a swarm of real js-libp2p servers, its tab is closed in the
 * middle and opened again, and the servers count. Writes `docs/results/sweep-live.md`, and ends with 1 if a property does not hold.
 */

const tickMs = 200
/** Without anything new at the servers, a visit has ended or hangs. */
const quietMs = 20_000
const visitMsMax = 900_000

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      peers: { type: 'string', default: '64' },
      cids: { type: 'string', default: '5000' },
      sample: { type: 'string', default: '40' },
    },
  })
  const [peers, count, sample] = [Number(values.peers), Number(values.cids), Number(values.sample)]
  const stage = await startStage({ peers, seed: 'bench-sweep' }, 0, await assets())
  const executablePath = chromiumPath()
  const browser = await chromium.launch({ args: chromiumArgs, ...(executablePath === undefined ? {} : { executablePath }) })
  try {
    const seen = await run({ stage, context: await browser.newContext(), count, sample })
    const command = `npm run bench:sweep -- --peers ${peers} --cids ${count} --sample ${sample}`
    mkdirSync('docs/results', { recursive: true })
    writeFileSync('docs/results/sweep-live.md', pageOf(seen, command))
    writeFileSync('docs/results/sweep-live-progress.svg', plotOf(seen))
    const broken = propertiesOf(seen).filter(({ holds }) => !holds)
    for (const { what, wanted, got } of broken) console.error(`Does not hold: ${what}: ${got}, wanted ${wanted}.`)
    return broken.length === 0 ? 0 : 1
  } finally {
    await browser.close()
    await stage.stop()
  }
}

interface Run {
  readonly stage: Stage
  readonly context: BrowserContext
  readonly count: number
  readonly sample: number
}

async function run({ stage, context, count, sample }: Run): Promise<Seen> {
  const { swarm } = stage
  const cids = Array.from({ length: count }, (_, index) => cidOf(`bench sweep ${index}`))
  const ledger = new VisitLedger(stage)
  const target = k * count

  say(`${swarm.peers.length} servers, ${count} CIDs`)
  const first = await open(stage, context)
  const peer = await start(first, stage)
  ledger.begin(peer)
  await first.evaluate((texts) => page().provideAndLeave(texts, 0.4), cids.map(String))
  await first.waitForURL('about:blank', { timeout: visitMsMax })
  await first.close()
  // What was in the sockets still arrives.
  await ledger.until(undefined, () => false)
  ledger.end('closed in the middle', undefined)
  const messagesAtClose = ledger.messages

  const second = await open(stage, context)
  await start(second, stage)
  ledger.begin(peer)
  await ledger.until(second, ({ told, records }) => told === count && records === target)
  await ledger.until(second, () => false)
  ledger.end('opened again', await totalsOf(second))
  await second.close()

  const third = await open(stage, context)
  await start(third, stage)
  ledger.begin(peer)
  await third.evaluate(async (cid) => {
    // With a search behind it the client has had servers to tell, if it thought that there was anything to tell.
    for await (const provider of page().client.findProviders(cid)) void provider
  }, String(cids[0]))
  await ledger.until(third, () => false)
  ledger.end('a third visit', await totalsOf(third))

  const chosen = sampleOf(cids, sample)
  const finder = await startFinder(swarm.bootstrap)
  let found = 0
  for (const cid of chosen) if (await finder.finds(cid, peer)) found++
  await finder.stop()
  const timesAtNearest = cids.map(({ multihash }) => swarm.timesAtNearest(peer, multihash.bytes))
  const { visits, progress } = ledger
  return { servers: swarm.peers.length, cids: count, visits, messagesAtClose, timesAtNearest, sample, found, progress }
}

interface Watched {
  readonly messages: number
  readonly records: number
  readonly told: number | undefined
}

/** What the servers hear, by visit. */
class VisitLedger {
  readonly visits: VisitSeen[] = []
  readonly progress: Moment[] = []
  readonly #stage: Stage
  readonly #startedAt = performance.now()
  #peer = ''
  #before = { messages: 0, records: 0, connections: new Map<string, number>() }

  constructor(stage: Stage) {
    this.#stage = stage
  }

  get messages(): number {
    return this.#heard().reduce((sum, { messages }) => sum + messages, 0)
  }

  /** Connections count from the end of the visit before: the client has begun to dial. */
  begin(peer: string): void {
    this.#peer = peer
  }

  /** Until that holds, or nothing new has arrived for a while. */
  async until(tab: Page | undefined, isDone: (watched: Watched) => boolean): Promise<void> {
    const endsAt = performance.now() + visitMsMax
    let [last, movedAt] = [-1, performance.now()]
    while (performance.now() < endsAt) {
      const status = await tab?.evaluate(() => page().client.provideStatus())
      const told = status?.keyspace.reduce((sum, part) => sum + part.told, 0)
      const watched = { messages: this.messages, records: this.#records(), told }
      this.progress.push({ seconds: (performance.now() - this.#startedAt) / 1_000, messages: watched.messages, told })
      if (isDone(watched)) return
      if (watched.messages !== last) [last, movedAt] = [watched.messages, performance.now()]
      if (performance.now() - movedAt > quietMs)
        return say(`  nothing more; ${JSON.stringify({ ...status, keyspace: undefined })}`)
      await sleep(tickMs)
    }
  }

  end(name: string, totals: { stored: number; requests: number } | undefined): void {
    const [messages, records] = [this.messages, this.#records()]
    const connections = new Map(this.#heard().map((heard) => [heard.server, heard.connections]))
    const opened = [...connections].map(([server, all]) => all - (this.#before.connections.get(server) ?? 0))
    this.visits.push({
      name,
      messages: messages - this.#before.messages,
      records: records - this.#before.records,
      connections: opened.reduce((sum, one) => sum + one, 0),
      mostConnections: Math.max(...opened),
      stored: totals?.stored,
      requests: totals?.requests,
    })
    this.#before = { messages, records, connections }
    say(JSON.stringify(this.visits.at(-1)))
  }

  #records(): number {
    return this.#heard().reduce((sum, { contents }) => sum + contents, 0)
  }

  #heard() {
    return this.#stage.swarm.heardOf(this.#peer)
  }
}

async function open({ server }: Stage, context: BrowserContext): Promise<Page> {
  const tab = await context.newPage()
  await tab.goto(`${server.url}sweep.html`)
  await tab.waitForFunction(() => 'sweepPage' in globalThis)
  await tab.evaluate(() =>
    Object.assign(globalThis, { page: () => (globalThis as unknown as { sweepPage: SweepPage }).sweepPage }),
  )
  return tab
}

/** What `open` has left in the page; functions that are evaluated there find it by this name. */
declare function page(): SweepPage

function start(tab: Page, { swarm }: Stage): Promise<string> {
  return tab.evaluate((options) => page().start(options), { bootstrap: swarm.bootstrap, storage: 'bench-sweep' })
}

async function totalsOf(tab: Page): Promise<{ stored: number; requests: number }> {
  const { totals } = await tab.evaluate(() => page().client.provideStatus())
  return { stored: totals.stored, requests: totals.requests }
}

async function assets(): Promise<Map<string, Asset>> {
  const { text } = await bundleForPage('bench/sweep/page.ts')
  const body = `<!doctype html><meta charset="utf-8" /><link rel="icon" href="data:," /><script type="module" src="sweep.js"></script>`
  return new Map<string, Asset>([
    ['/sweep.html', { type: 'text/html; charset=utf-8', body }],
    ['/sweep.js', { type: 'text/javascript; charset=utf-8', body: text }],
  ])
}

function cidOf(name: string): CID {
  return CID.createV1(0x55, createDigest(0x12, createHash('sha256').update(name).digest()))
}

/** Spread over all of them by their hashes: the same in every run. */
function sampleOf(cids: readonly CID[], sample: number): CID[] {
  const rank = (cid: CID): string => createHash('sha256').update(cid.bytes).digest('hex')
  return cids.toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1)).slice(0, sample)
}

function say(line: string): void {
  console.log(line)
}

const code = await main()
// libp2p leaves timers behind that would keep the process for seconds.
process.exit(code)
