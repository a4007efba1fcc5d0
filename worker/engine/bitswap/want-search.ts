import type { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import type { WantPeer } from './want-peer.ts'

/**
 * When one want searches the DHT: after the search delay, and again, less often, while providers that were found turn
 * out to have nothing.
 *
 *   idle ──delay over, nobody left to ask──▶ searching ──ended──▶ over ──all denied──▶ resting ──▶ searching
 */
export class WantSearch {
  #state: SearchState = { type: 'idle', dueAt: undefined }

  /** Counts from the first question to peers, which nothing answers before. */
  wait(delayMs: number, now: Millis): void {
    if (this.#state.type === 'idle' && this.#state.dueAt === undefined) this.#state = { type: 'idle', dueAt: now + delayMs }
  }

  /** There is nobody to wait for. */
  hurry(now: Millis): void {
    if (this.#state.type === 'idle') this.#state = { type: 'idle', dueAt: now }
  }

  get deadline(): Millis | undefined {
    return this.#state.type === 'idle' || this.#state.type === 'resting' ? this.#state.dueAt : undefined
  }

  /** Has begun, and ended at least once. */
  get hasEnded(): boolean {
    return this.#state.type === 'over' || this.#state.type === 'resting'
  }

  get hasBegun(): boolean {
    return this.#state.type !== 'idle'
  }

  get isOver(): boolean {
    return this.#state.type === 'over'
  }

  /** Of the search that is under way and has named nobody yet. */
  get since(): Millis | undefined {
    return this.#state.type === 'searching' && !this.#state.hasNamed ? this.#state.since : undefined
  }

  named(): void {
    if (this.#state.type === 'searching') this.#state = { ...this.#state, hasNamed: true }
  }

  /** Returns whether a search is to begin now. */
  begin(now: Millis): boolean {
    const state = this.#state
    if (state.type !== 'idle' && state.type !== 'resting') return false
    if (state.dueAt === undefined || now < state.dueAt) return false
    this.#state = { type: 'searching', round: state.type === 'idle' ? 1 : state.round + 1, since: now, hasNamed: false }
    return true
  }

  ended(): void {
    if (this.#state.type === 'searching') this.#state = { type: 'over', round: this.#state.round }
  }

  /** Another walk later, if one is left. */
  rest(now: Millis): boolean {
    const state = this.#state
    if (state.type !== 'over' || state.round >= limits.providerSearchRoundsMax.value) return false
    const dueAt = now + limits.providerSearchRestMs.value * 2 ** (state.round - 1)
    this.#state = { type: 'resting', round: state.round, dueAt }
    return true
  }
}

/** Another walk makes sense only if providers were reached and said that they have nothing. */
export function deniedByProviders(peers: BytesMap<WantPeer>): boolean {
  for (const { source, state } of peers.values()) {
    if (source === 'provider' && state.type === 'denied' && state.by === 'dont-have') return true
  }
  return false
}

type SearchState =
  | { readonly type: 'idle'; readonly dueAt: Millis | undefined }
  | { readonly type: 'searching'; readonly round: number; readonly since: Millis; readonly hasNamed: boolean }
  | { readonly type: 'resting'; readonly round: number; readonly dueAt: Millis }
  | { readonly type: 'over'; readonly round: number }
