import { BytesMap } from '../../worker/engine/bytes-map.ts'
import type { EngineEffect, EngineEvent } from '../../worker/engine/contract.ts'
import type { OrderId } from '../../worker/engine/machine.ts'
import type { SimTime } from '../core/agenda.ts'
import type { Witness } from './engine-client.ts'

/**
 * Watches an engine's dials and requests from outside and holds them against the rule, which it works out by itself: after
 * the nth failure in a row no dial for `firstMs` × 2ⁿ⁻¹, at most `maxMs`; then one at a time. What failed is what the
 * network refused: a dial that the engine gave up is held against nobody.
 */
export class DialWitness implements Witness {
  readonly #rule: { readonly firstMs: number; readonly maxMs: number }
  readonly #peers = new BytesMap<Watched>()
  readonly #dials = new Map<OrderId, Watched>()
  readonly #asked = new Map<OrderId, Watched>()
  /** From the nth failure in a row to the next dial, by n − 1. */
  readonly gapsMs: number[][] = []
  /** From a broken stream or connection until the peer is asked, or dialed, again. */
  readonly retriesMs: Record<'reset' | 'disconnected', number[]> = { reset: [], disconnected: [] }
  dials = 0
  dialsWhileOpen = 0
  probes = 0
  /** Dials of a peer that was being dialed. */
  secondDials = 0

  constructor(rule: { readonly firstMs: number; readonly maxMs: number }) {
    this.#rule = rule
  }

  event(event: EngineEvent, now: SimTime): void {
    switch (event.type) {
      case 'dial-failed': {
        const watched = this.#ended(event.order)
        if (watched === undefined) return
        watched.failures++
        watched.failedAt = now
        watched.openUntil = now + Math.min(this.#rule.firstMs * 2 ** (watched.failures - 1), this.#rule.maxMs)
        return
      }
      case 'dial-succeeded':
        this.#ended(event.order)
        return
      // Comes before `dial-succeeded`.
      case 'peer-connected':
        return this.#forgive(this.#of(event.peer.id))
      case 'request-failed': {
        const watched = this.#asked.get(event.order)
        this.#asked.delete(event.order)
        if (watched === undefined || !(event.reason === 'reset' || event.reason === 'disconnected')) return
        watched.broke = { reason: event.reason, at: now }
        return
      }
      default:
    }
  }

  effect(effect: EngineEffect, now: SimTime): void {
    switch (effect.type) {
      case 'dial':
        return this.#dialed(effect.order, this.#of(effect.info.peer.id), now)
      case 'cancel-dial':
        this.#ended(effect.order)
        return
      case 'send-request': {
        const watched = this.#of(effect.peer.id)
        this.#asked.set(effect.order, watched)
        this.#retried(watched, now)
        return
      }
      case 'cancel-request':
        this.#asked.delete(effect.order)
        return
      default:
    }
  }

  #dialed(order: OrderId, watched: Watched, now: SimTime): void {
    this.dials++
    this.#retried(watched, now)
    if (now < watched.openUntil) this.dialsWhileOpen++
    if (watched.dialing > 0) this.secondDials++
    if (watched.failures > 0) {
      this.probes++
      if (watched.failedAt !== undefined) (this.gapsMs[watched.failures - 1] ??= []).push(now - watched.failedAt)
      watched.failedAt = undefined
    }
    watched.dialing++
    this.#dials.set(order, watched)
  }

  #ended(order: OrderId): Watched | undefined {
    const watched = this.#dials.get(order)
    if (watched === undefined) return undefined
    this.#dials.delete(order)
    watched.dialing--
    return watched
  }

  #retried(watched: Watched, now: SimTime): void {
    if (watched.broke === undefined) return
    const gap = now - watched.broke.at
    if (gap <= RETRY_WITHIN_MS) this.retriesMs[watched.broke.reason].push(gap)
    watched.broke = undefined
  }

  #forgive(watched: Watched): void {
    watched.failures = 0
    watched.failedAt = undefined
    watched.openUntil = 0
  }

  #of(id: Uint8Array): Watched {
    const known = this.#peers.get(id)
    if (known !== undefined) return known
    const watched: Watched = { failures: 0, failedAt: undefined, openUntil: 0, dialing: 0, broke: undefined }
    this.#peers.set(id, watched)
    return watched
  }
}

/** Later than that it is another query that asks. */
const RETRY_WITHIN_MS = 150

interface Watched {
  failures: number
  /** Until the next dial. */
  failedAt: SimTime | undefined
  openUntil: SimTime
  dialing: number
  broke: { readonly reason: 'reset' | 'disconnected'; readonly at: SimTime } | undefined
}
