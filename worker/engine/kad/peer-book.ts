import { equalBytes } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import type { Key, Peer, PeerInfo } from '../peer.ts'
import { addressesBesides, hasDialable } from '../addresses.ts'
import type { ConnectionFailed, RequestFailure } from './contract.ts'
import type { DeniedPeers } from './denied-peers.ts'
import type { KadResponse } from './message.ts'
import type { RoutingTable } from './routing-table.ts'
import type { ServerChecks } from './server-checks.ts'

/**
 * What peers did, told to the routing table: who may enter, who is doubted, who is denied. It draws the conclusions;
 * the table keeps the places, the checks ask.
 */
export class PeerBook {
  readonly #denied: DeniedPeers
  readonly #checks: ServerChecks
  readonly #bootstrapPeers: readonly PeerInfo[]
  readonly table: RoutingTable

  constructor(init: {
    table: RoutingTable
    checks: ServerChecks
    denied: DeniedPeers
    bootstrapPeers: readonly PeerInfo[]
  }) {
    this.table = init.table
    this.#checks = init.checks
    this.#denied = init.denied
    this.#bootstrapPeers = init.bootstrapPeers
  }

  /**
   * Peers to begin a query with. The bootstrap peers come in when the table has few entries, and as the second try
   * of a query to which the table has nothing (more) to offer.
   */
  seeds(target: Key, count: number, taken: SeedsTaken): PeerInfo[] {
    const { table } = this
    const seeds: PeerInfo[] = []
    if (table.additions > taken.seenAdditions) {
      taken.seenAdditions = table.additions
      seeds.push(...table.nearest(target, count))
    }
    const needsBootstrap = seeds.length === 0 || table.size < limits.lowTablePeers.value || taken.isRepair
    if (needsBootstrap && !taken.hasBootstrapSeeds) {
      taken.hasBootstrapSeeds = true
      seeds.push(...this.#bootstrapPeers)
    }
    return seeds
  }

  serverSeen(info: PeerInfo, now: Millis): void {
    if (this.#denied.has(info.peer.id)) return
    if (this.table.get(info.peer) !== undefined) return this.table.learnAddresses(info)
    if (this.wouldTake(info, now)) this.#checks.offer(info)
  }

  /** Whether there would be a place for a peer that somebody names, did it pass the check. */
  wouldTake(info: PeerInfo, now: Millis): boolean {
    const isNew = !this.#denied.has(info.peer.id) && this.table.get(info.peer) === undefined
    return isNew && hasDialable(info.addresses) && this.table.wouldAdmit(info, now)
  }

  /** An entry, or a bootstrap peer. */
  known(peer: Peer): PeerInfo | undefined {
    return this.table.get(peer) ?? this.#bootstrapPeers.find((other) => equalBytes(other.peer.id, peer.id))
  }

  serverGone(peer: Peer): void {
    this.table.remove(peer)
    this.#checks.withdraw(peer)
  }

  checkAnswered(info: PeerInfo, response: KadResponse, now: Millis): void {
    if (response.closer.length > 0) this.#admit(info, now)
  }

  /** An answer with closer peers is the proof of a server; without any it takes the lookup check first. */
  answered(info: PeerInfo, response: KadResponse, now: Millis): void {
    const isKnown = this.table.get(info.peer) !== undefined
    if (isKnown || response.closer.length > 0) this.#admit(info, now)
    else this.serverSeen(info, now)
  }

  dialFailed({ peer, reason, tried }: ConnectionFailed, now: Millis): void {
    switch (reason) {
      case 'refused':
      case 'timeout': {
        // Where others said it was is no evidence against the peer.
        const own = this.table.get(peer)?.addresses ?? []
        const isElsewhere = tried !== undefined && addressesBesides(tried, own).length === tried.length
        return isElsewhere ? undefined : this.table.failed(peer, now)
      }
      case 'denied':
        this.table.remove(peer)
        return this.#denied.add(peer.id)
      // These say nothing new about the peer.
      case 'no-dialable-address':
      case 'backoff':
      case 'overloaded':
        return
    }
  }

  requestFailed(peer: Peer, reason: RequestFailure, now: Millis): void {
    if (reason === 'unsupported') this.table.remove(peer)
    else this.table.failed(peer, now)
  }

  #admit(info: PeerInfo, now: Millis): void {
    if (hasDialable(info.addresses)) this.table.admit(info, now)
  }
}

/** What a query was given so far. */
export interface SeedsTaken {
  readonly isRepair: boolean
  /** Additions of the table when it was last given seeds from there. */
  seenAdditions: number
  hasBootstrapSeeds: boolean
}
