import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import { isTrusted, mayGetBlock } from './block-choice.ts'
import type { Link } from './link.ts'
import type { WantPeer } from './want-peer.ts'
import type { Want } from './want.ts'

/**
 * Who has less to do takes over what a slower peer was asked for. At the end of a file blocks would else wait behind each
 * other at one peer while others have nothing to send.
 *
 * A want moves only where its block comes in half the time, to a peer that sends twice as fast. What was asked for last moves
 * first; the first few are on their way already, so that they come twice, and move only to a peer that has hardly anything
 * else to do. `Pace` says how many may move, and learns from those that come twice.
 */

/** What this peer could serve sooner: of who takes longest with all that it was asked for, the latest. */
export function worthTakingOver(by: Link, links: Iterable<Link>, now: Millis): readonly Want[] {
  if (!isFree(by)) return []
  let busiest: Link | undefined
  let longestMs = leastWaitMs(by)
  for (const link of links) {
    const waitMs = link === by ? 0 : link.blockComesInMs(link.blocksInFlight, now)
    if (waitMs <= longestMs || !by.isTwiceAsQuickAs(link)) continue
    busiest = link
    longestMs = waitMs
  }
  return busiest === undefined ? [] : latestOf(busiest, by)
}

/** Whom this want had better ask instead of the peer that it has asked. */
export function takerOf(want: Want, { link }: WantPeer, now: Millis): WantPeer | undefined {
  const from = link!
  if (from.blockComesInMs(from.blocksInFlight, now) <= limits.takeoverGainMinMs.value) return undefined
  const how = howTaken(want, from)
  const waitMs = from.blockComesInMs(from.placeOf(want), now)
  let best: WantPeer | undefined
  for (const entry of want.peers.values()) {
    if (!mayTake(entry) || entry.link === from) continue
    const by = entry.link!
    if (leastWaitMs(by) >= waitMs || !by.isTwiceAsQuickAs(from)) continue
    if (!from.pace.mayTakeOver(how, by.blocksInFlight)) continue
    if (best === undefined || by.comesInMs < best.link!.comesInMs) best = entry
  }
  return best !== undefined && latestOf(from, best.link!).includes(want) ? best : undefined
}

/** A few at a time, so that the pipe of who takes them over fills, and no more leave than it can serve. */
function latestOf(link: Link, by: Link): readonly Want[] {
  const held = [...link.asked].filter((want) => want.holder?.link === link && mayTake(want.peers.get(by.peer.id)))
  return held.slice(-limits.takeoversAtOnceMax.value)
}

/** In time: the peer that was asked before can still be kept from sending the block. */
export type TakenOver = 'in-time' | 'on-the-way'

export function howTaken(want: Want, from: Link): TakenOver {
  return from.placeOf(want) > limits.blocksOnTheWay.value ? 'in-time' : 'on-the-way'
}

/** What is to come within this time stays where it is. */
function leastWaitMs(by: Link): number {
  return 2 * by.comesInMs + limits.takeoverGainMinMs.value
}

function mayTake(entry: WantPeer | undefined): boolean {
  if (entry?.link === undefined || entry.blockAsks >= limits.takeoversPerPeerMax.value) return false
  return mayGetBlock(entry) && isTrusted(entry) && isFree(entry.link)
}

function isFree({ blocksDelivered, isFull, isStalled, outbox }: Link): boolean {
  return blocksDelivered > 0 && !isFull && !isStalled && outbox.hasRoom
}
