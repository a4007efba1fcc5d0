import { limits } from '../limits.ts'
import type { OrderId, OrderIds } from '../machine.ts'
import type { Key } from '../peer.ts'
import { bitAt, compareKeys, firstOf, lastOf, successorOf } from './bits.ts'
import {
  cellBits,
  type KeySource,
  type Lane,
  type ProvideEffect,
  type ProvideEvent,
  type ProvidedKey,
  type RegionReport,
} from './contract.ts'
import { Exploration } from './exploration.ts'
import type { Neighbourhood } from './neighbourhood.ts'
import { cellOf } from './schedule.ts'
import { Sending } from './sending.ts'

/**
 * One cell and the region around it: all keys in it are told.
 *
 *   loading ──keys──▶ finding the region ──▶ exploring ──certain──▶ sending ──all told──▶ loading what comes next
 *      └──none left──▶ ended                     └──nobody answers──▶ failed ◀──most peers fail──┘
 *
 * The region is the longest prefix with k peers, whatever the size of a cell: a larger one is done as a whole, several
 * smaller ones one after the other. More keys than fit in memory are done in pages; the peers stay the same.
 */
export class RegionRun {
  readonly source: KeySource
  readonly cell: number
  readonly #init: RegionInit
  readonly #effects: RegionEffect[] = []
  readonly #counts = { lookups: 0, searches: 0, requests: 0 }
  #state: RegionState
  #hasFound = false
  #from: Key
  #to: Key
  #prefix: { readonly key: Key; readonly length: number }

  constructor(init: RegionInit) {
    this.#init = init
    this.source = init.source
    this.cell = init.cell
    const first = new Uint32Array(8) as Key
    first[0] = (init.cell << (32 - cellBits)) >>> 0
    this.#prefix = { key: first, length: cellBits }
    this.#from = first
    this.#to = lastOf(first, cellBits)
    this.#state = this.#load(false)
  }

  get ended(): 'done' | 'no-peers' | 'failed' | undefined {
    return this.#state.type === 'ended' ? this.#state.how : undefined
  }

  /** Whether there was any key in what was loaded. */
  get hasFound(): boolean {
    return this.#hasFound
  }

  /** The bits of the prefix, as text. */
  get prefix(): string {
    return Array.from({ length: this.#prefix.length }, (_, position) => bitAt(this.#prefix.key, position)).join('')
  }

  get isSending(): boolean {
    return this.#state.type === 'sending'
  }

  /** Peers that are being told. */
  get lanes(): number {
    return this.#state.type === 'sending' ? this.#state.sending.lanes : 0
  }

  /** Nothing is under way, because others have the lanes. */
  get waitsForLanes(): boolean {
    return this.isSending && this.lanes === 0
  }

  /** Those of the region. */
  get cells(): { readonly first: number; readonly last: number } {
    const { key, length } = this.#prefix
    return { first: cellOf(firstOf(key, Math.min(length, cellBits))), last: cellOf(lastOf(key, Math.min(length, cellBits))) }
  }

  /** Returns whether it was for this region. */
  handle(event: ProvideEvent, wallMs: number): boolean {
    const state = this.#state
    switch (state.type) {
      case 'loading':
        if ((event.type !== 'keys-loaded' && event.type !== 'keys-not-loaded') || event.order !== state.order) return false
        if (event.type === 'keys-loaded') this.#loaded(event.keys, state.isRegion)
        else this.#end('failed')
        return true
      case 'exploring':
        if (!state.exploration.handle(event)) return false
        this.#explored(state)
        return true
      case 'sending':
        if (event.type !== 'peer-told' || !state.sending.peerTold(event)) return false
        this.#passOn(state.sending.takeSettled())
        if (state.sending.hasRoundEnded || state.sending.hasFailed) this.#roundEnded(state, wallMs)
        return true
      case 'ended':
        return false
    }
  }

  /** Drains; lanes that are free are given away. */
  poll(): RegionEffect | undefined {
    const state = this.#state
    const own = this.#effects.shift()
    if (own !== undefined) return own
    if (state.type === 'exploring') return state.exploration.poll()
    if (state.type !== 'sending') return undefined
    state.sending.proceed(this.#init.lanes(), this.#init.lane())
    return state.sending.poll()
  }

  /** Withdraws what is open. */
  drop(): void {
    const state = this.#state
    const part = state.type === 'exploring' ? state.exploration : state.type === 'sending' ? state.sending : undefined
    part?.drop()
    for (let effect = part?.poll(); effect !== undefined; effect = part?.poll()) this.#effects.push(effect)
    this.#state = { type: 'ended', how: 'failed' }
  }

  #load(isRegion: boolean): RegionState {
    const order = this.#init.orders.next()
    const limit = limits.regionPageKeys.value
    this.#effects.push({ type: 'load-keys', order, source: this.source, from: this.#from, to: this.#to, limit })
    return { type: 'loading', order, isRegion }
  }

  #loaded(loaded: readonly ProvidedKey[], isRegion: boolean): void {
    this.#init.hood.recall()
    this.#hasFound ||= loaded.length > 0
    const isLast = loaded.length < limits.regionPageKeys.value
    const keys = loaded.filter(({ key }) => this.#init.accepts(cellOf(key)))
    const last = loaded.at(-1)
    if (keys.length === 0) return last === undefined || isLast ? this.#finish() : this.#goOn(last.key)
    if (isRegion) this.#explore(keys, 'page', isLast)
    else this.#explore(keys, 'region', isLast)
  }

  #explore(keys: readonly ProvidedKey[], goal: 'region' | 'page' | Sending, isLast: boolean): void {
    const { orders, hood } = this.#init
    const asked = goal === 'region' ? keys.slice(0, 1) : keys
    const exploration = new Exploration({ orders, hood, keys: asked, counts: this.#counts })
    const state = { type: 'exploring', exploration, goal, keys, isLast } as const
    this.#state = state
    this.#explored(state)
  }

  #explored({ exploration, goal, keys, isLast }: Extract<RegionState, { type: 'exploring' }>): void {
    if (exploration.ended === undefined) return
    for (let effect = exploration.poll(); effect !== undefined; effect = exploration.poll()) this.#effects.push(effect)
    if (goal instanceof Sending) return this.#sendAgain(goal, keys, isLast)
    if (exploration.ended === 'no-peers') return this.#end('no-peers')
    if (goal === 'page') return this.#send(keys, isLast)
    const first = keys[0]!.key
    const length = this.#init.hood.regionLength(first)
    this.#prefix = { key: firstOf(first, length), length }
    if (length < cellBits) {
      // Larger than a cell: all of it, from its beginning.
      this.#from = firstOf(first, length)
      this.#to = lastOf(first, length)
      this.#state = this.#load(true)
      return
    }
    const inside = keys.filter(({ key }) => compareKeys(key, lastOf(first, length)) <= 0)
    this.#explore(inside, 'page', isLast && inside.length === keys.length)
  }

  #send(keys: readonly ProvidedKey[], isLast: boolean): void {
    const { orders, hood, k } = this.#init
    this.#state = { type: 'sending', sending: new Sending({ orders, hood, keys, k }), keys, isLast }
    // Nobody who could be told: that is an outcome too.
    if (this.#state.sending.hasRoundEnded) this.#sent(this.#state, this.#init.wallMs())
  }

  /** Who comes after those that failed has to be certain as well. */
  #roundEnded(state: Extract<RegionState, { type: 'sending' }>, wallMs: number): void {
    const { sending, keys, isLast } = state
    if (sending.hasFailed || !sending.wantsRound) return this.#sent(state, wallMs)
    this.#init.hood.recall()
    this.#explore(keys, sending, isLast)
  }

  #sendAgain(sending: Sending, keys: readonly ProvidedKey[], isLast: boolean): void {
    sending.beginRound()
    this.#state = { type: 'sending', sending, keys, isLast }
    if (sending.hasRoundEnded) this.#sent(this.#state, this.#init.wallMs())
  }

  /** What is settled is said at once: it stays so, whatever becomes of the rest of the page, or of the tab. */
  #passOn(settled: readonly ProvidedKey[]): void {
    const last = settled.at(-1)
    if (last === undefined) return
    this.#effects.push({ type: 'page-sent', sent: settled, missed: [], from: this.#from, to: last.key, isWhole: false })
    this.#from = last.key
  }

  #sent(state: Extract<RegionState, { type: 'sending' }>, wallMs: number): void {
    const { sending, keys, isLast } = state
    const hasFailed = sending.hasFailed
    if (!sending.hasRoundEnded) {
      sending.drop()
      for (let effect = sending.poll(); effect !== undefined; effect = sending.poll()) this.#effects.push(effect)
    }
    const { sent, missed, ...counts } = sending.outcome()
    const end = isLast ? this.#to : keys.at(-1)!.key
    const range = { from: this.#from, to: end, isWhole: isLast }
    this.#effects.push({ type: 'page-sent', sent, missed, ...range })
    const uncertain = keys.filter(({ key }) => !this.#init.hood.isSureOf(key)).length
    const of = { keys: keys.length, missed: missed.length, uncertain, prefix: this.prefix, endedAt: wallMs }
    const report = { ...counts, ...this.#counts, ...of }
    this.#effects.push({ type: 'region-ended', report: report satisfies RegionReport })
    Object.assign(this.#counts, { lookups: 0, searches: 0, requests: 0 })
    if (hasFailed) this.#end('failed')
    else if (isLast) this.#finish()
    else this.#goOn(keys.at(-1)!.key)
  }

  #goOn(after: Key): void {
    const from = successorOf(after)
    if (from === undefined || compareKeys(from, this.#to) > 0) return this.#finish()
    this.#from = from
    this.#state = this.#load(this.#prefix.length < cellBits)
  }

  #finish(): void {
    this.#effects.push({ type: 'page-sent', sent: [], missed: [], from: this.#from, to: this.#to, isWhole: true })
    this.#end('done')
  }

  #end(how: 'done' | 'no-peers' | 'failed'): void {
    this.#state = { type: 'ended', how }
  }
}

export interface RegionInit {
  readonly cell: number
  readonly source: KeySource
  readonly hood: Neighbourhood
  readonly orders: OrderIds
  readonly k: number
  lane(): Lane
  /** How many peers may be told at once. */
  lanes(): number
  wallMs(): number
  /** Whether the keys of a cell are to be told now. */
  accepts(cell: number): boolean
}

/** Everything from `from` to `to` has been told, but for what was missed; `isWhole`: the cell of `to` is done. */
export interface PageSent {
  readonly type: 'page-sent'
  readonly sent: readonly ProvidedKey[]
  readonly missed: readonly ProvidedKey[]
  readonly from: Key
  readonly to: Key
  readonly isWhole: boolean
}

export type RegionEffect = PageSent | ProvideEffect

type RegionState =
  | { readonly type: 'loading'; readonly order: OrderId; readonly isRegion: boolean }
  | {
      readonly type: 'exploring'
      readonly exploration: Exploration
      /** `Sending`: that goes on afterwards. */
      readonly goal: 'region' | 'page' | Sending
      readonly keys: readonly ProvidedKey[]
      readonly isLast: boolean
    }
  | { readonly type: 'sending'; readonly sending: Sending; readonly keys: readonly ProvidedKey[]; readonly isLast: boolean }
  | { readonly type: 'ended'; readonly how: 'done' | 'no-peers' | 'failed' }
