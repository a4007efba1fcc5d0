import { isMainThread } from 'node:worker_threads'
import { takeOrder } from '../../sim/cli/side-by-side.ts'
import { inParts } from '../../sim/experiments/experiment.ts'

/** Experiments whose parts say their name, and their threads. */

const base = { title: '', defaults: { seed: 1, seeds: 1, peers: 30 }, reportOptions: { seed: 1, seeds: 1, peers: 30 } }
const of = (name: string, parts: readonly string[], run: (part: string, seed: number) => string) => ({
  ...base,
  name,
  ...inParts<string>({
    names: () => parts,
    run: (part, { seed }) => run(part, seed),
    result: (options, done) => ({ experiment: name, settings: { ...options }, notes: [...done.values()], tables: [], plots: [] }),
  }),
})

export const speaking = of('speaking', ['one', 'two', 'three', 'four', 'five'], (part, seed) => `${part} of ${seed}`)

/** One fails, the others would never end. */
export const failing = of('failing', ['bad', 'endless', 'endless too'], (part) => {
  if (part === 'bad') throw new Error('this part is bad')
  for (;;);
})

if (!isMainThread) takeOrder([speaking, failing])
