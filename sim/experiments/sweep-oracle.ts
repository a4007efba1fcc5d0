import type { Experiment } from './experiment.ts'
import { drawCase, judge, type OracleVerdict } from './oracle-case.ts'

/** Every key that is reported as certain is with its true nearest servers, whatever the servers do (spec P7). */
export const sweepOracle: Experiment = {
  name: 'sweep-oracle',
  title:
    'drawn networks, each swept once: a key that is reported as certain is with its true nearest servers, and with nobody else',
  defaults: { seed: 1, seeds: 1_000, peers: 120 },
  reportOptions: { seed: 2_000_001, seeds: 50_000, peers: 120 },
  run(options, progress) {
    const tallies = new Map<string, Tally>()
    const broken: OracleVerdict[] = []
    for (let index = 0; index < options.seeds; index++) {
      if (index % progressEvery === 0) progress(`${index} cases, ${broken.length} broken`)
      const verdict = judge(drawCase(options.seed + index, options.peers))
      for (const name of [`trouble: ${verdict.trouble}`, `servers: ${verdict.topology}`, `k = ${verdict.k}`, 'all']) {
        tallies.set(name, added(tallies.get(name) ?? none, verdict))
      }
      if (verdict.broken.length > 0) broken.push(verdict)
    }
    const rows = [...tallies.keys()].sort().map((name) => rowOf(name, tallies.get(name)!))
    return {
      experiment: 'sweep-oracle',
      settings: { ...options, k: '1, 2, 3, 5, 8, 20' },
      notes,
      tables: [
        {
          title: 'Cases',
          columns: ['', 'cases', 'broken', 'keys', 'certain %', 'of the others, one that could be nearer %'],
          rows,
        },
        {
          title: 'Broken cases, the first of them',
          columns: ['seed', 'trouble', 'servers', 'k', 'what'],
          rows: broken
            .slice(0, shownMax)
            .map(({ seed, trouble, topology, k, broken: what }) => [String(seed), trouble, topology, k, what.join('; ')]),
        },
      ],
      plots: [],
    }
  },
}

const progressEvery = 5_000
const shownMax = 20

const notes = [
  'Each case is a network of its own, drawn from its seed alone: how its servers lie in the keyspace (`servers`), how many there are (one to `peers`), k, the keys, and what is wrong with the servers (`trouble`). A routing table holds of each bucket all servers, or k of them; in `all` everything goes wrong at once, and lookups come back empty.',
  '*certain*: keys of regions that report no key as uncertain. Of these, every one of the k nearest servers that can be dialed and answers has the record, as a sort of all servers has it, but for as many as the region reports as failed; and nobody else has it. A case that shows otherwise is *broken*; so is one in which nothing is wrong with anybody and a key is uncertain, or failed.',
  'A key that is not certain goes to the nearest servers that are known. *One that could be nearer*: asked for that very key, all servers that answer would have named one of the k nearest that it did not go to. The sweep asks three and goes on.',
  'A broken case again: `npm run sim -- sweep-oracle --seeds 1 --seed` and its seed.',
]

interface Tally {
  readonly cases: number
  readonly broken: number
  readonly certain: number
  readonly uncertain: number
  readonly learnable: number
}

const none: Tally = { cases: 0, broken: 0, certain: 0, uncertain: 0, learnable: 0 }

function added(tally: Tally, { broken, certain, uncertain, learnable }: OracleVerdict): Tally {
  return {
    cases: tally.cases + 1,
    broken: tally.broken + (broken.length > 0 ? 1 : 0),
    certain: tally.certain + certain,
    uncertain: tally.uncertain + uncertain,
    learnable: tally.learnable + learnable,
  }
}

function rowOf(name: string, { cases, broken, certain, uncertain, learnable }: Tally): (string | number)[] {
  const keys = certain + uncertain
  return [name, cases, broken, keys, (100 * certain) / keys, (100 * learnable) / uncertain]
}
