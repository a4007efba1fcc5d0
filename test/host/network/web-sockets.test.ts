import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import type { Transport } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { closingWebSockets } from '../../../worker/host/network/web-sockets.ts'

/** A browser's socket: it refuses to close with a code that is not for scripts. */
class BrowserSocket extends EventTarget {
  static readonly all: BrowserSocket[] = []
  binaryType = 'blob'
  bufferedAmount = 0
  closed = false

  constructor() {
    super()
    BrowserSocket.all.push(this)
  }

  close(code?: number): void {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) throw new Error('InvalidAccessError')
    this.closed = true
  }
}

const silence = Object.assign(() => undefined, { error: () => undefined, trace: () => undefined })

const { WebSocket: own } = globalThis

afterEach(() => {
  globalThis.WebSocket = own
  BrowserSocket.all.length = 0
})

function transport(): Transport {
  globalThis.WebSocket = BrowserSocket as unknown as typeof WebSocket
  const create = closingWebSockets()
  return create({ logger: { forComponent: () => silence } } as never) as Transport
}

const address = multiaddr('/dns4/a.example/tcp/443/wss')

test('a dial that is given up closes the socket that was being opened', async () => {
  const given = new AbortController()
  const dial = transport().dial(address, { signal: given.signal, upgrader: {} } as never)
  given.abort(new Error('too slow'))
  await assert.rejects(dial)
  assert.deepEqual(
    BrowserSocket.all.map(({ closed }) => closed),
    [true],
  )
})

test('a connection that libp2p resets closes its socket, although browsers refuse the code', async () => {
  const upgrader = { upgradeOutbound: async (connection: unknown) => connection }
  const dial = transport().dial(address, { signal: new AbortController().signal, upgrader } as never)
  BrowserSocket.all[0]?.dispatchEvent(new Event('open'))
  const connection = await dial
  assert.equal(BrowserSocket.all[0]?.closed, false)
  connection.abort(new Error('reset'))
  assert.equal(BrowserSocket.all[0]?.closed, true)
})

test('a connection whose handshake fails closes its socket', async () => {
  const upgrader = { upgradeOutbound: () => Promise.reject(new Error('no handshake')) }
  const dial = transport().dial(address, { signal: new AbortController().signal, upgrader } as never)
  BrowserSocket.all[0]?.dispatchEvent(new Event('open'))
  await assert.rejects(dial, /no handshake/)
  assert.equal(BrowserSocket.all[0]?.closed, true)
})
