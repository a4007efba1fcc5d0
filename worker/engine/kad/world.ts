import type { BytesMap } from '../bytes-map.ts'
import type { Address, Peer } from '../peer.ts'
import type { KadCounters } from './contract.ts'
import type { DialTimesByKind } from '../resilience/dial-times.ts'
import { DeniedPeers } from './denied-peers.ts'
import { NetworkSize } from './network-size.ts'
import { Patience } from './patience.ts'
import { ProviderCache } from './provider-cache.ts'
import type { RecordStore } from './record-store.ts'
import type { RoutingTable } from './routing-table.ts'
import { Usefulness } from './usefulness.ts'

/** What all queries see of the machine around them. It changes while they run; only `kad.ts` changes it. */
export interface KadWorld {
  /** Undefined until the start, as is the table. */
  self: Peer | undefined
  table: RoutingTable | undefined
  ownAddresses: readonly Address[]
  readonly denied: DeniedPeers
  /** What we hold for others, as a server. */
  records: RecordStore | undefined
  readonly patience: Patience
  readonly networkSize: NetworkSize
  readonly providers: ProviderCache
  readonly usefulness: Usefulness
  readonly counters: KadCounters
}

/** `denied`: peers that are never asked or named, keyed by id. `dialTimes`: what is learned of dials, by those who dial. */
export function newWorld(k: number, denied?: BytesMap<true>, dialTimes?: DialTimesByKind): KadWorld {
  const counters = {
    lateResponses: 0,
    unknownOrders: 0,
    rejectedCloserPeers: 0,
    invalidRecords: 0,
    requestsSent: 0,
    responsesReceived: 0,
    requestsFailed: 0,
    requestsServed: 0,
    requestsRefused: 0,
    keysHashed: 0,
    distancesComputed: 0,
    distancesCompared: 0,
  }
  return {
    self: undefined,
    table: undefined,
    ownAddresses: [],
    denied: new DeniedPeers(denied),
    records: undefined,
    patience: new Patience(dialTimes),
    networkSize: new NetworkSize(k),
    providers: new ProviderCache(),
    usefulness: new Usefulness(),
    counters,
  }
}
