import { Rng } from '../../worker/engine/rng.ts'
import { percentile } from '../core/statistics.ts'
import { cumulativeShares, type Request } from './traffic.ts'

/**
 * What a request costs somebody who knows how likely each peer has a block, which nobody does: the requests themselves are
 * asked for by the true shares, without an engine. What an engine must learn on top of that is the rest of its cost.
 */
export interface Bound {
  /** Of all requests that somebody could serve. */
  readonly found: number
  readonly messages: number
  readonly p50Ms: number
  readonly p90Ms: number
  /** Peers that are asked at most. */
  readonly peers: number
}

/**
 * One peer after the other, each for the block and for a DONT_HAVE that costs nothing: however long each takes, nobody is
 * asked in vain but those before. The least that is possible, in any time. No further than for this share of requests.
 */
export function oneByOne(requests: readonly Request[], share: number): Bound {
  const ranks = requests.map(({ holders }) => Math.min(...holders.keys())).sort((a, b) => a - b)
  const until = ranks[Math.ceil(share * ranks.length) - 1]!
  const found = ranks.filter((rank) => rank <= until)
  const messages = found.reduce((sum, rank) => sum + 2 * rank + 2, 0) / found.length
  return { found: found.length / ranks.length, messages, p50Ms: Number.NaN, p90Ms: Number.NaN, peers: until + 1 }
}

/**
 * At the best times to ask each, within the time that the study gave a request: who knows all chances and when answers come, asks in
 * order of the chances, and need not decide anything by what it hears, since it hears nothing before the first HAVE. The times
 * are searched for by trial on the very requests that they are judged by, which flatters them.
 */
export function atBestTimes(requests: readonly Request[], share: number, trials = 6_000): Bound {
  const rng = new Rng(1)
  const costOf = (gaps: readonly number[]) => {
    const bound = askAtTimes(requests, timesOf(gaps))
    return bound.messages + missedCost * Math.max(0, share - bound.found)
  }
  let best = knots
    .slice(1)
    .map((until, index) => limitMs * (Math.log((until + 1) / (knots[index]! + 1)) / Math.log(knots.at(-1)! + 1)))
  let least = costOf(best)
  for (let trial = 0; trial < trials; trial++) {
    const tried = changed(best, rng)
    const cost = costOf(tried)
    if (cost <= least) [best, least] = [tried, cost]
  }
  return askAtTimes(requests, timesOf(best))
}

/** Ranks between which the times of asking are even. */
const knots = [0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 30, 40, 50, 70, 100, 140, 200, 280, 361, 450, 550, 650, 723]
const limitMs = 15_000
/** More than any that is found costs. */
const missedCost = 4_000

function changed(gaps: readonly number[], rng: Rng): number[] {
  const factor = (strength: number) => Math.exp(strength * (rng.unit() - 0.5))
  if (rng.unit() < 0.2) {
    const all = factor(0.3)
    return gaps.map((gap) => gap * all)
  }
  const [one, other] = [rng.below(gaps.length), rng.below(gaps.length)]
  return gaps.map((gap, index) => (index === one ? (gap + 1) * factor(2) : index === other ? (gap + 1) * factor(1) : gap))
}

/** By rank. */
function timesOf(gaps: readonly number[]): Float64Array {
  const times = new Float64Array(knots.at(-1)!).fill(Infinity)
  let now = 0
  for (const [index, gap] of gaps.entries()) {
    const [from, until] = [knots[index]!, knots[index + 1]!]
    for (let rank = from; rank < until && now <= limitMs; rank++, now += gap / (until - from)) times[rank] = now
  }
  return times
}

/** A want-have to each in time, a want-block to the first that says HAVE, a CANCEL to all that were asked but that one. */
function askAtTimes(requests: readonly Request[], askedAt: Float64Array): Bound {
  const times: number[] = []
  let messages = 0
  for (const { holders } of requests) {
    let first = { at: Infinity, tripMs: 0 }
    for (const [rank, tripMs] of holders) {
      const at = (askedAt[rank] ?? Infinity) + tripMs
      if (at < first.at) first = { at, tripMs }
    }
    const ms = first.at + first.tripMs
    if (ms > limitMs) continue
    times.push(ms)
    const said = [...holders].filter(([rank, tripMs]) => askedAt[rank]! < first.at && askedAt[rank]! + tripMs <= ms).length
    messages += 2 * askedBefore(askedAt, first.at) + 1 + said
  }
  return {
    found: times.length / requests.length,
    messages: messages / times.length,
    p50Ms: percentile(times, 0.5),
    p90Ms: percentile(times, 0.9),
    peers: askedBefore(askedAt, Infinity),
  }
}

function askedBefore(askedAt: Float64Array, ms: number): number {
  let [low, high] = [0, askedAt.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (askedAt[middle]! < ms) low = middle + 1
    else high = middle
  }
  return low
}

/** By the rule of our planner, with the true shares and the true times of answers. */
export function inSteps(requests: readonly Request[], share: number, peersPerSecond: number): Bound {
  const firstMs = requests.flatMap(({ holders }) => (holders.size === 0 ? [] : [Math.min(...holders.values())]))
  const stepMs = 1.25 * percentile(firstMs, 0.75)
  const { peers } = oneByOne(requests, share)
  const steps = stepsOf(peers, (peersPerSecond * stepMs) / 1_000)
  const all = requests.flatMap(({ holders }) => askInSteps(holders, steps, stepMs) ?? [])
  const times = all.map(({ ms }) => ms)
  return {
    found: all.length / requests.length,
    messages: all.reduce((sum, one) => sum + one.messages, 0) / all.length,
    p50Ms: percentile(times, 0.5),
    p90Ms: percentile(times, 0.9),
    peers,
  }
}

function stepsOf(peers: number, worth: number): number[] {
  const sums = cumulativeShares()
  const all = sums[peers - 1]!
  const steps: number[] = []
  for (let from = 0; from < peers; from += steps.at(-1)!) {
    const before = from === 0 ? 0 : sums[from - 1]!
    let size = 1
    while (from + size < peers && (size + 1) * (sums[from + size]! - before) <= worth * (all - sums[from + size]!)) size++
    steps.push(size)
  }
  return steps
}

/** A want-have to each, a want-block to the first that says HAVE, a CANCEL to all that were asked but that one. */
function askInSteps(
  holders: ReadonlyMap<number, number>,
  steps: readonly number[],
  stepMs: number,
): { messages: number; ms: number } | undefined {
  let asked = 0
  let now = 0
  let first = { at: Infinity, tripMs: 0 }
  const says: number[] = []
  for (const size of steps) {
    if (now >= first.at) break
    for (const [rank, tripMs] of holders) {
      if (rank < asked || rank >= asked + size) continue
      says.push(now + tripMs)
      if (now + tripMs < first.at) first = { at: now + tripMs, tripMs }
    }
    asked += size
    now += stepMs
  }
  const ms = first.at + first.tripMs
  if (ms > 15_000) return undefined
  return { messages: 2 * asked + 1 + says.filter((at) => at <= ms).length, ms }
}
