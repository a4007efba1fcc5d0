import { Trace } from '../core/trace.ts'
import type { Experiment } from './experiment.ts'
import { type FaultOutcome, faultWorld } from './fault-world.ts'

/** A2: what happens in the same moment may come in any order. */
export const order: Experiment = {
  name: 'order',
  title: 'the fault worlds again, with events of the same moment in an order of chance: nothing breaks',
  defaults: { seed: 1, seeds: 30, peers: 300 },
  reportOptions: { seed: 1, seeds: 1_000, peers: 300 },
  run(options, progress) {
    const outcomes: FaultOutcome[] = []
    for (let index = 0; index < options.seeds; index++) {
      const seed = options.seed + index
      const outcome = faultWorld(seed, { shuffle: { seed, gridMs: GRID_MS } })
      for (const violation of outcome.violations) progress(`seed ${seed}: ${violation}`)
      outcomes.push(outcome)
    }
    const broken = outcomes.filter(({ violations }) => violations.length > 0)
    const compared = Math.min(options.seeds, COMPARED)
    const sum = (value: (outcome: FaultOutcome) => number) => outcomes.reduce((total, outcome) => total + value(outcome), 0)
    return {
      experiment: 'order',
      settings: { seed: options.seed, seeds: options.seeds, gridMs: GRID_MS },
      notes: [
        `The worlds of \`faults\`, with every time rounded up to ${GRID_MS} ms, so that much happens in the same moment, and the order within a moment drawn from the seed. The same is asked of them: no invariant broken, no bound exceeded, every query ends once.`,
        `Worlds in which something did not hold: ${broken.length}${broken.length === 0 ? '' : ` (seeds ${broken.map(({ seed }) => seed).join(', ')})`}.`,
        `*another order, another trace*: of the first ${compared} worlds, those whose trace is another one with another order of the same moments, which shows that the order is changed, and the same one again with the same order.`,
      ],
      tables: [
        {
          title: 'Worlds in which the order was drawn',
          columns: ['what', 'number'],
          rows: [
            ['worlds', outcomes.length],
            ['broken', broken.length],
            ['queries', sum(({ queries }) => queries)],
            ['events', sum(({ events }) => events)],
            ['events in the same moment as the one before', sum(({ coincidences }) => coincidences)],
            ['another order, another trace', `${differing(options.seed, compared)} of ${compared}`],
            ['the same order, the same trace', `${compared - differing(options.seed, compared, 0)} of ${compared}`],
          ],
        },
      ],
      plots: [],
    }
  },
}

const GRID_MS = 32
const COMPARED = 20

/** In how many worlds the trace is another when the order is drawn from another seed. */
function differing(seed: number, worlds: number, otherBy = 1): number {
  let count = 0
  for (let world = seed; world < seed + worlds; world++) {
    const digest = (shuffleSeed: number) => {
      return faultWorld(world, { shuffle: { seed: shuffleSeed, gridMs: GRID_MS }, trace: new Trace() }).digest
    }
    if (digest(world) !== digest(world + otherBy)) count++
  }
  return count
}
