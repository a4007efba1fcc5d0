import { TopK } from '../../worker/engine/kad/top-k.ts'
import { comparePeersTo } from '../../worker/engine/kad/distance.ts'
import { keyFromDigest, type Peer, type PeerIdBytes } from '../../worker/engine/peer.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { estimate } from '../core/statistics.ts'
import type { Cell, Experiment } from './experiment.ts'

/** E1–E3: the k nearest of n candidates, by the engine's bounded heap and by sorting all. */
export const lookupCost: Experiment = {
  name: 'lookup-cost',
  title: 'comparisons and memory for the 20 nearest of 1k, 10k and 100k candidates: bounded heap against full sort',
  defaults: { seed: 1, seeds: 3, peers: 100_000 },
  reportOptions: { seed: 1, seeds: 10, peers: 100_000 },
  run(options, progress) {
    const sizes = [1_000, 10_000, 100_000].filter((size) => size <= options.peers)
    const counts = sizes.map((size) => {
      progress(`${size} candidates`)
      return { size, perSeed: Array.from({ length: options.seeds }, (_, index) => count(size, options.seed + index)) }
    })
    const rows = counts.map(({ size, perSeed }): Cell[] => {
      const heap = estimate(perSeed.map((one) => one.heap))
      const sort = estimate(perSeed.map((one) => one.sort))
      return [
        size,
        heap,
        sort,
        sort.mean / heap.mean,
        estimate(perSeed.map((one) => one.rounds)),
        Math.max(...perSeed.map((one) => one.kept)),
        size,
        perSeed.every((one) => one.isSame) ? 'yes' : 'NO',
      ]
    })
    const points = (value: (one: Count) => number) => {
      return counts.map(({ size, perSeed }) => {
        const { mean: y, half } = estimate(perSeed.map(value))
        return { x: size, y, half }
      })
    }
    return {
      experiment: 'lookup-cost',
      settings: { ...options, k: K, perAnswer: ANSWER },
      notes: [
        'Comparisons of two distances, counted in the comparator. *heap*: `TopK` of the engine, offered every candidate once. *sort*: one sort of all.',
        `*sort each round*: what the issue in seed 004 describes: after each round the k nearest so far and ${ANSWER} new ones are sorted, then cut to k.`,
        '*kept*: candidates in memory for the selection. *same*: both name the same peers in the same order.',
      ],
      tables: [
        {
          title: 'The 20 nearest of n',
          columns: ['n', 'heap', 'sort', 'sort ÷ heap', 'sort each round', 'heap kept', 'sort kept', 'same'],
          rows,
        },
      ],
      plots: [
        {
          name: 'comparisons',
          title: 'Comparisons for the 20 nearest of n',
          x: { label: 'candidates', scale: 'log' },
          y: { label: 'comparisons', scale: 'log' },
          series: [
            { label: 'heap', points: points((one) => one.heap) },
            { label: 'sort', points: points((one) => one.sort) },
            { label: 'sort each round', points: points((one) => one.rounds) },
          ],
        },
      ],
    }
  },
}

const K = 20
/** Three answers of 20, as α = 3 brings them (seed 004 is about py-libp2p, whose α is 3). */
const ANSWER = 60

interface Count {
  readonly heap: number
  readonly sort: number
  readonly rounds: number
  readonly kept: number
  readonly isSame: boolean
}

function count(size: number, seed: number): Count {
  const rng = new Rng(seed)
  const target = keyFromDigest(rng.bytes(32))
  const peers = Array.from({ length: size }, (_, index): Peer => {
    return { id: Uint8Array.of(index >> 16, index >> 8, index) as unknown as PeerIdBytes, key: keyFromDigest(rng.bytes(32)) }
  })
  let comparisons = 0
  const compare = (a: Peer, b: Peer) => {
    comparisons++
    return comparePeersTo(target, a, b)
  }
  const counted = <T>(work: () => T): [T, number] => {
    const before = comparisons
    return [work(), comparisons - before]
  }
  let kept = 0
  const [nearest, heap] = counted(() => {
    const selection = new TopK<Peer>(K, compare)
    for (const peer of peers) {
      selection.offer(peer)
      kept = Math.max(kept, selection.size)
    }
    return selection.sorted()
  })
  const [sorted, sort] = counted(() => peers.toSorted(compare).slice(0, K))
  const [, rounds] = counted(() => sortEachRound(peers, compare))
  return { heap, sort, rounds, kept, isSame: nearest.every((peer, index) => peer === sorted[index]) }
}

/** `all_candidates = closest_peers + new_peers`, sorted, cut at k. */
function sortEachRound(peers: readonly Peer[], compare: (a: Peer, b: Peer) => number): void {
  let closest: Peer[] = []
  for (let from = 0; from < peers.length; from += ANSWER) {
    closest = [...closest, ...peers.slice(from, from + ANSWER)].sort(compare).slice(0, K)
  }
}
