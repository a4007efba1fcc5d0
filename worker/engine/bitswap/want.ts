import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import { earlier, type Millis, type OrderId } from '../machine.ts'
import type { Peer, PeerInfo } from '../peer.ts'
import type { Failure } from '../query.ts'
import { isBetter, mayGetBlock, sourceRank } from './block-choice.ts'
import { stepSize, type BroadcastPlanner } from './broadcast.ts'
import type { WantId, WantProgress } from './contract.ts'
import type { Link } from './link.ts'
import type { Session } from './session.ts'
import { isActive, newWantPeer, step, type PeerSource, type WantPeer, type WantPeerEvent } from './want-peer.ts'
import { nextStage, type WantStage, type WantStageEvent } from './want-stage.ts'

/**
 * One CID on the network, for all wants of the page that share it. Events change what it knows of its peers;
 * `advance` then decides, in this order: whose time is up, who gets the want-block, who else is asked, who is
 * dialed, whether to broadcast one step further, whether to search the DHT, whether to give up. What it decides
 * comes out as orders.
 *
 * Exactly one peer holds the want-block: the one that said HAVE, else a peer with a reason (delivered in the session,
 * provider, member of the session), never one that said DONT_HAVE. While the holder is in time and trusted (it said
 * HAVE or has delivered), nothing else is done at all.
 *
 * It does not know messages, the store, or how connections and searches are bounded.
 */
export class Want {
  readonly cid: Uint8Array
  /** The multihash of `cid`. */
  readonly key: Uint8Array
  /** Earlier wants are served first by peers that look at priorities. */
  readonly priority: number
  /** The order that asks the store. */
  readonly load: OrderId
  readonly waiters = new Map<WantId, Waiter>()
  readonly sessions = new Set<Session>()
  readonly peers = new BytesMap<WantPeer>()
  readonly orders: WantOrder[] = []
  stage: WantStage
  /** Of the last provider search, if it failed. */
  searchFailure: Failure | undefined
  #holder: WantPeer | undefined
  #providers = 0
  #steps = 0
  #broadcasts = 0
  /** `undefined`: there was nobody left to broadcast to. */
  #stepAt: Millis | undefined
  /** Session members are asked too, not only those that delivered. */
  #isWide = false
  /** A connected peer has no place for another want of ours; it wakes this one when it has. */
  #isStarving = false
  /** The same, and the peer is worth waiting for. */
  #isQueued = false
  #search: SearchState = { type: 'idle' }
  #stallAt: Millis
  readonly #startedAt: Millis

  constructor(init: { cid: Uint8Array; key: Uint8Array; load: OrderId; now: Millis }) {
    this.cid = init.cid
    this.key = init.key
    this.priority = priorityAtFirst - (init.load % priorityAtFirst)
    this.load = init.load
    this.stage = { type: 'loading', until: init.now + limits.blockLoadTimeoutMs.value }
    this.#startedAt = init.now
    this.#stallAt = init.now + limits.wantOverallTimeoutMs.value
    this.#stepAt = init.now
  }

  /** The peer that has the want-block now. */
  get holder(): WantPeer | undefined {
    return this.#holder
  }

  /** How many connected peers and how many providers the want knew. */
  tally(): { readonly connected: number; readonly providers: number } {
    let connected = 0
    let providers = 0
    for (const { link, source } of this.peers.values()) {
      if (link !== undefined) connected++
      if (source === 'provider') providers++
    }
    return { connected, providers }
  }

  /** As of the last `advance`. */
  get isStarving(): boolean {
    return this.#isStarving && !this.hasEnded
  }

  get hasEnded(): boolean {
    return this.stage.type === 'done' || this.stage.type === 'failed'
  }

  get deadline(): Millis | undefined {
    if (this.hasEnded) return undefined
    let deadline: Millis | undefined = this.#stallAt
    if (this.stage.type === 'loading') return earlier(deadline, this.stage.until)
    if (this.stage.type === 'waning') deadline = earlier(deadline, this.stage.until)
    for (const { state } of this.peers.values()) if ('until' in state) deadline = earlier(deadline, state.until)
    if (this.#isHeld) return deadline
    if (this.#search.type === 'resting') deadline = earlier(deadline, this.#search.until)
    return earlier(deadline, this.#stepAt)
  }

  /** A reason to ask this peer. More than are useful are ignored. */
  addPeer(peer: Peer, source: PeerSource, info: PeerInfo | undefined, link: Link | undefined): WantPeer | undefined {
    const known = this.peers.get(peer.id)
    if (known !== undefined) {
      if (sourceRank[source] > sourceRank[known.source]) known.source = source
      known.info ??= info
      if (known.state.type === 'gone' && known.info !== undefined && known.dials < limits.wantDialsMax.value)
        known.state = { type: 'heard' }
      return known
    }
    if (this.peers.size >= limits.wantPeersMax.value || (link === undefined && info === undefined)) return undefined
    if (source === 'provider' && this.#providers++ >= limits.wantProvidersMax.value) return undefined
    const added = newWantPeer(peer, source, info, link)
    this.peers.set(peer.id, added)
    return added
  }

  /** Changes what is known of one peer, and keeps account of who holds the want-block. */
  apply(entry: WantPeer, event: WantPeerEvent, now: Millis): void {
    step(entry, event, now)
    const holds = entry.state.type === 'asked-block'
    if (holds && this.#holder === undefined) {
      this.#holder = entry
      entry.link!.blockAsked()
    } else if (!holds && this.#holder === entry) {
      this.#holder = undefined
      this.#isWide = true
      entry.link!.blockSettled()
      this.orders.push({ type: 'slot-freed', link: entry.link! })
    }
    if (event === 'disconnected') entry.link = undefined
  }

  searchEnded(failure: Failure | undefined): void {
    this.searchFailure = failure
    if (this.#search.type === 'searching') this.#search = { type: 'over', round: this.#search.round }
  }

  /** Somebody who could be asked has connected: worth one more step, in case there was nobody left. */
  peerAppeared(now: Millis): void {
    if (this.#broadcasts < limits.broadcastPeersMax.value) this.#stepAt ??= now + limits.broadcastStepMs.value
  }

  move(event: WantStageEvent, now: Millis): void {
    this.stage = nextStage(this.stage, event, now)
    if (!this.hasEnded || this.#holder === undefined) return
    const link = this.#holder.link!
    link.blockSettled()
    this.orders.push({ type: 'slot-freed', link })
    this.#holder = undefined
  }

  advance(world: WantWorld, now: Millis): void {
    if (this.hasEnded) return
    if (this.stage.type === 'loading') {
      if (now < this.stage.until) return
      this.move('time-up', now)
    }
    this.#isStarving = false
    this.#isQueued = false
    this.#expire(now)
    this.#askForBlock(now)
    if (!this.#isHeld) this.#widen(world, now)
    this.#conclude(now)
  }

  /** There is reason to trust the holder, and it is in time; or such a peer will have a place for us soon. */
  get #isHeld(): boolean {
    const holder = this.#holder
    if (holder?.state.type !== 'asked-block') return this.#isQueued
    if (holder.state.overdue) return false
    return holder.state.said || holder.source === 'session-good'
  }

  #expire(now: Millis): void {
    for (const entry of this.peers.values()) {
      const state = entry.state
      if (!('until' in state) || now < state.until) continue
      if (state.type === 'asked-block' && this.#waitsLonger(entry, now)) continue
      if (state.type === 'asked-block') this.#withdraw(entry)
      if (state.type !== 'identifying') this.orders.push({ type: 'timed-out', peer: entry.peer })
      this.apply(entry, 'time-up', now)
    }
  }

  /** A block may be on its way behind others, or nobody else may have it: silence is judged by what the peer delivers. */
  #waitsLonger(entry: WantPeer, now: Millis): boolean {
    const state = entry.state
    if (state.type !== 'asked-block' || state.sentAt === undefined) return false
    const link = entry.link!
    const heardAt = Math.max(state.sentAt, link.lastDeliveredAt ?? state.sentAt)
    const stallAt = heardAt + link.blockTimeoutMs
    const patienceAt = heardAt + limits.blockPatienceMs.value
    if (now >= patienceAt) return false
    const overdue = now >= stallAt
    if (overdue) {
      link.isStalled = true
      this.orders.push({ type: 'stalled', link })
    }
    entry.state = { ...state, overdue, until: overdue ? patienceAt : Math.min(stallAt, patienceAt) }
    return true
  }

  #askForBlock(now: Millis): void {
    const holder = this.#holder
    const state = holder?.state
    if (state?.type === 'asked-block' && !state.overdue) return
    const best = this.#bestForBlock(state?.type === 'asked-block' && state.said ? 'trusted' : 'any')
    if (best === undefined) return
    if (holder !== undefined) {
      this.#withdraw(holder)
      this.orders.push({ type: 'timed-out', peer: holder.peer })
      this.apply(holder, 'time-up', now)
    }
    this.apply(best, 'block-asked', now)
    this.#ask(best, 'block')
  }

  /** Peers that are full remember us. */
  #bestForBlock(demand: 'any' | 'trusted'): WantPeer | undefined {
    let best: WantPeer | undefined
    const full: WantPeer[] = []
    for (const entry of this.peers.values()) {
      if (entry === this.#holder || !mayGetBlock(entry)) continue
      if (demand === 'trusted' && entry.state.type !== 'have' && entry.source !== 'session-good') continue
      if (entry.link!.isFull || !entry.link!.outbox.canTake(this.key)) full.push(entry)
      else if (best === undefined || isBetter(entry, best)) best = entry
    }
    if (best !== undefined) return best
    for (const { link, state, source } of full) {
      this.#starve(link!)
      if (!link!.isStalled && (state.type === 'have' || source === 'session-good')) this.#isQueued = true
    }
    return undefined
  }

  #starve(link: Link): void {
    link.starving.add(this)
    this.#isStarving = true
  }

  #widen(world: WantWorld, now: Millis): void {
    for (const entry of this.peers.values()) {
      if (entry.state.type !== 'unasked' || (entry.source !== 'provider' && !this.#isWide)) continue
      if (entry.link!.outbox.canTake(this.key)) this.#askForHave(entry, now)
      else this.#starve(entry.link!)
    }
    this.#connect(now)
    if (this.#stepAt !== undefined && now >= this.#stepAt) this.#broadcast(world, now)
    this.#searchProviders(now)
  }

  #connect(now: Millis): void {
    let pending = 0
    for (const { state } of this.peers.values()) if (state.type === 'connecting' || state.type === 'identifying') pending++
    for (const entry of this.peers.values()) {
      if (pending >= limits.wantConnectionsMax.value) return
      if (entry.state.type !== 'heard') continue
      pending++
      this.apply(entry, 'need-made', now)
      this.orders.push({ type: 'connect', info: entry.info! })
    }
  }

  /** Those with a reason to be asked get the length of one step for themselves. */
  #broadcast(world: WantWorld, now: Millis): void {
    if (this.#steps === 0 && this.#holder !== undefined && !this.#isWide) {
      this.#isWide = true
      this.#stepAt = now + limits.broadcastStepMs.value
      return
    }
    this.#isWide = true
    const left = limits.broadcastPeersMax.value - this.#broadcasts
    const chosen = world.planner.choose(this.#steps, this.peers, world.links, left)
    const isLast = chosen.length < stepSize(this.#steps)
    for (const link of chosen) {
      const entry = this.addPeer(link.peer, 'broadcast', undefined, link)
      if (entry === undefined) break
      this.#broadcasts++
      this.#askForHave(entry, now)
    }
    if (chosen.length > 0) this.#steps++
    this.#stepAt = isLast ? undefined : now + limits.broadcastStepMs.value
    if (!isLast || left === chosen.length) return
    for (const link of world.links.values()) if (!link.outbox.hasRoom && !this.peers.has(link.peer.id)) this.#starve(link)
  }

  /** At once beside everything else (a search delay of 0), and again, less often, when all it found had nothing. */
  #searchProviders(now: Millis): void {
    const search = this.#search
    const isDue = search.type === 'idle' || (search.type === 'resting' && now >= search.until)
    if (!isDue) return
    this.#search = { type: 'searching', round: search.type === 'idle' ? 1 : search.round + 1 }
    this.orders.push({ type: 'search' })
  }

  #conclude(now: Millis): void {
    if (now >= this.#stallAt) {
      this.#stallAt = this.#progressAt() + limits.wantOverallTimeoutMs.value
      if (now >= this.#stallAt) return this.move('stalled', now)
    }
    if (this.#isBusy(now)) return this.move('revived', now)
    if (this.stage.type === 'seeking') return this.move('exhausted', now)
    if (this.stage.type === 'waning' && now >= this.stage.until) this.move('time-up', now)
  }

  #isBusy(now: Millis): boolean {
    for (const { state } of this.peers.values()) if (isActive(state)) return true
    if (this.#stepAt !== undefined || this.#isStarving) return true
    if (this.#search.type !== 'over') return true
    return this.#restsBeforeNextSearch(this.#search.round, now)
  }

  /** Another walk makes sense only if providers were reached and said that they have nothing. */
  #restsBeforeNextSearch(round: number, now: Millis): boolean {
    if (round >= limits.providerSearchRoundsMax.value) return false
    let wasDenied = false
    for (const { source, state } of this.peers.values()) {
      if (source === 'provider' && state.type === 'denied' && state.by === 'dont-have') wasDenied = true
    }
    if (!wasDenied) return false
    this.#search = { type: 'resting', round, until: now + limits.providerSearchRestMs.value * 2 ** (round - 1) }
    return true
  }

  /** Only blocks count as progress: words are cheap. */
  #progressAt(): Millis {
    let latest = this.#startedAt
    for (const session of this.sessions) latest = Math.max(latest, session.lastBlockAt ?? latest)
    for (const { link, state } of this.peers.values()) {
      if (link !== undefined && isActive(state)) latest = Math.max(latest, link.lastDeliveredAt ?? latest)
    }
    return latest
  }

  #askForHave(entry: WantPeer, now: Millis): void {
    this.apply(entry, 'have-asked', now)
    this.#ask(entry, 'have')
  }

  #ask(entry: WantPeer, wantType: 'block' | 'have'): void {
    this.orders.push({ type: 'ask', link: entry.link!, wantType })
    this.orders.push({ type: 'progress', progress: { type: 'asking', peer: entry.peer, wantType } })
  }

  #withdraw(entry: WantPeer): void {
    this.orders.push({ type: 'withdraw', link: entry.link! })
  }
}

/** One `want-block` of the page. It may have written the CID differently. */
export interface Waiter {
  readonly cid: Uint8Array
  readonly session: Session | undefined
}

export type WantOrder =
  | { readonly type: 'ask'; readonly link: Link; readonly wantType: 'block' | 'have' }
  | { readonly type: 'withdraw'; readonly link: Link }
  | { readonly type: 'timed-out'; readonly peer: Peer }
  | { readonly type: 'slot-freed'; readonly link: Link }
  /** Those that queue for this peer had better look elsewhere. */
  | { readonly type: 'stalled'; readonly link: Link }
  | { readonly type: 'connect'; readonly info: PeerInfo }
  | { readonly type: 'search' }
  | { readonly type: 'progress'; readonly progress: WantProgress }

/** What a want may look at when it decides. */
export interface WantWorld {
  readonly links: BytesMap<Link>
  readonly planner: BroadcastPlanner
}

type SearchState =
  | { readonly type: 'idle' }
  | { readonly type: 'searching'; readonly round: number }
  | { readonly type: 'resting'; readonly round: number; readonly until: Millis }
  | { readonly type: 'over'; readonly round: number }

/** Half of what the field's int32 holds. */
const priorityAtFirst = 2 ** 30
