import type { Rng } from '../../worker/engine/rng.ts'

/**
 * What is requested, who has it and how long that takes, after Michel, "Bitswap discovery effectiveness" (2022): outcome
 * classes, skew of providers, latencies. All of it is drawn before anybody asks, so that every arm meets the same requests.
 */
export interface Traffic {
  readonly name: string
  /** From one request to the next. */
  readonly everyMs: number
  /** Shares of requests; the rest is held by connected peers. */
  readonly noProvider: number
  readonly fetchFailed: number
  /** Held only by peers that are not connected, and found by the DHT. */
  readonly onlyByDht: number
  /** Share of what connected peers hold that the DHT knows too. */
  readonly published: number
  /** Share of requests for content of a class that a few peers of its own hold (the NFTs of the report). */
  readonly inContext: number
  /** Share of requests for what a connected peer was heard to want in the ten minutes before. */
  readonly remembered: number
}

export const sniffed: Traffic = {
  name: 'sniffed',
  // 71,769 in 50 hours.
  everyMs: 2_500,
  noProvider: 20_779 / 71_769,
  fetchFailed: 97 / 71_769,
  onlyByDht: 831 / 71_769,
  published: 0.7,
  inContext: 0,
  // Both lists were asked for days or months after somebody had wanted what is on them.
  remembered: 0,
}

export const gateways: Traffic = {
  name: 'gateway list',
  // 32,404 in an hour and 45 minutes.
  everyMs: 194.5,
  noProvider: 1_134 / 32_404,
  fetchFailed: 280 / 32_404,
  onlyByDht: 54 / 32_404,
  published: 0.7,
  inContext: 0,
  remembered: 0,
}

export interface Request {
  readonly cid: Uint8Array
  readonly kind: 'held' | 'only-by-dht' | 'no-provider' | 'fetch-failed'
  /** Ranks of the peers that hold it, and the round trip each needs for this block. */
  readonly holders: ReadonlyMap<number, number>
  readonly isPublished: boolean
  /** Of the DHT search until it names a provider, and of the dial. */
  readonly walkMs: number
  readonly dialMs: number
  readonly isInContext: boolean
  /** A peer that was heard to want it, so long before; what can be had at all it has got, and mostly kept. */
  readonly wanter: { readonly rank: number; readonly agoMs: number } | undefined
}

/** Shares of blocks served by the first N of 723 providers (report, table of the top N). */
export const skew: readonly (readonly [number, number])[] = [
  [1, 10.61],
  [3, 25.65],
  [5, 37.93],
  [10, 58.12],
  [20, 75.41],
  [50, 84.39],
  [361, 98.49],
  [723, 100],
]

/** Share of successful requests that took less than so many milliseconds (report, first list of CIDs). */
export const latencies: readonly (readonly [number, number])[] = [
  [30, 0],
  [100, 0.3894],
  [150, 0.6188],
  [200, 0.7598],
  [500, 0.8869],
  [1_000, 0.952],
  [5_000, 0.9854],
  [15_000, 1],
]

/** HAVEs a request by flooding got: so many of the connected peers hold a block that any of them holds. */
const holdersMean = 3.95

export function drawRequest(traffic: Traffic, rng: Rng, peers: number): Request {
  const draw = rng.unit()
  const { noProvider, fetchFailed, onlyByDht } = traffic
  const kind =
    draw < noProvider
      ? 'no-provider'
      : draw < noProvider + fetchFailed
        ? 'fetch-failed'
        : draw < noProvider + fetchFailed + onlyByDht
          ? 'only-by-dht'
          : 'held'
  const isInContext = rng.unit() < traffic.inContext
  const tripMs = drawLatency(rng) / 2
  const holders = new Map<number, number>()
  const count = kind === 'held' ? drawCount(rng) : 0
  for (let tries = 0; holders.size < count && tries < 100; tries++) {
    const rank = isInContext ? peers - 1 - rng.below(12) : drawRank(rng, peers)
    // The first is the quickest, and serves a flood: so the shares of the report come out.
    if (!holders.has(rank)) holders.set(rank, holders.size === 0 ? tripMs : tripMs * (1 - Math.log(1 - rng.unit())))
  }
  const wanter = drawWanter(traffic, rng, peers)
  const isKept = rng.unit() < Math.exp(-(wanter?.agoMs ?? 0) / keptMs)
  const wanterTripMs = tripMs * (1 - Math.log(1 - rng.unit()))
  if (wanter !== undefined && kind === 'held' && isKept && !holders.has(wanter.rank)) holders.set(wanter.rank, wanterTripMs)
  return {
    wanter,
    cid: new Uint8Array([0x01, 0x55, 0x12, 0x20, ...rng.bytes(32)]),
    kind,
    holders,
    isPublished: kind === 'only-by-dht' || kind === 'fetch-failed' || (kind === 'held' && rng.unit() < traffic.published),
    walkMs: lognormal(rng, 430, 0.85),
    dialMs: lognormal(rng, 410, 0.75),
    isInContext,
  }
}

/** How long a peer keeps what it has fetched, on average. */
export const keptMs = 6 * 3_600_000
export const rememberedMs = 600_000

function drawWanter(traffic: Traffic, rng: Rng, peers: number): Request['wanter'] {
  const [isHeard, rank, agoMs] = [rng.unit() < traffic.remembered, rng.below(peers), rememberedMs * rng.unit()]
  return isHeard ? { rank, agoMs } : undefined
}

/** Inverse of the table, log-linear between its points. */
function drawLatency(rng: Rng): number {
  const share = rng.unit()
  const above = latencies.findIndex(([, until]) => share <= until)
  const [ms0, share0] = latencies[above - 1] ?? latencies[0]!
  const [ms1, share1] = latencies[above]!
  if (share1 === share0) return ms1
  return ms0 * (ms1 / ms0) ** ((share - share0) / (share1 - share0))
}

/** At least one; geometric with the mean that was measured. */
function drawCount(rng: Rng): number {
  return 1 + Math.floor(Math.log(1 - rng.unit()) / Math.log(1 - 1 / holdersMean))
}

let cumulative: Float64Array | undefined

/** Share of blocks that each provider serves, the greatest first, summed up. */
export function cumulativeShares(): Float64Array {
  return (cumulative ??= cumulativeWeights())
}

function drawRank(rng: Rng, peers: number): number {
  const cumulative = cumulativeShares()
  const draw = rng.unit() * cumulative.at(-1)!
  let low = 0
  let high = cumulative.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (cumulative[middle]! <= draw) low = middle + 1
    else high = middle
  }
  return Math.min(low, peers - 1)
}

function cumulativeWeights(): Float64Array {
  const sums = new Float64Array(723)
  let sum = 0
  let [rank, share] = [0, 0]
  for (const [until, total] of skew) {
    const each = (total - share) / (until - rank)
    for (; rank < until; rank++) sums[rank] = sum += each
    share = total
  }
  return sums
}

export function lognormal(rng: Rng, median: number, sigma: number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - rng.unit())) * Math.cos(2 * Math.PI * rng.unit())
  return median * Math.exp(sigma * normal)
}
