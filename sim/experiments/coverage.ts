import { hashOf } from '../core/draws.ts'
import { commonPrefixLength } from '../../worker/engine/kad/distance.ts'
import { type Key, keyOf } from '../../worker/engine/peer.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { estimate } from '../core/statistics.ts'
import { newId, Population } from '../world/population.ts'
import { stableWorld } from '../world/settings.ts'
import type { Cell, Experiment } from './experiment.ts'

/** B2: how many peers have a Hydra head among their 19 nearest. */
export const coverage: Experiment = {
  name: 'coverage',
  title: 'share of peers with a Hydra head among their 19 nearest, heads with random and with balanced ids',
  defaults: { seed: 1, seeds: 3, peers: 16_208 },
  reportOptions: { seed: 1, seeds: 10, peers: 16_208 },
  run(options, progress) {
    const shares = HEAD_COUNTS.map((heads) => {
      progress(`${heads} heads`)
      const perSeed = Array.from({ length: options.seeds }, (_, index) => {
        const seed = options.seed + index
        return {
          random: covered(seed, options.peers, heads, randomHeads),
          balanced: covered(seed, options.peers, heads, balancedHeads),
        }
      })
      const over = (value: (one: (typeof perSeed)[number]) => number) => estimate(perSeed.map((one) => 100 * value(one)))
      return { heads, random: over((one) => one.random), balanced: over((one) => one.balanced) }
    })
    const reported = (heads: number) => (heads === REPORTED_HEADS ? '96.6' : '–')
    return {
      experiment: 'coverage',
      settings: { ...options, neighbours: NEIGHBOURS },
      notes: [
        'The trie of all peers, heads included; for each peer that is no head and each that is, whether one of its 19 nearest is a head.',
        '*balanced*: of two random ids the one is kept whose place in the trie of heads is shallower. The report (seed 001) counted 2,015 heads in 16,208 peers.',
      ],
      tables: [
        {
          title: 'Coverage in %',
          columns: ['heads', 'random ids', 'balanced ids', 'report'],
          rows: shares.map(({ heads, random, balanced }): Cell[] => [heads, random, balanced, reported(heads)]),
        },
      ],
      plots: [
        {
          name: 'share',
          title: 'Peers with a head among their 19 nearest',
          x: { label: 'heads' },
          y: { label: '%' },
          series: (['random', 'balanced'] as const).map((kind) => ({
            label: `${kind} ids`,
            points: shares.map((share) => ({ x: share.heads, y: share[kind].mean, half: share[kind].half })),
          })),
        },
      ],
    }
  },
}

const REPORTED_HEADS = 2_015
const HEAD_COUNTS = [250, 500, 1_000, 1_500, REPORTED_HEADS, 3_000]
const NEIGHBOURS = 19
const HEADS = 0x68656164

function covered(seed: number, peers: number, count: number, headsOf: (rng: Rng, count: number) => Uint8Array[]): number {
  const heads = headsOf(new Rng(hashOf(seed, HEADS)), count)
  const population = new Population({ ...stableWorld, seed, peers }, heads)
  let coveredPeers = 0
  for (let server = 0; server < peers; server++) {
    const nearest = population.nearest(population.keyOf(server), NEIGHBOURS + 1)
    if (nearest.some((other) => other !== server && population.isHead(other))) coveredPeers++
  }
  return coveredPeers / peers
}

export function randomHeads(rng: Rng, count: number): Uint8Array[] {
  return Array.from({ length: count }, () => newId(rng))
}

export function balancedHeads(rng: Rng, count: number): Uint8Array[] {
  const sorted: Key[] = []
  return Array.from({ length: count }, () => {
    const candidates = [newId(rng), newId(rng)].map((id) => ({ id, key: keyOf(id) }))
    const [first, second] = candidates.map(({ key }) => depthIn(sorted, key)) as [number, number]
    const { id, key } = candidates[second < first ? 1 : 0]!
    sorted.splice(positionIn(sorted, key), 0, key)
    return id
  })
}

/** How deep the leaf of `key` would lie in the trie of `sorted`: one bit below what it shares with a neighbour. */
function depthIn(sorted: readonly Key[], key: Key): number {
  const position = positionIn(sorted, key)
  const neighbours = [sorted[position - 1], sorted[position]].filter((other) => other !== undefined)
  return Math.max(0, ...neighbours.map((other) => commonPrefixLength(key, other) + 1))
}

function positionIn(sorted: readonly Key[], key: Key): number {
  let [from, to] = [0, sorted.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (isLess(sorted[middle]!, key)) from = middle + 1
    else to = middle
  }
  return from
}

function isLess(a: Key, b: Key): boolean {
  for (let word = 0; word < a.length; word++) if (a[word] !== b[word]) return a[word]! < b[word]!
  return false
}
