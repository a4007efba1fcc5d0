import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AminoError } from '../../src/errors.ts'
import { type ConsumerEndpoint, StreamConsumer } from '../../src/stream-consumer.ts'
import { streamCreditsMax } from '../../worker/contract/limits.ts'
import type { StreamCommand, StreamItem, StreamReport } from '../../worker/contract/stream.ts'
import { StreamHost } from '../../worker/host/rpc-stream.ts'
import { ServiceError } from '../../worker/host/service-error.ts'
import { providerItem } from '../support/fake-service.ts'

/**
 * Consumer and producer on a channel whose every delivery is a step of its own, so that any interleaving of reads, items,
 * return, abort, the Worker's death and the last word can happen.
 */

const steps = ['read', 'deliver-command', 'deliver-report', 'source-item', 'return', 'abort', 'stop', 'die'] as const
type Step = (typeof steps)[number]
type Ending = 'end' | 'error' | 'never'

class Run {
  readonly commands: StreamCommand[] = []
  readonly reports: StreamReport[] = []
  readonly reads: Promise<string>[] = []
  readonly controller = new AbortController()
  readonly consumer: StreamConsumer<number>
  readonly host: StreamHost
  pendingReads = 0
  delivered: number[] = []
  made = 0
  running = 0
  endpointClosed = false
  dead = false
  stopped = false
  #onCommand: (command: StreamCommand) => void = () => {}
  #onReport: (report: StreamReport) => void = () => {}
  #waiting: PromiseWithResolvers<IteratorResult<StreamItem>> | undefined
  readonly #ending: Ending
  readonly #count: number

  constructor(count: number, ending: Ending) {
    this.#count = count
    this.#ending = ending
    this.host = new StreamHost({
      endpoint: {
        post: (report) => {
          if (!this.dead) this.reports.push(report)
        },
        listen: (listener) => {
          this.#onCommand = listener
        },
        close: () => assert.fail('only the receiving side closes'),
      },
      open: () => {
        if (this.stopped) throw new ServiceError('stopped', 'Stopped.')
        return { [Symbol.asyncIterator]: () => ({ next: () => this.#next() }) }
      },
      gate: {
        enter: () => ++this.running > 0,
        leave: () => {
          this.running--
        },
      },
      onIdle: () => {},
    })
    this.consumer = new StreamConsumer<number>({
      stream: 1,
      begin: () => {
        if (this.dead) throw new AminoError('worker-died', 'Gone.')
        return { request: { method: 'getClosestPeers', key: Uint8Array.of(1) }, endpoint: this.#pageEndpoint() }
      },
      convert: (item) => ('elapsedMs' in item ? item.elapsedMs : -1),
      signal: this.controller.signal,
      onProgress: undefined,
      onClosed: () => {},
    })
  }

  async take(step: Step): Promise<void> {
    switch (step) {
      case 'read':
        this.#read()
        break
      case 'deliver-command': {
        const command = this.commands.shift()
        if (command !== undefined && !this.dead) this.#onCommand(command)
        break
      }
      case 'deliver-report': {
        const report = this.reports.shift()
        if (report !== undefined && !this.endpointClosed) this.#onReport(report)
        break
      }
      case 'source-item':
        this.#moveSource()
        break
      case 'return':
        await this.consumer.return()
        break
      case 'abort':
        this.controller.abort()
        break
      case 'stop':
        this.stopped = true
        this.host.fail(new ServiceError('stopped', 'Stopped.'))
        break
      case 'die':
        this.dead = true
        this.consumer.fail(new AminoError('worker-died', 'Gone.'))
        break
    }
    await new Promise((resolve) => setImmediate(resolve))
    assert.ok(this.made - this.delivered.length <= streamCreditsMax, 'the source is never ahead by more than the window')
  }

  #pageEndpoint(): ConsumerEndpoint {
    return {
      post: (command) => {
        assert.ok(!this.endpointClosed, 'nothing is posted on a closed endpoint')
        this.commands.push(command)
      },
      listen: (listener) => {
        this.#onReport = listener
      },
      close: () => {
        assert.ok(!this.endpointClosed, 'closed once')
        this.endpointClosed = true
      },
    }
  }

  #read(): void {
    this.pendingReads++
    const read = this.consumer.next().then(
      (result) => {
        if (result.done !== true) this.delivered.push(result.value)
        return result.done === true ? 'done' : 'item'
      },
      (error: AminoError) => error.code,
    )
    this.reads.push(read.finally(() => this.pendingReads--))
  }

  #next(): Promise<IteratorResult<StreamItem>> {
    assert.equal(this.#waiting, undefined, 'one read of the source at a time')
    this.#waiting = Promise.withResolvers()
    return this.#waiting.promise
  }

  #moveSource(): void {
    const waiting = this.#waiting
    if (waiting === undefined || (this.made === this.#count && this.#ending === 'never')) return
    this.#waiting = undefined
    if (this.made < this.#count) waiting.resolve({ value: providerItem(this.made++), done: false })
    else if (this.#ending === 'end') waiting.resolve({ value: undefined, done: true })
    else waiting.reject(new ServiceError('no-peers', 'No peers.'))
  }
}

/** Delivers all that is under way, until nothing moves. */
async function drain(run: Run): Promise<void> {
  for (let turn = 0; turn < 400; turn++) {
    if (run.commands.length + run.reports.length === 0) return
    await run.take('deliver-command')
    await run.take('deliver-report')
  }
  assert.fail('the two sides talk without end')
}

test('whatever the order of reads, items, return, abort, stop and death, neither side is left hanging', async () => {
  const step = fc.constantFrom<Step>(...steps.slice(0, 4), ...steps.slice(0, 4), ...steps.slice(0, 4), ...steps)
  const plan = fc.record({
    count: fc.integer({ min: 0, max: 30 }),
    ending: fc.constantFrom<Ending>('end', 'error', 'never'),
    path: fc.array(step, { maxLength: 80 }),
    last: fc.constantFrom<Step>('return', 'abort', 'stop', 'die'),
  })
  await fc.assert(
    fc.asyncProperty(plan, async ({ count, ending, path, last }) => {
      const run = new Run(count, ending)
      for (const next of path) await run.take(next)
      await run.take(last)
      await drain(run)
      await run.take('read')
      await drain(run)
      // Read what had arrived before the end.
      while (run.consumer.state === 'ended') await run.take('read')
      assert.equal(run.consumer.state, 'closed')
      assert.equal(run.pendingReads, 0, 'every read has settled')
      if (!run.dead) assert.equal(run.running, 0, 'the producer has ended too')
      assert.deepEqual(
        run.delivered,
        run.delivered.map((_, index) => index),
        'items come in order, none twice',
      )
      const told = (await Promise.all(run.reads)).filter((word) => word !== 'item' && word !== 'done')
      assert.ok(told.length <= 1, 'an error is told at most once')
    }),
    { numRuns: 200 },
  )
})

test('without a disturbance every item and then the end arrive, however the deliveries interleave', async () => {
  const plan = fc.record({
    count: fc.integer({ min: 0, max: 30 }),
    ending: fc.constantFrom<Ending>('end', 'error'),
    path: fc.array(fc.constantFrom<Step>(...steps.slice(0, 4)), { maxLength: 60 }),
  })
  await fc.assert(
    fc.asyncProperty(plan, async ({ count, ending, path }) => {
      const run = new Run(count, ending)
      for (const next of path) await run.take(next)
      for (let turn = 0; turn < 200 && run.consumer.state !== 'closed'; turn++) {
        if (run.pendingReads === 0) await run.take('read')
        await run.take('source-item')
        await run.take('deliver-report')
        await run.take('deliver-command')
      }
      const words = await Promise.all(run.reads)
      assert.equal(words.filter((word) => word === 'item').length, count)
      assert.equal(words.filter((word) => word === 'no-peers').length, ending === 'error' ? 1 : 0)
      assert.equal(run.running, 0)
      assert.equal(run.endpointClosed, true)
    }),
    { numRuns: 100 },
  )
})
