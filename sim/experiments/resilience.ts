import { limits } from '../../worker/engine/limits.ts'
import { keyOf } from '../../worker/engine/peer.ts'
import { retryDelayMs, type TransientFailure } from '../../worker/engine/resilience/retry-delay.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { DialWitness } from '../clients/dial-witness.ts'
import { EngineClient, storedTable } from '../clients/engine-client.ts'
import { percentile } from '../core/statistics.ts'
import { Faults, noFaults } from '../world/faults.ts'
import { Network } from '../world/network.ts'
import { stableWorld } from '../world/settings.ts'
import { World } from '../world/world.ts'
import type { Cell, Experiment } from './experiment.ts'

/** E6–E8: delays by class of error, backoff, and the circuit breaker, counted from outside of the engine. */
export const resilience: Experiment = {
  name: 'resilience',
  title: 'delays by class of error, backoff by failures in a row, and no dial while a breaker is open',
  defaults: { seed: 1, seeds: 1, peers: 500 },
  reportOptions: { seed: 1, seeds: 5, peers: 1_000 },
  run(options, progress) {
    const witnesses = Array.from({ length: options.seeds }, (_, index) => {
      progress(`seed ${options.seed + index}`)
      return watch(options.seed + index, options.peers)
    })
    const sum = (value: (witness: DialWitness) => number) => witnesses.reduce((total, witness) => total + value(witness), 0)
    const depth = Math.max(...witnesses.map(({ gapsMs }) => gapsMs.length))
    return {
      experiment: 'resilience',
      settings: { ...options, hours: HOURS, queryEveryMs: QUERY_EVERY_MS, world: WORLD, faults: FAULTS },
      notes: [
        `One engine in a world with ${100 * WORLD.dead} % of the servers offline for good, all of whom refuse at once, so that the moment of each failure is known; a query every ${QUERY_EVERY_MS / 1_000} s for ${HOURS} h, every fourth with all connections broken in the middle of it; ${100 * FAULTS.reset} % of the requests end with a reset.`,
        'Counted by a witness outside of the engine that works the rule out by itself; a dial that the engine gave up is held against nobody. That the witness finds a breach is shown in `test/sim/resilience.test.ts`.',
        '*seen*: from the failure until the same peer is asked, or dialed, again; within 150 ms, later it is another query. Congestion (the queue of dials is full) is decided inside of the engine and cannot be seen: only its rule stands here, its test is `test/engine/resilience`.',
      ],
      tables: [
        {
          title: 'Delays by class of error (E6)',
          columns: ['class', 'rule, ms', 'seen', 'least ms', 'p50 ms'],
          rows: delayRows(witnesses),
        },
        {
          title: 'Backoff by failures in a row (E7)',
          columns: ['failures in a row', 'rule: not before, s', 'dials seen after it', 'earliest, s', 'p50, s'],
          rows: Array.from({ length: depth }, (_, index) => gapRow(witnesses, index)),
        },
        {
          title: 'Circuit breaker (E8)',
          columns: ['what', 'number'],
          rows: [
            ['dials', sum(({ dials }) => dials)],
            ['dials while a breaker was open', sum(({ dialsWhileOpen }) => dialsWhileOpen)],
            ['half-open probes: first dial after a failure', sum(({ probes }) => probes)],
            ['second dials beside a dial of the same peer', sum(({ secondDials }) => secondDials)],
          ],
        },
      ],
      plots: [],
    }
  },
}

const HOURS = 2
const QUERY_EVERY_MS = 10_000
const WORLD = { ...stableWorld, dead: 0.4, refusing: 1 }
const FAULTS = { ...noFaults, reset: 0.05 }

function watch(seed: number, peers: number): DialWitness {
  const world = new World({ ...WORLD, seed, peers })
  const untilMs = HOURS * 3_600_000
  const network = new Network({ world, faults: new Faults(FAULTS, seed, untilMs) })
  const client = new EngineClient({ network, number: 1 })
  const witness = new DialWitness({ firstMs: limits.dialBackoffFirstMs.value, maxMs: limits.dialBackoffMaxMs.value })
  client.witness = witness
  client.start({ tableEntries: storedTable(network, client.id, keyOf(client.id)) })
  const rng = new Rng(seed)
  for (let round = 0; network.now < untilMs; round++) {
    client.query((query) => ({ type: 'closest-peers', query, key: rng.bytes(34) }))
    network.agenda.run(network.now + BREAK_AFTER_MS)
    if (round % 4 === 3) client.disconnectAll()
    network.agenda.run(network.now + QUERY_EVERY_MS - BREAK_AFTER_MS)
  }
  return witness
}

/** A lookup is in the midst of its requests. */
const BREAK_AFTER_MS = 700

function delayRows(witnesses: readonly DialWitness[]): Cell[][] {
  const seen = (reason: 'reset' | 'disconnected') => witnesses.flatMap(({ retriesMs }) => retriesMs[reason])
  const row = (label: string, failure: TransientFailure, gaps: readonly number[]): Cell[] => {
    return [label, ruleOf(failure), gaps.length, gaps.length === 0 ? Number.NaN : Math.min(...gaps), percentile(gaps, 0.5)]
  }
  const backoff = `${limits.dialBackoffFirstMs.value} … ${limits.dialBackoffMaxMs.value}`
  return [
    row('stream reset, connection stands', 'stream', seen('reset')),
    row('connection gone', 'connection', seen('disconnected')),
    row('no place in the queue of dials', 'congestion', []),
    ['dial refused or timed out', `${backoff}, see below`, '', '', ''],
    ['malformed, oversized, unsupported, silent', 'not again in this lookup', '', '', ''],
  ]
}

function ruleOf(failure: TransientFailure): string {
  const delays: number[] = []
  for (let delay = retryDelayMs(failure, 0); delay !== undefined; delay = retryDelayMs(failure, delays.length)) delays.push(delay)
  const different = [...new Set(delays)]
  return `${different.join(', ')}; ${delays.length === 1 ? 'once' : `${delays.length} times`}`
}

function gapRow(witnesses: readonly DialWitness[], index: number): Cell[] {
  const gaps = witnesses.flatMap(({ gapsMs }) => gapsMs[index] ?? []).map((ms) => ms / 1_000)
  const rule = Math.min(limits.dialBackoffFirstMs.value * 2 ** index, limits.dialBackoffMaxMs.value) / 1_000
  return [index + 1, rule, gaps.length, gaps.length === 0 ? Number.NaN : Math.min(...gaps), percentile(gaps, 0.5)]
}
