import type { KadEffect, StoredTableEntry } from '../../worker/engine/kad/contract.ts'
import { KadNetwork, type NetworkOptions } from './kad-network.ts'

/** Beginnings of scenarios. */

export function started(
  options: Partial<NetworkOptions> = {},
  entries?: (network: KadNetwork) => StoredTableEntry[],
): KadNetwork {
  const network = new KadNetwork({ seed: 1, peers: 100, ...options })
  network.start(entries?.(network) ?? [])
  return network
}

/** A network whose bootstrap has been done. */
export function settled(options: Partial<NetworkOptions> = {}): KadNetwork {
  const network = started(options)
  network.run(60_000)
  return network
}

export function effectsOf<T extends KadEffect['type']>(network: KadNetwork, type: T): Extract<KadEffect, { type: T }>[] {
  return network.effects.filter((effect): effect is Extract<KadEffect, { type: T }> => effect.type === type)
}
