import { once } from 'node:events'
import { createHash } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { peerIdOf } from './strangers.ts'

/** A host that takes connections and never says a word: whoever dials it waits until his own time-out. */
export async function openSilentHost(): Promise<{ address: string; accepted(): number; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  let accepted = 0
  const server = createServer((socket) => {
    accepted++
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    address: `/ip4/127.0.0.1/tcp/${port}/ws/p2p/${await peerIdOf('silent host')}`,
    accepted: () => accepted,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** An address at which nothing listens: dialing it is refused at once. */
export async function closedAddress(): Promise<string> {
  const host = await openSilentHost()
  await host.close()
  return host.address
}

/** A UDP port at which everything is swallowed. */
export async function openSilentUdp(): Promise<{ port: number; close(): Promise<void> }> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return {
    port: socket.address().port,
    close: async () => {
      const closed = once(socket, 'close')
      socket.close()
      await closed
    },
  }
}

/** Of no certificate that anybody has. */
const strangeHash = 'uEiAkH5a4DPGKUuOBjYw0CgwjvcJCJMD2K_1aluKR_tpevQ'

export function silentWebTransport(port: number): string {
  return `/ip4/127.0.0.1/udp/${port}/quic-v1/webtransport/certhash/${strangeHash}`
}

/** The address with the hash of another certificate. */
export function withWrongHash(address: string): string {
  return address.replaceAll(/\/certhash\/[^/]+/g, `/certhash/${strangeHash}`)
}

/**
 * A server that takes every WebSocket. What it does then: nothing, for ever; it hangs up; it says what is no handshake. It never answers
 * a close either.
 */
export async function openRudeHost(
  manner: 'stalls' | 'hangs-up' | 'babbles',
): Promise<{ port: number; hangUp(): void; close(): Promise<void> }> {
  const sockets = new Set<Duplex>()
  const server = createHttpServer()
  server.on('upgrade', ({ headers }, socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    const accept = createHash('sha1')
      .update(`${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64')
    const protocol = headers['sec-websocket-protocol']
    const named = protocol === undefined ? '' : `Sec-WebSocket-Protocol: ${protocol.split(',')[0]}\r\n`
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${named}\r\n`,
    )
    if (manner === 'hangs-up') socket.end()
    // A binary frame of 16 bytes.
    if (manner === 'babbles') socket.write(Buffer.concat([Buffer.from([0x82, 16]), Buffer.alloc(16, 0xff)]))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const hangUp = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    hangUp,
    close: async () => {
      hangUp()
      server.close()
      await once(server, 'close')
    },
  }
}
