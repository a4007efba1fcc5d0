import type { MessageEndpoint } from '../contract/endpoint.ts'
import type { CallContext } from './amino-service.ts'
import type { StreamCommand, StreamId, StreamItem, StreamReport, StreamRequest } from '../contract/stream.ts'
import { ServiceError, toPlainError } from './service-error.ts'

/**
 * The producing side of streams (`contract/stream.ts`). Knows nothing of what is streamed, and not whether its endpoint
 * carries one stream or many.
 */

export type ProducerEndpoint = MessageEndpoint<StreamReport, StreamCommand>

export type OpenSource = (request: StreamRequest, context: CallContext) => AsyncIterable<StreamItem>

/** Bounds what runs at once, over all endpoints of a client. */
export interface StreamGate {
  /** False: full, and the stream is refused. */
  enter(): boolean
  leave(): void
}

/** All streams of one endpoint, by id. */
export class StreamHost {
  readonly #endpoint: ProducerEndpoint
  readonly #open: OpenSource
  readonly #gate: StreamGate
  readonly #onIdle: () => void
  readonly #producers = new Map<StreamId, StreamProducer>()

  /** `onIdle` is told whenever the last stream has ended. The endpoint stays open: the page closes it. */
  constructor(init: { endpoint: ProducerEndpoint; open: OpenSource; gate: StreamGate; onIdle: () => void }) {
    this.#endpoint = init.endpoint
    this.#open = init.open
    this.#gate = init.gate
    this.#onIdle = init.onIdle
    init.endpoint.listen((command) => this.#handle(command))
  }

  /** Ends every stream with this error. */
  fail(error: ServiceError): void {
    for (const producer of [...this.#producers.values()]) producer.fail(error)
  }

  #handle(command: StreamCommand): void {
    if (command.type === 'open') this.#start(command)
    // A stream that is not here has ended while the command was on its way.
    else this.#producers.get(command.stream)?.handle(command)
  }

  #start(command: Extract<StreamCommand, { type: 'open' }>): void {
    const { stream } = command
    if (this.#producers.has(stream)) return
    if (!this.#gate.enter()) {
      const error = new ServiceError('too-many-queries', 'Too many calls are under way. Wait for some of them to end.')
      this.#endpoint.post({ type: 'error', stream, error: error.plain })
      if (this.#producers.size === 0) this.#onIdle()
      return
    }
    const producer = new StreamProducer({
      stream,
      credits: command.credits,
      progress: command.progress,
      post: (report) => this.#endpoint.post(report),
      open: (context) => this.#open(command.request, context),
      onClosed: () => {
        this.#producers.delete(stream)
        this.#gate.leave()
        if (this.#producers.size === 0) this.#onIdle()
      },
    })
    this.#producers.set(stream, producer)
    producer.start()
  }
}

export interface ProducerInit {
  readonly stream: StreamId
  readonly credits: number
  readonly progress: boolean
  readonly post: (report: StreamReport) => void
  readonly open: (context: CallContext) => AsyncIterable<StreamItem>
  readonly onClosed: () => void
}

type ProducerState =
  | { readonly name: 'new' }
  /** Has sent all it may. */
  | { readonly name: 'resting'; readonly source: AsyncIterator<StreamItem> }
  /** Waits for the source's next item; `credits` ≥ 1 counts that item too. */
  | { readonly name: 'reading'; readonly source: AsyncIterator<StreamItem>; credits: number }
  | { readonly name: 'closed' }

/**
 * One stream: takes an item from the source for each credit and posts it.
 *
 *   new ──start──▶ resting ◀──── item, no credit left ──── reading
 *                     └────────────── pull ──────────────────▶
 *   any ──source ends or throws, return, abort, fail──▶ closed, after one last word
 *
 * The source is not asked for more than the page has credit for, so it is never ahead by more than the window. On
 * `return` and `abort` the last word goes out at once, whatever the source still does; its late items are dropped.
 */
export class StreamProducer {
  readonly #init: ProducerInit
  readonly #left = new AbortController()
  #state: ProducerState = { name: 'new' }

  constructor(init: ProducerInit) {
    this.#init = init
  }

  /** For tests. */
  get state(): ProducerState['name'] {
    return this.#state.name
  }

  start(): void {
    const { stream, progress, post, open, credits } = this.#init
    try {
      const onProgress: CallContext['onProgress'] = progress
        ? (report) => {
            // A source that reports after its end is not heard.
            if (this.#state.name !== 'closed') post({ type: 'progress', stream, progress: report })
          }
        : undefined
      const source = open({ signal: this.#left.signal, onProgress })[Symbol.asyncIterator]()
      this.#state = { name: 'resting', source }
    } catch (error) {
      this.#close({ type: 'error', stream, error: toPlainError(error) })
      return
    }
    this.#pull(credits)
  }

  handle(command: Exclude<StreamCommand, { type: 'open' }>): void {
    switch (command.type) {
      case 'pull':
        this.#pull(command.credits)
        break
      case 'return':
      case 'abort':
        this.#leave({ type: 'end', stream: this.#init.stream })
        break
    }
  }

  fail(error: ServiceError): void {
    this.#leave({ type: 'error', stream: this.#init.stream, error: error.plain })
  }

  #pull(credits: number): void {
    const state = this.#state
    if (credits < 1) return
    switch (state.name) {
      case 'resting':
        this.#state = { name: 'reading', source: state.source, credits }
        this.#read(state.source)
        break
      case 'reading':
        state.credits += credits
        break
      case 'new':
      case 'closed':
        break
    }
  }

  #read(source: AsyncIterator<StreamItem>): void {
    const { stream } = this.#init
    source.next().then(
      (result) => {
        if (this.#state.name === 'closed') return
        if (result.done === true) this.#close({ type: 'end', stream })
        else this.#deliver(result.value)
      },
      (error: unknown) => {
        if (this.#state.name !== 'closed') this.#close({ type: 'error', stream, error: toPlainError(error) })
      },
    )
  }

  #deliver(item: StreamItem): void {
    const state = this.#state
    if (state.name !== 'reading') return
    const { stream } = this.#init
    try {
      this.#init.post({ type: 'item', stream, item })
    } catch (error) {
      // Something that cannot be cloned: a fault of ours, and the page must not wait for the item.
      this.#leave({ type: 'error', stream, error: toPlainError(error) })
      return
    }
    state.credits--
    if (state.credits === 0) this.#state = { name: 'resting', source: state.source }
    else this.#read(state.source)
  }

  /** Ends the source first: the page or the client has no more use for it. */
  #leave(lastWord: StreamReport): void {
    const state = this.#state
    if (state.name === 'new' || state.name === 'closed') return
    this.#close(lastWord)
    this.#left.abort()
    void Promise.resolve(state.source.return?.()).catch(() => {
      // Nobody is left to tell.
    })
  }

  #close(lastWord: StreamReport): void {
    this.#state = { name: 'closed' }
    this.#init.post(lastWord)
    this.#init.onClosed()
  }
}
