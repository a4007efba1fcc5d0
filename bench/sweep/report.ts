import { svgOf } from '../../sim/cli/plot.ts'

/** What a run of `bench:sweep` has seen, and what must hold of it. */

export interface Seen {
  readonly servers: number
  readonly cids: number
  readonly visits: readonly VisitSeen[]
  /** ADD_PROVIDERs that had arrived when the tab was closed. */
  readonly messagesAtClose: number
  /** By CID and by its 20 nearest servers: how often each has heard of it. */
  readonly timesAtNearest: readonly (readonly number[])[]
  readonly sample: number
  readonly found: number
  readonly progress: readonly Moment[]
}

export interface VisitSeen {
  readonly name: string
  /** Counted at the servers during the visit. */
  readonly messages: number
  readonly connections: number
  readonly mostConnections: number
  /** Pairs of a CID and a server that were new to the server. */
  readonly records: number
  /** As the client says at the end of the visit; undefined where it was closed. */
  readonly stored: number | undefined
  readonly requests: number | undefined
}

export interface Moment {
  readonly seconds: number
  /** ADD_PROVIDERs that have arrived. */
  readonly messages: number
  /** CIDs that the client counts as told; undefined while no tab is open. */
  readonly told: number | undefined
}

export interface Property {
  readonly what: string
  readonly wanted: string
  readonly got: string
  readonly holds: boolean
}

export const k = 20
/** Keys that leave the queue together (`toldKeysMax`), and how many such lots may be under way when a tab is closed. */
const waveKeys = 64
const openWaves = 4

export function propertiesOf(seen: Seen): Property[] {
  const [first, second, third] = seen.visits as [VisitSeen, VisitSeen, VisitSeen]
  const pairs = seen.timesAtNearest.flat()
  const inAll = seen.visits.reduce((sum, { messages }) => sum + messages, 0)
  const reached = pairs.filter((times) => times > 0).length
  const records = seen.visits.reduce((sum, visit) => sum + visit.records, 0)
  const twice = inAll - records
  const bound = openWaves * waveKeys * k
  const connections = Math.max(...seen.visits.map(({ mostConnections }) => mostConnections))
  return [
    is(
      'CIDs told to each of their 20 nearest servers, by a sort of all servers',
      `${seen.cids * k} records`,
      reached,
      seen.cids * k,
    ),
    is('records at other servers', '0', records - reached, 0),
    atMost('times one server heard of one CID', 2, Math.max(...pairs)),
    is('ADD_PROVIDERs told twice before the tab was closed', '0', first.messages - first.records, 0),
    atMost(`told twice because of the close (${openWaves} × ${waveKeys} CIDs × ${k} servers)`, bound, twice),
    {
      what: 'the tab was closed in the middle',
      wanted: '20 to 80 % told',
      got: `${Math.round((100 * seen.messagesAtClose) / (seen.cids * k))} %`,
      holds: seen.messagesAtClose > 0.2 * seen.cids * k && seen.messagesAtClose < 0.8 * seen.cids * k,
    },
    is('ADD_PROVIDERs in a third visit, in the same cycle', '0', third.messages, 0),
    atMost('connections to one server in one visit', 1, connections),
    atMost(
      'records that the client says it has stored in the second visit, against those that arrived',
      second.messages,
      second.stored ?? Infinity,
    ),
    is('a sample of CIDs that a js-libp2p client in Node finds', `${seen.sample} of ${seen.sample}`, seen.found, seen.sample),
  ]
}

function is(what: string, wanted: string, got: number, value: number): Property {
  return { what, wanted, got: String(got), holds: got === value }
}

function atMost(what: string, max: number, got: number): Property {
  return { what, wanted: `at most ${max}`, got: String(got), holds: got <= max }
}

export function pageOf(seen: Seen, command: string): string {
  const { servers, cids } = seen
  const properties = propertiesOf(seen).map(
    ({ what, wanted, got, holds }) => `| ${what} | ${wanted} | ${got} | ${holds ? 'holds' : '**does not hold**'} |`,
  )
  const visits = seen.visits.map(
    ({ name, messages, records, connections, stored, requests }) =>
      `| ${name} | ${messages} | ${records} | ${connections} | ${stored ?? '–'} | ${requests ?? '–'} |`,
  )
  return `# The sweep, live

Written by \`${command}\`, which fails where a property does not hold: ${cids} CIDs of one page in Chromium, ${servers} js-libp2p servers on the same
machine. ADD_PROVIDERs and connections are counted where they arrive, at the servers. The tab is closed without a word in the middle, and
opened again with the same storage. These are counts; what they took in time says nothing, since servers and page share the machine.

| property | wanted | counted | |
|---|---|---|---|
${properties.join('\n')}

| visit | ADD_PROVIDERs | of them new to the server | connections | stored, as the client says | FIND_NODEs, as the client says |
|---|---|---|---|---|---|
${visits.join('\n')}

One provide a CID would have been ${cids} lookups; a page that provides them one by one connects as often as it finds peers disconnected.

**What is told twice.** Keys leave the queue ${waveKeys} at a time, when all their servers have been told (spec P11). What had been told of those that
were under way when the tab was closed is told again: one to three lots of ${waveKeys}, and one that was settled and not yet written. Where a peer hangs while the tab is closed it
can be as much as a page of the region, 1,024 CIDs; no peer hangs in this swarm. The client's count of what is stored is by region, so that
of a region that was broken off it says nothing.

![ADD_PROVIDERs at the servers, and what the client counts as told](sweep-live-progress.svg)
`
}

export function plotOf(seen: Seen): string {
  const told = seen.progress.flatMap(({ seconds, told: keys }) => (keys === undefined ? [] : [{ x: seconds, y: keys * k }]))
  return svgOf({
    name: 'progress',
    title: 'Closed in the middle, and opened again',
    x: { label: 'seconds', scale: 'linear' },
    y: { label: 'records', scale: 'linear' },
    series: [
      { label: 'at the servers', points: seen.progress.map(({ seconds, messages }) => ({ x: seconds, y: messages })) },
      { label: 'told (client)', points: told },
    ],
  })
}
