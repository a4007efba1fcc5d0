import type { AminoService, CallContext } from '../../worker/host/amino-service.ts'
import type { ProvideStatusData, ServiceEvent, StatsData, StatusData, StoreData } from '../../worker/contract/service.ts'

/** The id 12D3KooW… of a public bootstrapper, as text and as multihash bytes. */
export const peerText = '12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8'
export const peerBytes = Uint8Array.from(
  Buffer.from('00240801122094080c59284a5ad2ecccb7addd6221fac7a9243aa7da02ce5378cc401728ca91', 'hex'),
)
export const peerCidText = 'k51qzi5uqu5djveu82z059vo9ywpkjelcln2puaent0pgtmyk9ac3tt6x5ch3l'

export const stats: StatsData = { requests: 9, responses: 8, dials: 7, failures: 1, undialable: 2, durationMs: 123.5 }
export const stored: StoreData = { targeted: 20, stored: 15, undialable: 3, failed: 2, pending: 0, stats }

export const statusData: StatusData = {
  peerId: peerBytes,
  addresses: ['/dns4/relay.example/tcp/443/wss/p2p-circuit'],
  startedMsAgo: 5,
  start: 'warm',
  connections: 3,
  transports: {
    websocket: { available: true, problem: undefined, connections: 3 },
    webtransport: { available: true, problem: undefined, connections: 0 },
    'webrtc-direct': { available: false, problem: 'The page has no WebRTC.', connections: 0 },
    webrtc: { available: false, problem: 'The page has no WebRTC.', connections: 0 },
    relay: { available: true, problem: undefined, connections: 0 },
  },
  storage: { mode: 'indexeddb', blocks: 2, blockBytes: 10, problem: undefined },
  kad: {
    tableSize: 30,
    buckets: [20, 10],
    activeQueries: 1,
    queuedQueries: 0,
    runningQueries: 1,
    requestsInFlight: 3,
    networkSize: 400,
    counters: { requestsSent: 4 },
  },
  bitswap: {
    peers: 2,
    wants: 1,
    sessions: 0,
    rankedPeers: 0,
    registryCids: 0,
    searchDelayMs: 0,
    counters: { blocksReceived: 1 },
  },
  delegated: undefined,
  dropped: { malformed: 1 },
}

export const provideStatusData: ProvideStatusData = {
  phase: 'idle',
  provided: 5,
  queued: 1,
  cells: { used: 5, expired: 0, due: 1 },
  keyspace: [{ kept: 5, told: 4, expired: 0 }],
  region: undefined,
  nextDueAt: 1_700_000_000_000,
  endsAt: undefined,
  totals: {
    keys: 4,
    regions: 1,
    targeted: 80,
    stored: 70,
    undialable: 8,
    failed: 2,
    missed: 0,
    uncertain: 0,
    lookups: 1,
    searches: 2,
    requests: 9,
  },
}

/** A service that answers everything at once with plausible data, notes its calls, and takes other methods to play with. */
export interface FakeService extends AminoService {
  readonly seen: { readonly method: string; readonly args: readonly unknown[] }[]
  /** Tells the page something without being asked. */
  tell(event: ServiceEvent): void
}

export function fakeService(overrides: Partial<AminoService> = {}): FakeService {
  const seen: { method: string; args: readonly unknown[] }[] = []
  let tell: (event: ServiceEvent) => void = () => {}
  const note = (method: string, ...args: unknown[]): void => {
    seen.push({ method, args })
  }
  return {
    seen,
    tell: (event) => tell(event),
    start: async (options, onEvent, openRtcPort) => {
      note('start', options)
      tell = onEvent
      return (await overrides.start?.(options, onEvent, openRtcPort)) ?? { peerId: peerBytes, start: 'cold' }
    },
    findProviders: (cid, options, context) => {
      note('findProviders', cid, options)
      return overrides.findProviders?.(cid, options, context) ?? items(1, (index) => providerItem(index))
    },
    getClosestPeers: (key, context) => {
      note('getClosestPeers', key)
      return (
        overrides.getClosestPeers?.(key, context) ??
        items(2, () => ({ id: peerBytes, addresses: [], outcome: 'responded' as const }))
      )
    },
    findPeer: async (id, context) => {
      note('findPeer', id)
      return overrides.findPeer?.(id, context) ?? { id, addresses: ['/ip4/1.2.3.4/tcp/4001/ws'] }
    },
    getValue: async (key, options, context) => {
      note('getValue', key, options)
      return overrides.getValue?.(key, options, context) ?? { value: Uint8Array.of(1, 2), confirmations: 16, stats }
    },
    putValue: async (key, value, context) => {
      note('putValue', key, value)
      return overrides.putValue?.(key, value, context) ?? stored
    },
    provide: async (cid, options, context) => {
      note('provide', cid, options)
      return overrides.provide?.(cid, options, context) ?? stored
    },
    providing: async (request) => {
      note('providing', request)
      return (
        overrides.providing?.(request) ?? { changed: request.type === 'add' ? request.cids.length : 0, status: provideStatusData }
      )
    },
    getBlock: async (cid, options, context) => {
      note('getBlock', cid, { session: options.session, providers: options.providers })
      return overrides.getBlock?.(cid, options, context) ?? { cid, bytes: Uint8Array.of(7, 8), from: peerBytes }
    },
    putBlock: async (cid, bytes) => {
      note('putBlock', cid, bytes)
      return overrides.putBlock?.(cid, bytes)
    },
    offerBlocks: async (read) => {
      note('offerBlocks', read !== undefined)
      return overrides.offerBlocks?.(read)
    },
    hasBlock: async (cid) => {
      note('hasBlock', cid)
      return overrides.hasBlock?.(cid) ?? true
    },
    deleteBlock: async (cid) => {
      note('deleteBlock', cid)
      return overrides.deleteBlock?.(cid)
    },
    getBlocks: (cids, options, context) => {
      note('getBlocks', cids, { session: options.session, context: options.context, providers: options.providers })
      return (
        overrides.getBlocks?.(cids, options, context) ??
        items(cids.length, (index) => ({ cid: cids[index]!, bytes: Uint8Array.of(index), from: undefined }))
      )
    },
    probe: async (cid, peer, context) => {
      note('probe', cid, peer)
      return overrides.probe?.(cid, peer, context) ?? { reason: 'dont-have', bytes: undefined, elapsedMs: 4 }
    },
    openSession: async (options) => {
      note('openSession', options)
      return overrides.openSession?.(options) ?? 4
    },
    closeSession: async (session) => {
      note('closeSession', session)
      return overrides.closeSession?.(session)
    },
    status: async () => {
      note('status')
      return overrides.status?.() ?? statusData
    },
    stop: async () => {
      note('stop')
      return overrides.stop?.()
    },
  }
}

export function providerItem(index: number): { id: Uint8Array; addresses: string[]; from: Uint8Array; elapsedMs: number } {
  return { id: peerBytes, addresses: [`/ip4/1.2.3.4/tcp/${index + 1}/ws`], from: peerBytes, elapsedMs: index }
}

export async function* items<Item>(count: number, make: (index: number) => Item): AsyncIterable<Item> {
  for (let index = 0; index < count; index++) yield make(index)
}

/** Rejects when the caller gives up, as every operation of a service must. */
export function untilAborted(context: CallContext): Promise<never> {
  return new Promise((_resolve, reject) => {
    context.signal.addEventListener('abort', () => reject(new Error('given up')), { once: true })
  })
}
