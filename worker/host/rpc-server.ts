import { portEndpoint } from '../contract/endpoint.ts'
import { callsMax } from '../contract/limits.ts'
import type {
  CallEnvelope,
  CallId,
  CallMethod,
  Calls,
  Greeting,
  Outcome,
  PageNotice,
  Welcome,
  WorkerNotice,
} from '../contract/rpc.ts'
import type { AminoService, CallContext } from './amino-service.ts'
import type { ServiceEvent } from '../contract/service.ts'
import type { StreamItem, StreamRequest } from '../contract/stream.ts'
import { version } from '../contract/version.ts'
import { OfferedBlocks } from './offered-blocks.ts'
import { exposeApi, type RpcApi } from './rpc-comlink.ts'
import { StreamHost } from './rpc-stream.ts'
import { ServiceError, toPlainError } from './service-error.ts'

/** The slice of a Worker's global scope that the server needs. */
export interface ServerScope {
  postMessage(message: unknown, transfer?: Transferable[]): void
  addEventListener(type: 'message', listener: (event: MessageEvent) => void): void
  removeEventListener(type: 'message', listener: (event: MessageEvent) => void): void
}

export interface ServerOptions {
  /** Where the lock that shows the Worker's life is held; `undefined` where there are none. */
  readonly locks?: Pick<LockManager, 'request'> | undefined
  /** Calls and streams under way at once. */
  readonly callsMax?: number
}

/**
 * Puts a service behind Comlink and stream ports. Call it synchronously while the Worker's entry module is evaluated,
 * before any `await`, or calls of the page are lost.
 *
 * @example
 * serve(new EngineService(), self, { locks: navigator.locks })
 */
export function serve(service: AminoService, scope: ServerScope, options: ServerOptions = {}): void {
  const server = new RpcServer(service, scope, options)
  // Comlink types its endpoint with the union of all listener forms; a scope takes the form it uses.
  exposeApi(server, scope as Parameters<typeof exposeApi>[1])
  scope.addEventListener('message', (event) => server.take(event.data))
}

/**
 * One client's calls: runs each against the service with a signal of its own, answers with an outcome, and never throws.
 * Knows nothing of what the methods do.
 *
 *   awaiting start ──start──▶ serving ──stop──▶ stopped
 */
class RpcServer implements RpcApi {
  readonly #service: AminoService
  readonly #post: (notice: WorkerNotice, transfer?: Transferable[]) => void
  readonly #locks: ServerOptions['locks']
  readonly #callsMax: number
  readonly #calls = new Map<CallId, AbortController>()
  readonly #hosts = new Set<StreamHost>()
  readonly #offered: OfferedBlocks
  #streams = 0
  #phase: 'awaiting-start' | 'serving' | 'stopped' = 'awaiting-start'

  constructor(service: AminoService, scope: ServerScope, options: ServerOptions) {
    this.#service = service
    this.#post = (notice, transfer) => scope.postMessage(notice, transfer)
    this.#offered = new OfferedBlocks((request, cid) => this.#post({ control: 'block-wanted', request, cid }))
    this.#locks = options.locks
    this.#callsMax = options.callsMax ?? callsMax
  }

  /** Answered whatever version the page has: the page compares, and tells its user. */
  async hello(greeting: Greeting): Promise<Outcome<Welcome>> {
    const locked = await holdLock(greeting.lock, this.#locks)
    return { ok: true, value: { version, locked } }
  }

  async call(envelope: CallEnvelope): ReturnType<RpcApi['call']> {
    const { call, request } = envelope
    const controller = new AbortController()
    try {
      this.#admit(request.method)
      this.#calls.set(call, controller)
      const context: CallContext = {
        signal: controller.signal,
        onProgress: envelope.progress
          ? (progress) => {
              if (this.#calls.has(call)) this.#post({ control: 'progress', call, progress })
            }
          : undefined,
      }
      return await this.#perform(envelope, context)
    } catch (error) {
      return { outcome: { ok: false, error: toPlainError(error) }, transfer: [] }
    } finally {
      this.#calls.delete(call)
    }
  }

  /** Sees Comlink's messages too: they have no `control`. */
  take(message: PageNotice | { control?: undefined } | undefined): void {
    switch (message?.control) {
      case undefined:
        break
      case 'abort':
        this.#calls.get(message.call)?.abort()
        break
      case 'stream':
        this.#attach(message.port)
        break
      case 'block-offered':
        this.#offered.answer(message.request, message.bytes)
        break
    }
  }

  /** Throws what is wrong with a call at this moment. However many there are, what ends something is let in. */
  #admit(method: CallMethod): void {
    if (method === 'stop') return
    if (method !== 'closeSession' && this.#calls.size + this.#streams >= this.#callsMax) {
      throw new ServiceError('too-many-queries', `${this.#callsMax} calls are under way already. Wait for some of them to end.`)
    }
    if (method === 'start' && this.#phase === 'awaiting-start') return
    this.#requireServing()
  }

  #requireServing(): void {
    if (this.#phase === 'stopped') throw stopped()
    if (this.#phase === 'awaiting-start') throw new ServiceError('not-started', 'The client has not been started yet.')
  }

  async #perform(envelope: CallEnvelope, context: CallContext): ReturnType<RpcApi['call']> {
    const { request } = envelope
    switch (request.method) {
      case 'start': {
        const onEvent = (event: ServiceEvent): void => this.#post({ control: 'event', event })
        const report = await this.#service.start(request.args, onEvent, () => this.#openRtcPort())
        this.#phase = 'serving'
        return done<'start'>(report)
      }
      case 'getBlock': {
        const block = await this.#service.getBlock(request.args.cid, request.args, context)
        const bytes = ownBytes(block.bytes)
        return { ...done<'getBlock'>({ ...block, bytes }), transfer: [bytes.buffer] }
      }
      case 'probe':
        return done<'probe'>(await this.#service.probe(request.args.cid, request.args.peer, context))
      case 'openSession':
        // A page that has given up closes what comes late: its abort may find no call here, as the answer is on its way.
        return done<'openSession'>(await this.#service.openSession(request.args))
      case 'stop':
        return done<'stop'>(await this.#stop())
      case 'findPeer':
        return done<'findPeer'>(await this.#service.findPeer(request.args.id, context))
      case 'getValue':
        return done<'getValue'>(await this.#service.getValue(request.args.key, { quorum: request.args.quorum }, context))
      case 'putValue':
        return done<'putValue'>(await this.#service.putValue(request.args.key, request.args.value, context))
      case 'provide': {
        const { cid, mode, keep } = request.args
        return done<'provide'>(await this.#service.provide(cid, { mode, keep }, context))
      }
      case 'providing':
        return done<'providing'>(await this.#service.providing(request.args))
      case 'putBlock':
        return done<'putBlock'>(await this.#service.putBlock(request.args.cid, request.args.bytes))
      case 'offerBlocks':
        return done<'offerBlocks'>(await this.#offerBlocks(request.args.offered))
      case 'hasBlock':
        return done<'hasBlock'>(await this.#service.hasBlock(request.args.cid))
      case 'deleteBlock':
        return done<'deleteBlock'>(await this.#service.deleteBlock(request.args.cid))
      case 'closeSession':
        return done<'closeSession'>(await this.#service.closeSession(request.args.session))
      case 'status':
        return done<'status'>(await this.#service.status())
    }
  }

  async #offerBlocks(isOffered: boolean): Promise<void> {
    if (!isOffered) this.#offered.end()
    await this.#service.offerBlocks(isOffered ? (cid) => this.#offered.read(cid) : undefined)
  }

  async #stop(): Promise<void> {
    this.#phase = 'stopped'
    this.#offered.end()
    for (const controller of this.#calls.values()) controller.abort()
    for (const host of [...this.#hosts]) host.fail(stopped())
    await this.#service.stop()
  }

  /** The bridge's port is made here, not on the page: the shim works at once. */
  #openRtcPort(): MessagePort {
    const { port1, port2 } = new MessageChannel()
    this.#post({ control: 'rtc', port: port2 }, [port2])
    return port1
  }

  /** One stream a port. The page closes the port when it has heard the last word. */
  #attach(port: MessagePort): void {
    const host = new StreamHost({
      endpoint: portEndpoint(port),
      open: (request, context) => this.#openSource(request, context),
      gate: {
        enter: () => {
          if (this.#calls.size + this.#streams >= this.#callsMax) return false
          this.#streams++
          return true
        },
        leave: () => {
          this.#streams--
        },
      },
      onIdle: () => this.#hosts.delete(host),
    })
    this.#hosts.add(host)
  }

  #openSource(request: StreamRequest, context: CallContext): AsyncIterable<StreamItem> {
    this.#requireServing()
    switch (request.method) {
      case 'findProviders':
        return this.#service.findProviders(request.cid, { limit: request.limit }, context)
      case 'getClosestPeers':
        return this.#service.getClosestPeers(request.key, context)
      case 'getBlocks':
        return this.#service.getBlocks(request.cids, request, context)
    }
  }
}

function done<Method extends CallMethod>(
  value: Calls[Method]['result'],
): { outcome: Outcome<unknown>; transfer: Transferable[] } {
  return { outcome: { ok: true, value }, transfer: [] }
}

function stopped(): ServiceError {
  return new ServiceError('stopped', 'The client was stopped. Create a new one with createAminoClient().')
}

/** Bytes that fill their buffer, so that transferring it takes nothing else along. */
function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength
  return whole ? (bytes as Uint8Array<ArrayBuffer>) : bytes.slice()
}

/** Holds a lock until this thread ends. False where it cannot be had; the page then does without. */
function holdLock(name: string | undefined, locks: ServerOptions['locks']): Promise<boolean> {
  if (name === undefined || locks === undefined) return Promise.resolve(false)
  return new Promise((resolve) => {
    const granted = (): Promise<never> => {
      resolve(true)
      return new Promise<never>(() => {})
    }
    locks.request(name, granted).catch(() => resolve(false))
  })
}
