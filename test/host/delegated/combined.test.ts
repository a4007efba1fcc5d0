import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bestAnswer, combinedItems, firstAnswer, type Producer } from '../../../worker/host/delegated/combined.ts'
import { collect } from '../../support/client-harness.ts'

interface Item {
  readonly id: Uint8Array
  readonly by: string
}

const forever = new AbortController().signal
const modes = ['race', 'fallback'] as const
const limit = 20

function producer(by: string, ...ids: readonly number[]): Producer<Item> {
  return async (_signal, push) => {
    for (const id of ids) push({ id: Uint8Array.of(id), by })
  }
}

const failing: Producer<Item> = () => Promise.reject(new Error('the DHT failed'))
const never: Producer<Item> = (signal) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true }))

async function shown(items: AsyncIterable<Item>): Promise<string[]> {
  return (await collect(items)).map(({ id, by }) => `${by}${id[0]}`)
}

test('in a race both name peers, each once; as a fallback the routers are asked only when the DHT has none', async () => {
  const init = { signal: forever, limit, dht: producer('dht', 1, 2), routers: producer('router', 2, 3) }
  assert.deepEqual((await shown(combinedItems({ ...init, mode: 'race' }))).toSorted(), ['dht1', 'router2', 'router3'])
  assert.deepEqual(await shown(combinedItems({ ...init, mode: 'fallback' })), ['dht1', 'dht2'])
  assert.deepEqual(await shown(combinedItems({ ...init, mode: 'fallback', dht: producer('dht') })), ['router2', 'router3'])
})

test('the failure of the DHT counts only where the routers have nothing either', async () => {
  for (const mode of modes) {
    const init = { mode, signal: forever, limit, dht: failing }
    assert.deepEqual(await shown(combinedItems({ ...init, routers: producer('router', 3) })), ['router3'])
    await assert.rejects(shown(combinedItems({ ...init, routers: producer('router') })), /the DHT failed/)
  }
})

test('the limit, the reader and the signal end both', async () => {
  const full = combinedItems({ mode: 'race', signal: forever, limit: 1, dht: never, routers: producer('router', 1, 2) })
  assert.deepEqual(await shown(full), ['router1'])
  let ended = 0
  const counted: Producer<Item> = (signal, push) => {
    push({ id: Uint8Array.of(1), by: 'dht' })
    return never(signal, push).catch((error: unknown) => {
      ended++
      throw error
    })
  }
  for await (const { by } of combinedItems({ mode: 'race', signal: forever, limit, dht: counted, routers: counted })) {
    assert.equal(by, 'dht')
    break
  }
  const leave = new AbortController()
  const left = collect(combinedItems({ mode: 'race', signal: leave.signal, limit, dht: counted, routers: counted }))
  leave.abort()
  await assert.rejects(left, /aborted/)
  assert.equal(ended, 4)
})

test('one answer is the first one; a source that fails or does not know leaves it to the other', async () => {
  const late = (signal: AbortSignal) =>
    new Promise<string>((_, reject) => signal.addEventListener('abort', () => reject(new Error('late'))))
  const lost = () => Promise.reject(new Error('not found'))
  const told = async () => 'router'
  const walked = async () => 'dht'
  const silent = async () => undefined
  const ask = (
    mode: 'race' | 'fallback',
    dht: (signal: AbortSignal) => Promise<string>,
    routers: () => Promise<string | undefined>,
  ) => firstAnswer({ mode, signal: forever, dht, routers })
  assert.equal(await ask('race', late, told), 'router')
  for (const mode of modes) {
    assert.equal(await ask(mode, walked, silent), 'dht')
    assert.equal(await ask(mode, lost, told), 'router')
    await assert.rejects(ask(mode, lost, silent), /not found/)
  }
  assert.equal(await ask('fallback', walked, told), 'dht')
})

test('where answers differ in worth, the DHT may still bring a better one for a moment', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const best = async (one: number, other: number) => Math.max(one, other)
  const base = { signal: forever, best, graceMs: 2_000, mode: 'race' as const }
  const settle = () => new Promise((resolve) => setImmediate(resolve))
  for (const [dhtValue, expected] of [
    [7, 7],
    [3, 5],
  ] as const) {
    let answer: (value: number) => void = () => {}
    const walked = new Promise<number>((resolve) => (answer = resolve))
    const result = bestAnswer<number>({ ...base, dht: () => walked, routers: async () => 5 })
    await settle()
    answer(dhtValue)
    assert.equal(await result, expected)
  }
  const slow = bestAnswer<number>({ ...base, dht: () => new Promise(() => {}), routers: async () => 5 })
  await settle()
  t.mock.timers.tick(2_000)
  assert.equal(await slow, 5)
  const lost = () => Promise.reject(new Error('not found'))
  assert.equal(await bestAnswer<number>({ ...base, dht: lost, routers: async () => 5 }), 5)
  await assert.rejects(bestAnswer<number>({ ...base, dht: lost, routers: async () => undefined }), /not found/)
  assert.equal(await bestAnswer<number>({ ...base, dht: async () => 1, routers: () => new Promise(() => {}) }), 1)
})
