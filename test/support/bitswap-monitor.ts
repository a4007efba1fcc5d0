import assert from 'node:assert/strict'
import type { BitswapEffect, BitswapEvent } from '../../worker/engine/bitswap/contract.ts'
import type { BitswapMessage } from '../../worker/engine/bitswap/message.ts'
import { BytesMap } from '../../worker/engine/bytes-map.ts'
import { limits } from '../../worker/engine/limits.ts'
import type { OrderId } from '../../worker/engine/machine.ts'
import type { Peer } from '../../worker/engine/peer.ts'
import type { BitswapNode, BitswapWatcher } from './bitswap-network.ts'

/**
 * Watches one machine from outside, by its events and effects only, and holds it to its promises on wants:
 * one want-block per CID in flight (and a few guesses), cancels to those who were asked and to nobody else, one message per peer at a
 * time, no more wants at a peer than it accepts, no message too large.
 */
export class WantMonitor implements BitswapWatcher {
  readonly #asked = new BytesMap<Asked>()
  readonly #flights = new Map<OrderId, Flight>()
  readonly #wanted = new BytesMap<number>()
  readonly #cidOf = new Map<number, Uint8Array>()

  constructor(node: BitswapNode) {
    node.watcher = this
  }

  event(event: BitswapEvent): void {
    switch (event.type) {
      case 'want-block':
        this.#wanted.set(event.cid, (this.#wanted.get(event.cid) ?? 0) + 1)
        this.#cidOf.set(event.want, event.cid)
        break
      case 'cancel-want':
        this.#unwant(event.want)
        break
      case 'message-received':
        this.#heard(event.peer, event.message)
        break
      case 'message-sent':
        this.#landed(event.order)
        break
      case 'message-failed':
        this.#failed(event.order)
        break
      case 'bitswap-peer-disconnected':
        this.#asked.delete(event.peer.id)
        for (const [order, { peer }] of this.#flights) if (peer === event.peer) this.#flights.delete(order)
        break
      default:
      // The rest says nothing about who was asked for what.
    }
  }

  effect(effect: BitswapEffect): void {
    if (effect.type === 'want-ended' || effect.type === 'want-failed') this.#unwant(effect.want)
    if (effect.type !== 'send-message') return
    const { peer, order, message } = effect
    const asked = this.#of(peer)
    for (const flight of this.#flights.values()) assert.notEqual(flight.peer, peer, 'one message to a peer at a time')
    const bytes = message.blocks.reduce((sum, block) => sum + block.bytes.length, 0)
    assert.ok(message.blocks.length === 1 || bytes <= limits.bitswapMessageBytesMax.value, 'a message keeps its size')
    const before = new BytesMap<Told | undefined>()
    if (message.full) {
      for (const [cid, told] of asked.told.entries()) before.set(cid, told)
      for (const cid of before.keys()) asked.told.delete(cid)
    }
    for (const { cid, cancel, wantType } of message.wantlist) {
      const told = asked.told.get(cid)
      before.set(cid, told)
      assert.ok(!cancel || told !== undefined, 'a cancel goes only to who was asked and has not sent the block')
      if (cancel) asked.told.delete(cid)
      else asked.told.set(cid, { wantType, isOpen: true })
    }
    assert.ok(asked.told.size <= limits.wantsPerPeerMax.value, 'a peer holds no more wants of ours than it accepts')
    this.#flights.set(order, { peer, before })
  }

  /**
   * A peer that does not take our messages, or has one on its way, cannot be told to stop at once; all others hold
   * at most one want-block per CID, beside guesses.
   */
  drained(): void {
    const busy = new BytesMap<true>()
    for (const { peer } of this.#flights.values()) busy.set(peer.id, true)
    for (const [cid] of this.#wanted.entries()) {
      let open = 0
      for (const [id, { told, isDeaf }] of this.#asked.entries()) {
        const own = told.get(cid)
        if (!isDeaf && !busy.has(id) && own?.wantType === 'block' && own.isOpen) open++
      }
      assert.ok(open <= 1 + limits.guessesMax.value, `one want-block in flight per CID and a few guesses, not ${open}`)
    }
  }

  /** Once all is quiet: nobody is left with a want that we do not have any more. */
  assertNothingLeft(): void {
    for (const { told, isDeaf } of this.#asked.values()) {
      if (isDeaf) continue
      for (const cid of told.keys()) assert.ok(this.#wanted.has(cid), 'who was asked and did not send the block gets a cancel')
    }
  }

  #heard(from: Peer, message: BitswapMessage): void {
    const { told } = this.#of(from)
    for (const { cid } of message.blocks) {
      told.delete(cid)
      for (const { peer, before } of this.#flights.values()) if (peer === from) before.delete(cid)
    }
    for (const { cid, type } of message.presences) {
      const own = told.get(cid)
      if (type === 'dont-have' && own !== undefined) own.isOpen = false
    }
  }

  #unwant(want: number): void {
    const cid = this.#cidOf.get(want)
    if (cid === undefined) return
    this.#cidOf.delete(want)
    const left = this.#wanted.get(cid)! - 1
    if (left === 0) this.#wanted.delete(cid)
    else this.#wanted.set(cid, left)
  }

  #of(peer: Peer): Asked {
    const known = this.#asked.get(peer.id)
    if (known !== undefined) return known
    const asked: Asked = { told: new BytesMap(), isDeaf: false }
    this.#asked.set(peer.id, asked)
    return asked
  }

  #landed(order: OrderId): void {
    const flight = this.#flights.get(order)
    this.#flights.delete(order)
    if (flight !== undefined) this.#of(flight.peer).isDeaf = false
  }

  #failed(order: OrderId): void {
    const flight = this.#flights.get(order)
    this.#flights.delete(order)
    if (flight === undefined) return
    const asked = this.#of(flight.peer)
    asked.isDeaf = true
    for (const [cid, before] of flight.before.entries()) {
      if (before === undefined) asked.told.delete(cid)
      else asked.told.set(cid, before)
    }
  }
}

interface Asked {
  readonly told: BytesMap<Told>
  /** The last message to it failed. */
  isDeaf: boolean
}

interface Told {
  readonly wantType: 'block' | 'have'
  /** Not answered with DONT_HAVE. */
  isOpen: boolean
}

interface Flight {
  readonly peer: Peer
  readonly before: BytesMap<Told | undefined>
}
