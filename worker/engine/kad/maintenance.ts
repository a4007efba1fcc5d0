import { limits } from '../limits.ts'
import { earlier, type Machine, type Millis, type Tick } from '../machine.ts'
import type { Key, Peer, PeerCache } from '../peer.ts'
import type { Rng } from '../rng.ts'
import { Outbox } from './outbox.ts'
import { PreimageSearch } from './preimage-search.ts'

/**
 * When the routing table is filled, repaired and refreshed.
 *
 *   idle ──start, refresh due, repair due──▶ looking up ourselves ──ended──▶ next bucket? ──none──▶ idle
 *                                                                     ▲   └──▶ searching a key ──found──▶ looking it up
 *                                                                     └──────────────────────────────────────┘
 *
 * A repair goes through the bootstrap peers and stops after the first lookup; it comes again, ever later, while the
 * table has few peers. A refresh goes over all buckets, one lookup at a time. It does not know how lookups are run.
 */
export class Maintenance implements Machine<MaintenanceEvent, MaintenanceEffect> {
  readonly #self: Peer
  readonly #rng: Rng
  readonly #peers: PeerCache
  readonly #outbox = new Outbox<MaintenanceEffect>()
  #state: MaintenanceState = { type: 'idle' }
  #refreshAt: Millis
  #repairAt: Millis | undefined
  #repairDelayMs = limits.tableRepairFirstMs.value
  #tableSize = 0

  constructor(init: { self: Peer; rng: Rng; peers: PeerCache; tableSize: number; now: Millis }) {
    this.#self = init.self
    this.#rng = init.rng
    this.#peers = init.peers
    this.#tableSize = init.tableSize
    this.#refreshAt = init.now + limits.tableRefreshIntervalMs.value
    this.#lookUpSelf(init.tableSize < limits.lowTablePeers.value)
  }

  /** Whether a lookup through the bootstrap peers is under way. */
  get isBootstrapping(): boolean {
    return this.#state.type === 'looking-up-self' && this.#state.isRepair
  }

  handle(event: MaintenanceEvent, now: Millis): void {
    switch (event.type) {
      case 'tick':
        break
      case 'table-size':
        this.#tableSize = event.size
        break
      case 'network-changed':
        this.#refreshAt = now
        break
      case 'lookup-ended':
        this.#lookupEnded(event.buckets, now)
        break
    }
    this.#planRepair(now)
    this.#proceed(now)
  }

  poll(): MaintenanceEffect | undefined {
    return this.#outbox.poll()
  }

  nextDeadline(): Millis | undefined {
    switch (this.#state.type) {
      case 'idle':
        return earlier(this.#refreshAt, this.#repairAt)
      case 'searching-key':
        return this.#state.stepAt
      case 'looking-up-self':
      case 'looking-up-key':
        return undefined
    }
  }

  #planRepair(now: Millis): void {
    if (this.#tableSize >= limits.lowTablePeers.value) {
      this.#repairAt = undefined
      this.#repairDelayMs = limits.tableRepairFirstMs.value
    } else if (this.#state.type === 'idle' && this.#repairAt === undefined) {
      this.#repairAt = now + this.#repairDelayMs
      this.#repairDelayMs = Math.min(2 * this.#repairDelayMs, limits.tableRepairMaxMs.value)
    }
  }

  #lookupEnded(buckets: readonly number[], now: Millis): void {
    switch (this.#state.type) {
      case 'looking-up-self': {
        const { isRepair } = this.#state
        this.#state = { type: 'idle' }
        if (!isRepair) this.#searchNext(bucketsToRefresh(buckets), now)
        break
      }
      case 'looking-up-key':
        this.#searchNext(this.#state.rest, now)
        break
      case 'idle':
      case 'searching-key':
        break
    }
  }

  #proceed(now: Millis): void {
    switch (this.#state.type) {
      case 'idle':
        if (this.#repairAt !== undefined && now >= this.#repairAt) {
          this.#repairAt = undefined
          this.#lookUpSelf(true)
        } else if (now >= this.#refreshAt) {
          this.#refreshAt = now + limits.tableRefreshIntervalMs.value
          this.#lookUpSelf(false)
        }
        break
      case 'searching-key':
        if (now >= this.#state.stepAt) this.#searchStep(this.#state, now)
        break
      case 'looking-up-self':
      case 'looking-up-key':
        break
    }
  }

  #lookUpSelf(isRepair: boolean): void {
    this.#state = { type: 'looking-up-self', isRepair }
    this.#outbox.push({ type: 'look-up', key: this.#self.id, target: this.#self.key, isRepair })
  }

  #searchNext(cpls: readonly number[], now: Millis): void {
    const [cpl, ...rest] = cpls
    if (cpl === undefined) {
      this.#state = { type: 'idle' }
      return
    }
    const search = new PreimageSearch({ cpl, self: this.#self.key, rng: this.#rng, peers: this.#peers })
    this.#state = { type: 'searching-key', search, rest, stepAt: now + limits.preimageStepMs.value }
  }

  #searchStep({ search, rest }: Extract<MaintenanceState, { type: 'searching-key' }>, now: Millis): void {
    const found = search.step()
    if (found === 'given-up') return this.#searchNext(rest, now)
    if (found === 'unfinished') {
      this.#state = { type: 'searching-key', search, rest, stepAt: now + limits.preimageStepMs.value }
      return
    }
    this.#state = { type: 'looking-up-key', rest }
    this.#outbox.push({ type: 'look-up', key: found.bytes, target: found.key, isRepair: false })
  }
}

export type MaintenanceEvent =
  | Tick
  /** A refresh is due at once. */
  | { readonly type: 'network-changed' }
  | { readonly type: 'table-size'; readonly size: number }
  /** Answers `look-up`. `buckets`: entries per bucket now. */
  | { readonly type: 'lookup-ended'; readonly buckets: readonly number[] }

export interface MaintenanceEffect {
  readonly type: 'look-up'
  readonly key: Uint8Array
  readonly target: Key
  /** Through the bootstrap peers. */
  readonly isRepair: boolean
}

type MaintenanceState =
  | { readonly type: 'idle' }
  | { readonly type: 'looking-up-self'; readonly isRepair: boolean }
  | { readonly type: 'searching-key'; readonly search: PreimageSearch; readonly rest: readonly number[]; readonly stepAt: Millis }
  | { readonly type: 'looking-up-key'; readonly rest: readonly number[] }

function bucketsToRefresh(buckets: readonly number[]): number[] {
  const cpls: number[] = []
  for (const [cpl, size] of buckets.entries()) {
    if (size > 0 && cpl <= limits.refreshCplMax.value) cpls.push(cpl)
  }
  return cpls
}
