import { type Fill, limits } from '../../worker/engine/limits.ts'
import { estimate } from '../core/statistics.ts'
import type { Cell, Experiment, Table } from './experiment.ts'
import { soakServers } from './soak-servers.ts'
import { growing, type Held, mostOf, type SoakOutcome, soakOne } from './soak-run.ts'

/** E5, A3: what an engine holds does not grow with time. */
export const soak: Experiment = {
  name: 'soak',
  title: 'days of one engine with churn, sleep, lost networks and queries of all kinds: no bound exceeded, nothing grows',
  defaults: { seed: 1, seeds: 1, peers: 500 },
  reportOptions: { seed: 1, seeds: 2, peers: 2_000 },
  run(options, progress) {
    const isLong = options.peers >= 2_000
    const hours = isLong ? 48 : 4
    const serverHours = isLong ? 120 : 8
    const seeds = Array.from({ length: options.seeds }, (_, index) => options.seed + index)
    const outcomes = seeds.map((seed) => {
      progress(`seed ${seed}: a client for ${hours} h`)
      return soakOne({ seed, peers: options.peers, hours })
    })
    progress(`${SERVERS} browsers that serve each other for ${serverHours} h`)
    const servers = soakServers({ seed: options.seed, peers: SERVERS, hours: serverHours })
    const violations = [...outcomes, servers].flatMap((outcome) => outcome.violations)
    for (const violation of violations) progress(violation)
    const grown = [
      ...growing(quartersOf(outcomes)).map((name) => `${name} (client)`),
      ...growing(quartersOf([servers])).map((name) => `${name} (servers)`),
    ]
    return {
      experiment: 'soak',
      settings: { ...options, hours, serverHours, servers: SERVERS },
      notes: [
        `*Client*: one whole engine for ${hours} h of virtual time in an Amino with churn, 80 % of the servers dialable, 2 % mute. Every 45 s on average something happens: a query of any kind, up to 20 wants of blocks, up to 400 wants of others, now and then a fifth more queries at once than are taken (those of one that has just begun have not ended), an outage of up to 10 min, a sleep of up to 3 h. The host’s part is played, too: at most 100 connections, those of servers that have gone end.`,
        `*Servers*: ${SERVERS} browsers that are each other’s only servers, for ${serverHours} h; new contents and values every hour, so that records expire all the time after 48 h. They share one cache of peers, which holds what all of them have heard of.`,
        `What was counted is what each engine says it holds, by the names of its bounds in \`limits.ts\`, every 5 s and after each action. Broken bounds, queries that never ended or ended twice: ${violations.length}${violations.length === 0 ? '' : ` (${violations.join('; ')})`}. That a broken bound is found is shown in \`test/sim/soak.test.ts\`.`,
        `*quarters*: the most that was seen in each quarter of the time. What fills up to its bound and stays there is a memory of bounded size; what is not at its bound must not grow from quarter to quarter (E5). More than a tenth fuller in the last quarter than in any before, and not at its bound: ${grown.length === 0 ? 'nothing' : grown.join(', ')}.`,
        '*payload*: ids, keys, addresses and numbers of the entries, without what the JavaScript engine adds; `npm run bench` measures the heap of an engine.',
      ],
      tables: [
        activity(outcomes),
        fillTable('Client', outcomes),
        heldTable(outcomes),
        fillTable(`Servers, the fullest of ${SERVERS}`, [servers]),
      ],
      plots: [],
    }
  },
}

const SERVERS = 12

interface Filled {
  readonly most: Fill
  readonly quarters: readonly { readonly most: Fill }[]
}

function activity(outcomes: readonly SoakOutcome[]): Table {
  const row = (what: string, value: (outcome: SoakOutcome) => number): Cell[] => [what, estimate(outcomes.map(value))]
  return {
    title: 'What the client did',
    columns: ['what', 'number'],
    rows: [
      row('queries', ({ queries }) => queries),
      row('of those, failed or refused', ({ failedQueries }) => failedQueries),
      row('wants of blocks', ({ wants }) => wants),
      row('requests sent', ({ requests }) => requests),
      row('sleeps', ({ sleeps }) => sleeps),
      row('outages', ({ outages }) => outages),
      row('events in virtual time', ({ events }) => events),
      row('bounds broken', ({ violations }) => violations.length),
    ],
  }
}

function quartersOf(outcomes: readonly Filled[]): Fill[] {
  return [0, 1, 2, 3].map((index) => outcomes.map((outcome) => outcome.quarters[index]!.most).reduce(mostOf))
}

function fillTable(title: string, outcomes: readonly Filled[]): Table {
  const most = outcomes.map((outcome) => outcome.most).reduce(mostOf)
  const quarters = quartersOf(outcomes)
  const names = (Object.keys(most) as (keyof typeof most)[]).filter((name) => most[name]! > 0)
  const rows = names.map((name): Cell[] => [
    name,
    limits[name].value,
    most[name]!,
    ...quarters.map((quarter) => quarter[name] ?? 0),
    BYTES[name] === undefined ? '' : Math.round((most[name]! * BYTES[name]) / 1_024),
  ])
  const sum = rows.reduce((total, row) => total + (typeof row[7] === 'number' ? row[7] : 0), 0)
  return {
    title,
    columns: ['bound', 'value', 'most', '0–25 %', '25–50 %', '50–75 %', '75–100 %', 'payload KiB'],
    rows: [...rows, ['together', '', '', '', '', '', '', sum]],
  }
}

function heldTable(outcomes: readonly SoakOutcome[]): Table {
  const row = (what: string, value: (held: Held) => number): Cell[] => {
    return [what, ...[0, 1, 2, 3].map((index) => estimate(outcomes.map(({ quarters }) => value(quarters[index]!.held))))]
  }
  return {
    title: 'Client, at the end of each quarter: what has no bound of its own',
    columns: ['what', '25 %', '50 %', '75 %', '100 %'],
    rows: [
      row('entries of the routing table', ({ tableEntries }) => tableEntries),
      row('connections', ({ connections }) => connections),
      row('queries not ended', ({ openQueries }) => openQueries),
      row('dials and requests under way', ({ pendingOrders }) => pendingOrders),
    ],
  }
}

/** Payload of an entry: peer id 34, Kademlia key 32, CID 36, address 8, number 8. */
const BYTES: Partial<Record<keyof typeof limits, number>> = {
  cachedPeersMax: 34 + 32,
  uselessPeersMax: 34 + 2 * 8,
  failedPeersMax: 34 + 3 * 8,
  providerCacheMax: 34 + limits.cachedProvidersPerKeyMax.value * (34 + 8 + 8),
  networkSizeSamplesMax: 20 * 8 + 2 * 8,
  kadClosedOrdersMax: 8,
  rankedPeersMax: 34 + 12 * 8,
  registryCidsMax: 34 + limits.registryPeersPerCidMax.value * (34 + 3 * 8),
  serverProvidersMax: 34 + 34 + 8 + 8,
  serverValuesMax: 34 + 1 + 2 * 8,
}
