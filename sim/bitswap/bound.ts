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
