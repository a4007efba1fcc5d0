import assert from 'node:assert/strict'
import { test } from 'node:test'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Connection } from '@libp2p/interface'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { Dialer } from '../../../worker/host/network/dialer.ts'
import type { Node } from '../../../worker/host/network/node.ts'

const relay = '12D3KooWC5hxG4kBvRAvVJKGWGfkU6KGMj9Z5rLdf4e3FgTQ2XqL'
const peer = 'QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN'
const relayAddress = `/dns4/relay.example/tcp/443/wss/p2p/${relay}`
const relayed = `${relayAddress}/p2p-circuit/p2p/${peer}`
const overRtc = `${relayAddress}/p2p-circuit/webrtc/p2p/${peer}`

/** A libp2p whose dials end when the test says so. */
class FakeNode {
  readonly dialed: string[] = []
  readonly closed: string[] = []
  readonly aborted: string[] = []
  readonly dialer: Dialer
  readonly #connections: { id: string; connection: Connection }[] = []
  readonly #dials = new Map<string, Dial>()

  constructor() {
    const node = {
      getConnections: (id: { toString(): string }) =>
        this.#connections.filter((one) => one.id === id.toString()).map(({ connection }) => connection),
      services: { direct: { dial: (...given: Parameters<Direct['dial']>) => this.#dial(...given) } },
    }
    this.dialer = new Dialer(node as unknown as Node, () => true)
  }

  dial(
    id: string,
    addresses: readonly string[],
    signal: AbortSignal = new AbortController().signal,
    opened?: () => void,
  ): Promise<void> {
    const targets = addresses.map((address) => multiaddr(address))
    return this.dialer.dial(peerIdFromString(id), targets, signal, opened)
  }

  /** The other side has answered; the handshake begins. */
  open(address: string): void {
    this.#dials.get(address)?.opened?.()
  }

  /** A connection is there, whoever has made it. */
  connect(id: string, address: string): Connection {
    const close = async (): Promise<void> => {
      this.closed.push(address)
      this.#connections.splice(0, this.#connections.length, ...this.#connections.filter((one) => one.connection !== connection))
    }
    const connection = { remoteAddr: multiaddr(address), close } as unknown as Connection
    this.#connections.push({ id, connection })
    return connection
  }

  async succeed(id: string, address: string): Promise<void> {
    this.#dials.get(address)?.resolve(this.connect(id, address))
    await turn()
  }

  async fail(address: string): Promise<void> {
    this.#dials.get(address)?.reject(new Error('refused'))
    await turn()
  }

  #dial(target: Multiaddr, signal: AbortSignal, opened?: () => void): Promise<Connection> {
    const address = target.toString()
    this.dialed.push(address)
    signal.addEventListener('abort', () => this.aborted.push(address))
    return new Promise((resolve, reject) => this.#dials.set(address, { resolve, reject, opened }))
  }
}

type Direct = Node['services']['direct']

interface Dial {
  readonly resolve: (connection: Connection) => void
  readonly reject: (error: Error) => void
  readonly opened: (() => void) | undefined
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

test('a relay that is being dialed is waited for, not dialed a second time', async () => {
  const node = new FakeNode()
  const first = node.dial(relay, [relayAddress])
  const second = node.dial(peer, [overRtc])
  await turn()
  assert.deepEqual(node.dialed, [relayAddress])
  await node.succeed(relay, relayAddress)
  assert.deepEqual(node.dialed, [relayAddress, overRtc])
  await node.succeed(peer, overRtc)
  await Promise.all([first, second])
})

test('whoever wants a relay that is being dialed for a peer behind it waits for that dial too', async () => {
  const node = new FakeNode()
  const behind = node.dial(peer, [relayed])
  await turn()
  const itself = node.dial(relay, [relayAddress])
  await turn()
  assert.deepEqual(node.dialed, [relayAddress])
  await node.succeed(relay, relayAddress)
  await itself
  await node.succeed(peer, relayed)
  await behind
  assert.deepEqual(node.dialed, [relayAddress, relayed])
})

test('that the peer has answered is told, and of a relay before it nothing', async () => {
  const node = new FakeNode()
  const told: string[] = []
  const direct = '/dns4/peer.example/tcp/443/wss'
  const first = node.dial(peer, [direct], undefined, () => told.push('direct'))
  await turn()
  node.open(direct)
  assert.deepEqual(told, ['direct'])
  await node.succeed(peer, direct)
  await first
  const second = node.dial(peer, [relayed], undefined, () => told.push('relayed'))
  await turn()
  node.open(relayAddress)
  await node.succeed(relay, relayAddress)
  node.open(relayed)
  await node.succeed(peer, relayed)
  await second
  assert.deepEqual(told, ['direct'])
})

test('when the dial that was waited for has failed, it is tried again', async () => {
  const node = new FakeNode()
  const first = assert.rejects(node.dial(relay, [relayAddress]), /refused/)
  const second = node.dial(peer, [relayed])
  await turn()
  await node.fail(relayAddress)
  await first
  assert.deepEqual(node.dialed, [relayAddress, relayAddress])
  await node.succeed(relay, relayAddress)
  await node.succeed(peer, relayed)
  await second
})

test('when nobody waits for WebRTC any more, it goes on beside the relayed connection and replaces it', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const node = new FakeNode()
  node.connect(relay, relayAddress)
  const patience = new AbortController()
  const dial = assert.rejects(node.dial(peer, [overRtc], patience.signal), /too slow/)
  await turn()
  node.connect(peer, relayed)
  patience.abort(new Error('too slow'))
  await dial
  assert.deepEqual(node.aborted, [])
  await node.succeed(peer, overRtc)
  context.mock.timers.runAll()
  assert.deepEqual(node.closed, [relayed])
})

test('when nobody waits for WebRTC and there is no relayed connection, or a better one, it ends', async () => {
  for (const connected of [undefined, '/dns4/peer.example/tcp/443/wss']) {
    const node = new FakeNode()
    node.connect(relay, relayAddress)
    const patience = new AbortController()
    const dial = assert.rejects(node.dial(peer, [overRtc], patience.signal), /too slow/)
    await turn()
    if (connected !== undefined) node.connect(peer, connected)
    patience.abort(new Error('too slow'))
    await dial
    assert.deepEqual(node.aborted, [overRtc])
  }
})
