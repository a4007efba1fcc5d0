import type { Status } from 'amino-worker'
import { showBuckets } from './buckets.ts'
import { element } from './elements.ts'
import type { Measurements } from './results.ts'
import { bytes, count, milliseconds } from './words.ts'

/** The strip of figures at the top, the routing table and the footer: what `status()` says, once more in words. */

const places = {
  state: element('state', HTMLElement),
  start: element('fact-start', HTMLElement),
  connections: element('fact-connections', HTMLElement),
  table: element('fact-table', HTMLElement),
  first: element('fact-first', HTMLElement),
  longTasks: element('fact-long-tasks', HTMLElement),
  buckets: element('buckets', HTMLElement),
  peerId: element('peer-id', HTMLElement),
  storage: element('storage', HTMLElement),
}

type State = 'starting' | 'connecting' | 'connected' | 'failed'

const stateWords: Readonly<Record<State, string>> = {
  starting: 'Starting …',
  connecting: 'Looking for peers …',
  connected: 'Connected',
  failed: 'Not running',
}

export function showState(state: State): void {
  if (places.state.dataset['state'] === state && places.state.textContent === stateWords[state]) return
  places.state.dataset['state'] = state
  places.state.textContent = stateWords[state]
}

/** Figures go into the page and into `results`, which is all that anybody else reads. */
export function showFacts(results: Measurements, status: Status | undefined): void {
  if (status !== undefined) {
    results.tablePeers = status.kad.tableSize
    results.connections = status.connections
    showBuckets(places.buckets, status.kad.buckets)
    places.peerId.textContent = status.peerId
    places.storage.textContent = storageWords(status)
  }
  if (results.state === 'ready') showState(results.connections > 0 ? 'connected' : 'connecting')
  else showState(results.state)
  const first = results.searches[0]?.firstProviderMs
  write(places.start, results.start ?? '–')
  places.start.className = results.start ?? ''
  write(places.connections, `${results.connections}`)
  write(places.table, `${results.tablePeers}`)
  write(places.first, first === undefined ? '–' : milliseconds(first))
  write(places.longTasks, results.longTasks === undefined ? 'not told' : `${results.longTasks}`)
}

function write(place: HTMLElement, text: string): void {
  if (place.textContent !== text) place.textContent = text
}

function storageWords({ storage }: Status): string {
  const blocks = `${count(storage.blocks, 'block')}, ${bytes(storage.blockBytes)}`
  if (storage.mode === 'indexeddb') return `in this browser (${blocks})`
  return storage.problem === undefined ? `in memory (${blocks})` : `in memory (${blocks}): ${storage.problem}`
}
