import { type Fill, limits } from '../../worker/engine/limits.ts'
import { type Bounds, brokenBounds, mostOf, type SoakOutcome } from './soak-run.ts'
import { PrivateRun } from './private-run.ts'

/** What a network of browsers holds for each other when there is always something new. */
export function soakServers(
  init: { seed: number; peers: number; hours: number },
  bounds: Bounds = limits,
): Pick<SoakOutcome, 'violations' | 'most'> & { readonly quarters: readonly { readonly most: Fill }[] } {
  const run = new PrivateRun(init.seed, init.peers)
  const violations = new Set<string>()
  const quarters: { most: Fill }[] = []
  for (let quarter = 1; quarter <= 4; quarter++) {
    let most: Fill = {}
    const hours = Math.floor((init.hours * quarter) / 4) - Math.floor((init.hours * (quarter - 1)) / 4)
    for (let hour = 0; hour < hours; hour++) {
      most = mostOf(most, busyHour(run))
      for (const violation of brokenBounds(most, bounds)) violations.add(violation)
    }
    quarters.push({ most })
  }
  return { violations: [...violations], most: quarters.map((quarter) => quarter.most).reduce(mostOf), quarters }
}

/** The most that any of them held at the end of a step. */
function busyHour(run: PrivateRun): Fill {
  const endsAt = run.network.now + HOUR_MS
  let most: Fill = {}
  const contents = run.keys(CONTENTS_AN_HOUR)
  const values = run.keys(VALUES_AN_HOUR)
  const steps = [
    () => run.provide(contents),
    () => run.findProviders(contents),
    () => run.put(values, 1),
    () => run.get(values),
    () => run.pass(Math.max(0, endsAt - run.network.now)),
  ]
  for (const step of steps) {
    step()
    for (const client of run.online) most = mostOf(most, client.engine.fill())
  }
  return most
}

const HOUR_MS = 3_600_000
const CONTENTS_AN_HOUR = 10
const VALUES_AN_HOUR = 5
