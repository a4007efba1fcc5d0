import { assert, unreachable } from '../assert.ts'
import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis, OrderId } from '../machine.ts'
import type { Peer, PeerInfo } from '../peer.ts'
import type { Failure } from '../query.ts'
import type { Rng } from '../rng.ts'
import { BroadcastPlanner } from './broadcast.ts'
import { multihashOf } from './cid-key.ts'
import type { ConnectionNeeds } from './connection-needs.ts'
import type { BitswapContext } from './context.ts'
import type { BitswapEvent, SessionId, WantId, WantProgress } from './contract.ts'
import { LateAnswers } from './late-answers.ts'
import type { Link } from './link.ts'
import type { BlockPresence } from './message.ts'
import { ProviderSearches } from './provider-searches.ts'
import type { Session } from './session.ts'
import { Sessions } from './sessions.ts'
import { worthTakingOver } from './takeover.ts'
import { notFound, sessionClosed, sessionNotOpen, tally, timedOut, tooManyWants } from './want-failures.ts'
import { judgeGuess, learnFromAnswer, learnFromBlock, learnFromDenial, learnFromEnd, learnFromSearch } from './want-lessons.ts'
import { isHeard, noteAnswer, noteHave, type PeerSource, type WantPeerEvent } from './want-peer.ts'
import type { Delivery, WantOrder } from './want-order.ts'
import { Want } from './want.ts'

/**
 * All wants of the page and their sessions: finds the want that an event concerns, performs the orders of wants, and
 * ends them so that nothing of them is left behind.
 *
 * Several wants of one CID share one `Want`. Those whose facts changed are advanced together, once, in `settle`. It
 * does not know orders of messages, nor anything that others want of us.
 */
export class Wants {
  readonly #context: BitswapContext
  readonly #links: BytesMap<Link>
  readonly #planner: BroadcastPlanner
  readonly #searches: ProviderSearches
  readonly #needs: ConnectionNeeds
  /** By multihash. */
  readonly #wants = new BytesMap<Want>()
  readonly #wantOf = new Map<WantId, Want>()
  readonly #sessions: Sessions
  readonly #loads = new Map<OrderId, Want>()
  readonly #dirty = new Set<Want>()
  readonly #lateAnswers = new LateAnswers()

  constructor(context: BitswapContext, links: BytesMap<Link>, needs: ConnectionNeeds, rng: Rng) {
    this.#context = context
    this.#links = links
    this.#sessions = new Sessions(context.discovery)
    this.#planner = new BroadcastPlanner(rng, context.discovery)
    this.#searches = new ProviderSearches(context)
    this.#needs = needs
  }

  /** Wants of the page, not CIDs. */
  get size(): number {
    return this.#wantOf.size
  }

  get sessions(): number {
    return this.#sessions.size
  }

  want(event: Extract<BitswapEvent, { type: 'want-block' }>, now: Millis): void {
    assert(!this.#wantOf.has(event.want), 'the id of a want is unique among those that have not ended')
    const session = event.session === undefined ? this.#sessions.shared(event.context, now) : this.#sessions.get(event.session)
    if (session === undefined) return this.#refuse(event.want, sessionNotOpen)
    if (this.#wantOf.size >= limits.wantsMax.value) return this.#refuse(event.want, tooManyWants)
    const want = this.#wants.get(multihashOf(event.cid)) ?? this.#newWant(event.cid, now)
    want.waiters.set(event.want, { cid: event.cid, session })
    this.#wantOf.set(event.want, want)
    for (const info of event.providers) {
      want.peers.join(info.peer, 'provider', info, this.#links.get(info.peer.id))
      session.note(info.peer, 'joined', info)
    }
    this.#join(want, session, now)
    const context = event.context ?? session.context
    if (context !== undefined && want.contexts.size < limits.contextsMax.value) want.contexts.add(context)
    this.#dirty.add(want)
  }

  cancel(id: WantId, now: Millis): void {
    const want = this.#wantOf.get(id)
    if (want === undefined) return
    const { session } = want.waiters.get(id)!
    this.#wantOf.delete(id)
    want.waiters.delete(id)
    if (![...want.waiters.values()].some((waiter) => waiter.session === session)) this.#leave(want, session)
    if (want.waiters.size > 0) return
    learnFromEnd(this.#context, want, undefined, now)
    this.#end(want, now)
  }

  openSession(event: Extract<BitswapEvent, { type: 'open-session' }>): void {
    this.#sessions.open(event)
  }

  closeSession(id: SessionId, now: Millis): void {
    const session = this.#sessions.close(id)
    for (const want of [...(session?.wants ?? [])]) {
      for (const [waiterId, waiter] of [...want.waiters]) {
        if (waiter.session !== session) continue
        this.cancel(waiterId, now)
        this.#refuse(waiterId, sessionClosed)
      }
    }
  }

  /** Returns whether the order was that of a want. */
  blockLoaded(order: OrderId, bytes: Uint8Array | undefined, now: Millis): boolean {
    const want = this.#loads.get(order)
    if (want === undefined) return false
    this.#loads.delete(order)
    if (bytes !== undefined) this.#succeed(want, bytes, undefined, now)
    else if (want.stage.type === 'loading') {
      want.move('missed', now)
      this.#dirty.add(want)
    }
    return true
  }

  blockAdded(cid: Uint8Array, bytes: Uint8Array, now: Millis): void {
    const want = this.#wants.get(multihashOf(cid))
    if (want !== undefined) this.#succeed(want, bytes, undefined, now)
  }

  /** The peer sent a block. Returns what it was to us; undefined if nobody wants it. */
  blockReceived(key: Uint8Array, bytes: Uint8Array, link: Link, now: Millis): Delivery | undefined {
    const want = this.#wants.get(key)
    if (want === undefined) return undefined
    const entry = want.peers.get(link.peer.id)
    const askedAt = noteAnswer(entry, now)
    const isFirst = entry?.source !== 'session-good'
    for (const session of want.sessions) {
      session.lastBlockAt = now
      if (!session.note(link.peer, 'block', entry?.info)) continue
      for (const other of session.wants) if (session.takesAdvice(other)) this.#advise(other, link, 'session-good', entry?.info)
    }
    learnFromBlock(this.#context, want, link, now)
    learnFromEnd(this.#context, want, isFirst ? link.peer : undefined, now)
    this.#succeed(want, bytes, link.peer, now)
    return { cid: want.cid, askedAt, takenOver: want.takenOver }
  }

  /** Only answers to what we asked are heard: a peer cannot push itself into a want. */
  presenceReceived(presence: BlockPresence, link: Link, now: Millis): void {
    const key = multihashOf(presence.cid)
    const want = this.#wants.get(key)
    if (want === undefined) {
      // The block has come from another, but there are more where it is.
      if (presence.type === 'have')
        for (const other of this.#lateAnswers.take(key, link.peer)) this.#advise(other, link, 'session')
      return
    }
    const entry = want.peers.get(link.peer.id)
    if (entry === undefined || !link.outbox.isTold(key) || !isHeard(entry)) return
    noteAnswer(entry, now)
    if (presence.type === 'dont-have') link.outbox.denied(key)
    for (const session of want.sessions) {
      session.note(link.peer, presence.type)
      if (presence.type === 'have') for (const other of session.found(want, now)) this.#advise(other, link, 'session', entry.info)
    }
    if (presence.type === 'have') noteHave(entry, now)
    if (presence.type === 'have') learnFromAnswer(this.#context, want, entry, now)
    else learnFromDenial(this.#context, want, link.peer, now)
    want.apply(entry, presence.type, now)
    this.#tell(want, { type: presence.type, peer: link.peer })
    this.#dirty.add(want)
  }

  /** A want-have that was upgraded meanwhile is no longer what the want waits for. */
  messageLeft(
    key: Uint8Array,
    wantType: 'block' | 'have',
    event: 'message-sent' | 'message-failed',
    link: Link,
    now: Millis,
  ): void {
    const want = this.#wants.get(key)
    const entry = want?.peers.get(link.peer.id)
    const state = entry?.state.type
    if (want === undefined || entry === undefined) return
    if (state === 'asked-have' && wantType === 'have' && event === 'message-sent') {
      // Of hundreds that are asked, each only says from when on its time runs: nothing is to be decided.
      want.apply(entry, event, now)
      if ('until' in entry.state) this.#context.deadlines.hasten(want, entry.state.until)
      return
    }
    const isIt = state === 'asked-have' ? wantType === 'have' || !link.hasPresences : wantType === 'block'
    if (isIt && (state === 'asked-have' || state === 'asked-block' || state === 'guessed'))
      this.apply(want, link.peer, event, now)
  }

  /** One want more may go to this peer: the first that waits for that and still needs it. */
  roomFreed(link: Link, now: Millis): void {
    for (const want of link.starving) {
      link.starving.delete(want)
      if (!want.isStarving) continue
      want.peerAppeared(now)
      this.#dirty.add(want)
      return
    }
    for (const want of worthTakingOver(link, this.#links.values(), now)) this.#dirty.add(want)
  }

  peerConnected(link: Link, now: Millis): void {
    for (const want of this.#wants.values()) {
      const entry = want.peers.get(link.peer.id)
      if (entry === undefined) want.peerAppeared(now)
      else {
        entry.link = link
        want.apply(entry, 'bitswap-connected', now)
      }
      this.#dirty.add(want)
    }
  }

  peerDisconnected(link: Link, now: Millis): void {
    for (const want of this.#wants.values()) {
      if (want.peers.get(link.peer.id)?.link === link) this.apply(want, link.peer, 'disconnected', now)
    }
    for (const want of link.starving) this.#dirty.add(want)
    link.starving.clear()
  }

  /** Whether some want has told the peer that it wants this; who has denied it may send it yet. */
  isAsking(key: Uint8Array, peer: Peer): boolean {
    const state = this.#wants.get(key)?.peers.get(peer.id)?.state
    return state !== undefined && ('sentAt' in state || state.type === 'denied')
  }

  providersFound(search: OrderId, providers: readonly PeerInfo[], now: Millis): void {
    const want = this.#searches.wantOf(search)
    if (want === undefined) return
    learnFromSearch(this.#context, want, 'named', now)
    this.#dirty.add(want)
    for (const provider of providers) {
      const { peer } = provider
      const isKnown = want.peers.get(peer.id)?.isProvider
      if (want.peers.join(peer, 'provider', provider, this.#links.get(peer.id)) === undefined) continue
      for (const session of want.sessions) session.note(peer, 'joined', provider)
      if (!isKnown) this.#tell(want, { type: 'provider-found', peer })
    }
  }

  searchEnded(search: OrderId, failure: Failure | undefined, now: Millis): void {
    const want = this.#searches.ended(search)
    if (want === undefined) return
    learnFromSearch(this.#context, want, 'ended', now)
    want.searchEnded(failure, now)
    this.#dirty.add(want)
  }

  timeCame(want: Want): void {
    this.#dirty.add(want)
  }

  /** Advances every want whose facts changed, until nothing moves. */
  settle(now: Millis): void {
    const world = { links: this.#links, planner: this.#planner, discovery: this.#context.discovery }
    for (const want of this.#dirty) {
      this.#dirty.delete(want)
      want.advance(world, now)
      this.#perform(want, now)
      if (want.stage.type === 'failed') this.#fail(want, want.stage.code, now)
      else this.#context.deadlines.set(want, want.deadline)
    }
  }

  #newWant(cid: Uint8Array, now: Millis): Want {
    const load = this.#context.orders.next()
    const want = new Want({ cid, key: multihashOf(cid), load, now })
    this.#wants.set(want.key, want)
    this.#loads.set(load, want)
    this.#context.effects.push({ type: 'load-block', order: load, cid })
    return want
  }

  #join(want: Want, session: Session, now: Millis): void {
    want.sessions.add(session)
    for (const { peer, info, state } of session.join(want, now)) {
      want.peers.join(peer, state.type === 'good' ? 'session-good' : 'session', info, this.#links.get(peer.id))
    }
  }

  /** The peer has others of the want's session. */
  #advise(want: Want, link: Link, source: PeerSource, info?: PeerInfo): void {
    want.peers.join(link.peer, source, info, link)
    this.#dirty.add(want)
  }

  #leave(want: Want, session: Session): void {
    want.sessions.delete(session)
    const next = session.leave(want)
    if (next !== undefined) this.#dirty.add(next)
  }

  apply(want: Want, peer: Peer, event: WantPeerEvent, now: Millis): void {
    const entry = want.peers.get(peer.id)
    if (entry === undefined) return
    want.apply(entry, event, now)
    this.#dirty.add(want)
  }

  #perform(want: Want, now: Millis): void {
    for (const order of want.orders.splice(0)) this.#performOne(want, order, now)
  }

  #performOne(want: Want, order: WantOrder, now: Millis): void {
    switch (order.type) {
      case 'ask':
        this.#ask(want, order.link, order.wantType, now)
        break
      case 'withdraw':
        if (order.link.outbox.cancel(want.key, now)) this.roomFreed(order.link, now)
        this.#context.touched.add(order.link)
        break
      case 'timed-out':
        for (const session of want.sessions) session.note(order.peer, 'timed-out')
        judgeGuess(this.#context, want, order.peer, false, now)
        break
      case 'slot-freed':
        this.roomFreed(order.link, now)
        break
      case 'stalled':
        for (const other of order.link.starving) this.#dirty.add(other)
        break
      case 'connect':
        this.#needs.need(want, order.info)
        break
      case 'search':
        this.#searches.request(want)
        break
      case 'progress':
        this.#tell(want, order.progress)
        break
      default:
        unreachable(order)
    }
  }

  #ask(want: Want, link: Link, wantType: 'block' | 'have', now: Millis): void {
    const { cid, key, priority } = want
    const { outbox, hasPresences } = link
    const sendDontHave = hasPresences && (wantType === 'block' || this.#isDenialWanted(want, link))
    const wording = hasPresences ? wantType : 'block'
    if (outbox.want(key, { cid, priority, cancel: false, wantType: wording, sendDontHave })) this.#context.touched.add(link)
    else this.apply(want, link.peer, 'message-sent', now)
  }

  /** Of those who are asked by the dozen silence says as much, and costs a message less. */
  #isDenialWanted(want: Want, { peer }: Link): boolean {
    return want.peers.get(peer.id)?.source !== 'broadcast' || this.#links.size <= limits.broadcastDenialsMax.value
  }

  #tell(want: Want, progress: WantProgress): void {
    for (const id of want.waiters.keys()) this.#context.effects.push({ type: 'want-progress', want: id, progress })
  }

  #refuse(want: WantId, failure: Failure): void {
    this.#context.effects.push({ type: 'want-failed', want, failure })
  }

  #fail(want: Want, code: 'not-found' | 'timeout', now: Millis): void {
    const failure = code === 'timeout' ? timedOut(want) : notFound(want)
    this.#context.counters[tally(want).providers > 0 ? 'wantsFetchFailed' : 'wantsNoProvider']++
    learnFromEnd(this.#context, want, undefined, now)
    for (const id of want.waiters.keys()) this.#refuse(id, failure)
    this.#end(want, now)
  }

  #succeed(want: Want, bytes: Uint8Array, from: Peer | undefined, now: Millis): void {
    for (const [id, { cid }] of want.waiters) this.#context.effects.push({ type: 'want-ended', want: id, cid, bytes, from })
    this.#end(want, now)
  }

  /** Leaves no trace of the want: nobody is asked, dialed or searched for on its behalf any more. */
  #end(want: Want, now: Millis): void {
    this.#lateAnswers.await(want)
    want.move('ended', now)
    this.#wants.delete(want.key)
    this.#dirty.delete(want)
    this.#context.deadlines.set(want, undefined)
    this.#loads.delete(want.load)
    for (const id of want.waiters.keys()) this.#wantOf.delete(id)
    for (const session of want.sessions) this.#leave(want, session)
    this.#searches.stop(want)
    for (const { peer, link } of want.peers.values()) {
      this.#needs.drop(want, peer)
      if (link === undefined) continue
      link.starving.delete(want)
      if (this.#context.isProbeAsking(want.key, peer)) continue
      if (link.outbox.cancel(want.key, now)) this.roomFreed(link, now)
      this.#context.touched.add(link)
    }
    this.#perform(want, now)
  }
}
