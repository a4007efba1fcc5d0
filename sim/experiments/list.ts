import { bitswap } from './bitswap.ts'
import { bitswapScaling } from './bitswap-scaling.ts'
import { bitswapThirdHour } from './bitswap-third-hour.ts'
import { calibration } from './calibration.ts'
import { coverage } from './coverage.ts'
import { crowd } from './crowd.ts'
import { determinism } from './determinism.ts'
import type { Experiment } from './experiment.ts'
import { faults } from './faults.ts'
import { hydra } from './hydra.ts'
import { hydraRoles } from './hydra-roles.ts'
import { liveness } from './liveness.ts'
import { lookup } from './lookup.ts'
import { lookupCost } from './lookup-cost.ts'
import { order } from './order.ts'
import { overload } from './overload.ts'
import { peerFilter } from './peer-filter.ts'
import { privateNetwork } from './private-network.ts'
import { resilience } from './resilience.ts'
import { scaling } from './scaling.ts'
import { searchDelay } from './search-delay.ts'
import { soak } from './soak.ts'
import { sweep } from './sweep.ts'
import { sweep96h } from './sweep-96h.ts'
import { sweepOracle } from './sweep-oracle.ts'
import { wantInspection } from './want-inspection.ts'
import { workload } from './workload.ts'

/** In the order in which a report runs them. */
export const experiments: readonly Experiment[] = [
  calibration,
  workload,
  lookup,
  lookupCost,
  scaling,
  determinism,
  order,
  overload,
  faults,
  resilience,
  soak,
  crowd,
  privateNetwork,
  coverage,
  hydra,
  hydraRoles,
  peerFilter,
  liveness,
  bitswap,
  bitswapThirdHour,
  searchDelay,
  wantInspection,
  bitswapScaling,
  sweep,
  sweep96h,
  sweepOracle,
]
