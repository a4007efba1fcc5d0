/**
 * The one list of everything that is bounded in the engine and on the wire: value, unit, reason. A machine takes its
 * numbers from here and nowhere else; what a caller may change is an option that is checked against this list.
 */
export interface Limit {
  readonly value: number
  readonly unit: 'peers' | 'requests' | 'ms' | 'bytes' | 'entries' | 'queries' | 'messages' | 'addresses' | 'count'
  readonly reason: string
}

const limit = (value: number, unit: Limit['unit'], reason: string): Limit => ({ value, unit, reason })

export const limits = {
  // identities
  cachedPeersMax: limit(16_384, 'peers', 'hash each peer once; about 3 MB when full'),
  addressesPerPeerMax: limit(25, 'addresses', 'what libp2p dials at most; a longer list is cut'),

  // connections
  pendingDialsMax: limit(8, 'count', 'Chromium delays new WebSockets from the ninth pending one on (0.1 s, then seconds)'),
  queuedDialsMax: limit(256, 'count', 'peers that wait for a place to dial; more are refused at once'),
  dialTimeoutMs: limit(5_000, 'ms', 'a peer that has not answered a dial by then is not worth a place'),
  failedPeersMax: limit(4_096, 'peers', 'remembered failures to dial, for backoff'),
  dialBackoffFirstMs: limit(10_000, 'ms', 'before a peer that could not be dialed is tried again; doubles with each failure'),
  dialBackoffMaxMs: limit(600_000, 'ms', 'no peer is written off for longer than a table refresh'),

  // streams (host)
  kadStreamOpenTimeoutMs: limit(10_000, 'ms', 'as long as a request may take: the engine gives up before that'),
  bitswapSendTimeoutMs: limit(30_000, 'ms', 'for one message of up to 2 MiB to leave; a slower peer is not worth the memory'),
  bitswapInboundStreamsMax: limit(8, 'count', 'streams one peer may open to us at a time; boxo and Helia use one'),

  // provider searches of Bitswap
  searchedProvidersMax: limit(10, 'peers', 'providers a Bitswap session asks the DHT for; boxo takes as many'),

  // wire: what may come in one message; the rest of a longer list is left out and counted
  frameBytesMax: limit(4_194_304, 'bytes', 'what Go sends and takes at most, on kad and on Bitswap streams'),
  kadRequestBytesMax: limit(65_536, 'bytes', 'a frame that asks us: a value record and one peer fit several times'),
  kadKeyBytesMax: limit(256, 'bytes', 'multihashes, peer ids and record keys; the longest of them has about 140'),
  providersKeyBytesMax: limit(80, 'bytes', 'Go refuses longer keys in GET_PROVIDERS and ADD_PROVIDER'),
  kadPeerBytesMax: limit(8_192, 'bytes', 'Go cuts a peer record there'),
  closerPeersMax: limit(40, 'peers', 'Go cuts a reply at 2k closer peers'),
  providersPerMessageMax: limit(512, 'peers', 'popular content has thousands of providers; nobody needs all of them'),
  addressBytesMax: limit(512, 'bytes', 'a relayed WebTransport address with two certificate hashes has about 250'),
  recordBytesMax: limit(16_384, 'bytes', 'an IPNS record has at most 10 KiB, and rust caps the frame at 16 KiB'),
  peerIdDigestBytesMax: limit(42, 'bytes', 'a public key is inlined up to this length (libp2p specs, peer-ids)'),
  cidBytesMax: limit(168, 'bytes', 'boxo refuses longer CIDs'),
  digestBytesMax: limit(128, 'bytes', 'boxo refuses longer digests'),
  digestBytesMin: limit(20, 'bytes', 'boxo refuses a hash cut shorter than this; identity is exempt'),
  blockBytesMax: limit(2_162_688, 'bytes', 'blocks of 2 MiB must work, with 64 KiB for what wraps them'),
  wantlistEntriesMax: limit(4_096, 'entries', 'four times what boxo keeps per peer'),
  blocksPerMessageMax: limit(1_024, 'entries', 'each block costs a hash'),
  presencesPerMessageMax: limit(4_096, 'entries', 'one for each entry of a longest wantlist'),

  // host: addresses and storage
  cachedAddressesMax: limit(8_192, 'addresses', 'parsed and judged once; about 4 MB when full'),
  storedTableEntriesMax: limit(2_048, 'entries', 'several times a full routing table; the least recently useful go first'),
  pendingWritesMax: limit(128, 'entries', 'routing-table writes and block uses that wait for one transaction'),
  writeBehindMs: limit(1_000, 'ms', 'how long such a write waits for company'),
  storageLockWaitMs: limit(1_500, 'ms', 'after a reload the old Worker may hold the storage name a moment longer'),
  storageOpenTimeoutMs: limit(5_000, 'ms', 'opening IndexedDB can hang in a browser; then the client goes on in memory'),
  memoryBlockBytesMax: limit(67_108_864, 'bytes', 'ceiling of the block store when it has only memory'),
} as const satisfies Record<string, Limit>
