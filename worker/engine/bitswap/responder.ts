import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis, OrderId } from '../machine.ts'
import { multihashOf } from './cid-key.ts'
import type { BitswapContext } from './context.ts'
import type { BitswapEvent } from './contract.ts'
import { Ledger, type PeerWant } from './ledger.ts'
import type { Link } from './link.ts'
import type { BitswapMessage, WantlistEntry } from './message.ts'
import type { Flight } from './outbox.ts'

/**
 * Answers what others want of us: one ledger per peer, blocks read from the store a few at a time, one want of each
 * peer in turn, and no more in memory for a peer than it takes off our hands.
 *
 * A want stays in its ledger until it was answered with the block (or a HAVE, if it asked for that), is cancelled,
 * or the peer is gone: a block that comes later is still sent. The responder does not know our own wants.
 */
export class Responder {
  readonly #context: BitswapContext
  readonly #ledgers = new BytesMap<Ledger>()
  /** Ledgers whose turn can come: something is queued and there is a place for the answer. */
  readonly #ready = new Set<Ledger>()
  readonly #loads = new Map<OrderId, { readonly ledger: Ledger; readonly want: PeerWant; readonly bytesMax: number }>()
  /** Of all ledgers: in memory, or being read. */
  #answerBytes = 0

  constructor(context: BitswapContext) {
    this.#context = context
  }

  receive(link: Link, message: BitswapMessage, now: Millis): void {
    if (message.wantlist.length === 0 && !message.full) return
    let ledger = this.#ledgers.get(link.peer.id)
    if (ledger === undefined) {
      ledger = new Ledger(link, now)
      this.#ledgers.set(link.peer.id, ledger)
    }
    if (message.full) this.#replace(ledger, message.wantlist, now)
    for (const entry of message.wantlist) this.#take(ledger, entry, now)
    this.#settle(ledger)
  }

  /** Returns whether the order was ours. */
  blockLoaded(order: OrderId, loaded: Loaded): boolean {
    const load = this.#loads.get(order)
    if (load === undefined) return false
    this.#loads.delete(order)
    const { ledger, want } = load
    ledger.loading--
    ledger.loadingBytes -= load.bytesMax
    if (want.state.type === 'loading' && want.state.order === order) this.#answer(ledger, want, loaded, want.state.changed)
    this.#settle(ledger)
    return true
  }

  /** The block is in the store now. */
  blockAdded(cid: Uint8Array): void {
    const key = multihashOf(cid)
    for (const ledger of this.#ledgers.values()) {
      for (const want of ledger.ofKey(key)) {
        if (want.state.type === 'waiting') ledger.enqueue(want)
        else if (want.state.type === 'loading') want.state = { ...want.state, changed: 'added' }
      }
      this.#settle(ledger)
    }
  }

  /** What has not left yet does not leave any more. */
  blockRemoved(cid: Uint8Array): void {
    const key = multihashOf(cid)
    for (const ledger of this.#ledgers.values()) {
      for (const want of ledger.ofKey(key)) {
        if (want.state.type === 'loading') want.state = { ...want.state, changed: 'removed' }
        if (want.state.type !== 'answering') continue
        ledger.link.outbox.dropAnswer(want.cid)
        ledger.enqueue(want)
      }
      this.#settle(ledger)
    }
  }

  messageSent(link: Link, flight: Flight, now: Millis): void {
    for (const { cid } of flight.message.blocks) this.#context.discovery.blockWentTo(multihashOf(cid), link.peer, link.info, now)
    const ledger = this.#ledgers.get(link.peer.id)
    if (ledger === undefined) return
    ledger.taken(flight.blockBytes)
    for (const cid of answeredBy(flight)) {
      const want = ledger.get(cid)
      if (want?.state.type === 'answering') ledger.delete(want)
    }
    this.#settle(ledger)
  }

  /** Answers that did not arrive are given once more, as the store stands then. */
  messageFailed(link: Link, flight: Flight, now: Millis): void {
    const ledger = this.#ledgers.get(link.peer.id)
    if (ledger === undefined) return
    ledger.failed(now)
    for (const cid of answeredBy(flight)) {
      const want = ledger.get(cid)
      if (want?.state.type === 'answering') ledger.enqueue(want)
    }
    for (const { cid, type } of flight.message.presences) {
      const want = ledger.get(cid)
      if (type === 'dont-have' && want?.state.type === 'waiting') ledger.enqueue(want)
    }
    this.#settle(ledger)
  }

  disconnected(link: Link): void {
    const ledger = this.#ledgers.get(link.peer.id)
    if (ledger === undefined) return
    this.#ledgers.delete(link.peer.id)
    this.#ready.delete(ledger)
    for (const want of [...ledger.values()]) ledger.delete(want)
    for (const load of this.#loads.values()) if (load.ledger === ledger) load.want.state = { type: 'waiting' }
    this.#settle(ledger)
  }

  /** Starts as many reads as there are places, one want of each peer in turn. */
  pump(now: Millis): void {
    for (const ledger of this.#ready) {
      if (this.#loads.size >= limits.blockLoadsMax.value) return
      if (!hasPlace(ledger)) this.#ready.delete(ledger)
      else if (this.#hasMemoryFor(ledger, now)) {
        this.#ready.delete(ledger)
        this.#load(ledger)
      }
    }
  }

  /** Where memory is scarce each peer gets one block in its turn, but for those of whom a message has just failed. */
  #hasMemoryFor({ bytes, failsUntil }: Ledger, now: Millis): boolean {
    if (this.#answerBytes < limits.answerBytesMax.value) return true
    return bytes === 0 && now >= failsUntil && this.#answerBytes < limits.answerBytesTotalMax.value
  }

  /** The block counts at its largest until it is known. */
  #load(ledger: Ledger): void {
    const want = ledger.takeNext()!
    const order = this.#context.orders.next()
    want.state = { type: 'loading', order, changed: undefined }
    const bytesMax = want.wantType === 'have' ? limits.inlineBlockBytesMax.value : undefined
    const load = { ledger, want, bytesMax: bytesMax ?? limits.bitswapMessageBytesMax.value }
    ledger.loading++
    ledger.loadingBytes += load.bytesMax
    this.#loads.set(order, load)
    this.#context.effects.push({ type: 'load-block', order, cid: want.cid, bytesMax })
    this.#settle(ledger)
  }

  #take(ledger: Ledger, entry: WantlistEntry, now: Millis): void {
    const known = ledger.get(entry.cid)
    const { discovery } = this.#context
    const { peer, info, hearing } = ledger.link
    if (entry.cancel) {
      discovery.heardCancel(multihashOf(entry.cid), peer, now)
      if (known !== undefined) this.#remove(ledger, known)
      return
    }
    this.#context.counters.wantsReceived++
    if (entry.cid.length <= limits.cidBytesMax.value) discovery.heardWant(multihashOf(entry.cid), peer, info, hearing, now)
    if (known !== undefined) {
      this.#renew(ledger, known, entry)
      return
    }
    const isFull = ledger.size >= limits.wantsPerPeerMax.value
    if (entry.cid.length > limits.cidBytesMax.value || (isFull && !ledger.forgetOldestWaiting())) {
      this.#context.counters.refusedWants++
      return
    }
    const { cid, wantType, sendDontHave, priority } = entry
    ledger.add({ cid, wantType, sendDontHave, priority })
  }

  /** Want-block beats want-have, sendDontHave sticks, and whoever asks again is answered again. */
  #renew(ledger: Ledger, want: PeerWant, entry: WantlistEntry): void {
    const isUpgrade = want.wantType === 'have' && entry.wantType === 'block'
    if (isUpgrade) want.wantType = 'block'
    want.sendDontHave ||= entry.sendDontHave
    if (want.state.type === 'waiting') ledger.enqueue(want)
    if (want.state.type === 'answering' && isUpgrade) {
      ledger.link.outbox.dropAnswer(want.cid)
      ledger.enqueue(want)
    }
  }

  #answer(ledger: Ledger, want: PeerWant, loaded: Loaded, changed: 'added' | 'removed' | undefined): void {
    const { bytes, size = bytes?.length } = loaded
    // It was added while we looked, or a want-have has become one for the block.
    const isOutdated = size === undefined ? changed === 'added' : bytes === undefined && want.wantType === 'block'
    if (isOutdated && changed !== 'removed') return ledger.enqueue(want)
    const { cid } = want
    const { outbox } = ledger.link
    this.#context.touched.add(ledger.link)
    if (size === undefined || changed === 'removed' || size > limits.bitswapMessageBytesMax.value) {
      want.state = { type: 'waiting' }
      if (want.sendDontHave) outbox.present({ cid, type: 'dont-have' })
      return
    }
    want.state = { type: 'answering' }
    const isBlock = want.wantType === 'block' || size <= limits.inlineBlockBytesMax.value
    if (isBlock && bytes !== undefined) outbox.block({ cid, bytes })
    else outbox.present({ cid, type: 'have' })
  }

  /** A whole wantlist cancels what is not in it; the rest is wanted anew. */
  #replace(ledger: Ledger, wantlist: readonly WantlistEntry[], now: Millis): void {
    if (ledger.size === 0) return
    const kept = new BytesMap<true>()
    for (const { cid, cancel } of wantlist) if (!cancel) kept.set(multihashOf(cid), true)
    for (const want of [...ledger.values()]) {
      const key = multihashOf(want.cid)
      if (!kept.has(key)) this.#context.discovery.heardCancel(key, ledger.link.peer, now)
      this.#remove(ledger, want)
    }
  }

  #remove(ledger: Ledger, want: PeerWant): void {
    ledger.delete(want)
    want.state = { type: 'waiting' }
    ledger.link.outbox.dropAnswer(want.cid)
  }

  /** After any change: what this peer costs in memory, and whether its turn can come. */
  #settle(ledger: Ledger): void {
    const isHere = this.#ledgers.get(ledger.link.peer.id) === ledger
    const bytes = isHere ? ledger.link.outbox.answerBytes + ledger.loadingBytes : 0
    this.#answerBytes += bytes - ledger.bytes
    ledger.bytes = bytes
    if (isHere && hasPlace(ledger)) this.#ready.add(ledger)
  }
}

/** What the store says: nothing, the block, or how large it is. */
type Loaded = Pick<Extract<BitswapEvent, { type: 'block-loaded' }>, 'bytes' | 'size'>

function hasPlace(ledger: Ledger): boolean {
  return (
    ledger.hasQueued &&
    ledger.loading < limits.blockLoadsPerPeerMax.value &&
    (ledger.bytes === 0 || ledger.bytes < ledger.allowance)
  )
}

/** CIDs that the message answers for good. */
function* answeredBy(flight: Flight): IterableIterator<Uint8Array> {
  for (const { cid } of flight.message.blocks) yield cid
  for (const { cid, type } of flight.message.presences) if (type === 'have') yield cid
}
