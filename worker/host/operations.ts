import type { ProgressData } from '../contract/service.ts'
import type { BitswapCommand, BitswapEffect, WantId } from '../engine/bitswap/contract.ts'
import type { EngineEvent } from '../engine/contract.ts'
import type { KadCommand } from '../engine/kad/contract.ts'
import type { QueryEffect, QueryId, QueryItem, QueryResult } from '../engine/query.ts'
import type { CallContext } from './amino-service.ts'
import { ServiceError } from './service-error.ts'

/** A query or want of the page, without the id that `Operations` gives it. */
export type Command = Without<Exclude<KadCommand, { type: 'cancel' }>, 'query'> | Without<WantCommand, 'want'>

/** What an operation ends with. */
export type Outcome = QueryResult | WantOutcome

export type WantOutcome = Extract<BitswapEffect, { type: 'want-ended' | 'probe-ended' }>

type WantCommand = Extract<BitswapCommand, { type: 'want-block' | 'probe' }>
type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never
type AnswerEffect = QueryEffect | Extract<BitswapEffect, { type: 'want-ended' | 'want-failed' | 'want-progress' | 'probe-ended' }>

/**
 * The page's queries and wants that are under way: gives each an id, hands what the engine says of it to whoever
 * started it, and cancels in the engine what the caller has given up. Each ends exactly once.
 */
export class Operations {
  readonly #dispatch: (event: EngineEvent) => void
  readonly #max: number
  readonly #running = new Map<number, Running>()
  /** In the order of their coming. */
  readonly #waiting = new Set<Turn>()
  /** Works that have their turn. */
  #turns = 0
  /** Of those that run: parts of others. */
  #parts = 0
  #nextId = 1

  constructor(init: { dispatch: (event: EngineEvent) => void; max: number }) {
    this.#dispatch = init.dispatch
    this.#max = init.max
  }

  get size(): number {
    return this.#running.size
  }

  /** How many of them wait for a block. */
  get wants(): number {
    let wants = 0
    for (const operation of this.#running.values()) if (operation.kind === 'want') wants++
    return wants
  }

  /** Runs a command to its end. `onItem` gets what comes before that. `isPart`: of another that runs, so that it takes no place. */
  run(command: Command, context: CallContext, onItem?: (item: QueryItem) => void, isPart = false): Promise<Outcome> {
    if (context.signal.aborted) return Promise.reject(aborted())
    if (!isPart && this.#isFull) {
      const message = `${this.#max} operations are under way already. Wait for some of them to end, or raise limits.operationsMax.`
      return Promise.reject(new ServiceError('too-many-queries', message, { operationsMax: this.#max }))
    }
    const id = this.#nextId++
    const kind = isForBitswap(command) ? 'want' : 'query'
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.#cancel(id, aborted())
      context.signal.addEventListener('abort', onAbort, { once: true })
      const release = (): void => context.signal.removeEventListener('abort', onAbort)
      this.#running.set(id, { kind, isPart, resolve, reject, release, onItem, onProgress: context.onProgress })
      this.#parts += Number(isPart)
      this.#dispatch(isForBitswap(command) ? { ...command, want: id as WantId } : { ...command, query: id as QueryId })
    })
  }

  /**
   * Work of which there is much at once, as of a stream of blocks: it waits for a place instead of being refused, and leaves
   * half of the places to others. What it runs, it begins at once.
   */
  inTurn<Result>(signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
    if (signal.aborted) return Promise.reject(aborted())
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(turn)
        signal.removeEventListener('abort', onAbort)
      }
      const refuse = (error: ServiceError): void => {
        leave()
        reject(error)
      }
      const onAbort = (): void => refuse(aborted())
      const begin = (): void => {
        leave()
        this.#turns++
        void work()
          .finally(() => {
            this.#turns--
            this.#callNext()
          })
          .then(resolve, reject)
      }
      const turn: Turn = { begin, refuse }
      this.#waiting.add(turn)
      signal.addEventListener('abort', onAbort)
      this.#callNext()
    })
  }

  /** What the engine says of a query or want. Unknown ids have ended already. */
  take(effect: AnswerEffect): void {
    const id = 'query' in effect ? effect.query : effect.want
    const running = this.#running.get(id)
    if (running === undefined) return
    switch (effect.type) {
      case 'query-item':
        running.onItem?.(effect.item)
        break
      case 'query-progress':
      case 'want-progress':
        running.onProgress?.(progressData(effect.progress))
        break
      case 'query-ended':
        this.#end(id, running)
        running.resolve(effect.result)
        break
      case 'want-ended':
      case 'probe-ended':
        this.#end(id, running)
        running.resolve(effect)
        break
      case 'query-failed':
      case 'want-failed':
        this.#end(id, running)
        running.reject(new ServiceError(effect.failure.code, effect.failure.message))
        break
    }
  }

  /** Ends all that is under way with this error. */
  cancelAll(error: ServiceError): void {
    for (const turn of [...this.#waiting]) turn.refuse(error)
    for (const id of [...this.#running.keys()]) this.#cancel(id, error)
  }

  #cancel(id: number, error: ServiceError): void {
    const running = this.#running.get(id)
    if (running === undefined) return
    this.#end(id, running)
    running.reject(error)
    this.#dispatch(
      running.kind === 'want' ? { type: 'cancel-want', want: id as WantId } : { type: 'cancel', query: id as QueryId },
    )
  }

  #end(id: number, running: Running): void {
    this.#running.delete(id)
    this.#parts -= Number(running.isPart)
    running.release()
    this.#callNext()
  }

  get #isFull(): boolean {
    return this.#running.size - this.#parts >= this.#max
  }

  #callNext(): void {
    const turnsMax = Math.max(1, Math.floor(this.#max / 2))
    for (const { begin } of this.#waiting) {
      if (this.#turns >= turnsMax || this.#isFull) return
      begin()
    }
  }
}

/** Work that waits. */
interface Turn {
  readonly begin: () => void
  readonly refuse: (error: ServiceError) => void
}

interface Running {
  readonly kind: 'query' | 'want'
  readonly isPart: boolean
  readonly resolve: (outcome: Outcome) => void
  readonly reject: (error: ServiceError) => void
  readonly release: () => void
  readonly onItem: ((item: QueryItem) => void) | undefined
  readonly onProgress: ((progress: ProgressData) => void) | undefined
}

function isForBitswap(command: Command): command is Without<WantCommand, 'want'> {
  return command.type === 'want-block' || command.type === 'probe'
}

function aborted(): ServiceError {
  return new ServiceError('aborted', 'The caller aborted the operation.')
}

function progressData(progress: Extract<AnswerEffect, { progress: unknown }>['progress']): ProgressData {
  switch (progress.type) {
    case 'searching-providers':
      return progress
    case 'responded': {
      const { closerPeers, providers, rttMs } = progress
      return { type: 'responded', peer: progress.peer.id, closerPeers, providers, rttMs }
    }
    case 'failed':
      return { type: 'failed', peer: progress.peer.id, reason: progress.reason }
    default:
      return { type: progress.type, peer: progress.peer.id }
  }
}
