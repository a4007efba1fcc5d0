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
} as const satisfies Record<string, Limit>
