import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'

/**
 * A TCP port before another one, which a test can let the network break at.
 *
 *   open      carries everything
 *   dead      carries nothing and says nothing, as when a device has slept or has moved: what is open looks open
 *   refusing  ends what is open, and what comes, at once
 */
export type GateState = 'open' | 'dead' | 'refusing'

export interface Gate {
  readonly port: number
  /** Where it leads; known only after it has been announced. */
  leadTo(port: number): void
  /** `dead` holds for the connections of that time for ever: only new ones meet the next state. */
  become(state: GateState): void
  /** Connections that were asked for, since the start. */
  asked(): number
  close(): Promise<void>
}

export async function openGate(): Promise<Gate> {
  const pairs = new Map<Socket, Socket | undefined>()
  let [target, state, count]: [number, GateState, number] = [0, 'open', 0]
  const server = createServer((client) => {
    count++
    client.on('error', () => undefined)
    if (state === 'refusing') {
      client.destroy()
      return
    }
    const inner = state === 'open' ? createConnection(target, '127.0.0.1') : undefined
    pairs.set(client, inner)
    client.on('close', () => {
      pairs.delete(client)
      inner?.destroy()
    })
    if (inner === undefined) return
    inner.on('error', () => undefined)
    inner.on('close', () => pairs.has(client) && client.destroy())
    client.pipe(inner)
    inner.pipe(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const endAll = (): void => {
    for (const [client, inner] of pairs) {
      client.destroy()
      inner?.destroy()
    }
  }
  return {
    port: (server.address() as AddressInfo).port,
    leadTo: (port) => {
      target = port
    },
    become: (next) => {
      state = next
      if (next === 'refusing') endAll()
      if (next !== 'dead') return
      for (const [client, inner] of pairs) {
        client.unpipe()
        client.resume()
        inner?.unpipe()
        inner?.resume()
      }
    },
    asked: () => count,
    close: async () => {
      endAll()
      const closed = once(server, 'close')
      server.close()
      await closed
    },
  }
}
