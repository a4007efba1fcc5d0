import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import type { TestContext } from 'node:test'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'

/** A peer that accepts WebSockets and then says nothing. `heard`: how many bytes have come on one since. */
export async function startMutePeer(t: TestContext, heard: (bytes: number) => void = () => undefined): Promise<Multiaddr> {
  const server = createServer((socket) => {
    let bytes = 0
    socket.once('data', (head) => {
      const key = /sec-websocket-key: (.*)\r\n/i.exec(String(head))?.[1] ?? ''
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      )
      socket.on('data', (data) => {
        bytes += data.length
        heard(bytes)
      })
    })
    socket.on('error', () => undefined)
    t.after(() => socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return multiaddr(`/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}/ws`)
}
