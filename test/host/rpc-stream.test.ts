import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StreamCommand, StreamItem, StreamReport } from '../../worker/contract/stream.ts'
import type { CallContext } from '../../worker/host/amino-service.ts'
import { StreamHost, StreamProducer } from '../../worker/host/rpc-stream.ts'
import { ServiceError } from '../../worker/host/service-error.ts'
import { items, providerItem } from '../support/fake-service.ts'

/** The producer with everything around it noted as short words, in order; its source is moved by hand. */
class Bench {
  readonly log: string[] = []
  readonly producer: StreamProducer
  context: CallContext | undefined
  #read = Promise.withResolvers<IteratorResult<StreamItem>>()

  constructor(credits = 1) {
    this.producer = new StreamProducer({
      stream: 1,
      credits,
      progress: true,
      post: (report) => this.log.push(`post ${report.type === 'error' ? report.error.code : report.type}`),
      open: (context) => {
        this.context = context
        context.signal.addEventListener('abort', () => this.log.push('signal'))
        return { [Symbol.asyncIterator]: () => this.#source() }
      },
      onClosed: () => this.log.push('gone'),
    })
  }

  async act(event: Event): Promise<void> {
    switch (event) {
      case 'start':
        this.producer.start()
        break
      case 'pull':
        this.producer.handle({ type: 'pull', stream: 1, credits: 1 })
        break
      case 'return':
      case 'abort':
        this.producer.handle({ type: event, stream: 1 })
        break
      case 'fail':
        this.producer.fail(new ServiceError('stopped', 'Stopped.'))
        break
      case 'item':
        this.#read.resolve({ value: providerItem(0), done: false })
        break
      case 'done':
        this.#read.resolve({ value: undefined, done: true })
        break
      case 'throw':
        this.#read.reject(new ServiceError('no-peers', 'No peers.'))
        // Where nobody reads there is nobody to reject to.
        this.#read.promise.catch(() => {})
        break
      case 'progress':
        this.context?.onProgress?.({ type: 'searching-providers' })
        break
    }
    await new Promise((resolve) => setImmediate(resolve))
  }

  #source(): AsyncIterator<StreamItem> {
    return {
      next: () => {
        this.log.push('read')
        this.#read = Promise.withResolvers()
        return this.#read.promise
      },
      return: async () => {
        this.log.push('source ended')
        throw new Error('a source may fail at its end')
      },
    }
  }
}

const events = ['start', 'pull', 'return', 'abort', 'fail', 'item', 'done', 'throw', 'progress'] as const
type Event = (typeof events)[number]

const states: Record<string, readonly Event[]> = {
  new: [],
  'reading on the last credit': ['start'],
  'reading with a credit to spare': ['start', 'pull'],
  resting: ['start', 'item'],
  closed: ['start', 'done'],
}

const leaving = 'closed: post end, gone, signal, source ended'
const failing = 'closed: post stopped, gone, signal, source ended'

/** state → event → new state: what was seen. A producer is started once, hence no `start` in later states. */
const table: Record<string, Record<Exclude<Event, 'start'>, string> & { start?: string }> = {
  new: {
    start: 'reading: read',
    pull: 'new',
    return: 'new',
    abort: 'new',
    fail: 'new',
    item: 'new',
    done: 'new',
    throw: 'new',
    progress: 'new',
  },
  'reading on the last credit': {
    pull: 'reading',
    return: leaving,
    abort: leaving,
    fail: failing,
    item: 'resting: post item',
    done: 'closed: post end, gone',
    throw: 'closed: post no-peers, gone',
    progress: 'reading: post progress',
  },
  'reading with a credit to spare': {
    pull: 'reading',
    return: leaving,
    abort: leaving,
    fail: failing,
    item: 'reading: post item, read',
    done: 'closed: post end, gone',
    throw: 'closed: post no-peers, gone',
    progress: 'reading: post progress',
  },
  resting: {
    pull: 'reading: read',
    return: leaving,
    abort: leaving,
    fail: failing,
    item: 'resting',
    done: 'resting',
    throw: 'resting',
    progress: 'resting: post progress',
  },
  closed: {
    pull: 'closed',
    return: 'closed',
    abort: 'closed',
    fail: 'closed',
    item: 'closed',
    done: 'closed',
    throw: 'closed',
    progress: 'closed',
  },
}

test('the transition table of the producer is complete and holds', async () => {
  assert.deepEqual(Object.keys(table), Object.keys(states))
  for (const [name, path] of Object.entries(states)) {
    const seen: Record<string, string> = {}
    for (const event of events) {
      if (event === 'start' && path.length > 0) continue
      const bench = new Bench()
      for (const step of path) await bench.act(step)
      bench.log.length = 0
      await bench.act(event)
      seen[event] = bench.log.length === 0 ? bench.producer.state : `${bench.producer.state}: ${bench.log.join(', ')}`
    }
    assert.deepEqual(seen, table[name], name)
  }
})

test('an item that is on its way when the reader leaves is dropped', async () => {
  const bench = new Bench()
  await bench.act('start')
  await bench.act('return')
  bench.log.length = 0
  await bench.act('item')
  await bench.act('progress')
  assert.deepEqual(bench.log, [])
})

test('a source that throws when it is opened, or gives what cannot be cloned, ends in an error', async () => {
  const log: StreamReport[] = []
  const throwing = new StreamProducer({
    stream: 1,
    credits: 1,
    progress: false,
    post: (report) => log.push(report),
    open: () => {
      throw new ServiceError('stopped', 'Stopped.')
    },
    onClosed: () => {},
  })
  throwing.start()
  const unclonable = new StreamProducer({
    stream: 2,
    credits: 1,
    progress: false,
    post: (report) => {
      if (report.type === 'item') throw new DOMException('no', 'DataCloneError')
      log.push(report)
    },
    open: () => items(1, providerItem),
    onClosed: () => {},
  })
  unclonable.start()
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(
    log.map((report) => [report.stream, report.type === 'error' && report.error.code]),
    [
      [1, 'stopped'],
      [2, 'internal'],
    ],
  )
})

/** A host on an endpoint that is moved by hand. */
function hostBench(max: number): { host: StreamHost; log: string[]; send: (command: StreamCommand) => Promise<void> } {
  const log: string[] = []
  let listener: (command: StreamCommand) => void = () => {}
  let entered = 0
  const host = new StreamHost({
    endpoint: {
      post: (report) => log.push(`${report.stream} ${report.type}`),
      listen: (given) => {
        listener = given
      },
      close: () => assert.fail('the page closes'),
    },
    open: () => items(3, providerItem),
    gate: {
      enter: () => entered < max && entered++ >= 0,
      leave: () => {
        entered--
      },
    },
    onIdle: () => log.push('idle'),
  })
  const send = async (command: StreamCommand): Promise<void> => {
    listener(command)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { host, log, send }
}

const request = { method: 'getClosestPeers', key: Uint8Array.of(1) } as const

test('streams that share one channel do not disturb each other', async () => {
  const { log, send } = hostBench(9)
  await send({ type: 'open', stream: 1, request, credits: 1, progress: false })
  await send({ type: 'open', stream: 2, request, credits: 2, progress: false })
  await send({ type: 'open', stream: 1, request, credits: 1, progress: false })
  await send({ type: 'return', stream: 1 })
  await send({ type: 'pull', stream: 1, credits: 5 })
  await send({ type: 'pull', stream: 7, credits: 5 })
  await send({ type: 'pull', stream: 2, credits: 5 })
  assert.deepEqual(log, ['1 item', '2 item', '2 item', '1 end', '2 item', '2 end', 'idle'])
})

test('a stream beyond the limit is refused, and the end of one makes room', async () => {
  const { log, send } = hostBench(1)
  await send({ type: 'open', stream: 1, request, credits: 1, progress: false })
  await send({ type: 'open', stream: 2, request, credits: 1, progress: false })
  await send({ type: 'abort', stream: 1 })
  await send({ type: 'open', stream: 3, request, credits: 1, progress: false })
  assert.deepEqual(log, ['1 item', '2 error', '1 end', 'idle', '3 item'])
})

test('a host that fails ends all its streams with the error', async () => {
  const { host, log, send } = hostBench(9)
  await send({ type: 'open', stream: 1, request, credits: 1, progress: false })
  await send({ type: 'open', stream: 2, request, credits: 1, progress: false })
  host.fail(new ServiceError('stopped', 'Stopped.'))
  assert.deepEqual(log, ['1 item', '2 item', '1 error', '2 error', 'idle'])
})
