import { assert, unreachable } from '../assert.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import type { Peer, PeerInfo } from '../peer.ts'
import type { Link } from './link.ts'

/**
 * What one want knows of one peer.
 *
 *   heard ──▶ connecting ──▶ identifying ──▶ unasked ──▶ asked-have ──▶ have ──▶ asked-block
 *     ▲           └──▶ gone ◀──┘                ├─────────────┴── denied ◀─┴──────────┤
 *     │                                         └──▶ guessed ◀──outranked─────────────┘
 *     │   (taken over: asked-block ──▶ have, unasked)
 *     └── disconnected, while its address is known and a dial is left; else gone
 *
 * A peer keeps our want after a DONT_HAVE, so a denied peer is never asked again, but its later HAVE is heard: up to
 * `blockAsksMax` times, or a liar could send us round in circles.
 */
export interface WantPeer {
  readonly peer: Peer
  source: PeerSource
  /** A search, or the page, has said that it provides the block; there may be a better reason to ask it. */
  isProvider: boolean
  state: WantPeerState
  /** Present while the peer is connected and speaks Bitswap. */
  link: Link | undefined
  /** Where to reach it; undefined if it came to us by itself. */
  info: PeerInfo | undefined
  dials: number
  blockAsks: number
  /** How often it has said HAVE or DONT_HAVE. */
  presences: number
  /** When the first question to it had left. */
  askedAt: Millis | undefined
  /** How long after that it said HAVE for the first time. */
  haveAfterMs: Millis | undefined
  failedMessages: number
}

/**
 * Why the want knows the peer, the best reason last. A want-block goes out without a HAVE to all but those that
 * merely happen to be connected.
 */
export type PeerSource = 'broadcast' | 'session' | 'registry' | 'provider' | 'session-good'

export type WantPeerState =
  | { readonly type: 'heard' }
  | { readonly type: 'connecting' }
  | { readonly type: 'identifying'; readonly until: Millis }
  | { readonly type: 'unasked' }
  | { readonly type: 'asked-have'; readonly sentAt: Millis | undefined; readonly until: Millis }
  | { readonly type: 'have' }
  /**
   * `said`: it had sent a HAVE. `overdue`: its time is up, but nobody else was there to ask. `isSlow`: not yet by how long its
   * HAVE took.
   */
  | {
      readonly type: 'asked-block'
      readonly said: boolean
      readonly overdue: boolean
      readonly isSlow: boolean
      readonly sentAt: Millis | undefined
      readonly until: Millis
    }
  /**
   * Asked for the block beside others, because it wanted it itself, or on a hunch before somebody better was known. It does
   * not hold the one want-block.
   */
  | { readonly type: 'guessed'; readonly said: boolean; readonly sentAt: Millis | undefined; readonly until: Millis }
  | { readonly type: 'denied'; readonly by: 'dont-have' | 'silence' | 'failure' }
  | { readonly type: 'gone' }

export type WantPeerEvent =
  | 'need-made'
  | 'connection-ready'
  | 'connection-failed'
  | 'bitswap-connected'
  | 'disconnected'
  | 'have-asked'
  | 'block-asked'
  | 'block-guessed'
  | 'outranked'
  | 'taken-over'
  | 'message-sent'
  | 'message-failed'
  | 'have'
  | 'dont-have'
  | 'time-up'

export function newWantPeer(peer: Peer, source: PeerSource, info: PeerInfo | undefined, link: Link | undefined): WantPeer {
  const state: WantPeerState =
    link !== undefined ? { type: 'unasked' } : info !== undefined ? { type: 'heard' } : { type: 'gone' }
  return {
    peer,
    source,
    isProvider: source === 'provider',
    state,
    link,
    info,
    dials: 0,
    blockAsks: 0,
    presences: 0,
    askedAt: undefined,
    haveAfterMs: undefined,
    failedMessages: 0,
  }
}

/** Whether a want may still get its block from this peer without a word from outside. */
export function isActive(state: WantPeerState): boolean {
  return state.type !== 'denied' && state.type !== 'gone'
}

/** Counts what the peer says, and whether that is still to be heard: all wants of the session and the page are told of it. */
export function isHeard(entry: WantPeer): boolean {
  return entry.presences++ < limits.presencesHeardMax.value
}

/**
 * Whether the peer has what was wanted, now that the want ends; undefined if it had no time to say so. A HAVE is believed
 * unless the block was asked for in vain.
 */
export function verdict({ state, blockAsks }: WantPeer, answerMs: Millis, now: Millis): 'served' | 'missed' | undefined {
  switch (state.type) {
    case 'have':
      return blockAsks === 0 ? 'served' : 'missed'
    case 'asked-have':
    case 'asked-block':
    case 'guessed':
      if (state.type !== 'asked-have' && state.said) return 'served'
      return state.sentAt !== undefined && now >= state.sentAt + answerMs ? 'missed' : undefined
    case 'denied':
      return state.by === 'failure' ? undefined : 'missed'
    default:
      return undefined
  }
}

/** By how long a peer took to say HAVE is judged how long it may take for the block. */
export function noteHave(entry: WantPeer, now: Millis): void {
  if (entry.askedAt !== undefined) entry.haveAfterMs ??= now - entry.askedAt
}

/** If a question is answered by what the peer says now: measures how long that took, and returns when the question had left. */
export function noteAnswer(entry: WantPeer | undefined, now: Millis): Millis | undefined {
  if (entry === undefined || !('sentAt' in entry.state)) return undefined
  const { sentAt } = entry.state
  if (sentAt !== undefined) entry.link!.answered(sentAt, now)
  return sentAt
}

/** The whole life of a `WantPeer`; orders that make no sense in a state are faults of ours. */
export function step(entry: WantPeer, event: WantPeerEvent, now: Millis): void {
  if (event === 'have-asked' || event === 'block-asked' || event === 'block-guessed') count(entry, event)
  if (event === 'need-made') entry.dials++
  if (event === 'message-sent') entry.askedAt ??= now
  if (event === 'message-failed') entry.failedMessages++
  entry.state = next(entry, event, now)
}

function count(entry: WantPeer, event: 'have-asked' | 'block-asked' | 'block-guessed'): void {
  assert(entry.link !== undefined, 'only connected peers are asked')
  if (event !== 'have-asked') entry.blockAsks++
}

function next(entry: WantPeer, event: WantPeerEvent, now: Millis): WantPeerState {
  const state = entry.state
  switch (state.type) {
    case 'heard':
    case 'connecting':
    case 'identifying':
      return beforeConnection(entry, state, event, now)
    case 'unasked':
    case 'have':
    case 'denied':
      return atRest(entry, state, event, now)
    case 'asked-have':
    case 'asked-block':
    case 'guessed':
      return underQuestion(entry, state, event, now)
    case 'gone':
      assert(!isOrder(event), 'nothing is ordered of a peer that is gone')
      return event === 'bitswap-connected' ? { type: 'unasked' } : state
    default:
      return unreachable(state)
  }
}

type StateOf<T extends WantPeerState['type']> = Extract<WantPeerState, { type: T }>

function beforeConnection(
  entry: WantPeer,
  state: StateOf<'heard' | 'connecting' | 'identifying'>,
  event: WantPeerEvent,
  now: Millis,
): WantPeerState {
  if (event === 'bitswap-connected') return { type: 'unasked' }
  if (event === 'need-made' && state.type === 'heard') return { type: 'connecting' }
  assert(!isOrder(event), 'a peer is asked only when connected, and dialed once at a time')
  if (state.type === 'connecting') {
    if (event === 'connection-ready') return { type: 'identifying', until: now + limits.identifyGraceMs.value }
    if (event === 'connection-failed') return { type: 'gone' }
  }
  if (state.type === 'identifying') {
    if (event === 'time-up') return { type: 'gone' }
    if (event === 'disconnected') return afterLoss(entry)
  }
  return state
}

function atRest(
  entry: WantPeer,
  state: StateOf<'unasked' | 'have' | 'denied'>,
  event: WantPeerEvent,
  now: Millis,
): WantPeerState {
  assert(
    event !== 'need-made' && event !== 'outranked' && event !== 'taken-over',
    'a connected peer is not dialed, and who holds nothing not outranked',
  )
  switch (event) {
    case 'have-asked':
      assert(state.type === 'unasked', 'a want-have is for a peer that said nothing yet')
      return { type: 'asked-have', sentAt: undefined, until: now + limits.messageAnswerTimeoutMs.value }
    case 'block-asked':
      assert(state.type !== 'denied', 'who denied is not asked for the block')
      return blockAsked(state.type === 'have', now)
    case 'block-guessed':
      assert(state.type === 'unasked', 'a guess is made at a peer that said nothing yet')
      return { type: 'guessed', said: false, sentAt: undefined, until: now + limits.messageAnswerTimeoutMs.value }
    case 'have':
      return believed(entry)
    case 'dont-have':
      return { type: 'denied', by: 'dont-have' }
    case 'disconnected':
      return state.type === 'denied' ? { type: 'gone' } : afterLoss(entry)
    default:
      return state
  }
}

function underQuestion(
  entry: WantPeer,
  state: StateOf<'asked-have' | 'asked-block' | 'guessed'>,
  event: WantPeerEvent,
  now: Millis,
): WantPeerState {
  assert(
    event !== 'have-asked' && event !== 'need-made' && event !== 'block-guessed',
    'a peer under question is not asked less, nor dialed',
  )
  switch (event) {
    case 'block-asked':
      assert(state.type === 'asked-have', 'a peer is asked for a block once at a time')
      return blockAsked(false, now)
    case 'outranked':
      assert(state.type === 'asked-block', 'only who holds the want-block is outranked')
      return guessedInstead(entry, state)
    case 'taken-over':
      assert(state.type === 'asked-block', 'only who holds the want-block loses it to another')
      return state.said ? { type: 'have' } : { type: 'unasked' }
    case 'message-sent':
      return sent(entry, state, now)
    case 'message-failed':
      if (entry.failedMessages >= limits.messageTriesMax.value) return { type: 'denied', by: 'failure' }
      return state.type !== 'asked-have' && state.said ? { type: 'have' } : { type: 'unasked' }
    case 'have':
      return state.type === 'asked-have' ? believed(entry) : { ...state, said: true }
    case 'dont-have':
      return { type: 'denied', by: 'dont-have' }
    case 'time-up':
      return { type: 'denied', by: 'silence' }
    case 'disconnected':
      return afterLoss(entry)
    default:
      return state
  }
}

function sent(entry: WantPeer, state: StateOf<'asked-have' | 'asked-block' | 'guessed'>, now: Millis): WantPeerState {
  assert(entry.link !== undefined, 'only a connected peer is under question')
  const { answerTimeoutMs, blockTimeoutMs, blockCheckMs } = entry.link
  const waitMs = { 'asked-have': answerTimeoutMs, 'asked-block': blockCheckMs, guessed: blockTimeoutMs }[state.type]
  return { ...state, sentAt: now, until: now + waitMs }
}

/** The clock starts when the message has left; until then only the outbox's own limit holds. */
function blockAsked(said: boolean, now: Millis): WantPeerState {
  const until = now + limits.messageAnswerTimeoutMs.value
  return { type: 'asked-block', said, overdue: false, isSlow: false, sentAt: undefined, until }
}

/** What it was sent stands. */
function guessedInstead({ link }: WantPeer, { said, sentAt, until }: StateOf<'asked-block'>): WantPeerState {
  assert(link !== undefined, 'only a connected peer is under question')
  return { type: 'guessed', said, sentAt, until: sentAt === undefined ? until : sentAt + link.blockTimeoutMs }
}

function believed(entry: WantPeer): WantPeerState {
  return entry.blockAsks < limits.blockAsksMax.value ? { type: 'have' } : { type: 'denied', by: 'silence' }
}

function afterLoss(entry: WantPeer): WantPeerState {
  return entry.info !== undefined && entry.dials < limits.wantDialsMax.value ? { type: 'heard' } : { type: 'gone' }
}

function isOrder(event: WantPeerEvent): boolean {
  return (
    event === 'need-made' ||
    event === 'have-asked' ||
    event === 'block-asked' ||
    event === 'block-guessed' ||
    event === 'outranked' ||
    event === 'taken-over'
  )
}
