/**
 * What this page measured with its own clock (`performance.now`), for its display. `npm run demo -- --check` and the
 * browser tests read the same object from `window.aminoDemo`: there are no other figures.
 */

export interface SearchResult {
  readonly cid: string
  readonly outcome: 'running' | 'done' | 'aborted' | 'failed'
  readonly providers: number
  /** From the call of `findProviders` to the first item. */
  readonly firstProviderMs: number | undefined
  /** From the call to the end of the search. */
  readonly queryMs: number | undefined
  readonly code: string | undefined
}

export interface FetchResult {
  readonly cid: string
  readonly outcome: 'running' | 'done' | 'aborted' | 'failed'
  readonly kind: 'picture' | 'text' | 'bytes' | 'folder' | undefined
  readonly blocks: number
  readonly bytes: number
  /** From the first request for a block to the last byte here. */
  readonly ms: number | undefined
  readonly code: string | undefined
}

export interface ProvideResult {
  readonly cid: string
  readonly targeted: number
  readonly stored: number
  readonly undialable: number
  readonly failed: number
}

/** What is kept provided, as last shown. */
export interface SweepResult {
  phase: string | undefined
  provided: number
  queued: number
  /** Of those kept, told and not due again. */
  told: number
  /** Records that have left this page since it was loaded. */
  stored: number
  /** As the servers of the local swarm count, whatever the client believes. */
  heard: { readonly messages: number; readonly connections: number } | undefined
}

export interface Measurements {
  state: 'starting' | 'ready' | 'failed'
  start: 'cold' | 'warm' | undefined
  /** From the call of `createAminoClient` to the client. */
  readyMs: number | undefined
  /** Peers in the routing table, as last shown. */
  tablePeers: number
  connections: number
  /** Tasks of 50 ms and more on this page's thread since the page's script began; undefined where the browser does not tell. */
  longTasks: number | undefined
  readonly searches: SearchResult[]
  readonly fetches: FetchResult[]
  readonly provided: ProvideResult[]
  readonly sweep: SweepResult
}

declare global {
  interface Window {
    aminoDemo: Measurements
  }
}

export function newMeasurements(): Measurements {
  return {
    state: 'starting',
    start: undefined,
    readyMs: undefined,
    tablePeers: 0,
    connections: 0,
    longTasks: undefined,
    searches: [],
    fetches: [],
    provided: [],
    sweep: { phase: undefined, provided: 0, queued: 0, told: 0, stored: 0, heard: undefined },
  }
}
