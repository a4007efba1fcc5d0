import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import type { Transport } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { limits } from '../../../worker/engine/limits.ts'
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

  /** What a browser says some time after the call. */
  settle(event: 'open' | 'close'): void {
    this.dispatchEvent(new Event(event))
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
  await Promise.resolve()
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
  await Promise.resolve()
  BrowserSocket.all[0]?.settle('open')
  const connection = await dial
  assert.equal(BrowserSocket.all[0]?.closed, false)
  connection.abort(new Error('reset'))
  assert.equal(BrowserSocket.all[0]?.closed, true)
})

test('a connection whose handshake fails closes its socket', async () => {
  const upgrader = { upgradeOutbound: () => Promise.reject(new Error('no handshake')) }
  const dial = transport().dial(address, { signal: new AbortController().signal, upgrader } as never)
  await Promise.resolve()
  BrowserSocket.all[0]?.settle('open')
  await assert.rejects(dial, /no handshake/)
  assert.equal(BrowserSocket.all[0]?.closed, true)
})

test('no more sockets are being opened at once than there are places, and one that is being closed keeps its place', async () => {
  const { dial } = transport()
  const given = new AbortController()
  const options = { signal: given.signal, upgrader: { upgradeOutbound: async (connection: unknown) => connection } } as never
  const max = limits.pendingDialsMax.value
  const dials = Array.from({ length: max }, () => dial(address, options))
  await Promise.resolve()
  assert.equal(BrowserSocket.all.length, max)
  given.abort(new Error('not needed'))
  await Promise.allSettled(dials)
  const other = new AbortController()
  const later = { ...(options as object), signal: other.signal } as never
  const [next, last] = [dial(address, later), dial(address, later)]
  await new Promise(setImmediate)
  assert.equal(BrowserSocket.all.length, max, 'all of them are closed, and the browser has not said so')
  BrowserSocket.all[0]!.settle('close')
  await new Promise(setImmediate)
  assert.equal(BrowserSocket.all.length, max + 1)
  BrowserSocket.all[max]!.settle('open')
  await next
  await new Promise(setImmediate)
  assert.equal(BrowserSocket.all.length, max + 2, 'one that is open has left its place')
  other.abort(new Error('not needed'))
  await assert.rejects(last)
})

test('who waits for a place and is given up takes none', async () => {
  const { dial } = transport()
  const given = new AbortController()
  const options = (signal: AbortSignal) => ({ signal, upgrader: {} }) as never
  const open = Array.from({ length: limits.pendingDialsMax.value }, () => dial(address, options(given.signal)))
  const waiting = new AbortController()
  const dropped = dial(address, options(waiting.signal))
  waiting.abort(new Error('too slow'))
  await assert.rejects(dropped, /too slow/)
  for (const socket of BrowserSocket.all) socket.settle('close')
  await new Promise(setImmediate)
  assert.equal(BrowserSocket.all.length, limits.pendingDialsMax.value)
  given.abort(new Error('over'))
  await Promise.allSettled(open)
})
