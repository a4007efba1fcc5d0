import { faultNames } from '../world/faults.ts'
import type { Cell, Experiment } from './experiment.ts'
import { type FaultOutcome, faultWorld } from './fault-world.ts'

/** A2: random worlds with random faults; nothing may break, everything must end. */
export const faults: Experiment = {
  name: 'faults',
  title: 'random worlds with random faults: no invariant broken, no bound exceeded, every query ends',
  defaults: { seed: 1, seeds: 50, peers: 300 },
  reportOptions: { seed: 1, seeds: 1_000, peers: 300 },
  run(options, progress) {
    const outcomes: FaultOutcome[] = []
    for (let index = 0; index < options.seeds; index++) {
      const outcome = faultWorld(options.seed + index)
      for (const violation of outcome.violations) progress(`seed ${outcome.seed}: ${violation}`)
      outcomes.push(outcome)
    }
    const broken = outcomes.filter(({ violations }) => violations.length > 0)
    const rows = faultNames.map((name): Cell[] => {
      const worlds = outcomes.filter((outcome) => outcome.faults[name] > 0)
      return [name, ...counts(worlds)]
    })
    return {
      experiment: 'faults',
      settings: { seed: options.seed, seeds: options.seeds },
      notes: [
        'One minute of faults (safety phase), then a sound network until every query must have ended (liveness phase). Each fault is on in about half of the worlds, with a strength of its own; besides, servers are offline, mute, slow, undialable.',
        `Worlds in which something did not hold: ${broken.length}${broken.length === 0 ? '' : ` (seeds ${broken.map(({ seed }) => seed).join(', ')})`}.`,
        '*failed*: queries that ended with a failure, which in such worlds is an answer like any other.',
        'One seed again: `npm run sim -- faults --seeds 1 --seed N`.',
      ],
      tables: [
        {
          title: 'Worlds by fault',
          columns: ['fault', 'worlds', 'broken', 'queries', 'failed', 'cancelled'],
          rows: [...rows, ['any', ...counts(outcomes)]],
        },
      ],
      plots: [],
    }
  },
}

function counts(worlds: readonly FaultOutcome[]): number[] {
  const sum = (value: (outcome: FaultOutcome) => number) => worlds.reduce((total, outcome) => total + value(outcome), 0)
  return [
    worlds.length,
    worlds.filter(({ violations }) => violations.length > 0).length,
    sum(({ queries }) => queries),
    sum(({ failedQueries }) => failedQueries),
    sum(({ cancelled }) => cancelled),
  ]
}
