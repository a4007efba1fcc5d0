import type { Transport } from '@libp2p/interface'
import { webSockets } from '@libp2p/websockets'
import { limits } from '../../engine/limits.ts'
import type { TransportFactory } from './transports.ts'

/** The part of a Worker's global scope that libp2p takes its sockets from. */
interface SocketScope {
  WebSocket: typeof WebSocket
}

/**
 * libp2p's WebSockets, with sockets that do close. It resets with `close(1006)`, which browsers refuse, so that the socket
 * would stay open; and of a dial that is given up the socket would stay, being opened: of those Chromium allows few.
 *
 * A socket that is being closed counts among them until its `close` event. When many dials were given up and as many begun in
 * one moment, Chromium saw twice as many as there were, and made the last ones wait for one to five seconds: so a socket is
 * made only when there is a place for it.
 */
export function closingWebSockets(scope: SocketScope = globalThis): TransportFactory {
  const places = new Places(limits.pendingDialsMax.value)
  const last: { made: WebSocket | undefined } = { made: undefined }
  scope.WebSocket = class extends scope.WebSocket {
    constructor(...given: ConstructorParameters<typeof WebSocket>) {
      super(...given)
      last.made = this
    }

    override close(code?: number, reason?: string): void {
      const isAllowed = code === undefined || code === 1000 || (code >= 3000 && code <= 4999)
      if (isAllowed) super.close(code, reason)
      else super.close()
    }
  }
  const create = webSockets()
  return (components) => {
    const transport = create(components) as Transport
    const dial = transport.dial.bind(transport)
    transport.dial = async (address, options) => {
      await places.take(options.signal)
      last.made = undefined
      const dialing = dial(address, options)
      // It was made before the call returned.
      const made = last.made as WebSocket | undefined
      if (made === undefined) places.free()
      else freeWhenSettled(made, places)
      try {
        return await dialing
      } catch (error) {
        made?.close()
        throw error
      }
    }
    return transport
  }
}

function freeWhenSettled(socket: WebSocket, places: Places): void {
  const settled = new AbortController()
  for (const event of ['open', 'close']) {
    socket.addEventListener(
      event,
      () => {
        settled.abort()
        places.free()
      },
      { signal: settled.signal },
    )
  }
}

/** So many at once; the others wait in order of arrival. */
class Places {
  #free: number
  readonly #waiting = new Set<() => void>()

  constructor(count: number) {
    this.#free = count
  }

  /** Rejects with the signal's reason. */
  async take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#free > 0) {
      this.#free--
      return
    }
    await new Promise<void>((resolve, reject) => {
      const taken = (): void => {
        signal.removeEventListener('abort', aborted)
        resolve()
      }
      const aborted = (): void => {
        this.#waiting.delete(taken)
        reject(signal.reason as Error)
      }
      this.#waiting.add(taken)
      signal.addEventListener('abort', aborted, { once: true })
    })
  }

  free(): void {
    const [next] = this.#waiting
    if (next === undefined) this.#free++
    else {
      this.#waiting.delete(next)
      next()
    }
  }
}
