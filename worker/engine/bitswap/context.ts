import type { OrderIds } from '../machine.ts'
import type { Peer } from '../peer.ts'
import type { BitswapCounters, BitswapEffect } from './contract.ts'
import type { Deadlines } from './deadlines.ts'
import type { Discovery } from './discovery.ts'
import type { Link } from './link.ts'
import type { Probe } from './probes.ts'
import type { Want } from './want.ts'

/** What the parts of the Bitswap machine share; each adds to it, only the machine itself drains it. */
export interface BitswapContext {
  readonly orders: OrderIds
  readonly effects: BitswapEffect[]
  readonly counters: BitswapCounters
  /** Links whose outbox changed since they were last flushed. */
  readonly touched: Set<Link>
  readonly deadlines: Deadlines<Want | Link | Discovery | Probe>
  readonly discovery: Discovery
  /** Whether somebody else still waits for what was asked of a peer. */
  readonly isWantAsking: (key: Uint8Array, peer: Peer) => boolean
  readonly isProbeAsking: (key: Uint8Array, peer: Peer) => boolean
}

export function zeroCounters(): BitswapCounters {
  return {
    wantHavesSent: 0,
    wantBlocksSent: 0,
    cancelsSent: 0,
    havesReceived: 0,
    dontHavesReceived: 0,
    blocksReceived: 0,
    duplicateBlocksReceived: 0,
    unwantedBlocksReceived: 0,
    bytesReceived: 0,
    wantsReceived: 0,
    blocksSent: 0,
    bytesSent: 0,
    presencesSent: 0,
    refusedWants: 0,
    guessedWants: 0,
    guessHits: 0,
    wantsSuccess: 0,
    wantsFailure: 0,
    wantsNoProvider: 0,
    wantsFetchFailed: 0,
    probesSuccess: 0,
    probesFailed: 0,
  }
}
