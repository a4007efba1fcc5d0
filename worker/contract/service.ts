import type { RtcIceServer } from './rtc.ts'

/**
 * What the Worker does for the page, in plain data that survives a structured clone. CIDs travel as binary CIDs, peer
 * ids as multihash bytes, times as milliseconds. Multiaddrs travel as text: only the Worker carries the multiaddr
 * library, and the page part must stay small. `src/` turns these into the types of the public API.
 */

export interface StartOptions {
  /** Binary or textual multiaddrs with `/p2p/…`; empty for none. */
  readonly bootstrap: readonly string[]
  /** Name of the IndexedDB database, or `undefined` to keep everything in memory. */
  readonly storage: string | undefined
  /** `kept`: the same peer id after a reload (needs storage). */
  readonly identity: 'fresh' | 'kept'
  /** Loopback, private and plain `ws` addresses are dialed too. For local swarms. */
  readonly allowPrivateAddresses: boolean
  readonly protocols: { readonly kad: string; readonly bitswap: string }
  /** Textual multiaddrs that others can dial; added to what relays give us. */
  readonly announce: readonly string[]
  /** Whether to ask a connected relay for an address of our own. */
  readonly relay: boolean
  /** Whether the DHT requests of others are answered, and records kept for them. */
  readonly server: boolean
  /** What to reach peers with. `webRtc`: the page has it and bridges it. */
  readonly transports: { readonly webSocket: boolean; readonly webTransport: boolean; readonly webRtc: boolean }
  /** For WebRTC between browsers; undefined for libp2p's public STUN servers. */
  readonly iceServers: readonly RtcIceServer[] | undefined
  /** Peer ids as multihash bytes that are never dialed, asked or answered. */
  readonly denyPeers: readonly Uint8Array[]
  /** As the caller gave it: the Worker checks it and fills in the defaults. */
  readonly discovery: { readonly [Name in keyof DiscoverySettings]?: DiscoverySettings[Name] | undefined }
  /** As the caller gave it, too; undefined for off. */
  readonly delegated: { readonly mode: DelegatedMode; readonly routers?: readonly string[] | undefined } | undefined
  /** The same. */
  readonly providing: { readonly [Name in keyof ProvidingSettings]?: ProvidingSettings[Name] | undefined }
  readonly limits: ServiceLimits
}

/** When delegated routers (HTTP) are asked beside the DHT, or when it has brought nothing, or never. */
export type DelegatedMode = 'off' | 'fallback' | 'race'

export interface DelegatedOptionsData {
  readonly mode: DelegatedMode
  /** Their URLs, without `/routing/v1`. */
  readonly routers: readonly string[]
}

export interface DelegatedStatusData {
  /** `paused`: it failed too often, or asked to be left alone. */
  readonly routers: readonly {
    readonly url: string
    readonly state: 'asked' | 'paused'
    readonly requests: number
    readonly failures: number
  }[]
  /** Questions that needed no request. */
  readonly answeredFromCache: number
}

/** Whom Bitswap asks for blocks. The words are explained at the public options. */
export interface DiscoverySettings {
  readonly broadcast: 'steps' | 'ranked' | 'flood'
  readonly coldStart: 'steps' | 'flood' | 'dht'
  readonly leaders:
    | { readonly type: 'dynamic' }
    | { readonly type: 'top'; readonly peers: number }
    | { readonly type: 'threshold'; readonly blocks: number }
    | { readonly type: 'coverage'; readonly share: number }
  readonly peersPerSecond: number
  readonly rankingWindowMs: number
  /** Milliseconds, or the percentile of latencies in the window. */
  readonly searchDelay: number | 'p50' | 'p75' | 'p90'
  readonly latencyWindowMs: number
  readonly guesses: number | 'dynamic'
  readonly listenToWants: boolean
}

export interface ProvidingSettings {
  /** From one time that a region is told to the next. */
  readonly intervalMs: number
  /** Whether to provide although nobody could dial this client. */
  readonly withoutAddress: boolean
}

export type ProvidingRequest =
  | { readonly type: 'status' }
  /** `replacement`: the number of a bulk replacement, greater than those before it. */
  | { readonly type: 'add'; readonly cids: readonly Uint8Array[]; readonly replacement: number | undefined }
  /** All of the replacement was added: what it has not added again goes. */
  | { readonly type: 'replaced'; readonly replacement: number }
  | { readonly type: 'cancel'; readonly cids: readonly Uint8Array[] }
  | { readonly type: 'clear' }
  | { readonly type: 'pause'; readonly paused: boolean }
  /** Whether the page is hidden. */
  | { readonly type: 'hide'; readonly hidden: boolean }

export interface ProvidingReply {
  /** CIDs that came, or went. */
  readonly changed: number
  readonly status: ProvideStatusData
}

/** Times are wall-clock milliseconds. */
export interface ProvideStatusData {
  /** `not-dialable`: nobody could dial us, so that nothing is told. `offline`: nobody answers; it is tried again. */
  readonly phase: 'idle' | 'working' | 'paused' | 'offline' | 'not-dialable'
  /** CIDs that are kept provided. */
  readonly provided: number
  /** Of which nobody has been told yet. */
  readonly queued: number
  /** Of 4096 parts of the keyspace: with CIDs, with records that have run out, and due to be told again. */
  readonly cells: { readonly used: number; readonly expired: number; readonly due: number }
  /** The keyspace in 64 equal parts, in order of the keys: how far this cycle is. */
  readonly keyspace: readonly KeyspacePart[]
  /** Bits of the region that is worked on. */
  readonly region: string | undefined
  readonly nextDueAt: number | undefined
  /** When what is queued and due will be done, at the pace so far. */
  readonly endsAt: number | undefined
  /** Since the start. */
  readonly totals: Omit<RegionData, 'prefix' | 'peers' | 'endedAt'> & { readonly regions: number }
}

export interface KeyspacePart {
  /** CIDs that are kept provided. */
  readonly kept: number
  /** Of which told, and not due again. */
  readonly told: number
  /** Of which the records have run out. */
  readonly expired: number
}

/** How far the records of a region got. `stored`, `undialable` and `failed` add up to `targeted`: records, one a CID and peer. */
export interface RegionData {
  /** The bits that its keys share. */
  readonly prefix: string
  readonly keys: number
  /** Servers that were told. */
  readonly peers: number
  readonly targeted: number
  readonly stored: number
  /** At peers that a browser has no way to reach. */
  readonly undialable: number
  readonly failed: number
  /** CIDs of which nobody was told, although somebody could have been. They are tried again. */
  readonly missed: number
  /** CIDs that went to the nearest known servers, though nobody was left who could say that no others are nearer. */
  readonly uncertain: number
  /** Lookups that began at the routing table, searches among the neighbours, and their FIND_NODE requests. */
  readonly lookups: number
  readonly searches: number
  readonly requests: number
  readonly endedAt: number
}

export interface ServiceLimits {
  /** Queries and wants under way at once. */
  readonly operationsMax: number
  readonly connectionsMax: number
  /** Ceiling of the block store in bytes; the least recently used go first. Blocks the page put count too. */
  readonly blockStoreBytesMax: number
}

export interface PeerData {
  readonly id: Uint8Array
  /** Textual multiaddrs. From the Worker without the peer's own trailing `/p2p/…`; from the page with or without. */
  readonly addresses: readonly string[]
}

export interface ProviderItem extends PeerData {
  /** Peer that named it, as multihash bytes; or the URL of a delegated router. */
  readonly from: Uint8Array | string
  /** Since the search began. */
  readonly elapsedMs: number
}

export interface ClosestPeerItem extends PeerData {
  readonly outcome: 'responded' | 'unasked' | 'undialable' | 'failed'
}

export interface StatsData {
  readonly requests: number
  readonly responses: number
  readonly dials: number
  readonly failures: number
  readonly undialable: number
  readonly durationMs: number
}

export interface StoreData {
  /** How many peers were meant to hold the record: the nearest 20, or all if the network is smaller. */
  readonly targeted: number
  readonly stored: number
  readonly undialable: number
  readonly failed: number
  /** Still being stored, after an optimistic provide has answered. */
  readonly pending: number
  readonly stats: StatsData
}

export type ProvideMode = 'classic' | 'optimistic'

export interface ValueData {
  readonly value: Uint8Array
  /** How many peers answered with this very value. */
  readonly confirmations: number
  readonly stats: StatsData
}

export interface BlockData {
  readonly cid: Uint8Array
  /** Transferred, never a buffer that the store still holds. */
  readonly bytes: Uint8Array
  /** Who sent it; undefined for a block that was here already. */
  readonly from: Uint8Array | undefined
}

export interface ProbeData {
  /** Of the peer: it sent the block, said that it has none, said nothing, or could not be reached. */
  readonly reason: 'block' | 'dont-have' | 'silent' | 'unreachable'
  readonly bytes: Uint8Array | undefined
  /** From the question to the answer; for a peer that could not be reached, since the call. */
  readonly elapsedMs: number
}

/** `cid`: of a stream of blocks, the one that this is about. */
export type ProgressData = ProgressOfOne & { readonly cid?: Uint8Array | undefined }

type ProgressOfOne =
  | {
      readonly type: 'dialing' | 'asking' | 'storing' | 'stored' | 'have' | 'dont-have' | 'provider-found'
      readonly peer: Uint8Array
    }
  | {
      readonly type: 'responded'
      readonly peer: Uint8Array
      readonly closerPeers: number
      readonly providers: number
      readonly rttMs: number
    }
  | { readonly type: 'failed'; readonly peer: Uint8Array; readonly reason: string }
  | { readonly type: 'searching-providers' }

export interface StorageStatusData {
  readonly mode: 'indexeddb' | 'memory'
  readonly blocks: number
  readonly blockBytes: number
  /** Why `mode` is memory although storage was asked for, or what else went wrong. */
  readonly problem: string | undefined
}

export interface KadStatusData {
  /** Peers in the routing table. */
  readonly tableSize: number
  /** Entries per bucket, index = common prefix length with our own id; trailing empty buckets left out. */
  readonly buckets: readonly number[]
  readonly activeQueries: number
  /** Queries that wait for their turn; of our own (bootstrap, refresh, corrections) too. */
  readonly queuedQueries: number
  readonly runningQueries: number
  readonly requestsInFlight: number
  /** Servers in the network, estimated from finished lookups; undefined while too little is known. */
  readonly networkSize: number | undefined
  readonly counters: Readonly<Record<string, number>>
}

export interface BitswapStatusData {
  /** Connected peers that speak Bitswap. */
  readonly peers: number
  readonly wants: number
  readonly sessions: number
  /** Peers that served in the window. */
  readonly rankedPeers: number
  /** CIDs that others were heard to want. */
  readonly registryCids: number
  /** How long a want now waits for connected peers before the DHT is searched too. */
  readonly searchDelayMs: number
  /**
   * Entries of messages by type (`wantHavesSent`, `wantBlocksSent`, `cancelsSent`, `havesReceived`, `dontHavesReceived`, `blocksReceived`,
   * of which `duplicateBlocksReceived` and `unwantedBlocksReceived`; `wantsReceived`, `blocksSent`, `presencesSent`, `refusedWants`), bytes of
   * blocks, guesses (`guessedWants`, `guessHits`), probes, and what became of wants that went to the network: `wantsSuccess` (Bitswap
   * found it by itself: mostly a connected peer had it), `wantsFailure` (a provider that a search or the page named, and that had to be
   * dialed, had it), `wantsNoProvider` (nobody was named), `wantsFetchFailed` (none of those named sent it).
   */
  readonly counters: Readonly<Record<string, number>>
}

/** How a peer is reached. `relay` carries little, and only until something better is there. */
export type TransportName = 'websocket' | 'webtransport' | 'webrtc-direct' | 'webrtc' | 'relay'

export interface TransportStatusData {
  readonly available: boolean
  /** Why not, in a sentence, unless the options say so. */
  readonly problem: string | undefined
  /** Open at the moment, in both directions; a peer may have several. */
  readonly connections: number
}

export interface StatusData {
  readonly peerId: Uint8Array
  /** Own textual multiaddrs that others can dial. */
  readonly addresses: readonly string[]
  readonly startedMsAgo: number
  /** Whether the routing table of an earlier visit was there. */
  readonly start: 'cold' | 'warm'
  readonly connections: number
  readonly transports: Readonly<Record<TransportName, TransportStatusData>>
  readonly storage: StorageStatusData
  readonly kad: KadStatusData
  readonly bitswap: BitswapStatusData
  /** Undefined when delegated routing is off. */
  readonly delegated: DelegatedStatusData | undefined
  /** Messages of peers that were dropped, by reason: malformed, oversized, truncated, …; parts that were left out of others. */
  readonly dropped: Readonly<Record<string, number>>
}

/** Told to the page without being asked. */
export type ServiceEvent =
  | { readonly type: 'connections-changed'; readonly connections: number }
  | { readonly type: 'table-changed'; readonly size: number }
  | { readonly type: 'region-provided'; readonly region: RegionData }
  | { readonly type: 'addresses-changed'; readonly addresses: readonly string[] }
  /** The store failed; the client goes on in memory. */
  | { readonly type: 'storage-lost'; readonly reason: string }
  /** The Worker's JavaScript ended with an exception nobody caught. The client goes on if it can. */
  | { readonly type: 'fault'; readonly message: string }

export interface StartReport {
  readonly peerId: Uint8Array
  readonly start: 'cold' | 'warm'
}
