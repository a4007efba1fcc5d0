import { limits } from '../limits.ts'
import { earlier, type Millis, type OrderId } from '../machine.ts'
import type { Failure } from '../query.ts'
import { type Demand, isBetter, isTrusted, leastBusy, mayGetBlock, meets } from './block-choice.ts'
import type { WantId } from './contract.ts'
import { chooseGuesses, Guess } from './guess.ts'
import type { Link } from './link.ts'
import { isAloneIn, scoutedUntil, type Session } from './session.ts'
import { forgiveSilence, isSlow, latestBlockAt, waitsLonger } from './want-patience.ts'
import { isActive, step, type WantPeer, type WantPeerEvent } from './want-peer.ts'
import { WantPeers } from './want-peers.ts'
import { WantBroadcast } from './want-broadcast.ts'
import type { Waiter, WantOrder, WantWorld } from './want-order.ts'
import { howTaken, takerOf, type TakenOver } from './takeover.ts'
import { deniedByProviders, WantSearch } from './want-search.ts'
import { nextStage, type WantStage, type WantStageEvent } from './want-stage.ts'

/**
 * One CID on the network, for all wants of the page that share it. Events change what it knows of its peers;
 * `advance` then decides, in this order: whose time is up, whether to guess, who gets the want-block, who else is
 * asked, who is dialed, whether to broadcast one step further, whether to search the DHT, whether to give up. What it
 * decides comes out as orders.
 *
 * At first a few peers that wanted the same may be asked for the block at once (`guess.ts`). Apart from those exactly one
 * peer holds the want-block: the one that said HAVE, else a peer with a reason (delivered in the session, provider,
 * registry, member of the session), never one that said DONT_HAVE. While a guess is open, or the holder is in time and
 * trusted (it said HAVE or has delivered), nothing else is done at all, but that a guess does not keep providers waiting.
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
  /** Hints of the page what the block belongs to. */
  readonly contexts = new Set<string>()
  readonly guess = new Guess()
  readonly search = new WantSearch(this)
  readonly #broadcast: WantBroadcast
  readonly peers = new WantPeers()
  readonly orders: WantOrder[] = []
  stage: WantStage
  /** Of the last provider search, if it failed. */
  searchFailure: Failure | undefined
  #holder: WantPeer | undefined
  /** Whether another peer has taken over the want-block. */
  takenOver: TakenOver | undefined
  /** Asked for the block although it probably has it not. */
  #hunch: WantPeer | undefined
  /** When the network was turned to. */
  #seeksSince: Millis | undefined
  /** Session members are asked too, not only those that delivered. */
  #isWide = false
  /** A connected peer has no place for another want of ours; it wakes this one when it has. */
  #isStarving = false
  /** The last step of the broadcast left out peers without a place. */
  #leftOut = false
  /** The same, and the peer is worth waiting for. */
  #isQueued = false
  /** Others of its session look for peers until then. */
  #followsUntil: Millis | undefined
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
    this.#broadcast = new WantBroadcast(init.now)
  }

  /** The peer that has the want-block now. */
  get holder(): WantPeer | undefined {
    return this.#holder
  }

  /** When it had to turn to the network; undefined for a block that was in the store. */
  get seeksSince(): Millis | undefined {
    return this.#seeksSince
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
    if (this.guess.until !== undefined) return earlier(deadline, this.guess.until)
    if (this.#isHeld) return earlier(deadline, this.#followsUntil)
    return earlier(earlier(deadline, this.search.deadline), isSlow(this.#holder) ? undefined : this.#broadcast.dueAt)
  }

  /** Changes what is known of one peer, and keeps account of who holds the want-block. */
  apply(entry: WantPeer, event: WantPeerEvent, now: Millis): void {
    const wasGuessed = entry.state.type === 'guessed'
    step(entry, event, now)
    const isGuessed = entry.state.type === 'guessed'
    if (isGuessed && !wasGuessed) entry.link!.asked.add(this)
    if (wasGuessed && !isGuessed) {
      entry.link!.asked.delete(this)
      this.orders.push({ type: 'slot-freed', link: entry.link! })
    }
    const holds = entry.state.type === 'asked-block'
    if (holds && this.#holder === undefined) {
      this.#holder = entry
      entry.link!.asked.add(this)
    } else if (!holds && this.#holder === entry) {
      this.#holder = undefined
      this.#isWide = true
      entry.link!.asked.delete(this)
      this.orders.push({ type: 'slot-freed', link: entry.link! })
    }
    if (event === 'disconnected') entry.link = undefined
  }

  searchEnded(failure: Failure | undefined, now: Millis): void {
    this.searchFailure = failure
    this.search.ended(failure !== undefined, now)
    this.#broadcast.searchEnded(now)
  }

  peerAppeared(now: Millis): void {
    this.#broadcast.peerAppeared(now)
  }

  move(event: WantStageEvent, now: Millis): void {
    this.stage = nextStage(this.stage, event, now)
    if (!this.hasEnded) return
    for (const entry of this.peers.values()) {
      if (entry !== this.#holder && entry.state.type !== 'guessed') continue
      entry.link!.asked.delete(this)
      this.orders.push({ type: 'slot-freed', link: entry.link! })
      entry.state = { type: 'gone' }
    }
    this.#holder = undefined
  }

  advance(world: WantWorld, now: Millis): void {
    if (this.hasEnded) return
    if (this.stage.type === 'loading') {
      if (now < this.stage.until) return
      this.move('time-up', now)
    }
    this.#isStarving = this.#leftOut && [...world.links.values()].some(({ starving }) => starving.has(this))
    this.#isQueued = false
    const since = this.#seeksSince ?? this.#beginSeeking(world, now)
    this.#followsUntil = this.peers.hasProviders || this.#isWide ? undefined : scoutedUntil(this, since, now)
    this.#expire(now)
    if (!this.guess.isMade) this.#guess(world, now)
    if (this.guess.isOpen(this.peers, now)) return this.#advanceBesideGuess(now)
    this.#askForBlock(now)
    if (!this.#isHeld) this.#widen(world, now)
    this.#conclude(now)
  }

  /** There is reason to trust the holder, and it is in time; or such a peer will have a place for us soon. */
  get #isHeld(): boolean {
    const holder = this.#holder
    if (holder?.state.type !== 'asked-block') return this.#isQueued || this.#followsUntil !== undefined
    if (holder.state.overdue) return false
    return holder.state.said || holder.source === 'session' || holder.source === 'session-good'
  }

  #beginSeeking({ discovery, planner, links }: WantWorld, now: Millis): Millis {
    this.#seeksSince = now
    // Many are about to be found where others were: their walks are spared, should that be so again.
    const leastMs = [...this.sessions].every((session) => session.goesAlone(this)) ? planner.stepMs : 0
    this.search.wait(Math.max(leastMs, discovery.searchDelay.ms(now)), now)
    if (links.size === 0) this.search.hurry(now)
    if (planner.isFlood) this.peers.makeRoomForAll()
    return now
  }

  /** Once, first of all, unless session or page know better. Candidates become members. Two in three of those that follow whisper. */
  #guess(world: WantWorld, now: Millis): void {
    const isKnown = this.#holder !== undefined || this.#bestForBlock('named') !== undefined || this.#isQueued
    if (isKnown) return this.guess.make([], now)
    const chosen = chooseGuesses(this, this.#followsUntil !== undefined, world, now)
    const links: Link[] = []
    for (const { peer, info, sign } of chosen.now) {
      const entry = this.peers.join(peer, sign === undefined ? 'session' : 'registry', info, world.links.get(peer.id))
      if (entry === undefined) break
      if (sign !== undefined) this.guess.add(sign)
      this.apply(entry, 'block-guessed', now)
      this.#ask(entry, 'block')
      links.push(entry.link!)
    }
    for (const { peer, info } of chosen.dials) this.peers.join(peer, 'registry', info, undefined)
    this.guess.make(links, now)
    for (const session of this.sessions) {
      for (const { peer, info } of [...chosen.now, ...chosen.dials]) session.note(peer, 'joined', info)
    }
    if (links.length > 0 && (chosen.now[0]!.sign !== undefined || this.load % 3 > 0))
      this.#askAround(world.planner.whisper(this.peers, world.links), now)
  }

  /** Whom the page names gets the want-block as soon as it is connected. */
  #advanceBesideGuess(now: Millis): void {
    const named = this.#holder === undefined ? this.#bestForBlock('provider') : undefined
    if (named !== undefined) this.#askForBlockOf(named, now)
    this.#connect(now, true)
    this.#endWhenStalled(now)
  }

  #expire(now: Millis): void {
    for (const entry of this.peers.values()) {
      const state = entry.state
      if (!('until' in state) || now < state.until) continue
      if (state.type === 'asked-block' && waitsLonger(entry, this.orders, now)) continue
      if (state.type === 'asked-block' || state.type === 'guessed') this.orders.push({ type: 'withdraw', link: entry.link! })
      if (state.type !== 'identifying') this.orders.push({ type: 'timed-out', peer: entry.peer })
      this.apply(entry, 'time-up', now)
    }
  }

  #askForBlock(now: Millis): void {
    const holder = this.#holder
    const state = holder?.state
    if (state?.type === 'asked-block' && !state.overdue) {
      this.#outrankHunch(now)
      return this.#moveOn(now)
    }
    const best = this.#bestForBlock(state?.type === 'asked-block' && state.said ? 'trusted' : 'any')
    if (best === undefined) return
    if (holder !== undefined) {
      this.orders.push({ type: 'withdraw', link: holder.link! })
      this.orders.push({ type: 'timed-out', peer: holder.peer })
      this.apply(holder, 'time-up', now)
    }
    this.#askForBlockOf(best, now)
  }

  /** Whoever is known to have the block need not wait until a peer that probably has it not has said so. */
  #outrankHunch(now: Millis): void {
    const hunch = this.#hunch
    if (hunch?.state.type !== 'asked-block' || hunch.state.said || hunch.source !== 'broadcast') return
    const best = this.#bestForBlock('named')
    if (best === undefined) return
    step(hunch, 'outranked', now)
    this.#holder = undefined
    this.#askForBlockOf(best, now)
  }

  /** To a peer that has less to do. */
  #moveOn(now: Millis): void {
    const holder = this.#holder!
    const taker = takerOf(this, holder, now)
    if (taker === undefined) return
    this.takenOver = howTaken(this, holder.link!)
    holder.link!.pace.tookOver(this.takenOver)
    this.orders.push({ type: 'withdraw', link: holder.link! })
    this.apply(holder, 'taken-over', now)
    this.#askForBlockOf(taker, now)
  }

  #askForBlockOf(entry: WantPeer, now: Millis): void {
    this.apply(entry, 'block-asked', now)
    this.#ask(entry, 'block')
  }

  /** Peers that are full remember us. */
  #bestForBlock(demand: Demand): WantPeer | undefined {
    let best: WantPeer | undefined
    const full: WantPeer[] = []
    for (const entry of this.peers.values()) {
      if (entry === this.#holder || !mayGetBlock(entry) || !meets(entry, demand)) continue
      if (entry.link!.isFull || !entry.link!.outbox.canTake(this.key)) full.push(entry)
      else if (best === undefined || isBetter(entry, best)) best = entry
    }
    best ??= leastBusy(full, this.key)
    if (best !== undefined) return best
    for (const entry of full) {
      this.#starve(entry.link!)
      if (!entry.link!.isStalled && isTrusted(entry)) this.#isQueued = true
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
    if (!isSlow(this.#holder) && this.#broadcast.isDue(this.peers, now)) this.#broadcastStep(world, now)
    if (this.search.begin(now)) this.orders.push({ type: 'search' })
  }

  #connect(now: Millis, isGuessing = false): void {
    for (const entry of this.peers.toDial(isGuessing)) {
      this.apply(entry, 'need-made', now)
      this.orders.push({ type: 'connect', info: entry.info! })
    }
  }

  /** Those with a reason to be asked get the length of one step for themselves. */
  #broadcastStep(world: WantWorld, now: Millis): void {
    const isFirst = !this.#broadcast.hasBegun && !this.#isWide
    this.#isWide = true
    if (isFirst && this.#holder !== undefined) return this.#broadcast.pause(world, now)
    const { peers, contexts, search } = this
    const want = { peers, contexts, isAlone: isAloneIn(this.sessions), seeksSince: this.#seeksSince!, search }
    const atMost = this.#broadcast.roomIn(world)
    const chosen = this.#broadcast.next(world, want, now)
    if (chosen === undefined) return
    this.#leftOut = false
    this.#askAround(chosen.links, now, chosen)
    for (const info of chosen.dials) this.peers.join(info.peer, 'broadcast', info, undefined)
    if (chosen.dials.length > 0) this.#connect(now)
    if (!chosen.isLast || atMost === chosen.links.length) return
    for (const link of world.links.values()) {
      if (link.outbox.hasRoom || peers.has(link.peer.id)) continue
      this.#starve(link)
      this.#leftOut = true
    }
  }

  #askAround(links: readonly Link[], now: Millis, best?: { readonly toSendBlock: Link | undefined; isHunch: boolean }): void {
    for (const link of links) {
      const entry = this.peers.join(link.peer, 'broadcast', undefined, link)
      if (entry?.state.type !== 'unasked') continue
      const isBest = link === best?.toSendBlock && this.#holder === undefined
      if (isBest && best.isHunch) this.#hunch = entry
      if (isBest) this.#askForBlockOf(entry, now)
      else this.#askForHave(entry, now)
    }
  }

  #conclude(now: Millis): void {
    this.#endWhenStalled(now)
    if (this.hasEnded) return
    if (this.#isBusy(now)) return this.move('revived', now)
    if (forgiveSilence(this.key, this.peers, now)) return this.#askForBlock(now)
    if (this.search.isLeft) {
      // Nobody is left to be waited for.
      this.search.hurry(now)
      if (this.search.begin(now)) this.orders.push({ type: 'search' })
      return
    }
    if (this.stage.type === 'seeking') return this.move('exhausted', now)
    if (this.stage.type === 'waning' && now >= this.stage.until) this.move('time-up', now)
  }

  #endWhenStalled(now: Millis): void {
    if (now < this.#stallAt) return
    this.#stallAt = latestBlockAt(this.#startedAt, this.sessions, this.peers) + limits.wantOverallTimeoutMs.value
    if (now >= this.#stallAt) this.move('stalled', now)
  }

  #isBusy(now: Millis): boolean {
    for (const { state } of this.peers.values()) if (isActive(state)) return true
    if (this.#broadcast.dueAt !== undefined || this.#isStarving || this.#isHeld) return true
    if (this.search.isUnderWay) return true
    return !this.search.isLeft && deniedByProviders(this.peers) && this.search.rest(now)
  }

  #askForHave(entry: WantPeer, now: Millis): void {
    this.apply(entry, 'have-asked', now)
    this.#ask(entry, 'have')
  }

  #ask(entry: WantPeer, wantType: 'block' | 'have'): void {
    this.orders.push({ type: 'ask', link: entry.link!, wantType })
    this.orders.push({ type: 'progress', progress: { type: 'asking', peer: entry.peer, wantType } })
  }
}

/** Half of what the field's int32 holds. */
const priorityAtFirst = 2 ** 30
