import { equalBytes } from '../bytes-map.ts'
import { type Fill, limits } from '../limits.ts'
import type { Machine, Millis, OrderId, OrderIds, Tick } from '../machine.ts'
import type { Peer, PeerCache, PeerIdBytes, PeerInfo } from '../peer.ts'
import type { Rng } from '../rng.ts'
import type { ExchangeId, RecordVerdict } from './contract.ts'
import type { KadPeer, KadRecord, KadRequest, KadResponse } from './message.ts'
import { Outbox } from './outbox.ts'
import { RecordStore } from './record-store.ts'

/**
 * The server side: answers what other peers ask (ipfs/specs `kad-dht.md`, and go-libp2p-kad-dht where it says nothing).
 *
 *   request ──find-node, get-providers, get-value──▶ answered at once
 *          ├──add-provider──▶ stored, and never answered
 *          └──put-value──▶ judging ──valid, not older than ours──▶ stored and echoed
 *                             └──────invalid, older──────▶ refused
 *
 * It does not know connections, bytes, or how the peers it names came into the table.
 */
export class Responder implements Machine<ResponderEvent, ResponderEffect> {
  readonly records = new RecordStore()
  readonly #surroundings: ResponderSurroundings
  readonly #judging = new Map<OrderId, { readonly exchange: ExchangeId; readonly record: KadRecord }>()
  readonly #outbox = new Outbox<ResponderEffect>()
  #sweepAt: Millis

  constructor(surroundings: ResponderSurroundings, now: Millis) {
    this.#surroundings = surroundings
    this.#sweepAt = now + limits.serverSweepMs.value
  }

  handle(event: ResponderEvent, now: Millis): void {
    switch (event.type) {
      case 'tick':
        if (now < this.#sweepAt) return
        this.#sweepAt = now + limits.serverSweepMs.value
        return this.records.dropExpired(now)
      case 'request-received':
        return this.#answer(event.exchange, event.from, event.request, now)
      case 'record-judged':
        return this.#judged(event.order, event.verdict, now)
    }
  }

  poll(): ResponderEffect | undefined {
    return this.#outbox.poll()
  }

  nextDeadline(): Millis {
    return this.#sweepAt
  }

  fill(): Fill {
    const { providers, values } = this.records.counts()
    return { serverProvidersMax: providers, serverValuesMax: values, serverJudgementsMax: this.#judging.size }
  }

  isJudging(order: OrderId): boolean {
    return this.#judging.has(order)
  }

  #answer(exchange: ExchangeId, from: Peer, request: KadRequest, now: Millis): void {
    switch (request.type) {
      case 'find-node':
        return this.#respond(exchange, { type: 'find-node', key: request.key, closer: this.#find(request.key, from) })
      case 'get-providers': {
        const found = this.#surroundings.rng.shuffle(this.records.providersOf(request.key, now))
        const providers = found.slice(0, limits.serverProvidersTold.value).map(toKadPeer)
        return this.#respond(exchange, { ...request, closer: this.#closer(request.key, from), providers })
      }
      case 'get-value': {
        const record = this.records.value(request.key, now)
        return this.#respond(exchange, { ...request, closer: this.#closer(request.key, from), record })
      }
      case 'add-provider': {
        const { id, addresses } = request.provider
        // What is said of others is ignored, and a record without addresses is of no use.
        if (equalBytes(id, from.id) && addresses.length > 0) this.records.addProvider(request.key, from, addresses, now)
        return
      }
      case 'put-value':
        return this.#judge(exchange, request.record)
    }
  }

  #judge(exchange: ExchangeId, record: KadRecord): void {
    if (this.#judging.size >= limits.serverJudgementsMax.value) return this.#outbox.push({ type: 'refuse-request', exchange })
    const order = this.#surroundings.orders.next()
    this.#judging.set(order, { exchange, record })
    this.#outbox.push({ type: 'judge-record', order, key: record.key, value: record.value })
  }

  #judged(order: OrderId, verdict: RecordVerdict, now: Millis): void {
    const judged = this.#judging.get(order)
    if (judged === undefined) return
    this.#judging.delete(order)
    const { exchange, record } = judged
    const isStored = verdict.valid && this.records.putValue(record, verdict.rank, now)
    if (isStored) this.#respond(exchange, { type: 'put-value', key: record.key, record })
    else this.#outbox.push({ type: 'refuse-request', exchange })
  }

  #respond(exchange: ExchangeId, response: Pick<KadResponse, 'type' | 'key'> & Partial<KadResponse>): void {
    const full = { closer: [], providers: [], record: undefined, ...response }
    this.#outbox.push({ type: 'send-response', exchange, response: full })
  }

  /** Who asks for ourselves gets us and nobody else: the proof that we are a server. A peer we know comes first, even a client. */
  #find(key: Uint8Array, from: Peer): KadPeer[] {
    const { self, peers, known } = this.#surroundings
    if (equalBytes(key, self().peer.id)) return [toKadPeer(self())]
    const closer = this.#closer(key, from)
    if (equalBytes(key, from.id)) return closer
    const wanted = known(peers.intern(key.slice() as PeerIdBytes))
    if (wanted === undefined || wanted.addresses.length === 0) return closer
    return [toKadPeer(wanted), ...closer.filter(({ id }) => !equalBytes(id, key))]
  }

  /** The nearest we know, without the peer that asks and those nobody could reach. */
  #closer(key: Uint8Array, from: Peer): KadPeer[] {
    const { k, peers, nearest } = this.#surroundings
    const others = nearest(peers.keyOf(key), k + 1).filter(({ peer }) => !equalBytes(peer.id, from.id))
    return others
      .filter(({ addresses }) => addresses.length > 0)
      .slice(0, k)
      .map(toKadPeer)
  }
}

export interface ResponderSurroundings {
  readonly k: number
  readonly rng: Rng
  readonly peers: PeerCache
  readonly orders: OrderIds
  /** With the addresses we have now. */
  self(): PeerInfo
  /** The nearest in the routing table, nearest first, without ourselves. */
  nearest(target: Peer['key'], count: number): readonly PeerInfo[]
  /** What we know of a peer, be it a server or not. */
  known(peer: Peer): PeerInfo | undefined
}

export type ResponderEvent =
  | Tick
  | { readonly type: 'request-received'; readonly exchange: ExchangeId; readonly from: Peer; readonly request: KadRequest }
  | { readonly type: 'record-judged'; readonly order: OrderId; readonly verdict: RecordVerdict }

export type ResponderEffect =
  | { readonly type: 'send-response'; readonly exchange: ExchangeId; readonly response: KadResponse }
  | { readonly type: 'refuse-request'; readonly exchange: ExchangeId }
  | { readonly type: 'judge-record'; readonly order: OrderId; readonly key: Uint8Array; readonly value: Uint8Array }

function toKadPeer({ peer, addresses }: PeerInfo): KadPeer {
  return { id: peer.id, addresses }
}
