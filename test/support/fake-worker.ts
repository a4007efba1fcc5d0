import type { ServerScope } from '../../worker/host/rpc-server.ts'
import { watchPosts } from './plain-data.ts'

/** What a Worker's entry module sees. */
export interface FakeScope extends ServerScope {
  readonly locks: Pick<LockManager, 'request'>
}

/**
 * A Web Worker whose script is a function of this process. Messages are cloned and arrive later, as between threads;
 * `terminate()` silences it at once and frees its locks a moment later, as browsers do.
 */
export class FakeWorker extends EventTarget {
  terminated = false
  readonly #page: MessagePort
  readonly #inside: MessagePort
  readonly #lifetime = Promise.withResolvers<void>()

  constructor(script: (scope: FakeScope) => void) {
    super()
    watchPosts()
    const { port1, port2 } = new MessageChannel()
    this.#page = port1
    this.#inside = port2
    port1.onmessage = (event) => this.dispatchEvent(new MessageEvent('message', { data: event.data }))
    const received = new EventTarget()
    port2.onmessage = (event) => {
      if (!this.terminated) received.dispatchEvent(new MessageEvent('message', { data: event.data }))
    }
    script({
      postMessage: (message, transfer = []) => {
        if (!this.terminated) port2.postMessage(message, transfer)
      },
      addEventListener: (type, listener) => received.addEventListener(type, listener as EventListener),
      removeEventListener: (type, listener) => received.removeEventListener(type, listener as EventListener),
      locks: this.#locks(),
    })
  }

  postMessage(message: unknown, transfer: Transferable[] = []): void {
    if (!this.terminated) this.#page.postMessage(message, transfer)
  }

  terminate(): void {
    if (this.terminated) return
    this.terminated = true
    this.#page.onmessage = null
    this.#page.close()
    this.#inside.close()
    this.#lifetime.resolve()
  }

  /** As the option `worker`. */
  asWorker(): Worker {
    return this as unknown as Worker
  }

  /** The script failed to load (without a message), or threw. */
  emitError(message?: string): void {
    this.dispatchEvent(Object.assign(new Event('error'), message === undefined ? {} : { message }))
  }

  #locks(): FakeScope['locks'] {
    const request = (name: string, granted: (lock: Lock | null) => unknown): Promise<unknown> =>
      navigator.locks.request(name, (lock) => Promise.race([granted(lock), this.#lifetime.promise]))
    return { request: request as LockManager['request'] }
  }
}
