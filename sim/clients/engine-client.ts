import { BytesMap, equalBytes } from '../../worker/engine/bytes-map.ts'
import type { EngineEffect, EngineEvent } from '../../worker/engine/contract.ts'
import { Engine, type EngineInit } from '../../worker/engine/engine.ts'
import type { ExchangeId, KadCommand, StoredTableEntry } from '../../worker/engine/kad/contract.ts'
import type { KadRequest, KadResponse } from '../../worker/engine/kad/message.ts'
import type { OrderId } from '../../worker/engine/machine.ts'
import type { Peer, PeerIdBytes, PeerInfo } from '../../worker/engine/peer.ts'
import type { Failure, QueryId, QueryItem, QueryResult } from '../../worker/engine/query.ts'
import { hashOf } from '../core/draws.ts'
import { type SimTime, timeStep } from '../core/agenda.ts'
import { type Cancel, ClientPlace, type DialOutcome, type Network } from '../world/network.ts'
import { newId } from '../world/population.ts'
import { Rng } from '../../worker/engine/rng.ts'
import type { LookupLog } from './lookup-log.ts'
import type { Surroundings } from './surroundings.ts'

/**
 * A peer that runs the whole engine, as a page's Worker does: the network performs its effects, in virtual time. It keeps
 * what its store would keep, so that the routing table can be read, and given to a rival.
 */
export class EngineClient {
  readonly engine: Engine
  readonly place: ClientPlace
  readonly id: PeerIdBytes
  /** Takes note of everything asked and answered, while set. */
  log: LookupLog | undefined
  /** Told every event before the engine gets it, and every effect. */
  witness: Witness | undefined
  readonly #network: Surroundings
  readonly #table = new BytesMap<StoredTableEntry>()
  readonly #connected = new BytesMap<Peer>()
  readonly #pending = new Map<OrderId, Pending>()
  /** Requests of others that the engine has not answered yet. */
  readonly #exchanges = new Map<ExchangeId, (response: KadResponse | undefined) => void>()
  readonly #queries = new Map<QueryId, QueryRun>()
  /** Dials whose peer has not answered yet. */
  readonly #opening = new Set<OrderId>()
  #pendingDialsMax = 0
  #tickAt = Number.POSITIVE_INFINITY
  #lastTickAt = Number.NEGATIVE_INFINITY
  #nextQuery = 1
  #nextExchange = 1
  #isStopped = false
  #isAsleep = false
  #isOffline = false
  #lastBusyAt: SimTime = 0

  constructor(init: {
    network: Surroundings
    number: number
    /** `peers`: shared with other engines, to save memory and hashes. */
    engine?: Omit<EngineInit, 'seed'>
  }) {
    const { network, number, engine } = init
    const { seed, clientZone } = network
    this.#network = network
    this.place = new ClientPlace({ seed, clientZone, id: number, inBrowser: true })
    this.id = newId(new Rng(hashOf(seed, CLIENT_ID, number)))
    this.engine = new Engine({ ...engine, seed: hashOf(seed, CLIENT_SEED, number) })
  }

  /** The most dials whose peer had not answered yet at a time. */
  get pendingDialsMax(): number {
    return this.#pendingDialsMax
  }

  /** Orders of the engine that the network still works on. */
  get pendingOrders(): number {
    return this.#pending.size
  }

  /** When there last was such an order. */
  get lastBusyAt(): SimTime {
    return this.#pending.size > 0 ? this.#network.now : this.#lastBusyAt
  }

  /** Starts from a table kept from an earlier visit (see `storedTable`), from bootstrap peers, or both. */
  start(init: { readonly tableEntries?: readonly StoredTableEntry[]; readonly bootstrap?: readonly number[] }): void {
    const bootstrapPeers = (init.bootstrap ?? []).map((number): PeerInfo => {
      const { id, addresses } = this.#network.kadPeer(number)
      return { peer: this.engine.peers.intern(id), addresses }
    })
    const self = this.engine.peers.intern(this.id)
    const tableEntries = init.tableEntries ?? []
    for (const entry of tableEntries) this.#table.set(entry.id, entry)
    this.handle({ type: 'start', self, bootstrapPeers, tableEntries })
  }

  /** Gives the engine a command and returns what comes of it. */
  query(command: (query: QueryId) => KadCommand): QueryRun {
    const id = this.#nextQuery++ as QueryId
    const run: QueryRun = {
      query: id,
      startedAt: this.#network.now,
      begunAt: undefined,
      endedAt: undefined,
      items: [],
      result: undefined,
      failure: undefined,
      endings: 0,
    }
    this.#queries.set(id, run)
    this.handle(command(id))
    return run
  }

  /** Numbers of the peers in the routing table now. */
  tableServers(): number[] {
    return [...this.#table.keys()].map((id) => this.#network.numberOf(id)).filter((number) => number !== undefined)
  }

  /** A peer has dialed us. */
  accept(peer: Peer): void {
    this.#connected.set(peer.id, peer)
    this.handle({ type: 'peer-connected', peer })
  }

  /** The connection is gone, and with it all requests to that peer. */
  lose(peer: Peer): void {
    if (!this.#connected.delete(peer.id)) return
    for (const [order, pending] of [...this.#pending]) {
      if (pending.asked === undefined || !equalBytes(pending.asked.id, peer.id)) continue
      this.#cancel(order)
      this.handle({ type: 'request-failed', order, reason: 'disconnected' })
    }
    this.handle({ type: 'peer-disconnected', peer })
  }

  /** A connected peer asks. `answer` is told once; `undefined`: refused. Of `add-provider` nothing comes back. */
  receive(from: Peer, request: KadRequest, answer: (response: KadResponse | undefined) => void): void {
    const exchange = this.#nextExchange++ as ExchangeId
    if (request.type !== 'add-provider') this.#exchanges.set(exchange, answer)
    this.handle({ type: 'request-received', exchange, from, request })
  }

  /** The page is closed: the engine is told nothing any more. */
  stop(): void {
    this.#isStopped = true
    for (const order of [...this.#pending.keys()]) this.#cancel(order)
    this.#exchanges.clear()
  }

  get connections(): number {
    return this.#connected.size
  }

  /** What the host does by itself: connections to peers that have gone end, and those beyond `max`, the oldest first. */
  closeConnections(max: number, isThere: (number: number) => boolean): void {
    const gone = [...this.#connected.values()].filter(({ id }) => !isThere(this.#network.numberOf(id)!))
    for (const peer of gone) this.lose(peer)
    for (const peer of [...this.#connected.values()].slice(0, Math.max(0, this.#connected.size - max))) this.lose(peer)
  }

  /** The machine sleeps: the engine is told nothing, and whatever comes in is lost. */
  suspend(): void {
    this.#isAsleep = true
  }

  resume(): void {
    this.#isAsleep = false
    this.#cameBack()
  }

  /** No network: all connections break, and dials fail at once. */
  goOffline(): void {
    this.#isOffline = true
    for (const peer of [...this.#connected.values()]) this.lose(peer)
  }

  goOnline(): void {
    this.#isOffline = false
    this.#cameBack()
  }

  #cameBack(): void {
    for (const peer of [...this.#connected.values()]) this.lose(peer)
    this.handle({ type: 'network-changed' })
  }

  disconnectAll(): void {
    for (const peer of [...this.#connected.values()]) {
      this.#connected.delete(peer.id)
      this.handle({ type: 'peer-disconnected', peer })
    }
  }

  handle(event: EngineEvent): void {
    if (this.#isStopped || this.#isAsleep) return
    const { trace } = this.#network
    this.#lastBusyAt = this.lastBusyAt
    if (trace !== undefined) {
      trace.number(this.#network.now)
      trace.text(event.type)
    }
    this.witness?.event(event, this.#network.now)
    this.engine.handle(event, this.#network.now)
    for (let effect = this.engine.poll(); effect !== undefined; effect = this.engine.poll()) this.#perform(effect)
    this.#armTick()
  }

  #perform(effect: EngineEffect): void {
    this.#noteInTrace(effect)
    this.witness?.effect(effect, this.#network.now)
    switch (effect.type) {
      case 'dial':
        return this.#dial(effect.order, effect.info.peer)
      case 'cancel-dial':
        this.#opening.delete(effect.order)
        return this.#cancel(effect.order)
      case 'send-request':
        return this.#request(effect)
      case 'cancel-request':
        return this.#cancel(effect.order)
      case 'judge-record': {
        const { order, value } = effect
        const verdict = { valid: true, rank: [BigInt(value[0] ?? 0)] } as const
        return this.#network.agenda.plan(1, () => this.handle({ type: 'record-judged', order, verdict }))
      }
      case 'persist-table-entry': {
        const { peer, addresses } = effect.info
        const lastUsefulAt = this.#network.now - effect.agoMs
        this.#table.set(peer.id, { id: peer.id, addresses, lastUsefulAt })
        return
      }
      case 'forget-table-entry':
        this.#table.delete(effect.peer.id)
        return
      case 'send-response':
        return this.#answerExchange(effect.exchange, effect.response)
      case 'refuse-request':
        return this.#answerExchange(effect.exchange, undefined)
      case 'query-item':
        this.#queries.get(effect.query)?.items.push(effect.item)
        return
      case 'query-progress': {
        const run = this.#queries.get(effect.query)
        if (run !== undefined) run.begunAt ??= this.#network.now
        return
      }
      case 'query-ended':
        return this.#ended(effect.query, { result: effect.result })
      case 'query-failed':
        return this.#ended(effect.query, { failure: effect.failure })
      default:
        return
    }
  }

  #dial(order: OrderId, peer: Peer): void {
    this.log?.dialed()
    this.#opening.add(order)
    this.#pendingDialsMax = Math.max(this.#pendingDialsMax, this.#opening.size)
    const number = this.#network.numberOf(peer.id)
    const settled = (outcome: DialOutcome) => {
      if (this.#isAsleep) return
      this.#lastBusyAt = this.#network.now
      this.#pending.delete(order)
      this.#opening.delete(order)
      if (outcome === 'connected') {
        this.#connected.set(peer.id, peer)
        this.handle({ type: 'peer-connected', peer })
        this.handle({ type: 'dial-succeeded', order })
      } else {
        this.log?.dialFailed()
        this.handle({ type: 'dial-failed', order, reason: outcome })
      }
    }
    const opened = () => {
      this.#opening.delete(order)
      this.handle({ type: 'dial-opened', order })
    }
    const cancel = this.#isOffline ? this.#refuse(settled) : this.#network.dial(this.place, number, settled, opened)
    this.#pending.set(order, { cancel, asked: undefined })
  }

  #refuse(done: (outcome: DialOutcome) => void): Cancel {
    let isCancelled = false
    this.#network.agenda.plan(0, () => {
      if (!isCancelled) done('refused')
    })
    return () => {
      isCancelled = true
    }
  }

  #request({ order, peer, request }: Extract<EngineEffect, { type: 'send-request' }>): void {
    this.log?.asked()
    const number = this.#network.numberOf(peer.id)
    if (number === undefined || !this.#connected.has(peer.id)) {
      this.#network.agenda.plan(0, () => this.handle({ type: 'request-failed', order, reason: 'disconnected' }))
      return
    }
    const cancel = this.#network.request(this.place, number, request, (outcome) => {
      this.#lastBusyAt = this.#network.now
      const isAwaited = this.#pending.delete(order)
      if (outcome.type === 'answered') {
        if (isAwaited) this.log?.answeredBy(number, outcome.response, this.#network.now)
        this.handle({ type: 'response-received', order, response: outcome.response })
      } else if (outcome.type === 'sent') {
        this.handle({ type: 'notice-sent', order })
      } else {
        this.handle({ type: 'request-failed', order, reason: 'reset' })
      }
    })
    this.#pending.set(order, { cancel, asked: peer })
  }

  #answerExchange(exchange: ExchangeId, response: KadResponse | undefined): void {
    const answer = this.#exchanges.get(exchange)
    this.#exchanges.delete(exchange)
    answer?.(response)
  }

  #cancel(order: OrderId): void {
    this.#lastBusyAt = this.#network.now
    this.#pending.get(order)?.cancel()
    this.#pending.delete(order)
  }

  #ended(query: QueryId, ending: { result?: QueryResult; failure?: Failure }): void {
    const run = this.#queries.get(query)
    if (run === undefined) return
    run.endings++
    run.endedAt = this.#network.now
    run.result = ending.result
    run.failure = ending.failure
  }

  /** One timer, as the driver has. Like a real one it never fires twice in a moment: time passes while an engine ticks. */
  #armTick(): void {
    const deadline = this.engine.nextDeadline()
    if (deadline === undefined || this.#isStopped) return
    const at = Math.max(deadline, this.#lastTickAt + timeStep)
    if (at >= this.#tickAt) return
    this.#tickAt = at
    this.#network.agenda.planAt(at, () => {
      if (this.#tickAt !== at) return
      this.#tickAt = Number.POSITIVE_INFINITY
      const due = this.engine.nextDeadline()
      if (due === undefined || due > this.#network.now) return this.#armTick()
      this.#lastTickAt = this.#network.now
      this.handle({ type: 'tick' })
    })
  }

  #noteInTrace(effect: EngineEffect): void {
    const { trace } = this.#network
    if (trace === undefined) return
    trace.text(effect.type)
    if ('order' in effect) trace.number(effect.order)
    if ('peer' in effect) trace.bytes(effect.peer.id)
    if ('info' in effect) trace.bytes(effect.info.peer.id)
    if ('query' in effect) trace.number(effect.query)
  }
}

interface Pending {
  readonly cancel: Cancel
  /** Undefined for a dial. */
  readonly asked: Peer | undefined
}

export interface Witness {
  event(event: EngineEvent, now: SimTime): void
  effect(effect: EngineEffect, now: SimTime): void
}

export interface QueryRun {
  readonly query: QueryId
  readonly startedAt: SimTime
  /** Its first sign of life: until then it waited for its turn. */
  begunAt: SimTime | undefined
  endedAt: SimTime | undefined
  readonly items: QueryItem[]
  result: QueryResult | undefined
  failure: Failure | undefined
  /** How often the engine said that it has ended: once, if all is well. */
  endings: number
}

/** Table entries as a visit left them: what a client with that key would have in its buckets, those it can dial. */
export function storedTable(network: Network, id: PeerIdBytes, key: Uint32Array): StoredTableEntry[] {
  const { tables, population } = network.world
  const owner = tables.owner(key)
  const entries: StoredTableEntry[] = []
  for (let bucket = 0; bucket <= owner.deepest; bucket++) {
    for (const server of tables.bucket(owner, bucket, network.now)) {
      if (!population.isDialable(server)) continue
      const { id: serverId, addresses } = network.world.kadPeer(server)
      entries.push({ id: serverId, addresses, lastUsefulAt: 1_000_000 + (hashOf(id[33] ?? 0, server) % 1_000) })
    }
  }
  return entries
}

/** By then an engine has ended the refresh with which it starts (377 s at most, with 30,000 servers); the next comes after 600 s. */
export const settledMs = 400_000

const CLIENT_ID = 0x69645f63
const CLIENT_SEED = 0x73645f63
