import type { PeerInfo } from 'amino-worker'
import { CID } from 'multiformats/cid'
import { fetchContent } from './content.ts'
import { element, make } from './elements.ts'
import { showFacts, showState } from './facts.ts'
import { watchLongTasks } from './long-tasks.ts'
import { provideText } from './provide.ts'
import { askServers, keepNotes, offerAmounts, showSweep } from './sweep.ts'
import { type FetchResult, newMeasurements, type SearchResult } from './results.ts'
import { findProviders } from './search.ts'
import { forget, loadSwarm, type Network, networkOf, type Sample, startVisit, type SwarmInfo, type Visit } from './visit.ts'
import { keepVisits, readVisits, showVisits, type VisitRow } from './visits.ts'
import { bytes, problem } from './words.ts'

/**
 * The page's wiring: which button does what, and one operation of the visitor at a time. Everything about the network
 * happens in the client's Worker.
 */

const statusEveryMs = 1_000

const page = {
  alert: element('alert', HTMLElement),
  samples: element('samples', HTMLElement),
  search: element('search', HTMLFormElement),
  cid: element('cid', HTMLInputElement),
  cidProblem: element('cid-problem', HTMLElement),
  searchState: element('search-state', HTMLElement),
  findButton: element('find-button', HTMLButtonElement),
  fetchButton: element('fetch-button', HTMLButtonElement),
  abortButton: element('abort-button', HTMLButtonElement),
  provide: element('provide', HTMLFormElement),
  provideButton: element('provide-button', HTMLButtonElement),
  text: element('text', HTMLTextAreaElement),
  provideState: element('provide-state', HTMLElement),
  providedNote: element('provided-note', HTMLElement),
  providedCid: element('provided-cid', HTMLElement),
  keep: element('keep', HTMLFormElement),
  keepButton: element('keep-button', HTMLButtonElement),
  amount: element('keep-amount', HTMLSelectElement),
  keepState: element('keep-state', HTMLElement),
  pauseButton: element('pause-button', HTMLButtonElement),
  clearButton: element('clear-button', HTMLButtonElement),
  visits: element('visits', HTMLElement),
  reloadButton: element('reload-button', HTMLButtonElement),
  forgetButton: element('forget-button', HTMLButtonElement),
}

const searchPlaces = {
  list: element('providers', HTMLOListElement),
  count: element('provider-count', HTMLElement),
  empty: element('providers-empty', HTMLElement),
  progress: element('search-progress', HTMLElement),
}

const contentPlaces = {
  content: element('content', HTMLElement),
  facts: element('content-facts', HTMLElement),
  progress: element('content-progress', HTMLProgressElement),
}

const results = newMeasurements()
window.aminoDemo = results
const longTasks = watchLongTasks(() => void refresh())

let swarm: SwarmInfo | undefined
let network: Network | undefined
let visit: Visit | undefined
let rows: VisitRow[] = []
/** The operation under way, if there is one: at most one at a time. */
let operation: AbortController | undefined
/** What searches of this visit have found, by CID: asked first when the content is fetched. */
const found = new Map<string, PeerInfo[]>()

async function begin(type: Network['type']): Promise<void> {
  operation?.abort()
  const before = visit
  visit = undefined
  found.clear()
  results.state = 'starting'
  showState('starting')
  say('')
  allow()
  await before?.client.stop()
  try {
    swarm ??= await loadSwarm()
    network = networkOf(type, swarm)
    showSamples(network.samples)
    offerAmounts(page.amount, type)
    const started = await startVisit(network)
    visit = started
    results.start = started.client.start
    results.readyMs = started.readyMs
    rows = [...readVisits(network.storage), { start: started.client.start, readyMs: started.readyMs }]
    showVisits(page.visits, rows)
    listen(started)
    results.state = 'ready'
    if (started.inMemoryBecause !== undefined) {
      say(`Another tab has this page's storage, so nothing is kept from this visit. ${problem(started.inMemoryBecause)}`)
    }
  } catch (error) {
    results.state = 'failed'
    say(problem(error))
  }
  allow()
  await refresh()
}

function listen({ client }: Visit): void {
  client.addEventListener('table', () => void refresh())
  client.addEventListener('connections', () => void refresh())
  client.addEventListener('region', () => void refresh())
  client.addEventListener('storage-lost', (event) => {
    say(`The browser refuses to store, so this visit goes on in memory and nothing is kept. ${event.detail.reason}`)
  })
  client.addEventListener('died', (event) => {
    results.state = 'failed'
    visit = undefined
    say(`${problem(event.detail.error)} Reload the page to start again.`)
    allow()
    void refresh()
  })
}

let refreshing = false

async function refresh(): Promise<void> {
  if (refreshing) return
  refreshing = true
  try {
    results.longTasks = longTasks.count()
    const client = visit?.client
    showFacts(results, await client?.status())
    const isCounted = client !== undefined && network?.type === 'local'
    results.sweep.heard = isCounted ? await askServers(client.peerId) : undefined
    showSweep(results.sweep, await client?.provideStatus())
  } catch {
    // A client that has stopped or died has no status; the page says so elsewhere.
    showFacts(results, undefined)
    showSweep(results.sweep, undefined)
  } finally {
    refreshing = false
  }
}

/** An empty sentence hides the alert. */
function say(sentence: string): void {
  page.alert.textContent = sentence
  page.alert.hidden = sentence === ''
}

/** Buttons that would do nothing now are disabled. */
function allow(): void {
  const idle = visit !== undefined && operation === undefined
  page.findButton.disabled = !idle
  page.fetchButton.disabled = !idle
  page.provideButton.disabled = !idle
  page.keepButton.disabled = !idle
  page.abortButton.disabled = operation === undefined
  page.forgetButton.disabled = network === undefined
  for (const button of page.samples.querySelectorAll('button')) button.disabled = !idle
}

/** Runs one operation of the visitor; its failure is shown in words at `place`, an abort as such. */
async function operate(
  place: HTMLElement,
  job: (client: Visit['client'], signal: AbortSignal) => Promise<string>,
): Promise<void> {
  if (visit === undefined || operation !== undefined) return
  const own = new AbortController()
  operation = own
  const focused = document.activeElement
  allow()
  try {
    place.textContent = await job(visit.client, own.signal)
  } catch (error) {
    place.textContent = own.signal.aborted ? 'Aborted.' : problem(error)
  } finally {
    operation = undefined
    allow()
    // A disabled button loses the focus: somebody at the keyboard gets it back where it was.
    if (focused instanceof HTMLElement && document.activeElement === document.body) focused.focus()
    void refresh()
  }
}

function cidOfBox(): CID | undefined {
  const text = page.cid.value.trim()
  try {
    const cid = CID.parse(text)
    page.cidProblem.textContent = ''
    page.cid.removeAttribute('aria-invalid')
    return cid
  } catch {
    page.cidProblem.textContent =
      text === '' ? 'Enter a CID, or choose a sample.' : `“${text}” is not a CID. One begins with bafy, bafk or Qm. (invalid-cid)`
    page.cid.setAttribute('aria-invalid', 'true')
    page.cid.focus()
    return undefined
  }
}

async function search(client: Visit['client'], cid: CID, signal: AbortSignal): Promise<string> {
  const peers: PeerInfo[] = []
  found.set(cid.toString(), peers)
  const place = results.searches.length
  page.searchState.textContent = 'Searching the network for providers …'
  const result = await findProviders(client, cid, signal, searchPlaces, {
    onResult: (change) => {
      results.searches[place] = change
      if (place === 0) noteVisit(change)
    },
    onProvider: (provider) => peers.push(provider),
  })
  if (result.providers === 0) searchPlaces.empty.textContent = 'The search ended, and nobody provides this content.'
  return result.providers === 0 ? 'No provider found.' : `The search ended with ${result.providers} found.`
}

async function read(client: Visit['client'], cid: CID, signal: AbortSignal): Promise<string> {
  const place = results.fetches.length
  const onResult = (change: FetchResult) => {
    results.fetches[place] = change
  }
  page.searchState.textContent = 'Fetching …'
  await fetchContent(client, cid, found.get(cid.toString()) ?? [], signal, contentPlaces, onResult)
  return 'Fetched, and checked against the CID.'
}

/** The first search of a visit is what cold and warm starts are compared by. */
function noteVisit({ firstProviderMs, queryMs, outcome }: SearchResult): void {
  const row = rows.at(-1)
  if (row === undefined || network === undefined || outcome !== 'done') return
  rows[rows.length - 1] = {
    ...row,
    ...(firstProviderMs === undefined ? {} : { firstProviderMs }),
    ...(queryMs === undefined ? {} : { queryMs }),
  }
  keepVisits(network.storage, rows)
  showVisits(page.visits, rows)
}

function showSamples(samples: readonly Sample[]): void {
  const buttons = samples.map((sample) => {
    const kind = sample.kind === 'raw' ? 'one block' : 'UnixFS'
    const about = sample.bytes > 0 ? `${kind}, ${bytes(sample.bytes)}` : kind
    const button = make('button', '', make('span', '', sample.name), make('small', '', about))
    button.type = 'button'
    button.dataset['cid'] = sample.cid
    button.addEventListener('click', () => chooseSample(sample.cid))
    return button
  })
  page.samples.replaceChildren(...buttons)
  markSample()
  allow()
}

function chooseSample(text: string): void {
  page.cid.value = text
  markSample()
  const cid = cidOfBox()
  if (cid === undefined) return
  void operate(page.searchState, async (client, signal) => {
    const words = await search(client, cid, signal)
    return `${words} ${await read(client, cid, signal)}`
  })
}

function markSample(): void {
  for (const button of page.samples.querySelectorAll('button')) {
    button.setAttribute('aria-pressed', `${button.dataset['cid'] === page.cid.value.trim()}`)
  }
}

/** What was learned in the last second may not be stored yet: `stop()` sees to it. */
async function reload(): Promise<void> {
  page.reloadButton.disabled = true
  await visit?.client.stop()
  location.reload()
}

async function forgetEverything(): Promise<void> {
  if (network === undefined) return
  page.forgetButton.disabled = true
  operation?.abort()
  await visit?.client.stop()
  try {
    await forget(network)
    location.reload()
  } catch (error) {
    say(problem(error))
    page.forgetButton.disabled = false
  }
}

page.cid.addEventListener('input', () => {
  page.cidProblem.textContent = ''
  page.cid.removeAttribute('aria-invalid')
  markSample()
})

page.search.addEventListener('submit', (event) => {
  event.preventDefault()
  const cid = cidOfBox()
  if (cid !== undefined) void operate(page.searchState, (client, signal) => search(client, cid, signal))
})

page.fetchButton.addEventListener('click', () => {
  const cid = cidOfBox()
  if (cid !== undefined) void operate(page.searchState, (client, signal) => read(client, cid, signal))
})

page.abortButton.addEventListener('click', () => operation?.abort())

page.provide.addEventListener('submit', (event) => {
  event.preventDefault()
  void operate(page.provideState, async (client, signal) => {
    page.provideState.textContent = 'Telling the peers nearest to it …'
    const { result, words } = await provideText(client, page.text.value, signal)
    results.provided.push(result)
    page.providedCid.textContent = result.cid
    page.providedNote.hidden = false
    return words
  })
})

page.keep.addEventListener('submit', (event) => {
  event.preventDefault()
  void operate(page.keepState, (client, signal) =>
    keepNotes(client, Number(page.amount.value), signal, (given) => {
      page.keepState.textContent = `${given} handed over …`
    }),
  )
})

page.pauseButton.addEventListener('click', () => {
  void change((client) => (results.sweep.phase === 'paused' ? client.resumeProviding() : client.pauseProviding()))
})

page.clearButton.addEventListener('click', () => {
  void change(async (client) => {
    const removed = await client.clearProvides()
    page.keepState.textContent = `${removed} CIDs are no longer kept; their records run out within 48 hours.`
  })
})

/** What is done at once, whatever else is under way. */
async function change(job: (client: Visit['client']) => Promise<void>): Promise<void> {
  try {
    if (visit !== undefined) await job(visit.client)
  } catch (error) {
    page.keepState.textContent = problem(error)
  }
  void refresh()
}

page.reloadButton.addEventListener('click', () => void reload())

page.forgetButton.addEventListener('click', () => void forgetEverything())

for (const choice of document.querySelectorAll<HTMLInputElement>('input[name="network"]')) {
  choice.addEventListener('change', () => void begin(choice.value === 'public' ? 'public' : 'local'))
}

setInterval(() => {
  if (document.visibilityState === 'visible') void refresh()
}, statusEveryMs)

const chosen = document.querySelector<HTMLInputElement>('input[name="network"]:checked')
void begin(chosen?.value === 'public' ? 'public' : 'local')
