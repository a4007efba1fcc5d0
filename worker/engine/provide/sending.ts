import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis, OrderId, OrderIds } from '../machine.ts'
import type { Peer, PeerInfo } from '../peer.ts'
import { allocate } from './allocation.ts'
import { compareKeys } from './bits.ts'
import type { Lane, ProvideEffect, ProvideEvent, ProvidedKey } from './contract.ts'
import { isDialable, type Neighbourhood } from './neighbourhood.ts'
import { Trie } from './trie.ts'

/**
 * Tells the k nearest peers of each key, all keys of a peer over one connection.
 *
 *   allocated ──lane free──▶ telling ──all sent──▶ told
 *       ▲                       └──given up──▶ failed
 *       └──its keys go to the next nearest, up to six rounds──┘
 *
 * The keys go in waves, so that those in front are settled with all their peers while the others have not begun: what is settled need
 * not be told again, should the tab be closed. Nobody waits for the end of a wave, though. A peer holds one lane and no more; one that
 * hangs gives it back when its orders end. It gets the next waves while the receipt for the last is still out, where receipts come
 * soon, but only a few ahead of the first that is not settled: what is under way when a tab is closed is told again. Between two rounds
 * the next nearest can be made certain: it does not know how peers are found.
 */
export class Sending {
  readonly #orders: OrderIds
  readonly #hood: Neighbourhood
  readonly #keys: readonly ProvidedKey[]
  readonly #k: number
  readonly #trie = new Trie<number>()
  readonly #effects: SendingEffect[] = []
  readonly #told = new BytesMap<Set<number>>()
  readonly #telling = new Map<OrderId, Telling>()
  /** Peers that were told something, or could not be: whether the last attempt failed. */
  readonly #tried = new BytesMap<boolean>()
  /** Whether the last lot of a peer came soon: then it is the way there that takes time, not the bytes. */
  readonly #isQuick = new BytesMap<boolean>()
  #waiting: Share[] = []
  /** By wave: shares that are not told yet, or not in this round; infinite for one without anybody to tell, ever. */
  #open: number[]
  /** Keys that were taken as settled. */
  #taken = 0
  #rounds = 0
  #hasFailures = false

  constructor(init: { orders: OrderIds; hood: Neighbourhood; keys: readonly ProvidedKey[]; k: number }) {
    this.#orders = init.orders
    this.#hood = init.hood
    this.#keys = init.keys
    this.#k = init.k
    for (const [index, { key }] of init.keys.entries()) this.#trie.set(key, index)
    this.#open = Array.from({ length: Math.ceil(init.keys.length / limits.toldKeysMax.value) }, () => Infinity)
    this.beginRound()
  }

  /** Nobody is being told; `beginRound` may find more to do. */
  get hasRoundEnded(): boolean {
    return this.#waiting.length === 0 && this.#telling.size === 0
  }

  /** Peers that are being told. */
  get lanes(): number {
    return this.#busy().size
  }

  /** Whether a peer failed whose keys could go to others. */
  get wantsRound(): boolean {
    return this.#hasFailures && this.#rounds < limits.sendRoundsMax.value
  }

  /** Most of those that were tried could not be told. */
  get hasFailed(): boolean {
    const tried = this.#tried.size
    if (tried < limits.settledPeersMin.value && !this.hasRoundEnded) return false
    const failed = [...this.#tried.values()].filter((hasFailed) => hasFailed).length
    return tried > 0 && failed / tried > limits.failedPeersShareMax.value
  }

  poll(): SendingEffect | undefined {
    return this.#effects.shift()
  }

  /** Gives the free lanes to those that wait. */
  proceed(lanes: number, lane: Lane): void {
    for (;;) {
      const busy = this.#busy()
      const ahead = this.#open.findIndex((shares) => shares > 0) + limits.tellsPerPeerMax.value - 1
      const mayTell = ({ info: { peer }, wave }: Share): boolean => {
        const orders = busy.get(peer.id)
        if (orders === undefined) return busy.size < lanes
        return orders < limits.tellsPerPeerMax.value && wave <= ahead && this.#isQuick.get(peer.id) === true
      }
      const next = this.#waiting.findIndex(mayTell)
      if (next < 0) return
      const [share] = this.#waiting.splice(next, 1)
      this.#tell(share!, lane)
    }
  }

  /** Orders under way, by peer. */
  #busy(): BytesMap<number> {
    const busy = new BytesMap<number>()
    for (const { share } of this.#telling.values()) {
      const { id } = share.info.peer
      busy.set(id, (busy.get(id) ?? 0) + 1)
    }
    return busy
  }

  /** Returns whether there was such an order. */
  peerTold({ order, sent, wasNotTried }: Extract<ProvideEvent, { type: 'peer-told' }>): boolean {
    const telling = this.#telling.get(order)
    if (telling === undefined) return false
    this.#telling.delete(order)
    const { share, since } = telling
    const { peer } = share.info
    this.#isQuick.set(peer.id, this.#hood.now - since < limits.tellAheadMs.value)
    const told = this.#toldOf(share.info)
    for (const index of share.keys.slice(0, sent)) told.add(index)
    const hasFailed = sent < share.keys.length
    this.#tried.set(peer.id, hasFailed)
    if (hasFailed) {
      this.#hasFailures = true
      this.#hood.fail(peer, wasNotTried)
      this.#leaveOut(peer)
    }
    this.#open[share.wave]!--
    return true
  }

  /** Its keys go to others in the next round; the waves do not wait for that. */
  #leaveOut(peer: Peer): void {
    const isOf = ({ info }: Share): boolean => compareKeys(info.peer.key, peer.key) === 0
    for (const { wave } of this.#waiting.filter(isOf)) this.#open[wave]!--
    this.#waiting = this.#waiting.filter((share) => !isOf(share))
  }

  /** Allocates what is not told yet to the nearest that are known now. */
  beginRound(): void {
    this.#rounds++
    this.#hasFailures = false
    const shares = new BytesMap<Share[]>()
    this.#eachPair((index, info) => {
      if (!isDialable(info) || this.#told.get(info.peer.id)?.has(index) === true) return
      const own = shares.get(info.peer.id) ?? []
      shares.set(info.peer.id, own)
      const wave = Math.floor(index / limits.toldKeysMax.value)
      if (own.at(-1)?.wave !== wave) own.push({ info, wave, keys: [] })
      own.at(-1)!.keys.push(index)
    })
    this.#waiting = [...shares.values()].flat().sort((a, b) => a.wave - b.wave)
    const open = this.#open.map((shares) => (shares === Infinity ? Infinity : 0))
    for (const { wave } of this.#waiting) open[wave] = open[wave] === Infinity ? 1 : open[wave]! + 1
    this.#open = open
  }

  /** The keys in front whose peers have all been told, or have failed, since the last time. They are in no outcome's list. */
  takeSettled(): readonly ProvidedKey[] {
    const wave = this.#open.findIndex((shares) => shares > 0)
    const settled = (wave < 0 ? this.#open.length : wave) * limits.toldKeysMax.value
    const first = this.#taken
    // Of whom nobody was told, because all who could be have failed, is not settled.
    while (this.#taken < Math.min(settled, this.#keys.length) && this.#isTold(this.#taken)) this.#taken++
    return this.#keys.slice(first, this.#taken)
  }

  #isTold(index: number): boolean {
    for (const told of this.#told.values()) if (told.has(index)) return true
    return false
  }

  drop(): void {
    for (const order of this.#telling.keys()) this.#effects.push({ type: 'drop-order', order })
    this.#telling.clear()
    this.#waiting = []
  }

  /** Of the k nearest as they are known now. */
  outcome(): SendingOutcome {
    const outcome = { targeted: 0, stored: 0, undialable: 0, failed: 0, peers: this.#told.size }
    const stored = new Uint16Array(this.#keys.length)
    const open = new Uint16Array(this.#keys.length)
    for (const told of this.#told.values()) for (const index of told) stored[index]!++
    this.#eachPair((index, info) => {
      outcome.targeted++
      if (this.#told.get(info.peer.id)?.has(index) === true) outcome.stored++
      else if (isDialable(info)) {
        outcome.failed++
        open[index]!++
      } else outcome.undialable++
    })
    const hasPeers = outcome.targeted > 0
    const hasFailed = this.hasFailed
    const isMissed = (index: number): boolean => stored[index] === 0 && (open[index]! > 0 || hasFailed || !hasPeers)
    const missed = this.#keys.filter((_, index) => index >= this.#taken && isMissed(index))
    const sent = this.#keys.filter((_, index) => index >= this.#taken && !isMissed(index))
    return { ...outcome, missed, sent }
  }

  #eachPair(visit: (index: number, info: PeerInfo) => void): void {
    allocate(this.#trie.root, this.#hood.root, this.#k, visit)
  }

  #tell(share: Share, lane: Lane): void {
    const order = this.#orders.next()
    this.#telling.set(order, { share, since: this.#hood.now })
    this.#toldOf(share.info)
    const multihashes = share.keys.map((index) => this.#keys[index]!.multihash)
    this.#effects.push({ type: 'tell-peer', order, info: share.info, multihashes, lane })
  }

  #toldOf({ peer }: PeerInfo): Set<number> {
    const told = this.#told.get(peer.id) ?? new Set()
    this.#told.set(peer.id, told)
    return told
  }
}

export interface SendingOutcome {
  readonly targeted: number
  readonly stored: number
  readonly undialable: number
  readonly failed: number
  readonly peers: number
  readonly sent: readonly ProvidedKey[]
  /** Nobody was told of these, although somebody could have been. */
  readonly missed: readonly ProvidedKey[]
}

/** Keys of one peer in one wave, by index. */
interface Share {
  readonly info: PeerInfo
  readonly wave: number
  readonly keys: number[]
}

interface Telling {
  readonly share: Share
  readonly since: Millis
}

type SendingEffect = Extract<ProvideEffect, { type: 'tell-peer' | 'drop-order' }>
