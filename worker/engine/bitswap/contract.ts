import type { ConnectionFailure } from '../connections/contract.ts'
import type { OrderId, Tick } from '../machine.ts'
import type { Address, Peer, PeerInfo } from '../peer.ts'
import type { Failure } from '../query.ts'
import type { BitswapMessage } from './message.ts'
import type { StoredTally } from './ranking.ts'
import type { SignGrade } from './registry.ts'
import type { SearchDelaySetting } from './search-delay.ts'

/** Events into and effects out of the Bitswap machine (`bitswap.ts`). */

/** One `getBlock` of the page. Chosen by whoever wants; unique among those that have not ended. */
export type WantId = number & { readonly WantId: unique symbol }
/** A group of wants that share peers (the blocks of one DAG). */
export type SessionId = number & { readonly SessionId: unique symbol }

export type BitswapCommand =
  /** Session must be open, or undefined: a session of its own for this want. `providers`: peers to ask first. */
  | {
      readonly type: 'want-block'
      readonly want: WantId
      readonly cid: Uint8Array
      readonly session: SessionId | undefined
      readonly providers: readonly PeerInfo[]
      /** A hint what the block belongs to: those who served that are asked first. */
      readonly context?: string | undefined
    }
  /** Ends the want without a further word about it; unknown ids are ignored. */
  | { readonly type: 'cancel-want'; readonly want: WantId }
  /** Asks one peer for one block, and nobody for anything else. Ended by `probe-ended`, or by `cancel-want`. */
  | { readonly type: 'probe'; readonly want: WantId; readonly cid: Uint8Array; readonly provider: PeerInfo }
  /** `root`: of the DAG; searches are for who provides it, until one has come to its end. `context`, `providers`: of all its wants. */
  | {
      readonly type: 'open-session'
      readonly session: SessionId
      readonly root?: Uint8Array | undefined
      readonly context?: string | undefined
      readonly providers?: readonly PeerInfo[] | undefined
    }
  /** Wants of the session that have not ended fail as aborted. */
  | { readonly type: 'close-session'; readonly session: SessionId }

export type BitswapEvent =
  | Tick
  | BitswapCommand
  /**
   * A connected peer speaks Bitswap. `addresses`: where it says that it can be dialed. `hasPresences`: it knows HAVE and
   * DONT_HAVE, as all do but those older than 1.2.
   */
  | {
      readonly type: 'bitswap-peer-connected'
      readonly peer: Peer
      readonly addresses?: readonly Address[]
      readonly hasPresences?: boolean
    }
  | { readonly type: 'bitswap-peer-disconnected'; readonly peer: Peer }
  /** Answers to `need-connection`. If the peer turns out to speak Bitswap, `bitswap-peer-connected` comes too. */
  | { readonly type: 'connection-ready'; readonly peer: Peer }
  | { readonly type: 'connection-failed'; readonly peer: Peer; readonly reason: ConnectionFailure }
  | { readonly type: 'message-received'; readonly peer: Peer; readonly message: BitswapMessage }
  /** A message that is not complete yet has grown by `arrivingStepBytes`. */
  | { readonly type: 'message-arriving'; readonly peer: Peer }
  | { readonly type: 'message-sent'; readonly order: OrderId }
  | { readonly type: 'message-failed'; readonly order: OrderId; readonly reason: string }
  /** Those that came in one answer are told together. */
  | { readonly type: 'providers-found'; readonly search: OrderId; readonly providers: readonly PeerInfo[] }
  /** `failure`: why there was no search to speak of, such as `no-peers`. */
  | { readonly type: 'provider-search-ended'; readonly search: OrderId; readonly failure?: Failure | undefined }
  /** Answers `load-block`: the bytes, or undefined if it is not in the store; where it asked for no more, `size` alone. */
  | {
      readonly type: 'block-loaded'
      readonly order: OrderId
      readonly bytes: Uint8Array | undefined
      readonly size?: number | undefined
    }
  /** Answers `store-block`. */
  | { readonly type: 'block-stored'; readonly order: OrderId }
  | { readonly type: 'block-store-failed'; readonly order: OrderId; readonly reason: string }
  /** The page put or deleted a block: wants of the page and of waiting peers can be answered, or no more. */
  | { readonly type: 'block-added'; readonly cid: Uint8Array; readonly bytes: Uint8Array }
  | { readonly type: 'block-removed'; readonly cid: Uint8Array }
  /** What a `persist-discovery` of an earlier visit said, `agoMs` ago. Once a part, before the first want. */
  | { readonly type: 'discovery-restored'; readonly memory: DiscoveryMemory; readonly agoMs: number }
  /** The client is about to stop: what is to be kept is told now. */
  | { readonly type: 'stopping' }

export type WantProgress =
  | { readonly type: 'searching-providers' }
  | { readonly type: 'provider-found'; readonly peer: Peer }
  | { readonly type: 'asking'; readonly peer: Peer; readonly wantType: 'block' | 'have' }
  | { readonly type: 'have'; readonly peer: Peer }
  | { readonly type: 'dont-have'; readonly peer: Peer }

export type BitswapEffect =
  /** Ends the want. `from` is undefined for a block that was in the store already. */
  | {
      readonly type: 'want-ended'
      readonly want: WantId
      readonly cid: Uint8Array
      readonly bytes: Uint8Array
      readonly from: Peer | undefined
    }
  | { readonly type: 'want-failed'; readonly want: WantId; readonly failure: Failure }
  | {
      readonly type: 'probe-ended'
      readonly want: WantId
      readonly outcome: ProbeOutcome
      readonly bytes: Uint8Array | undefined
      readonly elapsedMs: number
    }
  | { readonly type: 'want-progress'; readonly want: WantId; readonly progress: WantProgress }
  /** One message to one peer at a time: the next goes out after `message-sent` or `message-failed`. */
  | { readonly type: 'send-message'; readonly order: OrderId; readonly peer: Peer; readonly message: BitswapMessage }
  | { readonly type: 'need-connection'; readonly info: PeerInfo; readonly priority: 'immediate' }
  | { readonly type: 'drop-connection-need'; readonly peer: Peer }
  /** Starts a DHT search, answered by `providers-found`s and one `provider-search-ended`. */
  | { readonly type: 'search-providers'; readonly search: OrderId; readonly cid: Uint8Array }
  | { readonly type: 'stop-provider-search'; readonly search: OrderId }
  /** `bytesMax`: of a larger block its size is enough. */
  | { readonly type: 'load-block'; readonly order: OrderId; readonly cid: Uint8Array; readonly bytesMax?: number | undefined }
  | { readonly type: 'store-block'; readonly order: OrderId; readonly cid: Uint8Array; readonly bytes: Uint8Array }

  /** To be kept until the next visit, instead of what was told of this part before. */
  | { readonly type: 'persist-discovery'; readonly memory: DiscoveryMemory }

/** `silent`: it was asked, and said nothing in time. `unreachable`: it was not, for want of a connection or of room for a question. */
export type ProbeOutcome = 'block' | 'dont-have' | 'silent' | 'unreachable'

export interface DiscoveryOptions {
  /**
   * `steps`: registry, ranking, then connected peers in growing steps. `ranked`: only who has served in the window (but
   * for a cold start); the DHT finds the rest. `flood`: all connected peers at once.
   */
  readonly broadcast: 'steps' | 'ranked' | 'flood'
  /** While nobody is ranked: ask connected peers in steps or all at once, beside the search, or only what it finds first. */
  readonly coldStart: 'steps' | 'flood' | 'dht'
  /** How many go first. `dynamic`: as in all later steps, by `peersPerSecond`. */
  readonly leaders:
    | { readonly type: 'dynamic' }
    | { readonly type: 'top'; readonly peers: number }
    /** Who could have served at least so many blocks in the window (the older ones count less); the likeliest, if nobody. */
    | { readonly type: 'threshold'; readonly blocks: number }
    /** As many of the likeliest as have this share of the chances of all that served, from 0 to 1; `leadersMax` at most. */
    | { readonly type: 'coverage'; readonly share: number }
  /** Questions to peers that have nothing that a second of waiting is worth. */
  readonly peersPerSecond: number
  readonly rankingWindowMs: number
  /** In which latencies count for the search delay. */
  readonly latencyWindowMs: number
  /** Until the DHT is searched beside the connected peers. */
  readonly searchDelay: SearchDelaySetting
  /** Want-blocks sent at once to peers that wanted the same; 0 for never. */
  readonly guesses: number | 'dynamic'
  /** Whether wants of others are remembered as a sign that they have the block. */
  readonly listenToWants: boolean
}

/** What was learned, as plain data. Peers are referred to by their index in `peers` (empty for a bad one); ages are in milliseconds. */
export type DiscoveryMemory =
  | {
      readonly part: 'ranking'
      readonly peers: readonly (StoredPeer | undefined)[]
      /** All that are not ranked. */
      readonly strangers: StoredTally
      /** Without a name: the ranking of all. */
      readonly contexts: readonly {
        readonly name: string | undefined
        readonly scores: readonly (StoredTally & { readonly peer: number })[]
      }[]
    }
  /** Age and latency, in order of time. */
  | { readonly part: 'latencies'; readonly samples: readonly (readonly [number, number])[] }
  | {
      readonly part: 'registry'
      readonly cacheTimeMs: number
      readonly peers: readonly (StoredPeer | undefined)[]
      readonly cids: readonly {
        /** Multihash. */
        readonly key: Uint8Array
        readonly signs: readonly { readonly peer: number; readonly grade: SignGrade; readonly ageMs: number }[]
      }[]
    }

export interface StoredPeer {
  readonly id: Uint8Array
  readonly addresses: readonly Address[]
}

export interface BitswapCounters {
  wantHavesSent: number
  wantBlocksSent: number
  cancelsSent: number
  havesReceived: number
  dontHavesReceived: number
  blocksReceived: number
  duplicateBlocksReceived: number
  unwantedBlocksReceived: number
  bytesReceived: number
  wantsReceived: number
  blocksSent: number
  bytesSent: number
  presencesSent: number
  refusedWants: number
  /** Wants whose first question was a guess of the registry's, and how many of those the guess ended. */
  guessedWants: number
  guessHits: number
  /** What became of the page's wants that went to the network. The classes of the 2022 study: found by Bitswap alone. */
  wantsSuccess: number
  /** Not found by Bitswap: a provider that a search or the page named, and that had to be dialed, sent it. */
  wantsFailure: number
  /** Nobody was named who provides it. */
  wantsNoProvider: number
  /** There were providers, and none of them sent it. */
  wantsFetchFailed: number
  /** Probes that brought the block, and the others. */
  probesSuccess: number
  probesFailed: number
}

export interface BitswapStatus {
  readonly peers: number
  readonly wants: number
  readonly sessions: number
  /** Peers that served in the window, CIDs others were heard to want, and how long the next want waits before it searches. */
  readonly rankedPeers: number
  readonly registryCids: number
  readonly searchDelayMs: number
  readonly counters: Readonly<BitswapCounters>
}
