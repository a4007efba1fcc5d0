import { cpus } from 'node:os'
import type { EngineFigures } from './engine.ts'
import { type BrokenOff, type DiskFigures, regionBits } from './measure.ts'

/** What must hold of the keystore, and the page about it. */

export interface Property {
  readonly what: string
  readonly wanted: string
  readonly got: string
  readonly holds: boolean
}

export function propertiesOf(disk: DiskFigures, broken: BrokenOff, engine: EngineFigures): Property[] {
  const { count, opened, walk, again, client, counts, replacement } = disk
  const { half, left, removed } = replacement
  const same = (what: string, wanted: number, got: number): Property => ({
    what,
    wanted: String(wanted),
    got: String(got),
    holds: got === wanted,
  })
  return [
    same('keys counted at the start, from the cells', count, opened.keys),
    same('keys that a walk in order finds', count, walk.isOrdered ? walk.keys : Number.NaN),
    same('keys that are new when 10,240 known ones are added again', 0, again.added),
    same('prefixes of 9 bits whose count differs from what is there, of 50', 0, counts.differing),
    same('prefixes of the trie whose count differs from going through all, of 200', 0, engine.differing),
    same('keys that the whole client says it keeps', count, client.kept),
    same('keys left by a replacement', replacement.count - half, left.keys),
    same('keys removed by it', half, removed.removed),
    {
      what: 'bytes a key in the Worker’s memory after a start, and after a walk over all keys',
      wanted: 'below 1, and below 10',
      got: `${perKey(disk.openBytes, disk)}, ${perKey(disk.walkBytes, disk)}`,
      holds: disk.openBytes - disk.emptyBytes < count && disk.walkBytes - disk.emptyBytes < 10 * count,
    },
    ...broken.map(({ step, set, kept, wanted, oldOnly }) =>
      same(`replacement lost while ${step} (${oldOnly} of the 10,240 that go were left): keys of the ${set} set`, wanted, kept),
    ),
  ]
}

function perKey(bytes: number, { emptyBytes, count }: DiskFigures): string {
  return ((bytes - emptyBytes) / count).toFixed(2)
}

export function pageOf(seen: {
  count: number
  disk: DiskFigures
  engine: EngineFigures
  properties: readonly Property[]
}): string {
  const { count, disk, engine, properties } = seen
  const table = (lines: readonly [string, string][]): string => lines.map(([what, value]) => `| ${what} | ${value} |`).join('\n')
  return `# The keystore

Written by \`npm run bench:keystore -- --keys ${count}\`, which fails where a property does not hold: ${count.toLocaleString('en')} multihashes of sha2-256. Times are of this
machine (${cpus().length} cores, others at work on it too); counts and bytes are not.

| property | wanted | got | |
|---|---|---|---|
${properties.map(({ what, wanted, got, holds }) => `| ${what} | ${wanted} | ${got} | ${holds ? 'holds' : '**does not hold**'} |`).join('\n')}

## In IndexedDB, in a Worker of Chromium

| | |
|---|---|
${table(diskRows(disk))}

Memory is \`performance.measureUserAgentSpecificMemory()\`, what is attributed to the Worker. IndexedDB's own caches are in another process of
the browser and are not in it.

## Without a disk, in Node ${process.version}

| | |
|---|---|
${table(memoryRows(engine))}

A client with \`storage: false\`, or where the browser refuses to store, keeps its keys in the second of these: for a million CIDs it wants a disk.
`
}

function diskRows(disk: DiskFigures): [string, string][] {
  const { replacement } = disk
  const sorted = disk.regions.ms.toSorted((a, b) => a - b)
  const first = disk.adds[0]!
  const last = disk.adds.at(-1)!
  return [
    ['open, read the cells, make the schedule', `${Math.round(disk.opened.ms)} ms`],
    [
      'start of a whole client with these keys, with none',
      `${Math.round(disk.client.ms)} ms, ${Math.round(disk.emptyClient.ms)} ms`,
    ],
    [
      'memory of the Worker that holds the keystore alone: empty, opened, after a walk over all keys',
      [disk.emptyBytes, disk.openBytes, disk.walkBytes].map(megabytes).join(', '),
    ],
    [
      'memory of the whole client’s Worker: with these keys, with none',
      [disk.clientBytes, disk.emptyClientBytes].map(megabytes).join(', '),
    ],
    ['add by portions of 512: the first tenth, the last', `${rate(first.keys, first.ms)}, ${rate(last.keys, last.ms)}`],
    ['add again what is known', rate(10_240, disk.again.ms)],
    [
      `a page (1,024 keys at most) of a region of ${regionBits} bits: median, slowest of 200`,
      `${sorted[100]!.toFixed(1)} ms, ${sorted.at(-1)!.toFixed(1)} ms; ${Math.round(disk.regions.keys / 200)} keys each`,
    ],
    ['count by a prefix of 9 bits, from the cells', `${disk.counts.ms.toFixed(3)} ms`],
    ['walk over all keys in order', rate(disk.walk.keys, disk.walk.ms)],
    ['keys leave the queue, 64 at a time', rate(10_240, disk.sent.ms)],
    [
      `replacement of ${replacement.count.toLocaleString('en')}: half given again, the other half removed`,
      `${rate(replacement.count - replacement.half, replacement.given.ms)}, ${rate(replacement.half, replacement.removed.ms)}`,
    ],
  ]
}

function memoryRows(engine: EngineFigures): [string, string][] {
  return [
    [
      'binary trie: add, bytes a key (its 32 bytes included)',
      `${rate(engine.keys, (1_000 * engine.keys) / engine.trieAddsPerSecond)}, ${Math.round(engine.trieBytesPerKey)}`,
    ],
    ['count by a prefix of 1 to 16 bits', `${(1_000 * engine.prefixCountMs).toFixed(1)} µs`],
    [
      'keystore in memory, kept and queued: add, bytes a key',
      `${rate(engine.keys, (1_000 * engine.keys) / engine.tableAddsPerSecond)}, ${Math.round(engine.tableBytesPerKey)}`,
    ],
  ]
}

function rate(keys: number, ms: number): string {
  return `${Math.round((1_000 * keys) / ms).toLocaleString('en')} a second`
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MB`
}
