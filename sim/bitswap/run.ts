import type { BitswapCounters, DiscoveryOptions } from '../../worker/engine/bitswap/contract.ts'
import { limits } from '../../worker/engine/limits.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { Crowd } from './crowd.ts'
import { flood } from './flood.ts'
import type { Measured } from './measured.ts'
import { drawRequest, type Request, type Traffic } from './traffic.ts'

/** The same requests, by flooding and by our engine. */

export interface Arm {
  readonly label: string
  readonly connections: number
  readonly dht: boolean
  readonly usesContext?: boolean
  readonly discovery: Partial<DiscoveryOptions>
  /** What nobody has is asked for, too. */
  readonly asksInVain?: boolean
  /** The same, and what was not found is checked. */
  readonly checks?: boolean
  /** Another machine after the warm-up, with or without what the first had learned. */
  readonly restart?: 'forgotten' | { readonly keptAgoMs: number }
}

export interface Setting {
  readonly seed: number
  readonly traffic: Traffic
  readonly peers: number
  /** Requests before those that are measured. */
  readonly warmUp: number
  readonly requests: number
}

/** Between the warm-up and what is measured. */
const restMs = 30_000
/** From the beginning of a request until its last CANCEL must have gone: its time, that of a last HAVE, and what a cancel waits. */
const countedMs = 40_000 + limits.cancelWaitMs.value

export interface Outcome {
  /** Of the request, among all that were drawn. */
  readonly index: number
  readonly request: Request
  readonly measured: Measured
}

export function runOurs(setting: Setting, arm: Arm): Outcome[] {
  return runCounted(setting, arm).outcomes
}

/** With the engine's own counters of what was measured. */
export function runCounted(
  { seed, traffic, peers, warmUp, requests }: Setting,
  { restart, ...arm }: Arm,
): { outcomes: Outcome[]; counters: BitswapCounters } {
  const { everyMs } = traffic
  const rng = new Rng(seed)
  const crowd = new Crowd({ seed: seed + 1_000_003, peers, ...arm })
  const outcomes: Outcome[] = []
  const drawn = Array.from({ length: warmUp + requests }, (_, index) => ({ index, request: drawRequest(traffic, rng, peers) }))
  // What nobody has teaches little, and most arms only want to know what the rest costs.
  const asked = drawn.filter(({ request }) => request.kind !== 'no-provider' || arm.asksInVain === true || arm.checks === true)
  for (const { index, request } of asked) {
    const { wanter } = request
    const at = index * everyMs + (index < warmUp ? 0 : restMs)
    if (wanter !== undefined) crowd.agenda.planAt(Math.max(0, at - wanter.agoMs), () => crowd.hear(request, wanter.rank))
  }
  let before: BitswapCounters | undefined
  for (const { index, request } of asked) {
    crowd.agenda.run(index * everyMs + (before === undefined ? 0 : restMs))
    if (index >= warmUp && before === undefined) {
      crowd.agenda.run(index * everyMs + restMs)
      if (restart !== undefined) crowd.restart(restart === 'forgotten' ? undefined : restart.keptAgoMs)
      before = { ...crowd.counters }
    }
    const running = crowd.request(request)
    crowd.agenda.plan(countedMs, () => {
      const measured = crowd.measured(running)
      if (index >= warmUp) outcomes.push({ index, request, measured })
    })
  }
  crowd.agenda.run(crowd.agenda.now + countedMs)
  const counters = { ...crowd.counters }
  for (const name of Object.keys(counters) as (keyof BitswapCounters)[]) counters[name] -= before?.[name] ?? 0
  return { outcomes, counters }
}

export function runFlood({ seed, traffic, peers, warmUp, requests }: Setting, connections: number): Outcome[] {
  const rng = new Rng(seed)
  const own = new Rng(seed + 2_000_003)
  const connected = new Set(own.shuffle(Array.from({ length: peers }, (_, rank) => rank)).slice(0, connections))
  const outcomes: Outcome[] = []
  for (let index = 0; index < warmUp + requests; index++) {
    const request = drawRequest(traffic, rng, peers)
    if (index >= warmUp) outcomes.push({ index, request, measured: flood(request, connected, own) })
  }
  return outcomes
}
