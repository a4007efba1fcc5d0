import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { OrderId, OrderIds } from '../machine.ts'
import type { PeerInfo } from '../peer.ts'
import { allocate } from './allocation.ts'
import type { Lane, ProvideEffect, ProvidedKey } from './contract.ts'
import { isDialable, type Neighbourhood } from './neighbourhood.ts'
import { Trie } from './trie.ts'

/**
 * Tells the k nearest peers of each key, all keys of a peer over one connection.
 *
 *   allocated ──lane free──▶ telling ──all sent──▶ told
 *       ▲                       └──given up──▶ failed
 *       └──its keys go to the next nearest, up to three rounds──┘
 *
 * A peer holds one lane and no more; one that hangs gives it back when its order ends. It does not know how peers were found.
 */
export class Sending {
  readonly #orders: OrderIds
  readonly #hood: Neighbourhood
  readonly #keys: readonly ProvidedKey[]
  readonly #k: number
  readonly #trie = new Trie<number>()
  readonly #effects: SendingEffect[] = []
  readonly #told = new BytesMap<Set<number>>()
  readonly #telling = new Map<OrderId, Share>()
  #waiting: Share[] = []
  #rounds = 0
  #failedPeers = 0
  #settledPeers = 0

  constructor(init: { orders: OrderIds; hood: Neighbourhood; keys: readonly ProvidedKey[]; k: number }) {
    this.#orders = init.orders
    this.#hood = init.hood
    this.#keys = init.keys
    this.#k = init.k
    for (const [index, { key }] of init.keys.entries()) this.#trie.set(key, index)
    this.#nextRound()
  }

  get hasEnded(): boolean {
    return this.#waiting.length === 0 && this.#telling.size === 0
  }

  /** Most of those that were tried could not be told. */
  get hasFailed(): boolean {
    if (this.#settledPeers < limits.settledPeersMin.value && !this.hasEnded) return false
    return this.#settledPeers > 0 && this.#failedPeers / this.#settledPeers > limits.failedPeersShareMax.value
  }

  poll(): SendingEffect | undefined {
    return this.#effects.shift()
  }

  /** Gives the free lanes to those that wait. */
  proceed(lanes: number, lane: Lane): void {
    while (this.#telling.size < lanes) {
      const share = this.#waiting.shift()
      if (share === undefined) return
      this.#tell(share, lane)
    }
  }

  peerTold(order: OrderId, sent: number): void {
    const share = this.#telling.get(order)
    if (share === undefined) return
    this.#telling.delete(order)
    const told = this.#toldOf(share.info)
    const batch = share.keys.slice(0, limits.toldKeysMax.value)
    for (const index of batch.slice(0, sent)) told.add(index)
    if (sent < batch.length) {
      this.#settledPeers++
      this.#failedPeers++
      this.#hood.fail(share.info.peer)
    } else if (batch.length < share.keys.length) {
      // First again: its connection is open.
      this.#waiting.unshift({ info: share.info, keys: share.keys.slice(batch.length) })
    } else this.#settledPeers++
    if (this.hasEnded && !this.hasFailed) this.#nextRound()
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
    const missed = this.#keys.filter((_, index) => stored[index] === 0 && (open[index]! > 0 || this.hasFailed || !hasPeers))
    const isMissed = new Set(missed)
    const sent = this.#keys.filter((key) => !isMissed.has(key))
    return { ...outcome, missed, sent }
  }

  #nextRound(): void {
    if (this.#rounds >= limits.sendRoundsMax.value) return
    this.#rounds++
    const shares = new BytesMap<Share>()
    this.#eachPair((index, info) => {
      if (!isDialable(info) || this.#told.get(info.peer.id)?.has(index) === true) return
      const share = shares.get(info.peer.id)
      if (share === undefined) shares.set(info.peer.id, { info, keys: [index] })
      else share.keys.push(index)
    })
    this.#waiting = [...shares.values()]
  }

  #eachPair(visit: (index: number, info: PeerInfo) => void): void {
    allocate(this.#trie.root, this.#hood.root, this.#k, visit)
  }

  #tell(share: Share, lane: Lane): void {
    const order = this.#orders.next()
    this.#telling.set(order, share)
    this.#toldOf(share.info)
    const multihashes = share.keys.slice(0, limits.toldKeysMax.value).map((index) => this.#keys[index]!.multihash)
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

/** Keys of one peer, by index. */
interface Share {
  readonly info: PeerInfo
  readonly keys: number[]
}

type SendingEffect = Extract<ProvideEffect, { type: 'tell-peer' | 'drop-order' }>
