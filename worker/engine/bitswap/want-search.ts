import { equalBytes, type BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import { multihashOf } from './cid-key.ts'
import type { Session } from './session.ts'
import { isActive, type WantPeer } from './want-peer.ts'
import type { Want } from './want.ts'

/**
 * When one want searches the DHT, and for what. After the search delay for the root of its session, unless another want does or has
 * done that, else for its own CID; when that was in vain, for its own CID, and before it gives up for a root that nobody has searched
 * for to the end; each once. Then for its own CID again, less often, while providers that were found turn out to have nothing.
 *
 *   idle ──delay over, nobody left to ask──▶ searching ──ended──▶ over ──all denied──▶ resting ──▶ searching
 *     ▲                                                            │
 *     └─────────────── something left, nobody to ask ──────────────┘
 */
export class WantSearch {
  readonly #want: Searcher
  #state: SearchState = { type: 'idle', dueAt: undefined }
  #rests = 0
  #target: Target | undefined
  /** The multihashes that were searched for. */
  readonly #searched: Uint8Array[] = []
  /** At least one search. */
  hasEnded = false

  constructor(want: Searcher) {
    this.#want = want
  }

  /** Counts from the first question to peers, which nothing answers before. */
  wait(delayMs: number, now: Millis): void {
    if (this.#state.type === 'idle' && this.#state.dueAt === undefined) this.#state = { type: 'idle', dueAt: now + delayMs }
  }

  /** There is nobody to wait for. */
  hurry(now: Millis): void {
    if (this.isLeft) this.#state = { type: 'idle', dueAt: now }
  }

  get deadline(): Millis | undefined {
    return this.#state.type === 'idle' || this.#state.type === 'resting' ? this.#state.dueAt : undefined
  }

  /** It has begun, or will after a rest. */
  get isUnderWay(): boolean {
    return this.#state.type === 'searching' || this.#state.type === 'resting'
  }

  /** Something was not searched for yet. */
  get isLeft(): boolean {
    return this.#state.type === 'idle' || (this.#state.type === 'over' && this.#next() !== undefined)
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
    this.#hurryInVain(now)
    const dueAt = this.deadline
    if (dueAt === undefined || now < dueAt) return false
    this.#state = { type: 'searching', since: now, hasNamed: false }
    this.#target = undefined
    return true
  }

  /** What the search that begins is for. */
  aim(): Uint8Array {
    const { cid, session } = (this.#target = this.#next() ?? { cid: this.#want.cid, session: undefined })
    this.#searched.push(multihashOf(cid))
    if (session?.root !== undefined) session.root.isNext = false
    return cid
  }

  ended(hasFailed: boolean, now: Millis): void {
    if (this.#state.type !== 'searching') return
    if (hasFailed) this.stop()
    else this.#rootsSearched()
    this.hasEnded = true
    this.#state = { type: 'over' }
    this.#hurryInVain(now)
  }

  /** It has not come to its end. The next search is for the same root, unless somebody new who may have all of the DAG was reached. */
  stop(): void {
    const root = this.#state.type === 'searching' ? this.#target?.session?.root : undefined
    if (root !== undefined) root.isNext = !someoneNew(this.#want.peers)
  }

  /** Another walk later, if one is left. */
  rest(now: Millis): boolean {
    if (this.#state.type !== 'over' || this.#rests + 1 >= limits.providerSearchRoundsMax.value) return false
    this.#state = { type: 'resting', dueAt: now + limits.providerSearchRestMs.value * 2 ** this.#rests++ }
    return true
  }

  /** Nobody that the search for a root has named has the block, or will soon be known to have. */
  #hurryInVain(now: Millis): void {
    if (this.#state.type === 'over' && this.#isNew(this.#want.key) && !awaitsProviders(this.#want.peers)) this.hurry(now)
  }

  #rootsSearched(): void {
    const searched = this.#searched.at(-1)!
    for (const session of this.#want.sessions) {
      if (session.root !== undefined && equalBytes(multihashOf(session.root.cid), searched)) session.root = undefined
    }
  }

  #next(): Target | undefined {
    const { cid, key, sessions } = this.#want
    let last: Target | undefined
    for (const session of sessions) {
      const { root } = session
      if (root === undefined || !this.#isNew(multihashOf(root.cid))) continue
      if (root.isNext && this.#searched.length === 0) return { cid: root.cid, session }
      last ??= { cid: root.cid, session }
    }
    return this.#isNew(key) ? { cid, session: undefined } : last
  }

  #isNew(multihash: Uint8Array): boolean {
    return !this.#searched.some((other) => equalBytes(other, multihash))
  }
}

/** Another walk makes sense only if providers were reached and said that they have nothing. */
export function deniedByProviders(peers: BytesMap<WantPeer>): boolean {
  for (const { isProvider, state } of peers.values()) {
    if (isProvider && state.type === 'denied' && state.by === 'dont-have') return true
  }
  return false
}

function awaitsProviders(peers: BytesMap<WantPeer>): boolean {
  for (const { isProvider, state } of peers.values()) if (isProvider && isActive(state)) return true
  return false
}

function someoneNew(peers: BytesMap<WantPeer>): boolean {
  for (const { link, dials, state } of peers.values()) if (link !== undefined && dials > 0 && state.type !== 'denied') return true
  return false
}

type Searcher = Pick<Want, 'cid' | 'key' | 'sessions' | 'peers'>

/** `session`: whose root it is; undefined for the want's own CID. */
interface Target {
  readonly cid: Uint8Array
  readonly session: Session | undefined
}

type SearchState =
  | { readonly type: 'idle'; readonly dueAt: Millis | undefined }
  | { readonly type: 'searching'; readonly since: Millis; readonly hasNamed: boolean }
  | { readonly type: 'resting'; readonly dueAt: Millis }
  | { readonly type: 'over' }
