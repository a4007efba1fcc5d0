import type { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import type { Session } from './session.ts'
import type { WantOrder } from './want-order.ts'
import { isActive, step, type WantPeer } from './want-peer.ts'

/** How long a want waits for those it has asked, and whom it asks once more. */

/**
 * Called when the time of the peer that holds the want-block is up. A block may be on its way behind others, or nobody else may have
 * it: silence is judged by what comes of the peer, and by what it delivers. A peer that has sent what was asked for long after this has
 * lost the question; nothing else is wrong with it. One that took long to say HAVE is given as long for the block before anybody new is
 * asked, whatever its other answers took; others that have said HAVE do not wait for that.
 */
function patienceWith(entry: WantPeer, now: Millis): 'none' | 'in-time' | 'overtaken' | 'stalled' {
  const state = entry.state
  if (state.type !== 'asked-block' || state.sentAt === undefined) return 'none'
  const link = entry.link!
  const stallAt = Math.max(state.sentAt, link.lastHeardAt ?? state.sentAt) + link.blockTimeoutMs
  const patienceAt = Math.max(state.sentAt, link.lastDeliveredAt ?? state.sentAt) + limits.blockPatienceMs.value
  if (now >= patienceAt) return 'none'
  const isStalled = now >= stallAt
  const overdue = isStalled || link.latestAnsweredAsk > state.sentAt + link.answerTimeoutMs
  const slow = overdue && state.said && now < slowUntil(entry, state.sentAt)
  const until = !overdue ? Math.min(stallAt, now + link.blockCheckMs) : slow ? slowUntil(entry, state.sentAt) : patienceAt
  entry.state = { ...state, overdue, isSlow: slow, until: Math.min(until, patienceAt) }
  return isStalled ? 'stalled' : overdue ? 'overtaken' : 'in-time'
}

/** Tells those that queue for a peer that has stalled. */
export function waitsLonger(entry: WantPeer, orders: WantOrder[], now: Millis): boolean {
  const patience = patienceWith(entry, now)
  if (patience === 'stalled') {
    entry.link!.isStalled = true
    orders.push({ type: 'stalled', link: entry.link! })
  }
  return patience !== 'none'
}

/** The holder of the want-block may yet send what it said it has: the search goes on, but nobody new is asked. */
export function isSlow(holder: WantPeer | undefined): boolean {
  return holder?.state.type === 'asked-block' && holder.state.isSlow
}

/** A HAVE that comes later than any answer is waited for says that the peer has it only now. */
function slowUntil({ haveAfterMs = 0 }: WantPeer, sentAt: Millis): Millis {
  if (haveAfterMs > limits.answerTimeoutMaxMs.value) return sentAt
  return sentAt + Math.min(limits.blockAfterHaveFactor.value * haveAfterMs, limits.answerTimeoutMaxMs.value)
}

/**
 * Nobody is left: whoever has delivered blocks and did not send this one in time was perhaps only slow, with a whole
 * network in between. Returns whether there is such a peer.
 */
export function forgiveSilence(key: Uint8Array, peers: BytesMap<WantPeer>, now: Millis): boolean {
  let isAny = false
  for (const entry of peers.values()) {
    if (entry.state.type !== 'denied' || entry.state.by !== 'silence') continue
    // While the cancel has not left, a new question would only take it back.
    if ((entry.link?.blocksDelivered ?? 0) === 0 || entry.link!.outbox.isTold(key)) continue
    step(entry, 'have', now)
    isAny ||= isActive(entry.state)
  }
  return isAny
}

/** Only blocks count as progress: words are cheap. */
export function latestBlockAt(since: Millis, sessions: Iterable<Session>, peers: BytesMap<WantPeer>): Millis {
  let latest = since
  for (const session of sessions) latest = Math.max(latest, session.lastBlockAt ?? latest)
  for (const { link, state } of peers.values()) {
    if (link !== undefined && isActive(state)) latest = Math.max(latest, link.lastDeliveredAt ?? latest)
  }
  return latest
}
