import type { KadOptions, RecordVerdict } from '../../worker/engine/kad/contract.ts'
import type { KadPeer, KadResponse } from '../../worker/engine/kad/message.ts'
import type { Query, QueryContext, QueryEvent, QueryOutput } from '../../worker/engine/kad/queries/contract.ts'
import { type KadWorld, newWorld } from '../../worker/engine/kad/world.ts'
import { type OrderId, OrderIds } from '../../worker/engine/machine.ts'
import type { Peer } from '../../worker/engine/peer.ts'
import type { QueryId, QueryItem } from '../../worker/engine/query.ts'
import { bitsOf, drain, eightBitCache, info8, peer8 } from './kad-peers.ts'

/** One query machine alone, with keys of eight bits, and the orders it has open. */
export class QueryBench<Q extends Query> {
  readonly machine: Q
  readonly world: KadWorld
  readonly outputs: QueryOutput[] = []
  now = 0
  #lastOrder: OrderId | undefined

  constructor(create: (context: QueryContext, query: QueryId) => Q, options: Partial<KadOptions> & { addresses?: number } = {}) {
    const { k = 20, alpha = 10, beta = 1, addresses = 0 } = options
    this.world = { ...newWorld(k), self: peer8(0xff), ownAddresses: info8(0xff, { addresses }).addresses }
    const query = 1 as QueryId
    const context = { query, options: { k, alpha, beta }, orders: new OrderIds(), peers: eightBitCache(), world: this.world }
    this.machine = create(context, query)
    this.outputs.push(...drain(this.machine))
  }

  send(event: QueryEvent): this {
    this.machine.handle(event, this.now)
    this.outputs.push(...drain(this.machine))
    return this
  }

  seeds(...bits: number[]): this {
    return this.send({ type: 'seeds-found', seeds: bits.map((peer) => info8(peer)) })
  }

  ready(...bits: number[]): this {
    for (const peer of bits) this.send({ type: 'connection-ready', peer: peer8(peer) })
    return this
  }

  answer(bits: number, response: Partial<KadResponse> = {}): this {
    const { order, type } = this.request(bits)
    const full = { type, key: Uint8Array.of(0), closer: [], providers: [], record: undefined, ...response }
    return this.send({ type: 'response-received', order, peer: peer8(bits), response: full, rttMs: 10 })
  }

  sent(bits: number): this {
    return this.send({ type: 'notice-sent', order: this.request(bits).order, peer: peer8(bits) })
  }

  judged(index: number, verdict: RecordVerdict): this {
    const orders = this.outputs.flatMap((output) => (output.type === 'judge-record' ? [output.order] : []))
    return this.send({ type: 'record-judged', order: orders[index]!, verdict })
  }

  /** The latest request to the peer. */
  request(bits: number): { order: OrderId; type: KadResponse['type'] } {
    for (const output of this.outputs.toReversed()) {
      if (output.type !== 'send-request' || bitsOf(output.peer) !== bits) continue
      this.#lastOrder = output.order
      return { order: output.order, type: output.request.type }
    }
    // An answer that nobody asked for.
    return { order: this.#lastOrder ?? (999 as OrderId), type: 'find-node' }
  }

  of<T extends QueryOutput['type']>(type: T): Extract<QueryOutput, { type: T }>[] {
    return this.outputs.filter((output): output is Extract<QueryOutput, { type: T }> => output.type === type)
  }

  items(): QueryItem[] {
    return this.of('query-item').map(({ item }) => item)
  }

  asked(): number[] {
    return this.of('send-request').map(({ peer }) => bitsOf(peer))
  }

  ended(): Extract<QueryOutput, { type: 'query-ended' }>['result'] | undefined {
    return this.of('query-ended')[0]?.result
  }

  failure(): string | undefined {
    return this.of('query-failed')[0]?.failure.code
  }
}

export function kadPeer8(bits: number, options: { dialable?: boolean; addresses?: number } = {}): KadPeer {
  const { peer, addresses } = info8(bits, options)
  return { id: peer.id, addresses }
}

/** One of each kind of event, about the peer 1, for transition tables. */
export const oneOfEach: Record<QueryEvent['type'], <Q extends Query>(bench: QueryBench<Q>) => void> = {
  tick: (bench) => bench.send({ type: 'tick' }),
  'seeds-found': (bench) => bench.seeds(0x70),
  'seeds-missing': (bench) => bench.send({ type: 'seeds-missing' }),
  expired: (bench) => bench.send({ type: 'expired' }),
  'dial-queued': (bench) => bench.send({ type: 'dial-queued', peer: peer8(2) }),
  'dial-begun': (bench) => bench.send({ type: 'dial-begun', peer: peer8(2), agoMs: 0 }),
  'dial-opened': (bench) => bench.send({ type: 'dial-opened', peer: peer8(2) }),
  'connection-ready': (bench) => bench.ready(2),
  'connection-failed': (bench) => bench.send({ type: 'connection-failed', peer: peer8(2), reason: 'refused' }),
  'response-received': (bench) => bench.answer(1),
  'request-failed': (bench) => {
    const peer: Peer = peer8(1)
    bench.send({ type: 'request-failed', order: bench.request(1).order, peer, reason: 'reset' })
  },
  'notice-sent': (bench) => bench.sent(1),
  'record-judged': (bench) => bench.judged(0, { valid: true, rank: [1n] }),
  'own-addresses-changed': (bench) => {
    bench.world.ownAddresses = info8(0xff).addresses
    bench.send({ type: 'own-addresses-changed' })
  },
}
