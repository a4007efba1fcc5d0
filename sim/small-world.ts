import { keyOf } from '../worker/engine/peer.ts'
import { Rng } from '../worker/engine/rng.ts'
import { EngineClient, storedTable } from './clients/engine-client.ts'
import { Trace } from './core/trace.ts'
import { Faults, randomFaults } from './world/faults.ts'
import { Network } from './world/network.ts'
import { aminoWorld } from './world/settings.ts'
import { World } from './world/world.ts'

/**
 * A small world with everything in it: churn, faults, several clients, every kind of query. No Node in it, so that it can be
 * bundled into a Worker; the digest must be the same everywhere.
 */
export interface SmallWorldResult {
  readonly digest: string
  /** Words that went into the digest. */
  readonly words: number
  readonly events: number
  readonly queries: number
}

export function smallWorld(seed: number, peers = 300, clients = 4): SmallWorldResult {
  const world = new World({ ...aminoWorld, seed, peers, dialable: 0.8 })
  const trace = new Trace()
  const rng = new Rng(seed)
  const faults = new Faults(randomFaults(rng), seed, 60_000)
  const network = new Network({ world, trace, faults })
  let queries = 0
  const all = Array.from({ length: clients }, (_, index) => new EngineClient({ network, number: index + 1 }))
  for (const [index, client] of all.entries()) {
    const tableEntries = index % 2 === 0 ? storedTable(network, client.id, keyOf(client.id)) : []
    client.start({ tableEntries, bootstrap: [rng.below(peers), rng.below(peers)] })
    client.handle({ type: 'own-addresses-changed', addresses: [{ bytes: Uint8Array.of(4, 23, 1, 1, index), dialable: true }] })
  }
  for (let round = 0; round < 5; round++) {
    const key = Uint8Array.of(0x12, 32, ...rng.bytes(32))
    for (const client of all) {
      client.query((query) => ({ type: 'closest-peers', query, key }))
      client.query((query) => ({ type: 'provide', query, multihash: key }))
      client.query((query) => ({ type: 'find-providers', query, multihash: key, limit: 3 }))
      queries += 3
    }
    network.agenda.run(network.now + 20_000)
  }
  network.agenda.run(network.now + 120_000)
  return { digest: trace.digest(), words: trace.length, events: network.agenda.performed, queries }
}
