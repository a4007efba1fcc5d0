import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AminoError } from '../../src/errors.ts'
import { StreamConsumer } from '../../src/stream-consumer.ts'
import type { StreamCommand, StreamReport } from '../../worker/contract/stream.ts'
import { providerItem } from '../support/fake-service.ts'

/** The consumer with everything around it noted as short words, in order. */
class Bench {
  readonly log: string[] = []
  readonly controller = new AbortController()
  readonly consumer: StreamConsumer<number>
  #listener: (report: StreamReport) => void = () => {}

  constructor() {
    this.consumer = new StreamConsumer<number>({
      stream: 1,
      begin: () => ({
        request: { method: 'getClosestPeers', key: Uint8Array.of(1) },
        endpoint: {
          post: (command: StreamCommand) =>
            this.log.push('credits' in command ? `post ${command.type} ${command.credits}` : `post ${command.type}`),
          listen: (listener) => {
            this.#listener = listener
          },
          close: () => this.log.push('close'),
        },
      }),
      convert: (item) => ('elapsedMs' in item ? item.elapsedMs : -1),
      signal: this.controller.signal,
      onProgress: () => this.log.push('progress'),
      onClosed: () => this.log.push('gone'),
    })
  }

  send(report: 'item' | 'progress' | 'end' | 'error'): void {
    switch (report) {
      case 'item':
        return this.#listener({ type: 'item', stream: 1, item: providerItem(0) })
      case 'progress':
        return this.#listener({ type: 'progress', stream: 1, progress: { type: 'searching-providers' } })
      case 'end':
        return this.#listener({ type: 'end', stream: 1 })
      case 'error':
        return this.#listener({ type: 'error', stream: 1, error: { code: 'no-peers', message: 'No peers.' } })
    }
  }

  read(): void {
    this.consumer.next().then(
      (result) => this.log.push(result.done === true ? 'read done' : 'read item'),
      (error: AminoError) => this.log.push(`read ${error.code}`),
    )
  }

  async act(event: Event): Promise<void> {
    switch (event) {
      case 'next':
        this.read()
        break
      case 'return':
        await this.consumer.return()
        break
      case 'abort':
        this.controller.abort()
        break
      case 'fail':
        this.consumer.fail(new AminoError('worker-died', 'Gone.'))
        break
      default:
        this.send(event)
    }
    await settled()
  }
}

const events = ['next', 'return', 'abort', 'fail', 'item', 'progress', 'end', 'error'] as const
type Event = (typeof events)[number]

/** Promise callbacks are all run before the next turn of the event loop. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** How to get into each state; `open` differs by whether a reader or an item waits. */
const states: Record<string, readonly Event[]> = {
  idle: [],
  'open, a reader waits': ['next'],
  'open, nothing waits': ['next', 'item'],
  'open, an item waits': ['next', 'item', 'item'],
  'ended, an item waits': ['next', 'item', 'item', 'end'],
  'ended, an error waits': ['next', 'item', 'error'],
  'left by return': ['next', 'return'],
  'left by abort, the error waits': ['next', 'item', 'abort'],
  'closed by end': ['next', 'end'],
}

/** state → event → new state: what was seen. */
const table: Record<string, Record<Event, string>> = {
  idle: {
    next: 'open: post open 10',
    return: 'closed',
    abort: 'idle',
    fail: 'idle',
    item: 'idle',
    progress: 'idle',
    end: 'idle',
    error: 'idle',
  },
  'open, a reader waits': {
    next: 'open',
    return: 'left: post return, read done',
    abort: 'left: post abort, read aborted',
    fail: 'closed: close, gone, read worker-died',
    item: 'open: read item',
    progress: 'open: progress',
    end: 'closed: close, gone, read done',
    error: 'closed: close, gone, read no-peers',
  },
  'open, nothing waits': {
    next: 'open',
    return: 'left: post return',
    abort: 'left: post abort',
    fail: 'ended: close, gone',
    item: 'open',
    progress: 'open: progress',
    end: 'closed: close, gone',
    error: 'ended: close, gone',
  },
  'open, an item waits': {
    next: 'open: read item',
    return: 'left: post return',
    abort: 'left: post abort',
    fail: 'ended: close, gone',
    item: 'open',
    progress: 'open: progress',
    end: 'ended: close, gone',
    error: 'ended: close, gone',
  },
  'ended, an item waits': {
    next: 'closed: read item',
    return: 'closed',
    abort: 'ended',
    fail: 'ended',
    item: 'ended',
    progress: 'ended',
    end: 'ended',
    error: 'ended',
  },
  'ended, an error waits': {
    next: 'closed: read no-peers',
    return: 'closed',
    abort: 'ended',
    fail: 'ended',
    item: 'ended',
    progress: 'ended',
    end: 'ended',
    error: 'ended',
  },
  'left by return': {
    next: 'left: read done',
    return: 'left',
    abort: 'left',
    fail: 'closed: close, gone',
    item: 'left',
    progress: 'left',
    end: 'closed: close, gone',
    error: 'closed: close, gone',
  },
  'left by abort, the error waits': {
    next: 'left: read aborted',
    return: 'left',
    abort: 'left',
    fail: 'ended: close, gone',
    item: 'left',
    progress: 'left',
    end: 'ended: close, gone',
    error: 'ended: close, gone',
  },
  'closed by end': {
    next: 'closed: read done',
    return: 'closed',
    abort: 'closed',
    fail: 'closed',
    item: 'closed',
    progress: 'closed',
    end: 'closed',
    error: 'closed',
  },
}

test('the transition table of the consumer is complete and holds', async () => {
  assert.deepEqual(Object.keys(table), Object.keys(states))
  for (const [name, path] of Object.entries(states)) {
    const seen: Record<string, string> = {}
    for (const event of events) {
      const bench = new Bench()
      for (const step of path) await bench.act(step)
      bench.log.length = 0
      await bench.act(event)
      seen[event] = bench.log.length === 0 ? bench.consumer.state : `${bench.consumer.state}: ${bench.log.join(', ')}`
    }
    assert.deepEqual(seen, table[name], name)
  }
})

test('credits are given back once half of the window has been taken', async () => {
  const bench = new Bench()
  await bench.act('next')
  for (let index = 0; index < 10; index++) await bench.act('item')
  for (let index = 0; index < 9; index++) await bench.act('next')
  assert.deepEqual(
    bench.log.filter((word) => word.startsWith('post')),
    ['post open 10', 'post pull 5', 'post pull 5'],
  )
})

test('a producer that sends more than it may is told to stop and reported as a fault', async () => {
  const bench = new Bench()
  await bench.act('next')
  for (let index = 0; index < 10; index++) await bench.act('item')
  assert.equal(bench.log.at(-1), 'read item', 'ten items are what it may send')
  await bench.act('item')
  assert.equal(bench.log.at(-1), 'post abort')
  await bench.act('next')
  assert.equal(bench.log.at(-1), 'read internal')
})

test('an error thrown on beginning is what the first read rejects with, and nothing is opened', async () => {
  const consumer = new StreamConsumer<number>({
    stream: 1,
    begin: () => {
      throw new AminoError('invalid-cid', 'No CID.')
    },
    convert: () => 0,
    signal: undefined,
    onProgress: undefined,
    onClosed: () => assert.fail('nothing was opened'),
  })
  await assert.rejects(consumer.next(), { code: 'invalid-cid' })
  assert.deepEqual(await consumer.next(), { value: undefined, done: true })
})

test('a request that cannot be posted is what the first read rejects with, and the endpoint is closed', async () => {
  const log: string[] = []
  const consumer = new StreamConsumer<number>({
    stream: 1,
    begin: () => ({
      request: { method: 'getClosestPeers', key: Uint8Array.of(1) },
      endpoint: {
        post: () => {
          throw new DOMException('a function could not be cloned', 'DataCloneError')
        },
        listen: () => assert.fail('nobody will answer'),
        close: () => log.push('close'),
      },
    }),
    convert: () => 0,
    signal: new AbortController().signal,
    onProgress: undefined,
    onClosed: () => log.push('gone'),
  })
  await assert.rejects(consumer.next(), { code: 'invalid-argument' })
  assert.deepEqual(await consumer.next(), { value: undefined, done: true })
  assert.deepEqual(log, ['close', 'gone'])
})
