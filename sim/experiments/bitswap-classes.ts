import type { BitswapCounters } from '../../worker/engine/bitswap/contract.ts'
import { runCounted, type Outcome } from '../bitswap/run.ts'
import { totalOf } from '../bitswap/measured.ts'
import { sniffed } from '../bitswap/traffic.ts'
import { estimate, mean } from '../core/statistics.ts'
import { ours } from './bitswap-tables.ts'
import type { Cell, Table } from './experiment.ts'

/** C1: all requests, also for what nobody has, with the selfish checker after them; and what the engine counts itself. */

export interface Counted {
  readonly outcomes: readonly Outcome[]
  readonly counters: BitswapCounters
}

export function runChecked(seed: number, peers: number, dht: boolean): Counted {
  return runCounted({ seed, traffic: sniffed, peers, warmUp: 300, requests: 300 }, { ...ours, label: '', dht, checks: true })
}

const classes = ['SUCCESS', 'FAILURE', 'NO_PROV', 'FETCH_FAILED'] as const
/** Of the report, in the same order. */
const reported = [50_062, 831, 20_779, 97]
const counters = ['wantsSuccess', 'wantsFailure', 'wantsNoProvider', 'wantsFetchFailed'] as const

export function classTable(without: readonly Counted[], withDht: readonly Counted[]): Table {
  return {
    title: 'Outcome classes of all requests (C1, C2)',
    columns: ['class', 'report %', 'no DHT, checked %', 'messages', 'DHT, checked %', 'messages', 'DHT, the engine’s counters %'],
    rows: classes.map((name, index): Cell[] => {
      const columnsOf = (some: readonly Counted[]): Cell[] => {
        const ofClass = some.map(({ outcomes }) => outcomes.filter((outcome) => classOf(outcome) === name))
        return [
          estimate(some.map(({ outcomes }, run) => share(ofClass[run]!.length, outcomes.length))),
          estimate(ofClass.map((all) => mean(all.map(({ measured }) => totalOf(measured.messages))))),
        ]
      }
      return [
        name,
        share(reported[index]!, 71_769),
        ...columnsOf(without),
        ...columnsOf(withDht),
        estimate(
          withDht.map((run) => {
            const all = counters.reduce((sum, counter) => sum + run.counters[counter], 0)
            return share(run.counters[counters[index]!], all)
          }),
        ),
      ]
    }),
  }
}

function classOf({ measured: { isFound, checked } }: Outcome): (typeof classes)[number] {
  if (isFound) return 'SUCCESS'
  return checked === undefined ? 'NO_PROV' : checked === 'block' ? 'FAILURE' : 'FETCH_FAILED'
}

function share(some: number, all: number): number {
  return (100 * some) / all
}
