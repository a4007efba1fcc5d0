import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import type { Peer, PeerInfo } from '../peer.ts'
import { BlockWindow } from './block-window.ts'
import { Outbox } from './outbox.ts'
import { Hearing } from './registry.ts'
import type { TakenOver } from './takeover.ts'
import type { Want } from './want.ts'

/**
 * A connected Bitswap peer: what is to be said to it, and how quick it has been. Latency is the moving average of
 * first answers to a question (boxo's, weight 1/2); speed that of bytes over the time since the peer was asked or
 * last delivered, whichever is later.
 */
export class Link {
  readonly peer: Peer
  readonly outbox: Outbox
  /** How much of its wants is listened to; of the peer, not of the connection. */
  readonly hearing: Hearing
  /** Where it can be dialed when it is gone, if it has said so. */
  info: PeerInfo | undefined
  /** It knows want-have, HAVE and DONT_HAVE; who does not is asked for the block itself, and says nothing where it has none. */
  hasPresences = true
  /** Wants that would ask this peer for the block, had it a place free. */
  readonly starving = new Set<Want>()
  /** A block is overdue, and none has come since. */
  isStalled = false
  blocksDelivered = 0
  /** Questions to it while it had served nothing. */
  askedInVain = 0
  /** When a block that we wanted last came. */
  lastDeliveredAt: Millis | undefined
  /** The same, or when a part of a message last came: a large one is on its way for long. */
  lastHeardAt: Millis | undefined
  /** When the question had left that was answered last by a block: answers come in the order of questions, more or less. */
  latestAnsweredAsk: Millis = 0
  /** Delivered since the last measure of speed, and when that time began. */
  #deliveredBytes = 0
  #measuredAt: Millis | undefined
  /** Wants that asked it for the block, in that order. */
  readonly asked = new Set<Want>()
  readonly #window = new BlockWindow()
  #latencyMs: number | undefined
  /** The quickest of its answers: others waited behind blocks. */
  #nearMs: number | undefined
  /** Blocks that it could have sent sooner, had it had the time, and what they took; older ones count less. */
  #transferred = 0
  #transferredMs = 0
  #bytesPerMs = bytesPerMsAtFirst
  readonly pace: Pace
  /** On this same connection it was lost once, and may remember what we wanted then. */
  readonly isKnown: boolean

  constructor(peer: Peer, pace: Pace, isKnown: boolean, hearing = new Hearing()) {
    this.peer = peer
    this.pace = pace
    this.isKnown = isKnown
    this.hearing = hearing
    this.outbox = new Outbox(isKnown)
  }

  get blocksInFlight(): number {
    return this.asked.size
  }

  /** Enough is asked of it to keep its pipe full, while the rest is free to go elsewhere. */
  get isFull(): boolean {
    return this.blocksInFlight >= this.#window.places
  }

  /** It was given more because nobody else was left. */
  get hasMoreThanItsPlaces(): boolean {
    return this.blocksInFlight > this.#window.places
  }

  /** Nor is it asked for more where nobody else is left. */
  get isOverfull(): boolean {
    return this.blocksInFlight >= this.#window.most
  }

  /** For a HAVE or DONT_HAVE. */
  get answerTimeoutMs(): number {
    if (this.#latencyMs === undefined) return limits.answerTimeoutDefaultMs.value
    return clamp(3 * this.#latencyMs)
  }

  /** Until others are asked beside a guess. */
  get guessTimeoutMs(): number {
    const answerMs = this.#latencyMs === undefined ? limits.guessDeadlineMs.value : clamp(2 * this.#latencyMs)
    return answerMs + Math.min(this.expectedMs, limits.guessDeadlineMs.value)
  }

  /** Until a question is answered; what guesses are thought to take where nothing is known. */
  get roundTripMs(): number {
    return this.#latencyMs ?? limits.guessDeadlineMs.value
  }

  /** For a block, behind those that were asked for before it. */
  get blockTimeoutMs(): number {
    return Math.max(this.answerTimeoutMs, clamp(3 * (this.#latencyMs ?? 0) + 2 * this.expectedMs))
  }

  /** How often to look whether a block is overdue: sooner than it may have stalled, since later ones may overtake it, or others take it over. */
  get blockCheckMs(): number {
    return Math.min(this.blockTimeoutMs, 2 * this.answerTimeoutMs, limits.takeoverCheckMs.value)
  }

  /**
   * Until a block that it is asked for now would begin to come: a round trip (the usual one, if nothing is known), and what was asked
   * for before.
   */
  get beginsInMs(): number {
    return (this.#nearMs ?? this.pace.answerMs) + (this.blocksInFlight * this.pace.blockBytes) / this.#bytesPerMs
  }

  /** How long one more block would take, by what is in flight already. */
  get expectedMs(): number {
    return ((this.blocksInFlight + 1) * this.pace.blockBytes) / this.#bytesPerMs
  }

  /** Until a block would come that it is asked for now: at most, since a pipe that was not full makes it look slow. */
  get comesInMs(): number {
    return this.#window.quickestMs + this.expectedMs
  }

  /** Until the block of this want comes, in its place among those that were asked for before and have not come. */
  placeOf(want: Want): number {
    return [...this.asked].indexOf(want) + 1
  }

  /**
   * Until the block in this place comes, at least: by what its blocks have taken when it had others to send. Of a silent peer
   * nothing is known but that it has been silent for so long, and may be as long again.
   */
  blockComesInMs(place: number, now: Millis): number {
    if (this.asked.size === 0) return 0
    const [first] = this.asked
    const state = first!.peers.get(this.peer.id)?.state
    const askedAt = state !== undefined && 'sentAt' in state ? state.sentAt : undefined
    if (askedAt === undefined) return 0
    if (this.blocksDelivered === 0) return now - Math.max(askedAt, this.lastHeardAt ?? askedAt)
    const lateMs = now - Math.max(askedAt + this.#window.quickestMs, this.lastDeliveredAt!)
    const eachMs = this.transferMs ?? 0
    return Math.max(place * eachMs - lateMs, lateMs - eachMs)
  }

  /** That a block takes of its time, while it has others to send; undefined if it never had. */
  get transferMs(): number | undefined {
    return this.#transferred === 0 ? undefined : this.#transferredMs / this.#transferred
  }

  /** Half as long for a block, or less. What slows down all of them alike is our own connection, and taking over would not help. */
  isTwiceAsQuickAs({ transferMs }: Link): boolean {
    return transferMs === undefined || 2 * (this.transferMs ?? 0) <= transferMs
  }

  /** What it could have sent with the blocks before, had it had the time, took what has passed since those. */
  #measureTransfer(blocks: number, bytes: number, askedAt: Millis, now: Millis): void {
    const lastAt = this.lastDeliveredAt!
    if (lastAt < askedAt + this.#window.quickestMs) return
    const kept = transfersKept ** blocks
    this.#transferredMs = this.#transferredMs * kept + now - lastAt
    this.#transferred = this.#transferred * kept + blocks
    this.pace.msPerByte = blend(this.pace.msPerByte, (now - lastAt) / Math.max(1, bytes))
  }

  answered(askedAt: Millis, now: Millis): void {
    const sample = now - askedAt
    this.#nearMs = Math.min(this.#nearMs ?? sample, sample)
    this.pace.answerMs = blend(this.pace.answerMs, this.#nearMs)
    this.#latencyMs = this.#latencyMs === undefined ? sample : (this.#latencyMs + sample) / 2
  }

  /**
   * Blocks that came in one message; `askedAt`: when the first of them was asked for. What comes in one burst is one
   * measure: a millisecond between two messages says nothing about a peer's speed.
   */
  delivered(blocks: number, bytes: number, askedAt: Millis, now: Millis): void {
    const isFirst = this.blocksDelivered === 0
    const since = Math.max(askedAt, this.#measuredAt ?? askedAt)
    if (!isFirst) this.#measureTransfer(blocks, bytes, askedAt, now)
    this.blocksDelivered += blocks
    this.lastDeliveredAt = now
    this.lastHeardAt = now
    this.isStalled = false
    this.#window.delivered(blocks, this.blocksInFlight + blocks, askedAt, now)
    this.pace.delivered(blocks)
    this.pace.blockBytes = blend(this.pace.blockBytes, Math.max(1, bytes / blocks))
    this.#deliveredBytes += Math.max(1, bytes)
    if (!isFirst && now - since < limits.speedMeasureMs.value) return
    const speed = this.#deliveredBytes / Math.max(1, now - since)
    // What it has done once it can do: a pipe that was not full tells the least of it.
    if (isFirst) this.#bytesPerMs = speed
    else if (speed < this.#bytesPerMs) this.#bytesPerMs = blend(this.#bytesPerMs, speed)
    else this.#bytesPerMs = (this.#bytesPerMs + speed) / 2
    this.#deliveredBytes = 0
    this.#measuredAt = now
  }
}

/** What all peers have in common: moving averages of the sizes of blocks, of what they take to transfer, and of how near peers are. */
export class Pace {
  /** At first what importers make of a file. */
  blockBytes = 262_144
  /** The quickest answer of a peer. */
  answerMs: number = limits.guessDeadlineMs.value
  /** At first that of a connection of 33 Mbit/s. */
  msPerByte = 1 / 4_096
  /** How many more may be under way that were taken over in time: one less for each that came twice. */
  #credit: number = limits.takeoversMax.value
  /** How many more may be taken over that are on their way, and so come twice. */
  #repeats: number = limits.takeoverRepeatsMax.value
  /** Of one block, behind others. */
  get transferMs(): number {
    return this.blockBytes * this.msPerByte
  }

  /** Whether one more block may be taken over (`takeover.ts`) by a peer that has so many under way. */
  mayTakeOver(how: TakenOver, underWay: number): boolean {
    return how === 'in-time' ? this.#credit >= 1 : this.#repeats >= underWay + 1
  }

  tookOver(how: TakenOver): void {
    if (how === 'in-time') this.#credit--
    else this.#repeats--
  }

  /** What was taken over in time came from who took it over. */
  cameAsHoped(): void {
    this.#credit++
  }

  /** And from the other as well. */
  cameTwice(): void {
    this.#credit--
  }

  delivered(blocks: number): void {
    const more = blocks / limits.takeoverBlocksPerRepeat.value
    this.#credit = Math.min(limits.takeoversMax.value, this.#credit + more)
    this.#repeats = Math.min(limits.takeoverRepeatsMax.value, this.#repeats + more)
  }
}

/** Half of the weight is on the last 23 blocks: those of several peers come in bursts when our own connection is what is slow. */
const transfersKept = 0.97

/** A modest guess for a peer that has delivered nothing: 0.5 MB/s. */
const bytesPerMsAtFirst = 512

function blend(average: number, sample: number): number {
  return 0.7 * average + 0.3 * sample
}

function clamp(ms: number): number {
  return Math.min(limits.answerTimeoutMaxMs.value, Math.max(limits.answerTimeoutMinMs.value, ms))
}
