import { coverage } from './coverage.ts'
import { determinism } from './determinism.ts'
import type { Experiment } from './experiment.ts'
import { faults } from './faults.ts'
import { lookup } from './lookup.ts'
import { lookupCost } from './lookup-cost.ts'
import { overload } from './overload.ts'

/** In the order in which a report runs them. */
export const experiments: readonly Experiment[] = [lookup, lookupCost, determinism, overload, faults, coverage]
