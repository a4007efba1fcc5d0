/**
 * What a world consists of. Every figure is a parameter; the comments name where its default comes from. RFM n are the
 * measurement reports of ProbeLab (network-measurements); what has no source is called an assumption.
 */
export interface WorldSettings {
  readonly seed: number
  /** DHT servers, those that are offline included. 25,000 on Amino in 2023, about 10,000 now (Kubo's documentation). */
  readonly peers: number
  /** Bucket size and length of an answer: 20 on Amino. */
  readonly k: number
  /** Share of all servers that have an address a browser can dial. Nobody has measured it: experiments sweep it. */
  readonly dialable: number
  /** Share of servers that are offline at any time. 26 % of those seen could not be reached in April 2022 (RFM 19). */
  readonly dead: number
  /**
   * How many entries of a routing table are offline ones. `measured`: 3.8 % in bucket 0, rising to 15 % from bucket 9 on
   * (RFM 19; in between an assumption). `uniform`: the same share as of all servers, which is a worse table than any measured.
   */
  readonly staleEntries: 'measured' | 'uniform'
  /** Whether tables miss some online peers, as measured (see `missingShares`); otherwise they are complete. */
  readonly missingEntries: boolean
  /** Whether servers come and go. Otherwise the same ones are offline all the time. */
  readonly churn: boolean
  /** Share of offline servers whose host refuses at once instead of leaving the dialer alone. Assumption: none. */
  readonly refusing: number
  /** Share of servers that accept a connection and never answer. Assumption: none, unless faults are on. */
  readonly mute: number
  /** Share of servers that answer late, see `slowAnswer`. */
  readonly slow: number
  /** Share of messages that are lost once and come after a retransmission. Assumption: 0.5 %. */
  readonly loss: number
  /** Delays are longer than the least by a factor exp(that × |normal|). 10 %, as in the Testground run of 2020 (seed 003). */
  readonly jitter: number
  /** Round trips until a connection can carry a request: TCP, TLS 1.3, WebSocket upgrade, Noise, muxer. */
  readonly dialRoundTrips: number
  /** Those of them until the WebSocket is open: TCP, TLS 1.3, upgrade. Until then a browser counts it as pending. */
  readonly socketRoundTrips: number
  /** Where clients are, as an index into `zones`; `undefined`: drawn like servers. */
  readonly clientZone: number | undefined
}

/** A world in which nothing goes wrong but distance. */
export const stableWorld: Omit<WorldSettings, 'seed' | 'peers'> = {
  k: 20,
  dialable: 1,
  dead: 0,
  staleEntries: 'uniform',
  missingEntries: false,
  churn: false,
  refusing: 0,
  mute: 0,
  slow: 0,
  loss: 0,
  jitter: 0.1,
  dialRoundTrips: 5,
  socketRoundTrips: 3,
  clientZone: undefined,
}

/** What has been measured of Amino, with all servers dialable; nobody knows how many are from a browser. */
export const aminoWorld: Omit<WorldSettings, 'seed' | 'peers'> = {
  ...stableWorld,
  dead: 0.26,
  staleEntries: 'measured',
  missingEntries: true,
  churn: true,
  slow: 0.065,
  loss: 0.005,
}

/** Expected share of offline peers among the entries of a bucket: see `WorldSettings.staleEntries`. */
export function measuredStaleness(bucket: number): number {
  return 0.038 + (0.15 - 0.038) * Math.min(1, bucket / 9)
}

/**
 * RFM 19: buckets 0–8 are 98 % full, with 19.9 entries on average; 61 % of the servers know all of their 20 nearest, 4.8 %
 * fewer than 18. A fifth of the entries of buckets 9–14 is missing of all peers that a crawl saw – those that nobody can
 * reach included, hence that is no figure for online ones: missing independently, it would leave 1 % that know all 20.
 * So servers are of three kinds here, half of them nearly complete; this gives 64 % and 5 %.
 */
export const missingShares: readonly { readonly upTo: number; readonly missing: number }[] = [
  { upTo: 0.5, missing: 0.005 },
  { upTo: 0.9, missing: 0.04 },
  { upTo: 1, missing: 0.1 },
]

/** Of a slow server, in ms: with 6.5 % of them, 4.4 % of all answers take more than 1 s and 1.5 % more than 5 s (seed 002). */
export const slowAnswer = { medianMs: 1_800, sigma: 1.4 }

/** On top of the distance between zones, in ms per round trip, drawn once per server. Assumption. */
export const lastMile = { medianMs: 12, sigma: 0.7 }

/** A retransmission takes at least that long (Linux: 200 ms). */
export const retransmissionMs = 200

/** How long a host that is not there keeps a dialer waiting, if the dialer has no timeout of its own (TCP: minutes). */
export const silentDialMs = 75_000

/**
 * How old a routing table's picture of the network may be. Amino refreshes every 10 min, but peers announce themselves to
 * their neighbours by a lookup when they come, and leave with their connections: fitted to what RFM 19 found (`calibration`).
 */
export const tableLagMs = 120_000

/**
 * Sessions (RFM 2): half last ≤ 2 h, four fifths ≤ 8 h, hence a lognormal; but RFM 17 found record holders far more stable
 * than that. So there is a core that stays, and the rest comes and goes. The core's share is fitted to 13–16 of 20 holders
 * alive over 40 h.
 */
export const sessions = { coreShare: 0.45, medianMs: 7_200_000, sigma: 1.65 }

/** Shares of servers by zone: countries of 56k peers in seed 001 (US 45 %, Korea 10 %); the rest is an assumption. */
export const zones: readonly { readonly name: string; readonly share: number }[] = [
  { name: 'North America, east', share: 0.28 },
  { name: 'North America, west', share: 0.19 },
  { name: 'Europe', share: 0.25 },
  { name: 'East Asia', share: 0.18 },
  { name: 'South-east Asia and Oceania', share: 0.06 },
  { name: 'South America and Africa', share: 0.04 },
]

/** Round trips between zones in ms: orders of magnitude of what cloud regions show each other. Assumption. */
export const zoneRoundTrips: readonly (readonly number[])[] = [
  [20, 65, 90, 170, 210, 130],
  [65, 20, 145, 120, 160, 180],
  [90, 145, 25, 230, 210, 190],
  [170, 120, 230, 40, 90, 290],
  [210, 160, 210, 90, 60, 310],
  [130, 180, 190, 290, 310, 80],
]
