import type { CID } from 'multiformats/cid'
import type {
  BitswapStatusData,
  DelegatedStatusData,
  KadStatusData,
  ProvideStatusData,
  RegionData,
  StatsData,
  StorageStatusData,
  TransportName,
  TransportStatusData,
} from '../worker/contract/service.ts'
import type { AminoError } from './errors.ts'
import type { ProvideManyOptions, ProvideManyResult, ProvideOptions } from './provide-types.ts'

export type { AminoClientOptions, ClientLimits, DelegatedRoutingOptions, DiscoveryOptions } from './option-types.ts'
export type { ProvideManyOptions, ProvideManyResult, ProvideOptions } from './provide-types.ts'

/**
 * The types of the public API. Peer ids are base58 text (`12D3KooW…`, `Qm…`), multiaddrs are text without the trailing
 * `/p2p/…` of the peer itself, times are milliseconds, sizes bytes.
 */

/** A CID, or its text (`bafy…`, `Qm…`). */
export type CidInput = CID | string

/** A peer id as text (base58, or a libp2p-key CID), or an object whose `toString()` gives that (a libp2p `PeerId`, a `CID`). */
export type PeerIdInput = string | { toString(): string }

/** The key of a value: `/ipns/<name>` or `/pk/<peer id>` as text, or the bytes of the key (prefix and multihash). */
export type RecordKeyInput = string | Uint8Array

/** What peers can be close to: bytes that are hashed, 256 at most; a record key, a peer id, or a CID (its multihash counts). */
export type KeyInput = RecordKeyInput | CID

export interface PeerInfo {
  readonly id: string
  readonly multiaddrs: readonly string[]
}

export interface Provider extends PeerInfo {
  /** The peer that named this provider, or the URL of the delegated router that did. */
  readonly from: string
  /** Milliseconds since the search began. */
  readonly elapsedMs: number
}

export interface ClosestPeer extends PeerInfo {
  /** How the peer took part in the lookup. `undialable`: it has no address that a browser can reach. */
  readonly outcome: 'responded' | 'unasked' | 'undialable' | 'failed'
}

/** What a lookup cost. */
export type QueryStats = StatsData

/** How far a record got. `stored`, `undialable`, `failed` and `pending` add up to `targeted`. */
export interface StoreResult {
  /** How many peers were meant to hold the record: the nearest 20, or all if the network is smaller. */
  readonly targeted: number
  readonly stored: number
  /** Peers that a browser has no way to reach: normal on Amino, not a fault. */
  readonly undialable: number
  readonly failed: number
  /** Still being stored, after an optimistic `provide`; otherwise 0. */
  readonly pending: number
  readonly stats: QueryStats
}

export interface ValueResult {
  readonly value: Uint8Array
  /** How many peers answered with this very value. */
  readonly confirmations: number
  readonly stats: QueryStats
}

export interface Block {
  readonly cid: CID
  /** Checked against the CID. The buffer belongs to the caller. */
  readonly bytes: Uint8Array
  /** Who sent it; `undefined` for a block that was here already. */
  readonly from: string | undefined
}

/**
 * What happened on the way. Told while the operation runs, never after it has ended. `cid`: of `getBlocks`, the block that this
 * is about.
 */
export type Progress = { readonly cid?: CID | undefined } & (
  | {
      readonly type: 'dialing' | 'asking' | 'storing' | 'stored' | 'have' | 'dont-have' | 'provider-found'
      readonly peer: string
    }
  | {
      readonly type: 'responded'
      readonly peer: string
      readonly closerPeers: number
      readonly providers: number
      readonly rttMs: number
    }
  | { readonly type: 'failed'; readonly peer: string; readonly reason: string }
  | { readonly type: 'searching-providers' }
)

export interface CallOptions {
  /** Ends the operation, in the Worker too; the call rejects with code `aborted`. */
  readonly signal?: AbortSignal | undefined
}

export interface QueryOptions extends CallOptions {
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

export interface FindProvidersOptions extends QueryOptions {
  /** Ends after that many distinct providers; an integer of at least 1. Default: 20. */
  readonly limit?: number | undefined
}

export interface GetValueOptions extends QueryOptions {
  /** How many peers must have answered with a value before the best one is taken; an integer from 1 to 20. Default: 16. */
  readonly quorum?: number | undefined
}

export type ProvideStatus = ProvideStatusData

export type ProvidedRegion = RegionData

/** A peer that may have a block. Without multiaddrs it is asked only if it is connected already. */
export interface ProviderInput {
  readonly id: PeerIdInput
  readonly multiaddrs?: readonly { toString(): string }[] | undefined
}

/**
 * A blockstore of the page, such as Helia's: whatever `get` gives, throws or never answers. One that can fetch, as Helia's can,
 * must not do so for this (`offline`). The signal ends after two seconds.
 */
export interface OfferedBlockstore {
  get(
    cid: CID,
    options: { readonly offline: true; readonly signal: AbortSignal },
  ): Uint8Array | undefined | Promise<Uint8Array | undefined> | Iterable<Uint8Array> | AsyncIterable<Uint8Array>
}

/** What one peer did when it was asked for one block. */
export interface Probe {
  /** The classes of the study of 2022 for a peer that was said to provide the block. */
  readonly outcome: 'SUCCESS' | 'FETCH_FAILED'
  /**
   * It sent the block, said that it has none, was asked and said nothing, or was not asked in 15 s: it could not be reached, took no
   * message, or had all the 1,024 wants that one peer takes.
   */
  readonly reason: 'block' | 'dont-have' | 'silent' | 'unreachable'
  /** The block, which is not stored. */
  readonly bytes: Uint8Array | undefined
  /** From the question to the answer; for a peer that could not be reached, since the call. */
  readonly elapsedMs: number
}

export interface SessionOptions extends CallOptions {
  /** As in {@link GetBlockOptions}, for all blocks of the session. */
  readonly context?: string | undefined
  readonly providers?: readonly ProviderInput[] | undefined
}

export interface GetBlockOptions extends QueryOptions {
  /** Peers that are asked first. Multiaddrs with or without their `/p2p/…`; none if the peer is connected already. */
  readonly providers?: readonly ProviderInput[] | undefined
  /** What the block belongs to (`'nft'`), at most 64 characters: peers that served this context before are asked first. */
  readonly context?: string | undefined
  /** Blocks of one DAG are found faster together: see {@link AminoClient.createSession}. */
  readonly session?: Session | undefined
}

/** Wants that share peers: whoever had one block of a DAG is asked first for the next. Close it when done. */
export interface Session extends AsyncDisposable {
  /** As {@link AminoClient.getBlock}, in this session. */
  getBlock(cid: CidInput, options?: Omit<GetBlockOptions, 'session'>): Promise<Block>
  /** As {@link AminoClient.getBlocks}, in this session. */
  getBlocks(cids: Iterable<CidInput>, options?: Omit<GetBlockOptions, 'session'>): AsyncIterableIterator<Block>
  /** Wants of the session that have not ended reject with code `aborted`. Never rejects. */
  close(): Promise<void>
}

export interface Status {
  readonly peerId: string
  /** Own addresses that others can dial; mostly none in a browser. */
  readonly addresses: readonly string[]
  readonly startedMsAgo: number
  /** `warm`: the routing table of an earlier visit was there. */
  readonly start: 'cold' | 'warm'
  /** Peers connected at the moment. */
  readonly connections: number
  /** What this browser can reach peers with, and what it is connected over. */
  readonly transports: Readonly<Record<TransportName, TransportStatusData>>
  readonly storage: StorageStatusData
  readonly kad: KadStatusData
  readonly bitswap: BitswapStatusData
  /** Undefined when delegated routing is off. */
  readonly delegated: DelegatedStatusData | undefined
  /** Messages of peers that were dropped, by reason: malformed, oversized, truncated, …; parts that were left out of others. */
  readonly dropped: Readonly<Record<string, number>>
}

export interface AminoClientEventMap {
  /** The number of connected peers changed. */
  connections: CustomEvent<{ readonly connections: number }>
  /** The number of peers in the routing table changed. */
  table: CustomEvent<{ readonly size: number }>
  /** The addresses at which others can dial this client changed. */
  addresses: CustomEvent<{ readonly addresses: readonly string[] }>
  /** A region of the keyspace has been told what is provided there. */
  region: CustomEvent<ProvidedRegion>
  /** The browser refuses to store, perhaps from the start; the client goes on in memory. */
  'storage-lost': CustomEvent<{ readonly reason: string }>
  /** An exception in the Worker that nobody caught: a fault of this package. The client goes on if it can. */
  fault: CustomEvent<{ readonly message: string }>
  /** The Worker is gone; every pending call has been rejected. Create a new client. Not told after `stop()`. */
  died: CustomEvent<{ readonly error: AminoError }>
}

/**
 * A running client. Every method rejects with an {@link AminoError}; besides the codes named at a method any of them may
 * give `aborted`, `stopped`, `worker-died`, `invalid-argument`, `too-many-queries` and `internal`, and those that use the
 * network `timeout`. Nothing is left pending: the death of the Worker, `stop()` and the caller's signal all settle every call.
 */
export interface AminoClient extends EventTarget, AsyncDisposable {
  readonly peerId: string
  /** `warm`: the routing table of an earlier visit was there. */
  readonly start: 'cold' | 'warm'

  /**
   * Streams peers that hold the content, as they are found. Leaving the loop ends the search. The search begins with the
   * first `next()`; an iterable can be walked once. Codes: `invalid-cid` (also of a multihash above 80 bytes, which servers
   * refuse), `no-peers`, `too-many-queries`.
   *
   * @example
   * for await (const provider of client.findProviders(cid, { limit: 5, signal: AbortSignal.timeout(30_000) })) {
   *   console.log(provider.id, provider.multiaddrs, provider.elapsedMs)
   * }
   */
  findProviders(cid: CidInput, options?: FindProvidersOptions): AsyncIterableIterator<Provider>

  /** Streams the peers nearest to a key, nearest first, when the lookup has ended. Codes: `invalid-key`, `no-peers`, `too-many-queries`. */
  getClosestPeers(key: KeyInput, options?: QueryOptions): AsyncIterableIterator<ClosestPeer>

  /** The addresses of a peer. Codes: `invalid-key`, `not-found`, `no-peers`, `too-many-queries`. */
  findPeer(id: PeerIdInput, options?: QueryOptions): Promise<PeerInfo>

  /**
   * The current value of a key (an IPNS record, a public key), validated. Codes: `invalid-key`, `invalid-record`, `not-found`,
   * `no-peers`, `too-many-queries`.
   */
  getValue(key: RecordKeyInput, options?: GetValueOptions): Promise<ValueResult>

  /**
   * Validates a value and stores it with the peers nearest to its key. Codes: `invalid-key`, `invalid-record`, `too-large`, `no-peers`,
   * `too-many-queries`.
   */
  putValue(key: RecordKeyInput, value: Uint8Array, options?: QueryOptions): Promise<StoreResult>

  /**
   * Tells the network that this client has the content: now, and again before the records run out, for as long as this client
   * or its next one with the same storage runs; see {@link cancelProvide}. When nobody can be reached now it rejects, and
   * tells them later. Codes: `invalid-cid` (also of a multihash above 80 bytes), `not-dialable` (nobody could dial us:
   * see `relay` and `announce`), `no-peers`, `too-many-queries`.
   *
   * @example
   * const { stored, targeted, undialable } = await client.provide(cid)
   */
  provide(cid: CidInput, options?: ProvideOptions): Promise<StoreResult>

  /** As {@link provide}, but only now: nothing is kept. The record runs out after 48 hours. */
  provideOnce(cid: CidInput, options?: ProvideOptions): Promise<StoreResult>

  /**
   * Keeps many CIDs provided. Resolves when all of them are stored here: telling the network goes on in the Worker, region by
   * region, over reloads too; see {@link provideStatus} and the event `region`. Takes the next portion when the last one is
   * stored, so that an endless source does not fill the memory. CIDs with the identity hash are skipped, and one with a multihash above
   * 80 bytes, which servers refuse, ends it. A source that hangs is left when the call ends. Codes: `invalid-argument`, `invalid-cid`,
   * `not-dialable`, `storage`.
   *
   * @example
   * await client.provideMany(pinnedCids(), { replace: true, onProgress: ({ given }) => console.log(given) })
   */
  provideMany(cids: Iterable<CidInput> | AsyncIterable<CidInput>, options?: ProvideManyOptions): Promise<ProvideManyResult>

  /** Provides it no longer. The records that are out there run out within 48 hours. Code: `invalid-cid`. */
  cancelProvide(cid: CidInput, options?: CallOptions): Promise<void>

  /** Provides nothing any longer. Resolves with how many CIDs that were. */
  clearProvides(options?: CallOptions): Promise<number>

  /** How far the sweep is. Counts are of what was sent, never of what was meant to be. */
  provideStatus(options?: CallOptions): Promise<ProvideStatus>

  /** Stops telling what is kept; `provide` and `provideOnce` still work. Not remembered over a reload. */
  pauseProviding(options?: CallOptions): Promise<void>

  resumeProviding(options?: CallOptions): Promise<void>

  /**
   * A block from the store here or from the network. Without a signal it waits for as long as somebody might still have
   * it. Codes: `invalid-cid`, `unsupported-hash`, `not-found`, `no-peers`, `too-many-queries`.
   */
  getBlock(cid: CidInput, options?: GetBlockOptions): Promise<Block>

  /**
   * Streams many blocks (4096 at most) in the order in which they come, 64 wanted at a time; a page that reads slowly holds the
   * network back. All streams together take half of `limits.operationsMax`, in turn. Blocks that do not come are told at the end, as
   * one error with `detail.missing`. Codes as `getBlock`, but for `too-many-queries`.
   *
   * @example
   * for await (const { cid, bytes } of client.getBlocks(links)) draw(cid, bytes)
   */
  getBlocks(cids: Iterable<CidInput>, options?: GetBlockOptions): AsyncIterableIterator<Block>

  /**
   * Asks one peer for one block and does nothing else: no store, no search, nobody else is asked, nothing is kept. For
   * checking whether a provider keeps its word. Codes: `invalid-cid`, `unsupported-hash`, `too-many-queries`.
   */
  probe(cid: CidInput, peer: ProviderInput, options?: CallOptions): Promise<Probe>

  /**
   * Opens a session for the blocks of one DAG. With its `root` the first search of the session is for who provides the
   * root, which is what is usually provided of a DAG; where that leads to nobody, a block is searched for by its own CID, too.
   * Codes: `invalid-cid`, `too-many-queries`.
   */
  createSession(root: CidInput, options?: SessionOptions): Promise<Session>
  createSession(options?: SessionOptions): Promise<Session>

  /**
   * Keeps a block and serves it to others. The bytes are copied; the caller's buffer stays as it is. Codes: `invalid-cid`,
   * `invalid-block`, `unsupported-hash`, `too-large`.
   */
  putBlock(cid: CidInput, bytes: Uint8Array, options?: CallOptions): Promise<void>

  /**
   * Offers a blockstore of the page: blocks that are not in the store here are read from it, for other peers and for
   * `getBlock`. At most 16 at a time, two seconds each with the waiting; bytes that do not hash to their CID are not taken. `undefined` ends the
   * offer; another store takes the place of the one before. Peers that asked before are not told what has come.
   *
   * @example
   * await client.serveBlocks(helia.blockstore)
   */
  serveBlocks(store: OfferedBlockstore | undefined, options?: CallOptions): Promise<void>

  /** Whether the block is in the store here, under whatever CID with the same multihash. Code: `invalid-cid`. */
  hasBlock(cid: CidInput, options?: CallOptions): Promise<boolean>

  /** Removes a block from the store here, as {@link hasBlock} finds it; fine if it is not there. Code: `invalid-cid`. */
  deleteBlock(cid: CidInput, options?: CallOptions): Promise<void>

  /** What the client is doing at the moment. */
  status(options?: CallOptions): Promise<Status>

  /**
   * Ends everything: pending calls reject with `stopped` at once, what is to be kept is stored, the Worker is terminated
   * (a Worker handed over in the options too). Resolves within seconds and never rejects; a second call does no harm.
   */
  stop(): Promise<void>

  addEventListener<Type extends keyof AminoClientEventMap>(
    type: Type,
    listener: (event: AminoClientEventMap[Type]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void
  removeEventListener<Type extends keyof AminoClientEventMap>(
    type: Type,
    listener: (event: AminoClientEventMap[Type]) => void,
    options?: boolean | EventListenerOptions,
  ): void
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void
}
