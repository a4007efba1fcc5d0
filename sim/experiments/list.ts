import { determinism } from './determinism.ts'
import type { Experiment } from './experiment.ts'
import { lookup } from './lookup.ts'
import { lookupCost } from './lookup-cost.ts'

/** In the order in which a report runs them. */
export const experiments: readonly Experiment[] = [lookup, lookupCost, determinism]
