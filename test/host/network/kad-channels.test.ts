import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Stream } from '@libp2p/interface'
import { streamPair } from '@libp2p/utils'
import type { OrderId } from '../../../worker/engine/machine.ts'
import { PeerCache, type PeerIdBytes } from '../../../worker/engine/peer.ts'
import { KadChannels } from '../../../worker/host/network/kad-channels.ts'
import { readFrames } from '../../../worker/host/network/stream-frames.ts'
import { encodeFrame } from '../../../worker/wire/frame.ts'

const peer = new PeerCache().intern(Uint8Array.of(0, 1, 7) as PeerIdBytes)

/** Waits for the next thing that happens, in order: nothing is polled and nothing sleeps. */
class Log {
  readonly #said: string[] = []
  #waiting: ((sentence: string) => void) | undefined

  say(sentence: string): void {
    if (this.#waiting === undefined) this.#said.push(sentence)
    else {
      const resolve = this.#waiting
      this.#waiting = undefined
      resolve(sentence)
    }
  }

  next(): Promise<string> {
    const said = this.#said.shift()
    if (said !== undefined) return Promise.resolve(said)
    return new Promise((resolve) => {
      this.#waiting = resolve
    })
  }
}

interface Bench {
  readonly channels: KadChannels
  readonly client: Log
  readonly server: Log
  /** The server's ends, in the order in which they were opened. */
  readonly streams: Stream[]
  now: number
  send(order: number, text: string, answered?: boolean): void
  answer(stream: number, text: string): void
}

function bench(open?: (signal: AbortSignal) => Promise<Stream>): Bench {
  const client = new Log()
  const server = new Log()
  const streams: Stream[] = []
  const made: Bench = {
    client,
    server,
    streams,
    now: 0,
    send: (order, text, answered = true) => channels.send(order as OrderId, peer, new TextEncoder().encode(text), answered),
    answer: (stream, text) => void streams[stream]!.send(encodeFrame(new TextEncoder().encode(text))),
    get channels() {
      return channels
    },
  }
  const serve = async (): Promise<Stream> => {
    const [ours, theirs] = await streamPair()
    const number = streams.push(theirs) - 1
    readFrames(theirs, 1024, {
      onFrame: (frame) => server.say(`${number}: ${new TextDecoder().decode(frame)}`),
      onEnd: (end) => server.say(`${number}: ${end.type}`),
    })
    return ours
  }
  const channels = new KadChannels({
    open: (_peer, signal) => (open ?? serve)(signal),
    now: () => made.now,
    listener: {
      answered: (order, frame) => client.say(`${order} answered ${new TextDecoder().decode(frame)}`),
      noticeSent: (order) => client.say(`${order} sent`),
      failed: (order, reason) => client.say(`${order} failed ${reason}`),
      lateFrame: () => client.say('late'),
      badFrame: (reason) => client.say(`bad frame ${reason}`),
      unexpectedFrame: () => client.say('unexpected'),
    },
  })
  return made
}

test('requests share one stream, go out without waiting, and answers find theirs in order', async () => {
  const { send, answer, server, client, streams } = bench()
  send(1, 'a')
  send(2, 'b')
  assert.equal(await server.next(), '0: a')
  assert.equal(await server.next(), '0: b')
  answer(0, 'A')
  answer(0, 'B')
  assert.equal(await client.next(), '1 answered A')
  assert.equal(await client.next(), '2 answered B')
  send(3, 'c')
  assert.equal(await server.next(), '0: c')
  assert.equal(streams.length, 1)
})

test('a message that is never answered ends when it is sent, and takes no answer from the next', async () => {
  const { send, answer, server, client } = bench()
  send(1, 'add', false)
  send(2, 'get')
  assert.equal(await client.next(), '1 sent')
  assert.equal(await server.next(), '0: add')
  assert.equal(await server.next(), '0: get')
  answer(0, 'G')
  assert.equal(await client.next(), '2 answered G')
})

test('the answer to a cancelled request is passed over', async () => {
  const { channels, send, answer, server, client } = bench()
  send(1, 'a')
  send(2, 'b')
  await server.next()
  await server.next()
  channels.cancel(1 as OrderId)
  answer(0, 'A')
  answer(0, 'B')
  assert.equal(await client.next(), 'late')
  assert.equal(await client.next(), '2 answered B')
})

test('a request behind one that was given up long ago gets a stream of its own', async () => {
  const test = bench()
  test.send(1, 'hangs')
  assert.equal(await test.server.next(), '0: hangs')
  test.channels.cancel(1 as OrderId)
  test.now = 60_000
  test.send(2, 'b')
  assert.deepEqual([await test.server.next(), await test.server.next()].sort(), ['0: reset', '1: b'])
  test.answer(1, 'B')
  assert.equal(await test.client.next(), '2 answered B')
})

test('a stream that had served and was closed while idle is replaced once, without a word', async () => {
  const { send, answer, server, client, streams } = bench()
  send(1, 'a')
  await server.next()
  answer(0, 'A')
  await client.next()
  send(2, 'b')
  assert.equal(await server.next(), '0: b')
  streams[0]!.abort(new Error('idle for too long'))
  assert.equal(await server.next(), '0: reset')
  assert.equal(await server.next(), '1: b')
  streams[1]!.abort(new Error('again'))
  assert.equal(await client.next(), '2 failed reset')
})

test('a request behind messages that are not answered is not sent once more: it asks whether those have arrived (P10)', async () => {
  const { send, answer, server, client, streams } = bench()
  send(1, 'a')
  await server.next()
  answer(0, 'A')
  await client.next()
  send(2, 'add', false)
  send(3, 'b')
  assert.equal(await client.next(), '2 sent')
  streams[0]!.abort(new Error('idle for too long'))
  assert.equal(await client.next(), '3 failed reset')
})

test('a server that resets a fresh stream has refused the request', async () => {
  const { send, server, client, streams } = bench()
  send(1, 'a')
  await server.next()
  streams[0]!.abort(new Error('refused'))
  assert.equal(await client.next(), '1 failed reset')
})

test('an oversized or malformed frame fails what waits on the stream', async () => {
  const { send, server, client, streams } = bench()
  send(1, 'a')
  await server.next()
  streams[0]!.send(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x7f))
  assert.equal(await client.next(), 'bad frame oversized')
  assert.equal(await client.next(), '1 failed oversized')
})

test('an answer nobody asked for is counted', async () => {
  const { send, answer, server, client } = bench()
  send(1, 'add', false)
  await client.next()
  await server.next()
  answer(0, 'thanks')
  assert.equal(await client.next(), 'unexpected')
})

test('a peer that goes takes its requests with it', async () => {
  const { channels, send, server, client } = bench()
  send(1, 'a')
  await server.next()
  channels.closePeer(peer)
  assert.equal(await client.next(), '1 failed disconnected')
})

test('a stream that cannot be opened fails its requests with the reason', async () => {
  const unsupported = Object.assign(new Error('no'), { name: 'UnsupportedProtocolError' })
  const { send, client } = bench(() => Promise.reject(unsupported))
  send(1, 'a')
  assert.equal(await client.next(), '1 failed unsupported')
})

test('closing while the stream is still being opened ends the opening', async () => {
  let aborted = false
  const { channels, send, client } = bench(
    (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          aborted = true
          reject(signal.reason)
        })
      }),
  )
  send(1, 'a')
  channels.closeAll()
  assert.equal(await client.next(), '1 failed disconnected')
  assert.ok(aborted)
})
