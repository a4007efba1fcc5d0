import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis, OrderId } from '../machine.ts'
import { multihashOf } from './cid-key.ts'
import type { Link } from './link.ts'

/**
 * What one peer wants of us, and in what order it is answered: by the peer's own priority, then by age. It does not
 * know other peers; fairness between them is the responder's.
 */
export class Ledger {
  readonly link: Link
  /** Answers being read from the store. */
  loading = 0
  /** As large as those may be. */
  loadingBytes = 0
  /** Bytes of blocks being read for or on their way to this peer, as the responder last counted them. */
  bytes = 0
  /**
   * So many there may be, and one block more: what fills a message when one has failed, and then as much more as the peer has taken
   * since.
   */
  allowance: number = limits.answerBytesPerPeerMax.value
  /** Until then, or until it has taken a message, it may be one that takes none. */
  failsUntil: Millis = 0
  readonly #wants = new BytesMap<PeerWant>()
  /** By multihash, since a block that comes in answers every way of writing its CID. */
  readonly #byKey = new BytesMap<PeerWant[]>()
  /** The next one to answer is the last. */
  readonly #queue: PeerWant[] = []
  #sequence = 0

  constructor(link: Link, now: Millis) {
    this.link = link
    if (link.isKnown) this.failed(now)
  }

  /** A message to the peer was lost. */
  failed(now: Millis): void {
    this.allowance = limits.answerBlocksBytesMax.value
    this.failsUntil = now + limits.bitswapSendTimeoutMs.value
  }

  /** A message with so many bytes of blocks has left. */
  taken(blockBytes: number): void {
    this.allowance = Math.min(limits.answerBytesPerPeerMax.value, this.allowance + blockBytes)
    this.failsUntil = 0
  }

  get size(): number {
    return this.#wants.size
  }

  get hasQueued(): boolean {
    return this.#queue.length > 0
  }

  get(cid: Uint8Array): PeerWant | undefined {
    return this.#wants.get(cid)
  }

  ofKey(key: Uint8Array): readonly PeerWant[] {
    return this.#byKey.get(key) ?? []
  }

  values(): IterableIterator<PeerWant> {
    return this.#wants.values()
  }

  /** The want must be new; it is queued at once. */
  add(terms: PeerWantTerms): void {
    const want: PeerWant = { ...terms, sequence: this.#sequence++, state: { type: 'waiting' } }
    this.#wants.set(want.cid, want)
    const key = multihashOf(want.cid)
    this.#byKey.set(key, [...this.ofKey(key), want])
    this.enqueue(want)
  }

  delete(want: PeerWant): void {
    this.#unqueue(want)
    this.#wants.delete(want.cid)
    const key = multihashOf(want.cid)
    const others = this.ofKey(key).filter((other) => other !== want)
    if (others.length === 0) this.#byKey.delete(key)
    else this.#byKey.set(key, others)
  }

  /**
   * Makes room where the oldest want is one that we could not answer, and returns whether it did. Not every peer sends
   * cancels (Helia sends none): of one that stays for long, no want would be taken any more.
   */
  forgetOldestWaiting(): boolean {
    const [oldest] = this.#wants.values()
    if (oldest?.state.type !== 'waiting') return false
    this.delete(oldest)
    return true
  }

  enqueue(want: PeerWant): void {
    this.#unqueue(want)
    want.state = { type: 'queued' }
    let low = 0
    let high = this.#queue.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (comesLater(this.#queue[middle]!, want)) low = middle + 1
      else high = middle
    }
    this.#queue.splice(low, 0, want)
  }

  takeNext(): PeerWant | undefined {
    return this.#queue.pop()
  }

  #unqueue(want: PeerWant): void {
    if (want.state.type === 'queued') this.#queue.splice(this.#queue.indexOf(want), 1)
  }
}

export interface PeerWantTerms {
  readonly cid: Uint8Array
  wantType: 'block' | 'have'
  sendDontHave: boolean
  readonly priority: number
}

export interface PeerWant extends PeerWantTerms {
  readonly sequence: number
  state: PeerWantState
}

/**
 *   queued ──▶ loading ──found──▶ answering ──sent──▶ (forgotten)
 *     ▲           └──not found──▶ waiting ──block added──┐
 *     └──────────────────────────────────────────────────┘
 */
export type PeerWantState =
  | { readonly type: 'queued' }
  /** `changed`: the block was added or removed since the order went out. */
  | { readonly type: 'loading'; readonly order: OrderId; readonly changed: 'added' | 'removed' | undefined }
  /** Block or HAVE is in the outbox. */
  | { readonly type: 'answering' }
  /** We do not have it; the peer was told so if it wished. */
  | { readonly type: 'waiting' }

function comesLater(a: PeerWant, b: PeerWant): boolean {
  return a.priority < b.priority || (a.priority === b.priority && a.sequence > b.sequence)
}
