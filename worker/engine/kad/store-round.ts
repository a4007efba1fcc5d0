import { BytesMap, equalBytes } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { OrderId } from '../machine.ts'
import type { Peer } from '../peer.ts'
import type { QueryProgress, StoreCounts } from '../query.ts'
import type { LookupPeer } from './lookup-contract.ts'
import type { KadRequest, KadResponse } from './message.ts'
import type { Outbox } from './outbox.ts'
import type { QueryContext, QueryEvent, QueryOutput } from './queries/contract.ts'

export type StoreRequest = Extract<KadRequest, { type: 'put-value' | 'add-provider' }>

/**
 * Sends one record to each of a list of peers and counts. Effects go to the query's outbox.
 *
 *   queued ──place free──▶ connecting ──ready──▶ sending ──echoed, sent──▶ stored
 *   undialable                  └──────failed──────┴──▶ failed
 *
 * `put-value` is stored when the peer echoes the very record, `add-provider` (which nobody answers) when it has left
 * our side. It does not know how the peers were chosen.
 */
export class StoreRound {
  readonly #context: QueryContext
  readonly #request: StoreRequest
  readonly #outbox: Outbox<QueryOutput>
  readonly #targets = new BytesMap<Target>()
  readonly #queue: Target[] = []
  #underWay = 0

  constructor(init: {
    context: QueryContext
    outbox: Outbox<QueryOutput>
    request: StoreRequest
    peers: readonly LookupPeer[]
  }) {
    this.#context = init.context
    this.#request = init.request
    this.#outbox = init.outbox
    this.add(init.peers)
  }

  /** Those that are targets already stay what they are. */
  add(peers: readonly LookupPeer[]): void {
    for (const { info, outcome } of peers) {
      if (this.#targets.has(info.peer.id)) continue
      const isUndialable = outcome === 'undialable'
      const target: Target = {
        peer: info.peer,
        addresses: info.addresses,
        state: { type: isUndialable ? 'undialable' : 'queued' },
      }
      this.#targets.set(info.peer.id, target)
      if (!isUndialable) this.#queue.push(target)
    }
    this.#fillPlaces()
  }

  get targets(): number {
    return this.#targets.size
  }

  get hasEnded(): boolean {
    return this.#underWay === 0 && this.#queue.length === 0
  }

  handle(event: QueryEvent): void {
    switch (event.type) {
      case 'connection-ready':
        this.#send(event.peer)
        break
      case 'connection-failed':
        if (this.#stateOf(event.peer)?.type !== 'connecting') break
        if (event.reason === 'no-dialable-address') this.#settle(event.peer, { type: 'undialable' })
        else this.#fail(event.peer, event.reason)
        break
      case 'response-received':
        if (!this.#isOurs(event.peer, event.order)) break
        if (this.#isEcho(event.response)) this.#stored(event.peer)
        else this.#fail(event.peer, 'not stored')
        break
      case 'notice-sent':
        if (this.#isOurs(event.peer, event.order)) this.#stored(event.peer)
        break
      case 'request-failed':
        if (this.#isOurs(event.peer, event.order)) this.#fail(event.peer, event.reason)
        break
      case 'tick':
      case 'dial-queued':
      case 'dial-begun':
      case 'dial-opened':
      case 'seeds-found':
      case 'seeds-missing':
      case 'expired':
      case 'record-judged':
      case 'own-addresses-changed':
        break
    }
    this.#fillPlaces()
  }

  counts(): StoreCounts {
    const counts = { targeted: this.#targets.size, stored: 0, undialable: 0, failed: 0, pending: 0 }
    for (const { state } of this.#targets.values()) {
      if (state.type === 'stored') counts.stored++
      else if (state.type === 'undialable') counts.undialable++
      else if (state.type === 'failed') counts.failed++
      else counts.pending++
    }
    return counts
  }

  /** For a round that goes no further: whoever has not been reached counts as failed. */
  finalCounts(): StoreCounts {
    const { pending, ...counts } = this.counts()
    return { ...counts, failed: counts.failed + pending, pending: 0 }
  }

  #fillPlaces(): void {
    while (this.#underWay < limits.storeRequestsMax.value) {
      const target = this.#queue.shift()
      if (target === undefined) return
      this.#underWay++
      target.state = { type: 'connecting' }
      const { peer, addresses } = target
      this.#outbox.push({ type: 'need-connection', info: { peer, addresses } })
    }
  }

  #send(peer: Peer): void {
    const target = this.#targets.get(peer.id)
    if (target?.state.type !== 'connecting') return
    const order = this.#context.orders.next()
    target.state = { type: 'sending', order }
    this.#tell({ type: 'storing', peer })
    this.#outbox.push({ type: 'send-request', order, peer, request: this.#request })
  }

  #stored(peer: Peer): void {
    this.#settle(peer, { type: 'stored' })
    this.#tell({ type: 'stored', peer })
  }

  #fail(peer: Peer, reason: string): void {
    this.#settle(peer, { type: 'failed' })
    this.#tell({ type: 'failed', peer, reason })
  }

  #settle(peer: Peer, state: Extract<TargetState, { type: 'stored' | 'failed' | 'undialable' }>): void {
    const target = this.#targets.get(peer.id)
    if (target === undefined) return
    target.state = state
    this.#underWay--
  }

  #stateOf(peer: Peer): TargetState | undefined {
    return this.#targets.get(peer.id)?.state
  }

  #isOurs(peer: Peer, order: OrderId): boolean {
    const state = this.#stateOf(peer)
    return state?.type === 'sending' && state.order === order
  }

  #isEcho(response: KadResponse): boolean {
    if (this.#request.type !== 'put-value' || response.record === undefined) return false
    const { key, value } = this.#request.record
    return equalBytes(response.record.key, key) && equalBytes(response.record.value, value)
  }

  #tell(progress: QueryProgress): void {
    const { query } = this.#context
    if (query !== undefined) this.#outbox.push({ type: 'query-progress', query, progress })
  }
}

interface Target {
  readonly peer: Peer
  readonly addresses: LookupPeer['info']['addresses']
  state: TargetState
}

type TargetState =
  | { readonly type: 'queued' }
  | { readonly type: 'connecting' }
  | { readonly type: 'sending'; readonly order: OrderId }
  | { readonly type: 'stored' }
  | { readonly type: 'failed' }
  | { readonly type: 'undialable' }
