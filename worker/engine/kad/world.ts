import { BytesMap } from '../bytes-map.ts'
import type { Address, Peer } from '../peer.ts'
import type { KadCounters } from './contract.ts'
import type { RoutingTable } from './routing-table.ts'

/** What all queries see of the machine around them. It changes while they run; only `kad.ts` changes it. */
export interface KadWorld {
  /** Undefined until the start, as is the table. */
  self: Peer | undefined
  table: RoutingTable | undefined
  ownAddresses: readonly Address[]
  readonly denied: BytesMap<true>
  readonly counters: KadCounters
}

export function newWorld(): KadWorld {
  const counters = {
    lateResponses: 0,
    unknownOrders: 0,
    rejectedCloserPeers: 0,
    invalidRecords: 0,
    requestsSent: 0,
    responsesReceived: 0,
    requestsFailed: 0,
  }
  return { self: undefined, table: undefined, ownAddresses: [], denied: new BytesMap(), counters }
}
