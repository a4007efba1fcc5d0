import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { peerIdOf } from './strangers.ts'

/** A host that takes connections and never says a word: whoever dials it waits until his own time-out. */
export async function openSilentHost(): Promise<{ address: string; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    address: `/ip4/127.0.0.1/tcp/${port}/ws/p2p/${await peerIdOf('silent host')}`,
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
