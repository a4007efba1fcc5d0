import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PeerAddresses } from '../../src/helia-addresses.ts'
import type { AminoClient, CallOptions, PeerInfo } from '../../src/types.ts'

const address = '/ip4/1.2.3.4/tcp/4001/ws'
const unaborted = new AbortController().signal
const named = (id: string) => ({ id, multiaddrs: [] })

/** Searches that end when the test says so. */
function startAddresses() {
  const searches: { id: string; signal: AbortSignal; end: (found: PeerInfo) => void; fail: (error: unknown) => void }[] = []
  const findPeer = (id: string, { signal }: CallOptions): Promise<PeerInfo> => {
    const { promise, resolve, reject } = Promise.withResolvers<PeerInfo>()
    signal!.addEventListener('abort', () => reject(signal!.reason))
    searches.push({ id, signal: signal!, end: resolve, fail: reject })
    return promise
  }
  const addresses = new PeerAddresses(() => ({ findPeer }) as unknown as AminoClient)
  return { addresses, searches }
}

/** Whatever is ready has happened then. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('all who ask for a peer share one search, and each leaves it alone', async () => {
  const { addresses, searches } = startAddresses()
  const leaving = new AbortController()
  const left = addresses.find(named('A'), leaving.signal)
  const stayed = [1, 2].map(() => addresses.find(named('A'), unaborted))
  await settled()
  leaving.abort()
  assert.equal(await left, undefined)
  assert.equal(searches.length, 1)
  searches[0]!.end({ id: 'A', multiaddrs: [address] })
  assert.deepEqual(await Promise.all(stayed), Array(2).fill({ id: 'A', multiaddrs: [address] }))
  assert.deepEqual(addresses.known(named('A')).multiaddrs, [address])
})

test('an address is believed for a minute, and that nobody knows one for a quarter of it', async (t) => {
  t.mock.timers.enable({ apis: ['Date'] })
  const { addresses, searches } = startAddresses()
  const ask = async (): Promise<number> => {
    void addresses.find(named('A'), unaborted)
    await settled()
    return searches.length
  }
  assert.equal(await ask(), 1)
  searches[0]!.fail(new Error('not found'))
  await settled()
  t.mock.timers.tick(14_999)
  assert.equal(await addresses.find(named('A'), unaborted), undefined)
  assert.equal(searches.length, 1)
  t.mock.timers.tick(1)
  assert.equal(await ask(), 2)
  searches[1]!.end({ id: 'A', multiaddrs: [address] })
  await settled()
  t.mock.timers.tick(59_999)
  assert.equal(await ask(), 2)
  t.mock.timers.tick(1)
  assert.deepEqual(addresses.known(named('A')).multiaddrs, [])
  assert.equal(await ask(), 3)
})

test('four peers are searched for at once; one that nobody waits for when its turn comes is not', async () => {
  const { addresses, searches } = startAddresses()
  const leaving = new AbortController()
  for (const id of ['A', 'B', 'C', 'D']) void addresses.find(named(id), unaborted)
  void addresses.find(named('E'), leaving.signal)
  void addresses.find(named('F'), unaborted)
  await settled()
  assert.deepEqual(
    searches.map(({ id }) => id),
    ['A', 'B', 'C', 'D'],
  )
  leaving.abort()
  searches[0]!.fail(new Error('not found'))
  await settled()
  assert.deepEqual(
    searches.map(({ id }) => id),
    ['A', 'B', 'C', 'D', 'F'],
  )
})

test('256 peers are remembered: the oldest answer makes room, and nobody waits where there is none', async () => {
  const { addresses, searches } = startAddresses()
  void addresses.find(named('first'), unaborted)
  await settled()
  searches[0]!.end({ id: 'first', multiaddrs: [address] })
  await settled()
  const waiting = Array.from({ length: 256 }, (_, index) => addresses.find(named(`peer ${index}`), unaborted))
  assert.deepEqual(addresses.known(named('first')).multiaddrs, [])
  assert.equal(await addresses.find(named('one more'), unaborted), undefined)
  await settled()
  addresses.stop()
  assert.deepEqual(new Set(await Promise.all(waiting)), new Set([undefined]))
  assert.equal(searches.length, 5, 'what waited is not searched for after the stop')
  assert.ok(searches.slice(1).every(({ signal }) => signal.aborted))
})
