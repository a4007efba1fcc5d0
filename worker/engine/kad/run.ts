import { BytesMap } from '../bytes-map.ts'
import type { NeedPriority, Priority } from '../connections/contract.ts'
import { limits } from '../limits.ts'
import { earlier, type Millis, type OrderId } from '../machine.ts'
import type { Peer, PeerInfo } from '../peer.ts'
import type { QueryId } from '../query.ts'
import type { Lane } from './contract.ts'
import type { SeedsTaken } from './peer-book.ts'
import type { Query, QueryEvent } from './queries/contract.ts'

/** One query under way, with everything outside of it that must be undone when it ends. */
export interface Run {
  readonly machine: Query
  /** Changes when the caller of a query has his answer and something is left to do. */
  purpose: RunPurpose
  /** Ends its waiting, then its running. */
  expiresAt: Millis
  /** Undefined while it waits for its turn. */
  begunAt: Millis | undefined
  /** Cached `nextDeadline` of the machine. */
  deadline: Millis | undefined
  readonly orders: Set<OrderId>
  readonly judgements: Set<OrderId>
  /** Peers whose connection it waits for. */
  readonly waitingFor: BytesMap<Peer>
  /** Every peer it needed, with the addresses heard of it. */
  readonly infos: BytesMap<PeerInfo>
  readonly seedsTaken: SeedsTaken
  /** Waits for its turn: its machine exists, and nothing of what it decides is done yet. */
  isQueued: boolean
  /** Its turn did not come in time. */
  hasWaitedInVain: boolean
  hasEnded: boolean
}

export type RunPurpose =
  /** `isDirect`: concerns one given peer, and searches for none. */
  | { readonly type: 'command'; readonly query: QueryId; readonly lane?: Lane | undefined; readonly isDirect?: boolean }
  | { readonly type: 'table-lookup'; readonly isRepair: boolean }
  | { readonly type: 'correction' }
  | { readonly type: 'server-check'; readonly peer: Peer }
  /** What an answered query still stores. */
  | { readonly type: 'remainder' }

export function newRun(machine: Query, purpose: RunPurpose, now: Millis): Run {
  return {
    machine,
    purpose,
    expiresAt: now + limits.kadQueueTimeoutMs.value,
    begunAt: undefined,
    deadline: undefined,
    orders: new Set(),
    judgements: new Set(),
    waitingFor: new BytesMap(),
    infos: new BytesMap(),
    seedsTaken: { isRepair: purpose.type === 'table-lookup' && purpose.isRepair, seenAdditions: -1, hasBootstrapSeeds: false },
    isQueued: true,
    hasWaitedInVain: false,
    hasEnded: false,
  }
}

/** What a person waits for goes before what keeps the table fresh; a table without peers helps nobody. */
export function priorityOf(purpose: RunPurpose): Priority {
  switch (purpose.type) {
    case 'command':
      return priorityOfLane(purpose.lane)
    case 'table-lookup':
      return purpose.isRepair ? 'normal' : 'maintenance'
    case 'correction':
    case 'server-check':
    case 'remainder':
      return 'maintenance'
  }
}

/** The repair of a table that has `known` peers is urgent only while those are few. */
export function needPriorityOf(purpose: RunPurpose, known: number): NeedPriority {
  if (purpose.type !== 'table-lookup') return priorityOf(purpose)
  return purpose.isRepair && known < limits.lowTablePeers.value ? 'repair' : 'maintenance'
}

function priorityOfLane(lane: Lane | undefined): Priority {
  if (lane === undefined) return 'urgent'
  return lane === 'idle' ? 'maintenance' : 'normal'
}

/**
 * Looks for peers by dialing one after the other, and waits for its turn among others that do. The repair of a table without peers
 * does not: those that have their turn may be held until it has found some.
 */
export function isSearch(purpose: RunPurpose): boolean {
  return (purpose.type === 'table-lookup' && !purpose.isRepair) || (purpose.type === 'command' && purpose.isDirect !== true)
}

/** Shares the few places of maintenance. A remainder has its place already: it only stores. */
export function isMaintenance(purpose: RunPurpose): boolean {
  return purpose.type !== 'remainder' && priorityOf(purpose) === 'maintenance'
}

export function runDeadline(run: Run): Millis {
  return run.isQueued ? run.expiresAt : (earlier(run.deadline, run.expiresAt) ?? run.expiresAt)
}

/** The event that time has for a run, if any. */
export function timeEvent(run: Run, now: Millis): QueryEvent | undefined {
  if (now >= run.expiresAt) return { type: 'expired' }
  return !run.isQueued && run.deadline !== undefined && now >= run.deadline ? { type: 'tick' } : undefined
}
