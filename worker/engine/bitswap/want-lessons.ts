import type { Millis } from '../machine.ts'
import type { Peer } from '../peer.ts'
import type { BitswapContext } from './context.ts'
import type { Link } from './link.ts'
import { isAloneIn } from './session.ts'
import { verdict, type WantPeer } from './want-peer.ts'
import type { Want } from './want.ts'

/** What is learned from one want about whom to ask for the next. */

/** How long the block took, and whether it had been guessed. */
export function learnFromBlock({ discovery, counters }: BitswapContext, want: Want, link: Link, now: Millis): void {
  const entry = want.peers.get(link.peer.id)
  const latest = discovery.latestSource([...want.contexts], now)
  const asked = latest === undefined ? undefined : want.peers.get(latest.id)
  if (asked !== undefined && isBySight(asked) && asked.askedAt !== undefined)
    discovery.judgeLatest(isAloneIn(want.sessions), asked === entry || hasSaid(asked))
  discovery.delivered(link.peer, want.contexts, now)
  if (entry !== undefined) learnFromAnswer({ discovery }, want, entry, now)
  if (judgeGuess({ discovery }, want, link.peer, true, now)) counters.guessHits++
  if (want.guess.wasMade) counters.guessedWants++
  // Silence of those that were guessed at is judged no later than here: the want ends, and would never hear of it.
  for (const other of want.peers.values())
    if (want.guess.isOverdue(other, now)) judgeGuess({ discovery }, want, other.peer, false, now)
  if (want.takenOver === 'in-time' && entry === want.holder) link.pace.cameAsHoped()
  // What a provider had that was dialed for it a search has found, or the page: the rest is Bitswap's own.
  const isFound = entry?.isProvider === true && entry.dials > 0
  counters[isFound ? 'wantsFailure' : 'wantsSuccess']++
  if (!isFound && entry?.dials === 0 && want.seeksSince !== undefined) discovery.blockTook(now - want.seeksSince, now)
}

/**
 * The first HAVE, or the block, to a question that went to many: how long such answers take is how long a step waits. Those that
 * come when their time was up already count too, or nobody would ever be thought late.
 */
export function learnFromAnswer(
  { discovery }: Pick<BitswapContext, 'discovery'>,
  want: Want,
  entry: WantPeer,
  now: Millis,
): void {
  const { source, askedAt } = entry
  if (source !== 'broadcast' || askedAt === undefined) return
  for (const other of want.peers.values()) if (hasSaid(other)) return
  discovery.answered(now - askedAt)
}

/** It was asked for what it had sent before, and nobody had named it. */
function isBySight({ source }: WantPeer): boolean {
  return source !== 'provider' && source !== 'registry'
}

function hasSaid({ state }: WantPeer): boolean {
  return state.type === 'have' || ((state.type === 'asked-block' || state.type === 'guessed') && state.said)
}

/** How long a search takes until it names a provider, and how often it names none. */
export function learnFromSearch({ discovery }: BitswapContext, { search }: Want, event: 'named' | 'ended', now: Millis): void {
  const { since } = search
  if (since !== undefined) discovery.searched(event === 'named' ? now - since : undefined)
  search.named()
}

/**
 * Who of those that were asked has it, when the want ends. Who has delivered in its sessions before is left out: that it has
 * one block more of a DAG, or one less, says nothing about other content. So is who was asked because it wanted the same:
 * counted as servers, the many that each had one thing would hide the few that have much. `from`: who sent it, if that is to count.
 */
export function learnFromEnd({ discovery }: BitswapContext, want: Want, from: Peer | undefined, now: Millis): void {
  for (const entry of want.peers.values()) {
    const { peer, source, link, info } = entry
    if (source === 'registry' || (source === 'session-good' && peer !== from)) continue
    const found = peer === from ? 'served' : verdict(entry, discovery.answerMs, now)
    if (found === 'served') discovery.served(peer, info ?? link?.info, link, want.contexts, now)
    else if (found === 'missed') discovery.missed(peer, link, want.contexts, now)
  }
}

export function learnFromDenial(context: Pick<BitswapContext, 'discovery'>, want: Want, peer: Peer, now: Millis): void {
  if (context.discovery.denied(peer)) context.discovery.judgeLatest(isAloneIn(want.sessions), false)
  judgeGuess(context, want, peer, false, now)
}

/** Returns whether the peer was guessed at, and not judged yet. */
export function judgeGuess(
  { discovery }: Pick<BitswapContext, 'discovery'>,
  want: Want,
  peer: Peer,
  isHit: boolean,
  now: Millis,
): boolean {
  const sign = want.guess.take(peer)
  if (sign !== undefined) discovery.registry.judged(want.key, sign, isHit, now)
  return sign !== undefined
}
