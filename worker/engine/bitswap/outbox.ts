import { assert } from '../assert.ts'
import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis, OrderId, OrderIds } from '../machine.ts'
import type { BitswapBlock, BitswapMessage, BlockPresence, WantlistEntry } from './message.ts'
import { wholeWantlist, type Cancel, type Told, type WholeWantlist } from './whole-wantlist.ts'

/**
 * What is still to be said to one peer, and what it was told. One message is on its way at a time; what comes up
 * meanwhile coalesces into the next one.
 *
 *   idle ──assemble──▶ in flight ──sent──▶ idle
 *                          └──failed──▶ resting (longer each time) ──▶ idle
 *
 * A want-block beats a want-have, and sendDontHave sticks. A cancel withdraws a want that was not sent yet, and is itself sent only for
 * what the peer was told: at once for a want-block, since a block may be on its way; after a while for a want-block that was denied,
 * since the block may come to the peer yet; after longer for a want-have, which costs the peer a HAVE then, and a block if that is
 * small. A message that says all that we want of the peer meanwhile replaces the wantlist that it holds, and needs no cancels.
 *
 * It does not know why anything is wanted or answered.
 */
export class Outbox {
  /** What the peer's copy of our wantlist holds, as far as we can know. Keyed by multihash, as all wants here. */
  readonly #told = new BytesMap<Told>()
  readonly #wants = new BytesMap<WantlistEntry>()
  readonly #cancels = new BytesMap<Cancel>()
  /** When the first of them is due. */
  #cancelsAt = Number.POSITIVE_INFINITY
  /** Keyed by CID: an answer repeats the CID of the question. */
  readonly #presences = new BytesMap<BlockPresence>()
  readonly #blocks = new BytesMap<BitswapBlock>()
  #blockBytes = 0
  #flight: Flight | undefined
  /** The next message replaces a wantlist of ours that the peer may remember. */
  #startsOver: boolean
  #failures = 0
  #restsUntil = 0

  constructor(startsOver: boolean) {
    this.#startsOver = startsOver
  }

  /** Whether one more want fits: the peer would drop what goes beyond its own bound. */
  get hasRoom(): boolean {
    return this.#told.size + this.#wants.size < limits.wantsPerPeerMax.value
  }

  /** The message that is on its way. */
  get flight(): Flight | undefined {
    return this.#flight
  }

  /** Blocks in memory that wait or are on their way. */
  get answerBytes(): number {
    return this.#blockBytes + (this.#flight?.blockBytes ?? 0)
  }

  /** Failed messages since one was sent. */
  get failures(): number {
    return this.#failures
  }

  /** When this outbox wants to be looked at again, if nothing else happens. */
  get deadline(): Millis | undefined {
    if (this.#flight !== undefined) return this.#flight.deadline
    if (this.#hasNews) return this.#restsUntil
    return this.#cancels.size === 0 ? undefined : Math.max(this.#restsUntil, this.#cancelsAt)
  }

  /** Returns false if the peer was told as much already, and has not denied it. */
  want(key: Uint8Array, entry: WantlistEntry): boolean {
    const told = this.#told.get(key)
    const isCovered = told !== undefined && covers(told.entry, entry)
    // The peer has answered, or may have before the cancel was due, and would not do so again: it is told both.
    const withdrawn = this.#cancels.get(key)?.entry ?? (isCovered && told.isDenied ? cancelOf(told.entry) : undefined)
    if (isCovered && withdrawn === undefined) return false
    assert(told !== undefined || this.#wants.has(key) || this.hasRoom, 'a want is queued only where there is room')
    const queued = this.#wants.get(key)
    this.#wants.set(key, queued === undefined ? entry : merge(queued, entry))
    if (withdrawn !== undefined) this.#cancelAt(key, withdrawn, 0)
    return true
  }

  /** The peer has it not: takes back what was not sent yet, without a cancel for what was. */
  denied(key: Uint8Array): void {
    this.#wants.delete(key)
    const told = this.#told.get(key)
    if (told !== undefined) this.#told.set(key, { ...told, isDenied: true })
  }

  /** Nothing is said to a peer that was told nothing. Returns whether that made room for another want at once. */
  cancel(key: Uint8Array, now: Millis): boolean {
    const wasQueued = this.#wants.delete(key)
    const told = this.#told.get(key)
    if (told === undefined) return wasQueued
    if (!this.#cancels.has(key)) this.#cancelAt(key, cancelOf(told.entry), now + (this.#isScarce ? 0 : waitOf(told)))
    return wasQueued
  }

  /** The peer sent the block, and so has forgotten the want. Returns whether that made room for another. */
  settled(key: Uint8Array): boolean {
    const flown = this.#flight?.wants.get(key)
    if (flown !== undefined) flown.settled = true
    const wasQueued = this.#wants.delete(key)
    const wasTold = this.#told.has(key)
    this.#forget(key)
    return wasTold || wasQueued
  }

  /** Whether a want of this CID can be said without a place more. */
  canTake(key: Uint8Array): boolean {
    return this.hasRoom || this.#told.has(key)
  }

  /** The want-block has arrived there, and was not denied since. */
  awaitsBlock(key: Uint8Array): boolean {
    const told = this.#told.get(key)
    const isOnTheWay = this.#wants.has(key) || this.#flight?.wants.has(key) === true
    return told?.entry.wantType === 'block' && !told.isDenied && !isOnTheWay
  }

  isTold(key: Uint8Array): boolean {
    return this.#told.has(key)
  }

  present(presence: BlockPresence): void {
    this.#presences.set(presence.cid, presence)
  }

  block(block: BitswapBlock): void {
    this.#dropBlock(block.cid)
    this.#presences.delete(block.cid)
    this.#blocks.set(block.cid, block)
    this.#blockBytes += block.bytes.length
  }

  /** Withdraws an answer that was not sent yet. */
  dropAnswer(cid: Uint8Array): void {
    this.#presences.delete(cid)
    this.#dropBlock(cid)
  }

  /** The next message, unless one is in flight, the outbox rests, or there is nothing to say. */
  assemble(orders: OrderIds, now: Millis): Flight | undefined {
    if (this.#flight !== undefined || now < this.#restsUntil) return undefined
    if (!this.#hasNews && (this.#cancels.size === 0 || now < this.#cancelsAt)) return undefined
    const draft: Draft = { wantlist: [], presences: [], blocks: [], wants: new BytesMap(), bytes: envelopeBytes, blockBytes: 0 }
    const whole = wholeWantlist(this.#told, this.#cancels, this.#wants, {
      hasNews: this.#hasNews,
      isDue: now >= this.#cancelsAt,
      now,
    })
    if (whole === undefined) this.#takeCancels(draft, now)
    else this.#startOver(draft, whole)
    this.#takeWants(draft, now)
    this.#takeAnswers(draft)
    this.#flight = {
      order: orders.next(),
      deadline: now + limits.messageAnswerTimeoutMs.value,
      wants: draft.wants,
      whole,
      blockBytes: draft.blockBytes,
      message: {
        wantlist: draft.wantlist,
        full: this.#startsOver || whole !== undefined,
        blocks: draft.blocks,
        presences: draft.presences,
        pendingBytes: this.#blockBytes,
      },
    }
    return this.#flight
  }

  isOverdue(now: Millis): boolean {
    return this.#flight !== undefined && this.#flight.deadline <= now
  }

  sent(): void {
    this.#flight = undefined
    this.#startsOver = false
    this.#failures = 0
  }

  /**
   * The peer was not told after all. Wants and answers are the business of those who asked for them; cancels that
   * are still due are sent again.
   */
  failed(now: Millis): void {
    const flight = this.#flight
    assert(flight !== undefined, 'only a message in flight can fail')
    this.#flight = undefined
    for (const [key, { before, entry, settled }] of flight.wants.entries()) {
      if (settled) continue
      if (before === undefined) this.#told.delete(key)
      else this.#told.set(key, before)
      if (!entry.cancel && before === undefined) this.#dropCancel(key)
      if (entry.cancel) this.#cancelAt(key, entry, now)
    }
    if (flight.whole !== undefined) this.#restore(flight.whole, now)
    this.#restsUntil = now + limits.messageRetryFirstMs.value * 2 ** this.#failures
    this.#failures++
  }

  #restore({ ended, kept, keptBefore }: WholeWantlist, now: Millis): void {
    for (const [key, told] of ended.entries()) {
      this.#told.set(key, told)
      this.#cancelAt(key, cancelOf(told.entry), now)
    }
    for (const [key, told] of keptBefore.entries()) {
      if (this.#told.get(key) !== kept.get(key)) continue
      this.#told.set(key, told)
      // It was cancelled meanwhile, as a want-have.
      const cancel = this.#cancels.get(key)
      if (cancel !== undefined) this.#cancelAt(key, cancel.entry, Math.min(cancel.dueAt, now + waitOf(told)))
    }
  }

  /** Something that does not wait for another message. */
  get #hasNews(): boolean {
    return this.#wants.size + this.#presences.size + this.#blocks.size > 0
  }

  /** Places for wants at the peer are no longer plenty. */
  get #isScarce(): boolean {
    return this.#told.size >= limits.wantsPerPeerMax.value / 2
  }

  #forget(key: Uint8Array): void {
    this.#told.delete(key)
    this.#dropCancel(key)
  }

  #cancelAt(key: Uint8Array, entry: WantlistEntry, dueAt: Millis): void {
    this.#cancels.set(key, { entry, dueAt })
    this.#cancelsAt = Math.min(this.#cancelsAt, dueAt)
  }

  #dropCancel(key: Uint8Array): void {
    const wasFirst = this.#cancels.get(key)?.dueAt === this.#cancelsAt
    this.#cancels.delete(key)
    if (!wasFirst) return
    this.#cancelsAt = Number.POSITIVE_INFINITY
    for (const { dueAt } of this.#cancels.values()) this.#cancelsAt = Math.min(this.#cancelsAt, dueAt)
  }

  #startOver(draft: Draft, { ended, kept }: WholeWantlist): void {
    for (const key of ended.keys()) this.#forget(key)
    for (const [key, told] of kept.entries()) {
      fits(draft, told.entry.cid.length + wantBytes)
      draft.wantlist.push(told.entry)
      this.#told.set(key, told)
    }
  }

  /** Those that are due: the others are mostly spared by a whole wantlist that comes later. */
  #takeCancels(draft: Draft, now: Millis): void {
    const isScarce = this.#isScarce
    for (const [key, { entry, dueAt }] of [...this.#cancels.entries()]) {
      if (dueAt > now && !isScarce) continue
      if (!fits(draft, entry.cid.length + wantBytes)) return
      this.#write(draft, key, entry, undefined)
      this.#forget(key)
    }
  }

  /**
   * A want-block for what the peer said long ago to have is preceded by a cancel, in a message of its own: Helia forgets a
   * want five seconds after its HAVE, and takes a want-block that comes later for the one that it forgets.
   */
  #takeWants(draft: Draft, now: Millis): void {
    for (const [key, entry] of [...this.#wants.entries()]) {
      // Its cancel is in this message: one CID is in a wantlist once.
      if (draft.wants.has(key)) continue
      if (!fits(draft, entry.cid.length + wantBytes)) return
      const told = this.#told.get(key)
      if (told?.entry.wantType === 'have' && now - told.at >= limits.haveRenewMs.value) {
        this.#write(draft, key, cancelOf(told.entry), undefined)
        continue
      }
      this.#wants.delete(key)
      this.#write(draft, key, entry, { entry, at: now, isDenied: false })
    }
  }

  #write(draft: Draft, key: Uint8Array, entry: WantlistEntry, told: Told | undefined): void {
    draft.wantlist.push(entry)
    draft.wants.set(key, { entry, before: this.#told.get(key), settled: false })
    if (told === undefined) this.#told.delete(key)
    else this.#told.set(key, told)
  }

  #takeAnswers(draft: Draft): void {
    for (const presence of this.#presences.values()) {
      if (!fits(draft, presence.cid.length + presenceBytes)) break
      draft.presences.push(presence)
    }
    for (const presence of draft.presences) this.#presences.delete(presence.cid)
    for (const block of this.#blocks.values()) {
      const isAlone = draft.bytes === envelopeBytes
      const isFirst = draft.blocks.length === 0
      if (!isFirst && draft.blockBytes + block.bytes.length > limits.answerBlocksBytesMax.value) break
      if (!isAlone && draft.bytes + block.bytes.length + block.cid.length + blockBytes > limits.bitswapMessageBytesMax.value)
        break
      draft.bytes += block.bytes.length + block.cid.length + blockBytes
      draft.blockBytes += block.bytes.length
      draft.blocks.push(block)
    }
    for (const block of draft.blocks) this.#dropBlock(block.cid)
  }

  #dropBlock(cid: Uint8Array): void {
    const block = this.#blocks.get(cid)
    if (block === undefined) return
    this.#blockBytes -= block.bytes.length
    this.#blocks.delete(cid)
  }
}

/** A message on its way, and what it changed. */
export interface Flight {
  readonly order: OrderId
  readonly message: BitswapMessage
  readonly deadline: Millis
  readonly blockBytes: number
  /** By multihash. */
  readonly wants: BytesMap<FlownWant>
  /** The message replaces what the peer held of our wants. */
  readonly whole: WholeWantlist | undefined
}

interface FlownWant {
  readonly entry: WantlistEntry
  /** What the peer had been told of this CID before. */
  readonly before: Told | undefined
  /** The block came while the message was on its way. */
  settled: boolean
}

interface Draft {
  readonly wantlist: WantlistEntry[]
  readonly presences: BlockPresence[]
  readonly blocks: BitswapBlock[]
  readonly wants: BytesMap<FlownWant>
  bytes: number
  blockBytes: number
}

/** Upper estimates of what protobuf adds: tags, lengths, small fields. */
const envelopeBytes = 32
const wantBytes = 24
const presenceBytes = 12
const blockBytes = 24

/** How long its cancel may wait. */
function waitOf({ entry, isDenied }: Told): number {
  if (entry.wantType === 'have') return limits.cancelWaitMs.value
  return isDenied ? limits.deniedCancelWaitMs.value : 0
}

/** Takes the place if there is one. */
function fits(draft: Draft, bytes: number): boolean {
  if (draft.bytes + bytes > limits.bitswapMessageBytesMax.value) return false
  draft.bytes += bytes
  return true
}

function cancelOf(entry: WantlistEntry): WantlistEntry {
  return { ...entry, cancel: true, sendDontHave: false }
}

function covers(told: WantlistEntry, entry: WantlistEntry): boolean {
  return (told.wantType === 'block' || entry.wantType === 'have') && (told.sendDontHave || !entry.sendDontHave)
}

function merge(queued: WantlistEntry, entry: WantlistEntry): WantlistEntry {
  return {
    ...queued,
    wantType: queued.wantType === 'block' || entry.wantType === 'block' ? 'block' : 'have',
    sendDontHave: queued.sendDontHave || entry.sendDontHave,
    priority: Math.max(queued.priority, entry.priority),
  }
}
