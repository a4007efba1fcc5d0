import type { ProvidingReply, ProvidingRequest, ServiceEvent, StoreData } from '../contract/service.ts'
import type { EngineEffect, EngineEvent } from '../engine/contract.ts'
import { limits } from '../engine/limits.ts'
import { type Key, keyOf } from '../engine/peer.ts'
import type { CellState, ProvidedKey, ProvideStatus } from '../engine/provide/contract.ts'
import { decodeCid, providersKeyOf } from './plain-data.ts'
import { ServiceError } from './service-error.ts'
import type { KeyRange, KeyTable, RemovedPage } from './store/key-table.ts'

/** Effects of the sweep that need the keystore or a clock. */
export type ProvidingEffect = Extract<EngineEffect, { type: 'load-keys' | 'keys-sent' | 'tell-time' | 'region-ended' }>

/**
 * Between the keystore, the sweep and the page: puts keys in and out, tells the engine what changed, and performs its
 * orders for keys. What the page gives is stored before it is answered.
 */
export class Providing {
  readonly #keys: KeyTable
  readonly #dispatch: (event: EngineEvent) => void
  readonly #status: () => ProvideStatus
  readonly #onEvent: (event: ServiceEvent) => void
  readonly #mayProvide: boolean

  constructor(init: {
    keys: KeyTable
    dispatch: (event: EngineEvent) => void
    status: () => ProvideStatus
    onEvent: (event: ServiceEvent) => void
    /** Whether there is an address to hope for, or the page wants none. */
    mayProvide: boolean
  }) {
    this.#keys = init.keys
    this.#dispatch = init.dispatch
    this.#status = init.status
    this.#onEvent = init.onEvent
    this.#mayProvide = init.mayProvide
  }

  perform(effect: ProvidingEffect): void {
    switch (effect.type) {
      case 'load-keys': {
        const { order } = effect
        void this.#load(effect).then(
          (keys) => this.#dispatch({ type: 'keys-loaded', order, keys, wallMs: Date.now() }),
          () => this.#dispatch({ type: 'keys-not-loaded', order }),
        )
        break
      }
      case 'keys-sent':
        // Should it fail, the keys are told once more: no harm is done.
        void this.#change({ sent: effect.keys, swept: effect.swept }).catch(() => {})
        break
      case 'tell-time':
        // Not within the engine's own turn.
        queueMicrotask(() => this.#dispatch({ type: 'time-told', wallMs: Date.now() }))
        break
      case 'region-ended':
        this.#onEvent({ type: 'region-provided', region: effect.report })
        break
    }
  }

  async handle(request: ProvidingRequest): Promise<ProvidingReply> {
    return { changed: await this.#perform(request), status: this.#status() }
  }

  /** Now, by `tell`, and from then on. What cannot be told now stays in the queue, unless nobody could reach us. */
  async provide(cid: Uint8Array, tell: () => Promise<StoreData>): Promise<StoreData> {
    const key = provided(providersKeyOf(cid))
    const isNew = (await this.#keys.load({ source: 'provided', from: key.key, to: key.key, limit: 1 })).length === 0
    await this.#change({ add: { keys: [key], generation: Date.now() }, queue: [key] }, limits.provideHoldMs.value)
    try {
      const result = await tell()
      if (result.stored > 0) await this.#told(key)
      return result
    } catch (error) {
      const isHopeless = error instanceof ServiceError && error.plain.code === 'not-dialable'
      if (isHopeless && isNew) await this.#change({ remove: [key] })
      throw error
    }
  }

  async #told(key: ProvidedKey): Promise<void> {
    const [state] = await this.#change({ sent: [key] })
    const isFirst = state !== undefined && state.sweptAt === 0
    if (isFirst) await this.#change({ swept: [{ cell: state.cell, at: Date.now() }] })
  }

  async #perform(request: ProvidingRequest): Promise<number> {
    switch (request.type) {
      case 'status':
        return 0
      case 'add':
        return this.#add(request.cids, request.replacement)
      case 'replaced':
        return this.#removeOlder(request.replacement)
      case 'cancel': {
        const before = this.#status().provided
        await this.#change({ remove: request.cids.map((cid) => provided(decodeCid(cid).multihash.bytes)) })
        return before - this.#status().provided
      }
      case 'clear': {
        const cells = await this.#keys.cells()
        await this.#keys.clear()
        const emptied = cells.map(({ cell }): CellState => ({ cell, provided: 0, queued: 0, sweptAt: 0 }))
        this.#dispatch({ type: 'provide-cells', cells: emptied })
        return cells.reduce((sum, cell) => sum + cell.provided, 0)
      }
      case 'pause':
        this.#dispatch({ type: 'provide-paused', paused: request.paused })
        return 0
      case 'hide':
        this.#dispatch({ type: 'page-hidden', hidden: request.hidden })
        return 0
    }
  }

  async #add(cids: readonly Uint8Array[], replacement: number | undefined): Promise<number> {
    if (!this.#mayProvide) throw notDialable()
    const { cells, added } = await this.#keys.admit(
      cids.map((cid) => provided(providersKeyOf(cid))),
      replacement ?? Date.now(),
    )
    this.#dispatch({ type: 'provide-cells', cells })
    return added
  }

  /** A row that servers refuse would take the others of its lot along. Without it the page is read anew: a short one would be the last. */
  async #load(range: KeyRange): Promise<readonly ProvidedKey[]> {
    const keys = await this.#keys.load(range)
    const refused = keys.filter(({ multihash }) => multihash.length > limits.providersKeyBytesMax.value)
    if (refused.length === 0) return keys
    await this.#change({ remove: refused })
    return this.#load(range)
  }

  async #removeOlder(generation: number): Promise<number> {
    let removed = 0
    for (let from: Key | undefined = firstKey; from !== undefined; ) {
      const page: RemovedPage = await this.#keys.removeOlder(generation, from)
      this.#dispatch({ type: 'provide-cells', cells: page.cells })
      removed += page.removed
      from = page.next
    }
    return removed
  }

  async #change(change: Parameters<KeyTable['change']>[0], holdMs?: number): Promise<CellState[]> {
    const cells = await this.#keys.change(change)
    this.#dispatch({ type: 'provide-cells', cells, holdMs })
    return cells
  }
}

const firstKey = new Uint32Array(8) as Key

export function notDialable(): ServiceError {
  const message = 'Nobody could dial this client: set relay to true, or give its addresses in announce.'
  return new ServiceError('not-dialable', message)
}

function provided(multihash: Uint8Array): ProvidedKey {
  return { key: keyOf(multihash), multihash }
}
