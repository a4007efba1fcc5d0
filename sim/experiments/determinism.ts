import { smallWorld } from '../small-world.ts'
import type { Cell, Experiment } from './experiment.ts'

/** A1: the same seed gives the same trace, to the bit. */
export const determinism: Experiment = {
  name: 'determinism',
  title: 'the same seed twice gives the same trace, other seeds give others',
  defaults: { seed: 1, seeds: 5, peers: 300 },
  reportOptions: { seed: 1, seeds: 20, peers: 300 },
  run(options, progress) {
    const seeds = Array.from({ length: options.seeds }, (_, index) => options.seed + index)
    const runs = seeds.map((seed) => {
      progress(`seed ${seed}`)
      return { seed, first: smallWorld(seed, options.peers), second: smallWorld(seed, options.peers) }
    })
    const digests = new Set(runs.map(({ first }) => first.digest))
    const rows = runs.map(({ seed, first, second }): Cell[] => {
      return [String(seed), first.digest, second.digest, first.digest === second.digest ? 'yes' : 'NO', first.words, first.events]
    })
    return {
      experiment: 'determinism',
      settings: { ...options },
      notes: [
        'Several whole engines in a small Amino with churn and random faults; every event into and every effect out of an engine goes into the trace with its time.',
        `${digests.size} different traces for ${runs.length} seeds.`,
      ],
      tables: [{ title: 'Traces', columns: ['seed', 'trace', 'again', 'same', 'words', 'events'], rows }],
      plots: [],
    }
  },
}
