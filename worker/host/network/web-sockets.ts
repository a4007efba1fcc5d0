import type { Transport } from '@libp2p/interface'
import { webSockets } from '@libp2p/websockets'
import type { TransportFactory } from './transports.ts'

/** The part of a Worker's global scope that libp2p takes its sockets from. */
interface SocketScope {
  WebSocket: typeof WebSocket
}

/**
 * libp2p's WebSockets, with sockets that do close. It resets with `close(1006)`, which browsers refuse, so that the socket
 * would stay open; and of a dial that is given up the socket would stay, being opened: of those Chromium allows few.
 */
export function closingWebSockets(scope: SocketScope = globalThis): TransportFactory {
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
    transport.dial = async (...given) => {
      last.made = undefined
      const dialing = dial(...given)
      // It was made before the call returned.
      const made = last.made as WebSocket | undefined
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
