import type { MessageEndpoint } from '../worker/contract/endpoint.ts'
import { streamCreditsMax } from '../worker/contract/limits.ts'
import type { ProgressData } from '../worker/contract/service.ts'
import type { StreamCommand, StreamId, StreamItem, StreamReport, StreamRequest } from '../worker/contract/stream.ts'
import { abortedError, AminoError, postError } from './errors.ts'

export type ConsumerEndpoint = MessageEndpoint<StreamCommand, StreamReport>

export interface ConsumerInit<Result> {
  readonly stream: StreamId
  /** Called with the first `next()`. What it throws, that `next()` rejects with. */
  readonly begin: () => { readonly request: StreamRequest; readonly endpoint: ConsumerEndpoint }
  readonly convert: (item: StreamItem) => Result
  readonly signal: AbortSignal | undefined
  readonly onProgress: ((progress: ProgressData) => void) | undefined
  /** The endpoint has been closed; only after `begin`. */
  readonly onClosed: () => void
}

type ConsumerState<Result> =
  | { readonly name: 'idle' }
  /** `credits`: items that the producer may still send. There are items or readers, never both. */
  | {
      readonly name: 'open'
      readonly endpoint: ConsumerEndpoint
      credits: number
      readonly items: Result[]
      readonly readers: Reader<Result>[]
    }
  /** The producer has finished; items or an error are left to be taken. */
  | { readonly name: 'ended'; readonly items: Result[]; readonly error: AminoError | undefined }
  /** The reader has finished, or is to be told an error; the producer's last word is on its way. */
  | { readonly name: 'left'; readonly endpoint: ConsumerEndpoint; error: AminoError | undefined }
  | { readonly name: 'closed' }

interface Reader<Result> {
  resolve(result: IteratorResult<Result, undefined>): void
  reject(error: AminoError): void
}

/**
 * The receiving side of a stream (`contract/stream.ts`) as an iterator for `for await`.
 *
 *   idle ──next──▶ open ──end, error──▶ ended ──all taken──▶ closed
 *                   └──return, abort──▶ left ──end, error──▶ closed (or ended, where an error waits to be told)
 *   any ──fail──▶ closed (or ended)
 *
 * Not an async generator: its `return()` would wait behind a `next()` that is pending. Does not know whether the endpoint
 * is its own, nor what an item means.
 */
export class StreamConsumer<Result> implements AsyncIterableIterator<Result, undefined> {
  readonly #init: ConsumerInit<Result>
  readonly #onAbort = (): void => this.abort()
  #state: ConsumerState<Result> = { name: 'idle' }

  constructor(init: ConsumerInit<Result>) {
    this.#init = init
  }

  /** For tests. */
  get state(): ConsumerState<Result>['name'] {
    return this.#state.name
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Result, undefined>> {
    if (this.#state.name === 'idle') this.#begin()
    const state = this.#state
    switch (state.name) {
      case 'open':
        if (state.items.length > 0) return this.#taken(state.items.shift()!)
        return new Promise((resolve, reject) => state.readers.push({ resolve, reject }))
      case 'ended':
        return this.#nextOfEnded(state)
      case 'left': {
        const { error } = state
        state.error = undefined
        if (error !== undefined) throw error
        return finished()
      }
      default:
        return finished()
    }
  }

  /** The reader has enough: what `for await` calls on `break`. Never waits for the producer. */
  async return(): Promise<IteratorResult<Result, undefined>> {
    const state = this.#state
    switch (state.name) {
      case 'open':
        this.#leave(state, 'return', undefined)
        for (const reader of state.readers) reader.resolve(finished())
        break
      case 'left':
        state.error = undefined
        break
      case 'idle':
      case 'ended':
        this.#state = { name: 'closed' }
        break
      case 'closed':
        break
    }
    return finished()
  }

  /** The caller's signal fired: unread items are dropped, the next `next()` rejects. */
  abort(): void {
    const state = this.#state
    if (state.name !== 'open') return
    this.#leave(state, 'abort', tell(state.readers, abortedError(this.#init.signal)))
  }

  /** The producer is gone (the Worker died, the client was stopped): nothing more comes or goes. */
  fail(error: AminoError): void {
    const state = this.#state
    if (state.name === 'open') this.#finish(state.endpoint, [], tell(state.readers, error))
    if (state.name === 'left') this.#finish(state.endpoint, [], state.error)
  }

  #begin(): void {
    const { stream, begin, signal, onProgress } = this.#init
    this.#state = { name: 'closed' }
    if (signal?.aborted === true) throw abortedError(signal)
    const { request, endpoint } = begin()
    try {
      endpoint.post({ type: 'open', stream, request, credits: streamCreditsMax, progress: onProgress !== undefined })
    } catch (fault) {
      // The producer has heard nothing, and will have no last word.
      this.#finish(endpoint, [], undefined)
      throw postError(fault)
    }
    this.#state = { name: 'open', endpoint, credits: streamCreditsMax, items: [], readers: [] }
    signal?.addEventListener('abort', this.#onAbort)
    endpoint.listen((report) => this.#take(report))
  }

  #take(report: StreamReport): void {
    const state = this.#state
    if (state.name !== 'open' && state.name !== 'left') return
    switch (report.type) {
      case 'item':
        if (state.name === 'open') this.#takeItem(state, report.item)
        break
      case 'progress':
        if (state.name === 'open') this.#init.onProgress?.(report.progress)
        break
      case 'end':
      case 'error':
        this.#takeLastWord(state, report)
        break
    }
  }

  #takeItem(state: Extract<ConsumerState<Result>, { name: 'open' }>, item: StreamItem): void {
    if (state.credits === 0) {
      const error = new AminoError('internal', 'The Worker sent more items than it was asked for. Please report this.')
      this.#leave(state, 'abort', tell(state.readers, error))
      return
    }
    state.credits--
    const result = this.#init.convert(item)
    const reader = state.readers.shift()
    if (reader === undefined) state.items.push(result)
    else reader.resolve(this.#taken(result))
  }

  #takeLastWord(
    state: Extract<ConsumerState<Result>, { name: 'open' | 'left' }>,
    report: Extract<StreamReport, { type: 'end' | 'error' }>,
  ): void {
    if (state.name === 'left') {
      this.#finish(state.endpoint, [], state.error)
      return
    }
    const error = report.type === 'error' ? AminoError.of(report.error) : undefined
    this.#finish(state.endpoint, state.items, tell(state.readers, error))
  }

  /** Hands an item out, and lets the producer send more once half of the window is free. */
  #taken(value: Result): IteratorResult<Result, undefined> {
    const state = this.#state
    if (state.name === 'open') {
      const free = streamCreditsMax - state.credits - state.items.length
      if (free >= streamCreditsMax / 2) {
        state.credits += free
        state.endpoint.post({ type: 'pull', stream: this.#init.stream, credits: free })
      }
    }
    return { value, done: false }
  }

  #nextOfEnded(state: Extract<ConsumerState<Result>, { name: 'ended' }>): IteratorResult<Result, undefined> {
    // All is here already, but the caller wants no more of it.
    const aborted = this.#init.signal?.aborted === true
    if (!aborted && state.items.length > 0) {
      const value = state.items.shift()!
      if (state.items.length === 0 && state.error === undefined) this.#state = { name: 'closed' }
      return { value, done: false }
    }
    this.#state = { name: 'closed' }
    if (state.error !== undefined) throw state.error
    if (aborted) throw abortedError(this.#init.signal)
    return finished()
  }

  /** Tells the producer, and waits for its last word before the endpoint is closed. */
  #leave(state: Extract<ConsumerState<Result>, { name: 'open' }>, type: 'return' | 'abort', error: AminoError | undefined): void {
    this.#state = { name: 'left', endpoint: state.endpoint, error }
    this.#init.signal?.removeEventListener('abort', this.#onAbort)
    state.endpoint.post({ type, stream: this.#init.stream })
  }

  #finish(endpoint: ConsumerEndpoint, items: Result[], error: AminoError | undefined): void {
    this.#state = items.length > 0 || error !== undefined ? { name: 'ended', items, error } : { name: 'closed' }
    this.#init.signal?.removeEventListener('abort', this.#onAbort)
    endpoint.close()
    this.#init.onClosed()
  }
}

/** Ends pending readers: the first hears the error. Gives back the error if there was nobody to hear it. */
function tell<Result>(readers: readonly Reader<Result>[], error: AminoError | undefined): AminoError | undefined {
  const [first, ...others] = readers
  if (error === undefined) first?.resolve(finished())
  else first?.reject(error)
  for (const reader of others) reader.resolve(finished())
  return first === undefined ? error : undefined
}

function finished(): { value: undefined; done: true } {
  return { value: undefined, done: true }
}
