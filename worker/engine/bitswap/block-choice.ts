import type { PeerSource, WantPeer } from './want-peer.ts'

/** Who gets the want-block of a CID next. */

export const sourceRank: Record<PeerSource, number> = { broadcast: 0, session: 1, provider: 2, 'session-good': 3 }

/**
 * Peers that said HAVE, and peers there is a reason to ask, unless they said DONT_HAVE. One that is still to answer a
 * want-have may be asked for the block meanwhile.
 */
export function mayGetBlock(entry: WantPeer): boolean {
  return entry.link !== undefined && rankOf(entry) > 0
}

/** HAVE before unknown, then the better reason, who is not stalled, fewer tries, the shorter wait, the id: total. */
export function isBetter(a: WantPeer, b: WantPeer): boolean {
  const ranks = rankOf(a) - rankOf(b)
  if (ranks !== 0) return ranks > 0
  if (a.link!.isStalled !== b.link!.isStalled) return b.link!.isStalled
  if (a.failedMessages !== b.failedMessages) return a.failedMessages < b.failedMessages
  if (a.blockAsks !== b.blockAsks) return a.blockAsks < b.blockAsks
  const wait = a.link!.expectedMs - b.link!.expectedMs
  return wait !== 0 ? wait < 0 : compareIds(a.peer.id, b.peer.id) < 0
}

function rankOf(entry: WantPeer): number {
  if (entry.state.type === 'have') return 10 + sourceRank[entry.source]
  return entry.state.type === 'unasked' || entry.state.type === 'asked-have' ? sourceRank[entry.source] : 0
}

function compareIds(a: Uint8Array, b: Uint8Array): number {
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    if (a[index] !== b[index]) return a[index]! - b[index]!
  }
  return a.length - b.length
}
