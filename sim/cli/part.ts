import { parentPort, workerData } from 'node:worker_threads'
import type { Experiment } from '../experiments/experiment.ts'
import type { PartOrder } from './side-by-side.ts'

/** The thread of one part of an experiment. */

const { list, experiment, part, options } = workerData as PartOrder
const { experiments } = (await import(list)) as { experiments: readonly Experiment[] }
const { parts } = experiments.find(({ name }) => name === experiment)!
parentPort!.postMessage(parts!.run(part, options))
