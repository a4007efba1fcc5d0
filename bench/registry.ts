import { performance } from 'node:perf_hooks'
import { Hearing, Registry } from '../worker/engine/bitswap/registry.ts'
import { limits } from '../worker/engine/limits.ts'
import { keyFromDigest, type Peer, type PeerIdBytes } from '../worker/engine/peer.ts'
import { Rng } from '../worker/engine/rng.ts'

const full = limits.registryCidsMax.value

/**
 * What the peer-block registry costs (D1): bytes of a CID with one wanter and with as many as are kept, and the time of one
 * want heard in a small and in a full registry, which should be the same. Peers are there already: they are the connected ones.
 */
export function registryRows(): [string, number, string][] {
  const peers = Array.from({ length: limits.registryPeersPerCidMax.value }, (_, number) => peerOf(number))
  const rows: [string, number, string][] = [
    ['want heard by a registry of 256 CIDs', nanosecondsPerWant(256, peers), 'ns'],
    ['  of a full one', nanosecondsPerWant(full, peers), 'ns'],
  ]
  const [one, all] = [bytesPerCid(full, peers.slice(0, 1)), bytesPerCid(full, peers)]
  if (one === undefined || all === undefined) return rows
  return [
    ...rows,
    ['registry entry: a CID with one wanter', one, 'bytes'],
    [`  with ${peers.length}, as many as are kept`, all, 'bytes'],
  ]
}

function filled(cids: number, peers: readonly Peer[]): Registry {
  const rng = new Rng(cids)
  const registry = new Registry()
  for (let cid = 0; cid < cids; cid++) {
    const key = keyOf(rng)
    for (const peer of peers) registry.wanted(key, peer, undefined, new Hearing(), 0)
  }
  return registry
}

function nanosecondsPerWant(cids: number, peers: readonly Peer[]): number {
  const registry = filled(cids, peers)
  const rng = new Rng(cids)
  const keys = Array.from({ length: cids }, () => keyOf(rng))
  let best = Infinity
  for (let round = 0; round < 5; round++) {
    const startedAt = performance.now()
    for (let want = 0; want < full; want++)
      registry.wanted(keys[want % cids]!, peers[want % peers.length]!, undefined, new Hearing(), want)
    best = Math.min(best, performance.now() - startedAt)
  }
  return (1e6 * best) / full
}

function bytesPerCid(cids: number, peers: readonly Peer[]): number | undefined {
  if (globalThis.gc === undefined) return undefined
  globalThis.gc()
  const before = process.memoryUsage()
  const registries = Array.from({ length: 4 }, () => filled(cids, peers))
  globalThis.gc()
  const after = process.memoryUsage()
  const entries = registries.reduce((sum, registry) => sum + registry.size, 0)
  return (after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers) / entries
}

function keyOf(rng: Rng): Uint8Array {
  return new Uint8Array([0x12, 0x20, ...rng.bytes(32)])
}

function peerOf(number: number): Peer {
  const rng = new Rng(number + 1)
  return { id: rng.bytes(34) as PeerIdBytes, key: keyFromDigest(rng.bytes(32)) }
}
