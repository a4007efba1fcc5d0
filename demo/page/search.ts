import type { AminoClient, Progress, Provider } from 'amino-worker'
import type { CID } from 'multiformats/cid'
import { make } from './elements.ts'
import type { SearchResult } from './results.ts'
import { codeOf, count, milliseconds, short } from './words.ts'

export interface SearchPlaces {
  readonly list: HTMLOListElement
  readonly count: HTMLElement
  readonly empty: HTMLElement
  readonly progress: HTMLElement
}

export interface SearchHooks {
  /** Called whenever a figure has changed; the last time with an outcome other than `running`. */
  onResult(result: SearchResult): void
  onProvider(provider: Provider): void
}

const providersMax = 20

/** Runs one search and shows each provider as the Worker hands it over. Rejects with the client's error after `onResult`. */
export async function findProviders(
  client: AminoClient,
  cid: CID,
  signal: AbortSignal,
  places: SearchPlaces,
  hooks: SearchHooks,
): Promise<SearchResult> {
  const begunAt = performance.now()
  let result: SearchResult = {
    cid: cid.toString(),
    outcome: 'running',
    providers: 0,
    firstProviderMs: undefined,
    queryMs: undefined,
    code: undefined,
  }
  const told = (change: Partial<SearchResult>) => {
    result = { ...result, ...change }
    hooks.onResult(result)
  }
  const rows: { row: HTMLElement; elapsedMs: number }[] = []
  const progress = watchProgress(places.progress, () => performance.now() - begunAt)
  clear(places)
  told({})
  try {
    for await (const provider of client.findProviders(cid, { limit: providersMax, signal, onProgress: progress })) {
      const elapsedMs = performance.now() - begunAt
      const row = providerRow(provider, elapsedMs)
      rows.push({ row, elapsedMs })
      places.list.append(row)
      places.empty.hidden = true
      places.count.textContent = `${rows.length}`
      told({ providers: rows.length, firstProviderMs: result.firstProviderMs ?? elapsedMs })
      hooks.onProvider(provider)
    }
    told({ outcome: 'done', queryMs: performance.now() - begunAt })
  } catch (error) {
    told({ outcome: signal.aborted ? 'aborted' : 'failed', queryMs: performance.now() - begunAt, code: codeOf(error) })
    throw error
  } finally {
    drawTimeLine(rows, performance.now() - begunAt)
    places.progress.textContent = ''
  }
  return result
}

function clear(places: SearchPlaces): void {
  places.list.replaceChildren()
  places.count.textContent = ''
  places.empty.hidden = false
  places.empty.textContent = 'No provider yet.'
}

function providerRow(provider: Provider, elapsedMs: number): HTMLElement {
  const name = make('code', '', short(provider.id))
  name.title = provider.id
  const where = make('span', 'where', provider.multiaddrs[0] ?? 'no address known yet')
  where.title = provider.multiaddrs.join('\n')
  return make('li', '', name, make('span', 'time', milliseconds(elapsedMs)), where, make('span', 'track'))
}

/** At the end each row's bar shows when, within the whole search, it came. */
function drawTimeLine(rows: readonly { row: HTMLElement; elapsedMs: number }[], totalMs: number): void {
  for (const { row, elapsedMs } of rows)
    row.style.setProperty('--share', `${Math.max(1, Math.round((100 * elapsedMs) / totalMs))}%`)
}

function watchProgress(place: HTMLElement, elapsedMs: () => number): (progress: Progress) => void {
  let asked = 0
  let answered = 0
  let failed = 0
  return ({ type }) => {
    if (type === 'asking') asked += 1
    if (type === 'responded') answered += 1
    if (type === 'failed') failed += 1
    const words = [`${count(asked, 'peer')} asked`, `${answered} answered`]
    if (failed > 0) words.push(`${failed} not reached`)
    place.textContent = `${words.join(', ')}, ${milliseconds(elapsedMs())}`
  }
}
