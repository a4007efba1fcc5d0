import { portEndpoint } from '../worker/contract/endpoint.ts'
import { handshakeTimeoutMs, releaseTimeoutMs, startTimeoutMs, stopTimeoutMs } from '../worker/contract/limits.ts'
import type { CallId, CallMethod, CallRequest, Calls, Outcome, PageNotice, WorkerNotice } from '../worker/contract/rpc.ts'
import type { ProgressData, ServiceEvent, StartOptions, StartReport } from '../worker/contract/service.ts'
import type { StreamId, StreamItem, StreamRequest } from '../worker/contract/stream.ts'
import { version } from '../worker/contract/version.ts'
import { requireSignal } from './arguments.ts'
import { abortedError, AminoError, postError } from './errors.ts'
import { RtcBridge } from './rtc-bridge/bridge.ts'
import { type RemoteApi, wrapWorker } from './rpc-comlink.ts'
import { type ConsumerEndpoint, StreamConsumer } from './stream-consumer.ts'

export interface LinkInit {
  /** Owned by the link from here on: it is terminated at the end, whoever made it. */
  readonly worker: Worker
  /** Where its script is, for error messages. */
  readonly url: string
  readonly onEvent: (event: ServiceEvent) => void
  /** The Worker ended by itself; told once, after every pending call has been rejected. Not after `stop`. */
  readonly onDied: (error: AminoError) => void
}

export interface LinkCallOptions<Result = unknown> {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: ProgressData) => void) | undefined
  /** Buffers in the arguments that move to the Worker. */
  readonly transfer?: Transferable[]
  /** Takes a result that comes when the call has been rejected already: what was opened for nobody is to be closed. */
  onLate?(result: Result): void
}

/** Must not reject. The bytes are transferred. */
export type ReadOffered = (cid: Uint8Array) => Promise<Uint8Array<ArrayBuffer> | undefined>

interface PendingCall {
  readonly reject: (error: AminoError) => void
  readonly onProgress: ((progress: ProgressData) => void) | undefined
}

/**
 * The page's end of the contract: every call and stream settles, whatever becomes of the Worker.
 *
 *   new ──start──▶ running ──stop──▶ over
 *      any ──load failure, time-out, death──▶ over
 *
 * Death shows in three ways: the lock that the Worker holds becomes free (terminated by anybody, or crashed); a message
 * cannot be read, so that some call would wait for ever; the script fails before its first answer. An exception in a
 * Worker that runs does not end it and is told as an event. Knows nothing of what the methods do.
 */
export class WorkerLink {
  readonly #init: LinkInit
  readonly #remote: RemoteApi
  readonly #pending = new Map<CallId, PendingCall>()
  readonly #streams = new Set<StreamConsumer<unknown>>()
  #offered: ReadOffered | undefined
  readonly #listening = new AbortController()
  #next = 1
  #greeted = false
  /** Why nothing can be called any more. */
  #over: AminoError | undefined
  #terminated = false
  #stopping: Promise<void> | undefined
  /** The page's real peer connections, which outlive the Worker unless somebody closes them. */
  #rtc: RtcBridge | undefined
  /** Resolves when the Worker's lock is free; at once where there is none. */
  #gone: Promise<void> = Promise.resolve()

  constructor(init: LinkInit) {
    this.#init = init
    this.#remote = wrapWorker(init.worker)
    const { signal } = this.#listening
    init.worker.addEventListener('message', (event: MessageEvent<WorkerNotice>) => this.#take(event.data), { signal })
    init.worker.addEventListener('error', (event) => this.#takeError(event), { signal })
    init.worker.addEventListener('messageerror', () => this.#die('a message of the Worker could not be read'), { signal })
  }

  /** Greets the Worker and starts its service. On any failure the Worker is terminated. */
  async start(options: StartOptions, signal: AbortSignal | undefined): Promise<StartReport> {
    const onAbort = (): void => this.#end(abortedError(signal))
    signal?.addEventListener('abort', onAbort)
    try {
      const late = `did not answer within ${handshakeTimeoutMs / 1000} s`
      await within(handshakeTimeoutMs, this.#greet(), () => this.#end(this.#loadFailed(late)))
      const message = `The Worker could not start within ${startTimeoutMs / 1000} s. Try again, or try with storage: false.`
      const started = this.call<'start'>({ method: 'start', args: options })
      return await within(startTimeoutMs, started, () => this.#end(new AminoError('timeout', message)))
    } catch (error) {
      this.#end(error as AminoError)
      throw error
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  async call<Method extends CallMethod>(
    request: Extract<CallRequest, { method: Method }>,
    options: LinkCallOptions<Calls[Method]['result']> = {},
  ): Promise<Calls[Method]['result']> {
    const { signal, onProgress, transfer = [] } = options
    this.#requireRunning(signal)
    const send = (call: CallId) => this.#remote.call({ call, request, progress: onProgress !== undefined }, transfer)
    return this.#exchange(send, options) as Promise<Calls[Method]['result']>
  }

  /** Resolves when `work` of the page has settled, however it did; races what every call races. */
  async settled(work: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
    this.#requireRunning(signal)
    const settled = (): Outcome<void> => ({ ok: true, value: undefined })
    return this.#exchange(() => work.then(settled, settled), { signal })
  }

  /** `request` is made, and may throw, when the first item is asked for. */
  stream<Result>(
    request: () => StreamRequest,
    convert: (item: StreamItem) => Result,
    options: Omit<LinkCallOptions, 'transfer'>,
  ): StreamConsumer<Result> {
    const stream: StreamId = this.#next++
    const consumer: StreamConsumer<Result> = new StreamConsumer({
      stream,
      begin: () => {
        this.#requireRunning(options.signal)
        return { request: request(), endpoint: this.#openPort(consumer) }
      },
      convert,
      signal: options.signal,
      onProgress: options.onProgress,
      onClosed: () => this.#streams.delete(consumer),
    })
    return consumer
  }

  /** Rejects what is pending, lets the Worker finish what it must, terminates it. Never rejects. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    const ended = this.#over !== undefined
    this.#over = new AminoError('stopped', 'The client was stopped. Create a new one with createAminoClient().')
    if (!ended) {
      this.#rejectAll(this.#over)
      const request = { method: 'stop', args: undefined } as const
      const asked = this.#exchange((call) => this.#remote.call({ call, request, progress: false }, []), {})
      // Whether it went well or not: there is nobody left who could do something about it.
      await within(stopTimeoutMs, asked, () => this.#end(this.#over!)).catch(() => {})
    }
    this.#end(this.#over)
    await Promise.race([this.#gone, delay(releaseTimeoutMs, this.#gone)])
  }

  async #greet(): Promise<void> {
    const locks = (globalThis.navigator as Navigator | undefined)?.locks
    const lock = locks === undefined ? undefined : `amino-worker/${crypto.randomUUID()}`
    const welcome = await this.#exchange(async () => {
      const outcome = await this.#remote.hello({ version, lock }).catch(() => undefined)
      if (outcome?.ok === true) return outcome
      throw this.#loadFailed('is not the Worker of this package')
    }, {})
    if (welcome.version !== version) {
      const message = `The page runs version ${version} and the Worker ${welcome.version}. Serve both from the same build, and reload past caches.`
      throw new AminoError('version-mismatch', message, { page: version, worker: welcome.version, url: this.#init.url })
    }
    this.#greeted = true
    if (lock !== undefined && welcome.locked) this.#watch(lock)
  }

  /** Whoever holds the lock after the Worker knows that the Worker is gone. */
  #watch(lock: string): void {
    // It rejects when the document is going away.
    this.#gone = navigator.locks.request(lock, () => this.#die('it was terminated or has crashed')).catch(() => {})
  }

  /** One question and its answer, which races the signal, the Worker's death and `stop`. */
  #exchange<Result>(send: (call: CallId) => Promise<Outcome<Result>>, options: LinkCallOptions): Promise<Result> {
    const { signal, onProgress } = options
    if (signal?.aborted === true) return Promise.reject(abortedError(signal))
    return new Promise((resolve, reject) => {
      const call = this.#next++
      const settle = (act: () => void): void => {
        if (!this.#pending.delete(call)) return
        signal?.removeEventListener('abort', onAbort)
        act()
      }
      const onAbort = (): void => {
        this.#post({ control: 'abort', call })
        settle(() => reject(abortedError(signal)))
      }
      this.#pending.set(call, { onProgress, reject: (error) => settle(() => reject(error)) })
      signal?.addEventListener('abort', onAbort)
      send(call).then(
        (outcome) => {
          if (outcome.ok && !this.#pending.has(call)) options.onLate?.(outcome.value)
          settle(() => (outcome.ok ? resolve(outcome.value) : reject(AminoError.of(outcome.error))))
        },
        (fault: unknown) => settle(() => reject(postError(fault))),
      )
    })
  }

  #openPort(consumer: StreamConsumer<unknown>): ConsumerEndpoint {
    const { port1, port2 } = new MessageChannel()
    this.#post({ control: 'stream', port: port2 }, [port2])
    this.#streams.add(consumer)
    return portEndpoint(port1)
  }

  /** What the Worker reads blocks from that it does not have; undefined for nothing. */
  offer(read: ReadOffered | undefined): void {
    this.#offered = read
  }

  async #readOffered(request: number, cid: Uint8Array): Promise<void> {
    const bytes = await this.#offered?.(cid)
    if (this.#over !== undefined) return
    this.#post({ control: 'block-offered', request, bytes }, bytes === undefined ? [] : [bytes.buffer])
  }

  #take(notice: WorkerNotice | undefined): void {
    switch (notice?.control) {
      case 'progress':
        this.#pending.get(notice.call)?.onProgress?.(notice.progress)
        break
      case 'rtc':
        this.#rtc = new RtcBridge(notice.port, RTCPeerConnection)
        // Of a tab that is closed Chromium tells nobody: the others would wait for 15 s.
        addEventListener('pagehide', (event) => event.persisted || this.#rtc?.close(), { signal: this.#listening.signal })
        break
      case 'block-wanted':
        void this.#readOffered(notice.request, notice.cid)
        break
      case 'event':
        if (this.#over === undefined) this.#init.onEvent(notice.event)
        break
      default:
        // Comlink's.
        break
    }
  }

  #takeError(event: ErrorEvent): void {
    // A script that cannot be fetched gives a plain event without a message.
    const message = event.message ?? ''
    if (this.#greeted) this.#init.onEvent({ type: 'fault', message })
    else this.#end(this.#loadFailed(message === '' ? 'could not be loaded' : `failed (${message})`))
  }

  #loadFailed(what: string): AminoError {
    const { url } = this.#init
    const message = `The Worker script at ${url} ${what}. Check that it is served there, from this page's origin, as JavaScript, and that the page's Content-Security-Policy allows it; or give its URL as the option 'worker'.`
    return new AminoError('worker-load-failed', message, { url })
  }

  #die(how: string): void {
    const running = this.#over === undefined
    const error = new AminoError('worker-died', `The Worker is gone: ${how}. Create a new client with createAminoClient().`)
    this.#end(error)
    if (running) this.#init.onDied(error)
  }

  #end(error: AminoError): void {
    this.#over ??= error
    if (this.#terminated) return
    this.#terminated = true
    this.#listening.abort()
    this.#init.worker.terminate()
    this.#rtc?.close()
    this.#rejectAll(error)
  }

  #rejectAll(error: AminoError): void {
    for (const pending of [...this.#pending.values()]) pending.reject(error)
    for (const stream of [...this.#streams]) stream.fail(error)
  }

  #requireRunning(signal: AbortSignal | undefined): void {
    requireSignal(signal)
    if (this.#over !== undefined) throw new AminoError(this.#over.code, this.#over.message, this.#over.detail)
  }

  #post(notice: PageNotice, transfer: Transferable[] = []): void {
    this.#init.worker.postMessage(notice, transfer)
  }
}

/** `onTimeout` must make the promise settle. */
async function within<Result>(ms: number, promise: Promise<Result>, onTimeout: () => void): Promise<Result> {
  const timer = setTimeout(onTimeout, ms)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
  }
}

/** Resolves after a time, and keeps no timer once `needless` has resolved. */
function delay(ms: number, needless: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    void needless.then(() => clearTimeout(timer))
  })
}
