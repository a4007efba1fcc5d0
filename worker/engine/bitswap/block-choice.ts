import { limits } from '../limits.ts'
import { compareIds } from './ranking.ts'
import type { PeerSource, WantPeer } from './want-peer.ts'

/** Who gets the want-block of a CID next. */

export const sourceRank: Record<PeerSource, number> = {
  broadcast: 0,
  session: 1,
  registry: 2,
  provider: 3,
  'session-good': 4,
}

/**
 * Peers that said HAVE, and peers there is a reason to ask, unless they said DONT_HAVE. One that is still to answer a
 * want-have may be asked for the block meanwhile; one that owes us blocks already must say HAVE first.
 */
export function mayGetBlock(entry: WantPeer): boolean {
  return entry.link !== undefined && rankOf(entry) > 0
}

/** It said HAVE, or has delivered blocks of the same DAG. */
export function isTrusted({ state, source }: WantPeer): boolean {
  return state.type === 'have' || source === 'session-good'
}

/** How much must be known of who gets the want-block; `named`: that it is a provider, or trusted. */
export type Demand = 'any' | 'provider' | 'trusted' | 'named'

export function meets(entry: WantPeer, demand: Demand): boolean {
  if (demand === 'any') return true
  return (demand !== 'provider' && isTrusted(entry)) || (demand !== 'trusted' && entry.isProvider)
}

/** HAVE before unknown, who is not stalled, the better reason, fewer tries, the shorter wait, the id: total. */
export function isBetter(a: WantPeer, b: WantPeer): boolean {
  const ranks = rankOf(a) - rankOf(b)
  if (ranks !== 0) return ranks > 0
  if (a.failedMessages !== b.failedMessages) return a.failedMessages < b.failedMessages
  if (a.blockAsks !== b.blockAsks) return a.blockAsks < b.blockAsks
  const wait = a.link!.beginsInMs - b.link!.beginsInMs
  return wait !== 0 ? wait < 0 : compareIds(a.peer.id, b.peer.id) < 0
}

/**
 * Of peers that are full the one to give more than has its place, because nobody else is there. Of those that have delivered
 * nothing yet a few may have more at a time: of ten that only say HAVE each would else hold up so many wants, one after the other.
 */
export function leastBusy(full: readonly WantPeer[], key: Uint8Array): WantPeer | undefined {
  const open = full.filter((entry) => {
    const { isOverfull, isStalled, outbox } = entry.link!
    return (isTrusted(entry) || entry.source === 'session') && !isOverfull && !isStalled && outbox.canTake(key)
  })
  const lent = full.filter(({ link }) => link!.blocksDelivered === 0 && link!.hasMoreThanItsPlaces)
  const mayLend = lent.length < limits.unprovenPeersMax.value
  const chosen = open.filter((entry) => entry.link!.blocksDelivered > 0 || mayLend || lent.includes(entry))
  let best: WantPeer | undefined
  for (const entry of chosen) if (best === undefined || entry.link!.expectedMs < best.link!.expectedMs) best = entry
  return best
}

function rankOf(entry: WantPeer): number {
  const isStalled = entry.link?.isStalled === true
  const reason = sourceRank[entry.source]
  if (entry.state.type === 'have') return (isStalled ? 5 : 10) + reason
  if (entry.state.type !== 'unasked' && entry.state.type !== 'asked-have') return 0
  return isStalled ? 0 : reason
}
