import { limits } from '../../worker/engine/limits.ts'
import { estimate, type Estimate } from '../core/statistics.ts'
import { aminoWorld } from '../world/settings.ts'
import { addProviderBytes, usualUplink } from '../world/sweep-world.ts'
import type { Cell, Experiment, Options, Table } from './experiment.ts'
import { type Days, type DaysOutcome, hour, liveDays, minute } from './sweep-days.ts'

const openMinutes = 20
const everyHours = 3
const lastsHours = 96
/** In which a round ends that is just long enough. */
const roundHours = 60
/** Visits so short that no round ends by then are made longer, so often. */
const triesMax = 6
const slowUplink = usualUplink / 40
/** On both sides of a bound. */
const sides = [0.8, 1.2]
const keptSizes = [5_000, 25_000, 100_000]
const tabCids = 25_000

const recordHours = limits.providerRecordMs.value / hour
/** After so long what was told goes before what is new. */
const sweepHours = recordHours - limits.sweepReserveMs.value / hour
const slowMbits = (slowUplink * 8) / 1_000

const notes = [
  `Amino with all servers dialable: sessions, stale and missing table entries as measured. A tab is open for some minutes every ${everyHours} hours and gone in between, with its connections and all that it knew of its neighbours; what the keystore holds is left. Records stay with a server for 48 h, whether it is online or not.`,
  '*never told*: CIDs that no server has at the end. *outdated*: CIDs of which at some moment since their first time every record was older than 48 h; counted for all CIDs, exactly; *oldest* is the worst of them. *expired*: of 400 CIDs, hour by hour since they had left the queue, none of the 20 nearest servers that were online then held a record younger than 48 h; *under 5*: fewer than five did. *holders*: how many did, on average, and in the worst percent of these looks. *amid*: looks, beside these, at CIDs of which some servers had been told and others not, because the tab was closed in the middle of their first telling; *none held*: so many of them found no holder that was online.',
  '*rounds*: how often each CID was told to 20 servers. *first round*: minutes that the tab was open until all had been told once.',
  `The bound is computed, not searched. The sweep tells again before anything new what expires within ${limits.sweepReserveMs.value / hour} h (spec P3): so it must get round in ${sweepHours} h, with time to spare before ${recordHours} h, or some of what is new is never reached. With m minutes for a round, measured in visits of that length (longer by a quarter until a round ends within ${roundHours} h), it takes m / ${sweepHours / everyHours} minutes in every ${everyHours} hours; with n CIDs a minute, measured, ${sweepHours / everyHours} visits keep ${sweepHours / everyHours} × minutes × n CIDs. Alone, whatever is told in turn must get round in ${recordHours} h.`,
  `Uplink ${(usualUplink * 8) / 1_000} Mbit/s, but for the bound of CIDs: there ${slowMbits} Mbit/s, so that it lies where it can be run. *alone*: one lookup a CID by the go-like rule, eight dials at a time, one CID after the other, round and round.`,
  'The bounds are of the first seed.',
]

/** A13: four days with a tab that is open 20 minutes in every three hours: what expires, and where the bound is. */
export const sweep96h: Experiment = {
  name: 'sweep-96h',
  title:
    'four days of churn, a tab open 20 minutes in every 3 hours: nothing expires up to a bound, which is computed and tried on both sides',
  defaults: { seed: 1, seeds: 1, peers: 2_000 },
  reportOptions: { seed: 1, seeds: 2, peers: 10_000 },
  run(options, progress) {
    return {
      experiment: 'sweep-96h',
      settings: { ...options, aminoWorld, openMinutes, everyHours, lastsHours, usualUplink, slowUplink, addProviderBytes },
      notes,
      tables: [
        keptTable(options, progress),
        minutesTable(options, progress),
        cidsTable(options, progress),
        aloneTable(options, progress),
      ],
      plots: [],
    }
  },
}

interface Arm {
  readonly way: Days['way']
  readonly cids: number
  readonly open?: number
  readonly uplink?: number
  readonly lasts?: number
}

function live(
  { seed, peers }: Options,
  { way, cids, open = openMinutes, uplink = usualUplink, lasts = lastsHours }: Arm,
): DaysOutcome {
  const days = { cids, openMs: open * minute, everyMs: everyHours * hour, lastsMs: lasts * hour, way }
  return liveDays({ ...aminoWorld, seed, peers, uplink }, days)
}

const columns = [
  'never told',
  'outdated',
  'oldest h',
  'expired %',
  'under 5 %',
  'holders',
  'worst 1 %',
  'amid',
  'none held',
  'rounds',
  'first round min',
]

function cellsOf(outcome: Readonly<Record<keyof DaysOutcome, number | Estimate>>): Cell[] {
  const { neverTold, outdated, oldestHours, expired, thin, holders, holdersWorst, amid, amidExpired } = outcome
  const { rounds, firstRoundMinutes } = outcome
  return [neverTold, outdated, oldestHours, expired, thin, holders, holdersWorst, amid, amidExpired, rounds, firstRoundMinutes]
}

function keptTable(options: Options, progress: (line: string) => void): Table {
  const arms: Arm[] = [
    ...keptSizes.map((cids) => ({ way: 'sweep', cids }) as const),
    ...keptSizes.slice(0, 1).map((cids) => ({ way: 'alone', cids }) as const),
  ]
  return {
    title: `${options.peers} servers, ${openMinutes} minutes in every ${everyHours} hours, ${lastsHours} h`,
    columns: ['way', 'CIDs', ...columns],
    rows: arms.map((arm): Cell[] => {
      progress(`${arm.way} ${arm.cids}`)
      const perSeed = Array.from({ length: options.seeds }, (_, index) => live({ ...options, seed: options.seed + index }, arm))
      const names = Object.keys(perSeed[0]!) as (keyof DaysOutcome)[]
      const over = Object.fromEntries(names.map((name) => [name, estimate(perSeed.map((one) => one[name]))]))
      return [arm.way, arm.cids, ...cellsOf(over as Record<keyof DaysOutcome, Estimate>)]
    }),
  }
}

function minutesTable(options: Options, progress: (line: string) => void): Table {
  progress('minutes')
  const boundFor = (open: number): [number, number] => {
    const round = live(options, { way: 'sweep', cids: tabCids, open, lasts: roundHours }).firstRoundMinutes
    return [round, (round * everyHours) / sweepHours]
  }
  // Each visit begins anew: the shorter they are the longer is a round.
  let [roundMinutes, bound] = boundFor(openMinutes)
  for (let [open, left] = [bound, triesMax]; left > 0; left--, open *= 1.25) {
    ;[roundMinutes, bound] = boundFor(open)
    if (!Number.isNaN(bound)) break
  }
  if (Number.isNaN(bound)) throw new Error(`no round within ${roundHours} h: there is no bound to be tried`)
  return {
    title: `How long the tab must be open: ${tabCids} CIDs, a round of ${roundMinutes.toFixed(1)} minutes, bound ${bound.toFixed(2)} minutes in every ${everyHours} hours`,
    columns: ['of the bound', 'minutes', ...columns],
    rows: sides.map((side): Cell[] => {
      progress(`${side} of the bound`)
      return [side, side * bound, ...cellsOf(live(options, { way: 'sweep', cids: tabCids, open: side * bound }))]
    }),
  }
}

/** `pace`: CIDs a minute, measured in a run that had too many. */
function cidsRows(options: Options, arm: Omit<Arm, 'cids'>, bound: number, progress: (line: string) => void): Cell[][] {
  return sides.map((side) => {
    const cids = Math.round(side * bound)
    progress(`${arm.way} ${side} of the bound`)
    return [side, cids, ...cellsOf(live(options, { ...arm, cids }))]
  })
}

/** Of a pace in CIDs a minute: how many are told in so many hours. */
function boundOf(pace: number, hours: number): number {
  return (pace * openMinutes * hours) / everyHours
}

function cidsTable(options: Options, progress: (line: string) => void): Table {
  progress('CIDs')
  const arm = { way: 'sweep', uplink: slowUplink } as const
  const byBytes = boundOf((slowUplink * minute) / (aminoWorld.k * addProviderBytes), sweepHours)
  const pace = live(options, { ...arm, cids: Math.round(2 * byBytes) }).cidsPerMinute
  const bound = boundOf(pace, sweepHours)
  const usual = Math.round((bound * usualUplink) / slowUplink)
  return {
    title: `How many CIDs: at ${slowMbits} Mbit/s ${pace.toFixed(1)} a minute, bound ${Math.round(bound)} (computed from it for ${(usualUplink * 8) / 1_000} Mbit/s: ${usual})`,
    columns: ['of the bound', 'CIDs', ...columns],
    rows: cidsRows(options, arm, bound, progress),
  }
}

function aloneTable(options: Options, progress: (line: string) => void): Table {
  progress('alone')
  const pace = live(options, { way: 'alone', cids: tabCids }).cidsPerMinute
  const bound = boundOf(pace, recordHours)
  return {
    title: `Each CID alone: ${pace.toFixed(2)} a minute, bound ${Math.round(bound)} CIDs (were eight at a time eight times as fast: ${Math.round(8 * bound)})`,
    columns: ['of the bound', 'CIDs', ...columns],
    rows: cidsRows(options, { way: 'alone' }, bound, progress),
  }
}
