import { performance } from 'node:perf_hooks'
import { comparePeersTo } from '../worker/engine/kad/distance.ts'
import { Outbox } from '../worker/engine/kad/outbox.ts'
import { RoutingTable } from '../worker/engine/kad/routing-table.ts'
import { TopK } from '../worker/engine/kad/top-k.ts'
import { keyFromDigest, keyOf, type Peer, type PeerIdBytes } from '../worker/engine/peer.ts'
import { Rng } from '../worker/engine/rng.ts'
import { EngineClient, settledMs, storedTable } from '../sim/clients/engine-client.ts'
import { Network } from '../sim/world/network.ts'
import { aminoWorld } from '../sim/world/settings.ts'
import { World } from '../sim/world/world.ts'
import { registryRows } from './registry.ts'

/**
 * `npm run bench`: what the engine costs on this machine. Each figure is the best of several rounds, since everything that
 * disturbs makes a round slower. `--expose-gc` makes the figure in bytes exact; without it it is left out.
 */
function main(): void {
  console.log(`Node ${process.version}, ${process.arch}\n`)
  const rows: [string, number, string][] = [
    ['events of lookups in a simulated Amino', eventsPerSecond(), 'per second'],
    ['offer to a bounded heap, k = 20, n = 100,000', nanosecondsPerOffer(), 'ns'],
    ['nearest 20 of a routing table of 200 entries', nanosecondsPerNearest(), 'ns'],
  ]
  rows.push(...allocations(), ...heapOfEngines(), ...registryRows())
  const bytes = bytesPerEntry()
  if (bytes !== undefined) rows.push(['routing-table entry, with peer, key and one address', bytes, 'bytes'])
  for (const [what, value, unit] of rows)
    console.log(`${what.padEnd(60)} ${Math.round(value).toLocaleString('en').padStart(10)} ${unit}`)
}

const ROUNDS = 5

function bestMs(work: () => void): number {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    const startedAt = performance.now()
    work()
    best = Math.min(best, performance.now() - startedAt)
  }
  return best
}

/** Dials, answers and ticks of lookups, one after the other, in a simulated Amino; the share of the simulator is in it. */
function eventsPerSecond(): number {
  const world = new World({ ...aminoWorld, seed: 1, peers: 2_000 })
  const network = new Network({ world })
  const client = new EngineClient({ network, number: 1 })
  client.start({ tableEntries: storedTable(network, client.id, keyOf(client.id)) })
  network.agenda.run(settledMs)
  const rng = new Rng(1)
  let best = 0
  for (let round = 0; round < ROUNDS; round++) {
    const before = network.agenda.performed
    const startedAt = performance.now()
    for (let index = 0; index < 20; index++) {
      const run = client.query((query) => ({ type: 'closest-peers', query, key: rng.bytes(34) }))
      network.agenda.run(network.now + 60_000, () => run.endedAt !== undefined)
    }
    best = Math.max(best, (1_000 * (network.agenda.performed - before)) / (performance.now() - startedAt))
  }
  return best
}

function nanosecondsPerOffer(): number {
  const rng = new Rng(1)
  const target = keyFromDigest(rng.bytes(32))
  const peers = Array.from({ length: 100_000 }, () => randomPeer(rng))
  const ms = bestMs(() => {
    const selection = new TopK<Peer>(20, (a, b) => comparePeersTo(target, a, b))
    for (const peer of peers) selection.offer(peer)
  })
  return (1e6 * ms) / peers.length
}

function nanosecondsPerNearest(): number {
  const rng = new Rng(2)
  const table = filledTable(rng, 20_000)
  const targets = Array.from({ length: 2_000 }, () => keyFromDigest(rng.bytes(32)))
  const ms = bestMs(() => {
    for (const target of targets) table.nearest(target, 20)
  })
  return (1e6 * ms) / targets.length
}

/** Over many tables, so that what a heap holds besides them does not count. */
function bytesPerEntry(): number | undefined {
  if (globalThis.gc === undefined) return undefined
  globalThis.gc()
  const before = process.memoryUsage()
  const tables = Array.from({ length: 40 }, (_, seed) => filledTable(new Rng(seed), 20_000))
  globalThis.gc()
  const after = process.memoryUsage()
  const entries = tables.reduce((sum, table) => sum + table.size, 0)
  return (after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers) / entries
}

/** E2: what choosing the 20 nearest of n allocates, by the bounded heap and by a sort of all; the candidates are there already. */
function allocations(): [string, number, string][] {
  const rng = new Rng(1)
  const target = keyFromDigest(rng.bytes(32))
  const compare = (a: Peer, b: Peer) => comparePeersTo(target, a, b)
  return [1_000, 10_000, 100_000].flatMap((size): [string, number, string][] => {
    const peers = Array.from({ length: size }, () => randomPeer(rng))
    const byHeap = allocatedBytes(() => {
      const selection = new TopK<Peer>(20, compare)
      for (const peer of peers) selection.offer(peer)
      return selection.sorted()
    })
    const bySort = allocatedBytes(() => peers.toSorted(compare).slice(0, 20))
    if (byHeap === undefined || bySort === undefined) return []
    return [
      [`allocated for the 20 nearest of ${size.toLocaleString('en')}, bounded heap`, byHeap, 'bytes'],
      ['  the same by a sort of all', bySort, 'bytes'],
    ]
  })
}

/** Of compiled code: a full collection throws it away, hence the warming up. The least of several rounds. */
function allocatedBytes(work: () => unknown): number | undefined {
  if (globalThis.gc === undefined) return undefined
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < 5; round++) {
    globalThis.gc()
    for (let warming = 0; warming < 30; warming++) work()
    globalThis.gc({ type: 'minor' })
    work()
    const before = process.memoryUsage().heapUsed
    work()
    const allocated = process.memoryUsage().heapUsed - before
    if (allocated > 0) least = Math.min(least, allocated)
  }
  return Math.max(0, least - overheadBytes())
}

let overhead: number | undefined

/** Of measuring. */
function overheadBytes(): number {
  if (overhead !== undefined) return overhead
  overhead = 0
  overhead = allocatedBytes(() => undefined) ?? 0
  return overhead
}

/** Whole engines an hour after their start, with a lookup every 30 s, each with peers and tables of its own. */
function heapOfEngines(): [string, number, string][] {
  if (globalThis.gc === undefined) return []
  const world = new World({ ...aminoWorld, seed: 1, peers: 10_000 })
  const network = new Network({ world })
  const rng = new Rng(1)
  const engines = 10
  const live = (number: number) => {
    const client = new EngineClient({ network, number })
    client.start({ tableEntries: storedTable(network, client.id, keyOf(client.id)) })
    return client
  }
  const hour = (clients: readonly EngineClient[]) => {
    for (let lookup = 0; lookup < 120; lookup++) {
      for (const client of clients) client.query((query) => ({ type: 'closest-peers', query, key: rng.bytes(34) }))
      network.agenda.run(network.now + 30_000)
    }
  }
  const clients = Array.from({ length: engines }, (_, number) => live(number + 1))
  hour(clients)
  globalThis.gc()
  const before = process.memoryUsage()
  const peers = clients.reduce((sum, client) => sum + client.engine.fill().cachedPeersMax!, 0) / engines
  for (const client of clients) client.stop()
  clients.length = 0
  network.agenda.run(network.now + 60_000)
  globalThis.gc()
  const after = process.memoryUsage()
  const bytes = (before.heapUsed + before.arrayBuffers - after.heapUsed - after.arrayBuffers) / engines
  return [
    ['heap of an engine after an hour, with its simulated client', bytes, 'bytes'],
    ['  peers that it remembers then', peers, 'peers'],
  ]
}

function filledTable(rng: Rng, peers: number): RoutingTable {
  const outbox = new Outbox<never>()
  const table = new RoutingTable({ self: randomPeer(rng), k: 20, outbox: outbox as never })
  for (let index = 0; index < peers; index++) {
    const address = Uint8Array.of(4, ...rng.bytes(4), 6, 0x0f, 0xa1)
    table.admit({ peer: randomPeer(rng), addresses: [{ bytes: address, dialable: true }] }, index)
    while (outbox.poll() !== undefined);
  }
  return table
}

function randomPeer(rng: Rng): Peer {
  return { id: rng.bytes(34) as PeerIdBytes, key: keyFromDigest(rng.bytes(32)) }
}

main()
