import { once } from 'node:events'
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Random } from './random.ts'

/**
 * What stands on a loopback port in place of a plain listener: a link with a delay, or a host that never answers.
 */

const HOST = '127.0.0.1'

export interface Link {
  readonly port: number
  stop(): Promise<void>
}

/** What may wait on a link in one direction before its sender is told to pause. */
const IN_FLIGHT_BYTES_MAX = 4 * 1024 * 1024
/** A link's chunks vary by this share of its delay; order is kept, as TCP does. */
const JITTER = 0.2

/**
 * Passes bytes on to `target` and back, each way `delayMs` later. The kernel shakes hands at once on loopback, so the
 * first bytes wait one round trip longer: a connection costs what it would over such a link.
 */
export async function openDelayedLink(
  port: number,
  target: () => number,
  delayMs: number,
  random: Random,
  onDial: () => void = () => {},
): Promise<Link> {
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true, pauseOnConnect: true }, (client) => {
    onDial()
    const upstream = connect({ host: HOST, port: target(), noDelay: true })
    keep(client, sockets)
    keep(upstream, sockets)
    forward(client, upstream, delayMs, random)
    forward(upstream, client, delayMs, random)
    const handshake = setTimeout(() => client.resume(), 2 * delayMs)
    client.once('close', () => clearTimeout(handshake))
  })
  return listen(server, port, sockets)
}

/** Accepts connections and never says a word, like a host behind a dropping firewall. */
export async function openSilentHost(port: number, onDial: () => void = () => {}): Promise<Link> {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    onDial()
    keep(client, sockets)
    client.resume()
  })
  return listen(server, port, sockets)
}

/** In place of a port that nobody listens on, where dials are to be counted: it resets each connection at once. */
export async function openRefusingHost(port: number, onDial: () => void): Promise<Link> {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    onDial()
    keep(client, sockets)
    client.resetAndDestroy()
  })
  return listen(server, port, sockets)
}

/** A port that nobody listens on: taken from the system and given back. */
export async function findClosedPort(): Promise<number> {
  const link = await listen(createServer(), 0, new Set())
  await link.stop()
  return link.port
}

function forward(from: Socket, to: Socket, delayMs: number, random: Random): void {
  // One queue and one timer: separate timers may fire out of order within a millisecond.
  const queue: { readonly dueAt: number; readonly action: () => void }[] = []
  let timer: NodeJS.Timeout | undefined
  let lastDueAt = 0
  let inFlightBytes = 0

  from.on('data', (bytes) => {
    inFlightBytes += bytes.length
    if (inFlightBytes > IN_FLIGHT_BYTES_MAX) from.pause()
    later(() => {
      inFlightBytes -= bytes.length
      if (!to.writable) return
      if (to.write(bytes)) resume()
      else to.once('drain', resume)
    })
  })
  from.on('end', () => later(() => to.end()))
  // A reset travels at the link's pace too.
  from.on('close', () => later(() => to.destroy()))
  to.on('close', () => {
    clearTimeout(timer)
    queue.length = 0
    from.destroy()
  })

  function resume(): void {
    if (inFlightBytes <= IN_FLIGHT_BYTES_MAX && from.isPaused()) from.resume()
  }

  function later(action: () => void): void {
    if (to.destroyed) return
    const jitter = 1 + JITTER * (2 * random.next() - 1)
    lastDueAt = Math.max(lastDueAt, performance.now() + delayMs * jitter)
    queue.push({ dueAt: lastDueAt, action })
    if (queue.length === 1) arm()
  }

  function arm(): void {
    const next = queue[0]
    if (next !== undefined) timer = setTimeout(drain, Math.max(0, next.dueAt - performance.now()))
  }

  function drain(): void {
    const now = performance.now()
    while (queue[0] !== undefined && queue[0].dueAt <= now) queue.shift()?.action()
    arm()
  }
}

function keep(socket: Socket, sockets: Set<Socket>): void {
  sockets.add(socket)
  // Without a listener an error would end the process; `close` follows and does the work.
  socket.on('error', () => {})
  socket.once('close', () => sockets.delete(socket))
}

async function listen(server: Server, port: number, sockets: Set<Socket>): Promise<Link> {
  server.listen(port, HOST)
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
