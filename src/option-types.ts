import type { RtcIceServer } from '../worker/contract/rtc.ts'
import type { DiscoverySettings } from '../worker/contract/service.ts'
import type { PeerIdInput } from './types.ts'

/** What `createAminoClient` takes. */

export interface ClientLimits {
  /** Queries and wants under way at once; more reject with `too-many-queries`, those of `getBlocks` wait. Default: 256. */
  readonly operationsMax: number
  /** Connections kept at once. Default: 100. */
  readonly connectionsMax: number
  /** Ceiling of the block store in bytes; the least recently used go first. Default: 256 MiB. */
  readonly blockStoreBytesMax: number
}

/** Whom Bitswap asks for a block that is not here. */
export interface DiscoveryOptions {
  /**
   * `'steps'`: peers that wanted the same, then those that have served us, then the other connected peers, in steps.
   * `'ranked'`: only those that have served us in the last days (but for a cold start), and what the DHT finds. `'flood'`: all connected
   * peers at once, which costs two messages a peer and block. Default: `'steps'`.
   */
  readonly broadcast: DiscoverySettings['broadcast']
  /** While few have served us: ask connected peers in steps, all at once, or what the DHT finds first. Default: `'steps'`. */
  readonly coldStart: DiscoverySettings['coldStart']
  /**
   * Which of them go first: by `peersPerSecond` (`dynamic`), the likeliest `peers`, all that had at least `blocks` in the window
   * (the older ones count less; the likeliest, if nobody had), or as many of the likeliest, up to 40, as have the `share` (0 to 1) of
   * all chances. Default: `{ type: 'dynamic' }`.
   */
  readonly leaders: DiscoverySettings['leaders']
  /** Questions in vain that a second of waiting is worth: less costs time, more costs messages. Default: 1.7. */
  readonly peersPerSecond: DiscoverySettings['peersPerSecond']
  /**
   * For how long it counts most that a peer has served, the less the longer ago: 10 minutes to 24 hours. What is older still
   * tells a peer from one that never served, and half of it is forgotten in a day. Default: two hours.
   */
  readonly rankingWindowMs: DiscoverySettings['rankingWindowMs']
  /**
   * Until the DHT is searched beside the connected peers: milliseconds (up to 5000), or a percentile of the time that
   * connected peers took in the window (500 ms until that is known). Default: 0. Where several blocks are wanted at once that
   * were of many places of late, each but the first four is searched for a usual answer's time later at the soonest.
   */
  readonly searchDelay: DiscoverySettings['searchDelay']
  /** For how long such a time counts: 10 minutes to 24 hours. Default: two hours. */
  readonly latencyWindowMs: DiscoverySettings['latencyWindowMs']
  /** Want-blocks sent at once to peers that wanted the same: 0 to 4, or by their hit rate. Default: `'dynamic'`. */
  readonly guesses: DiscoverySettings['guesses']
}

/**
 * Delegated routers answer over HTTP (`/routing/v1`) what the DHT would: providers, peers, closest peers, IPNS records. They are
 * quick, and they learn what you look for. What they say is checked as what peers say is.
 */
export interface DelegatedRoutingOptions {
  /** `race`: both are asked at once. `fallback`: routers are asked when the DHT has found nothing. */
  readonly mode: 'off' | 'fallback' | 'race'
  /** URLs without `/routing/v1`, eight at most. Default: `['https://delegated-ipfs.dev']`. */
  readonly routers?: readonly string[] | undefined
}

export interface AminoClientOptions {
  /** Multiaddrs with `/p2p/…` at which the network is entered; `[]` for none. Default: {@link aminoBootstrappers}. */
  readonly bootstrap?: readonly string[] | undefined
  /** Name of the IndexedDB database; `false` keeps everything in memory. One client at a time per name. Default: `'amino-worker'`. */
  readonly storage?: string | false | undefined
  /** `kept`: the same peer id after a reload (needs storage). Default: `'fresh'`. */
  readonly identity?: 'fresh' | 'kept' | undefined
  /** Loopback, private and plain `ws` addresses are dialed too. For local swarms. Default: `false`. */
  readonly allowPrivateAddresses?: boolean | undefined
  /** Protocol ids. Default: `/ipfs/kad/1.0.0` and `/ipfs/bitswap/1.2.0`; of a Bitswap `…/1.2.0` its older versions are spoken too. */
  readonly protocols?: { readonly kad?: string | undefined; readonly bitswap?: string | undefined } | undefined
  /** Multiaddrs at which others can dial this client; added to what relays give. Default: none. */
  readonly announce?: readonly string[] | undefined
  /** Whether to ask a connected relay for an address of our own, which `provide` needs. Default: `true`. */
  readonly relay?: boolean | undefined
  /**
   * Whether to answer the DHT requests of others and keep their records, in memory, as servers do. For private networks of
   * browsers with `protocols` of their own: on Amino a browser is a client. Default: `false`.
   */
  readonly server?: boolean | undefined
  /** Transports not to use; WebRTC takes part only where the page has it. Default: all. */
  readonly transports?: { readonly [Name in 'webSocket' | 'webTransport' | 'webRTC']?: boolean | undefined } | undefined
  /** STUN and TURN servers for WebRTC between browsers. Default: libp2p's public STUN servers; none for private addresses. */
  readonly iceServers?: readonly RtcIceServer[] | undefined
  /**
   * `intervalMs`: from one time that a region is told to the next, 1 to 36 hours; default 22 (records run out after 48).
   * `withoutAddress`: provide although nobody could dial this client; servers may drop such records. Default: `false`.
   */
  readonly providing?: { readonly intervalMs?: number | undefined; readonly withoutAddress?: boolean | undefined } | undefined
  readonly limits?: { readonly [Name in keyof ClientLimits]?: ClientLimits[Name] | undefined } | undefined
  readonly discovery?: { readonly [Name in keyof DiscoveryOptions]?: DiscoveryOptions[Name] | undefined } | undefined
  /**
   * Whether to remember which peers want which CIDs, in order to ask them for the same blocks. It stays on this machine;
   * what is remembered says something about the interests of others. Default: `true`.
   */
  readonly listenToWants?: boolean | undefined
  /** HTTP routers beside the DHT. Default: off, and no router hears of anything. */
  readonly delegatedRouting?: DelegatedRoutingOptions | undefined
  /** Peers that are never dialed, asked or answered. */
  readonly denyPeers?: readonly PeerIdInput[] | undefined
  /**
   * The Worker, a function that makes one, or the URL of its script (for a bundler that does not understand
   * `new URL('./worker.js', import.meta.url)`). The client owns it from then on: `stop()` and a failed start terminate it.
   */
  readonly worker?: Worker | (() => Worker) | string | URL | undefined
  /** Gives up starting; the Worker is terminated. It has no effect on a client that has started. */
  readonly signal?: AbortSignal | undefined
}
