import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Logger, Stream } from '@libp2p/interface'
import { AbstractStream } from '@libp2p/utils'
import { limits } from '../../../worker/engine/limits.ts'
import type { OrderId } from '../../../worker/engine/machine.ts'
import { PeerCache, type PeerIdBytes } from '../../../worker/engine/peer.ts'
import { BitswapChannels } from '../../../worker/host/network/bitswap-channels.ts'

const peer = new PeerCache().intern(Uint8Array.of(0, 1, 7) as PeerIdBytes)

const ignore = (): void => undefined
const silent: Logger = Object.assign(ignore, { error: ignore, trace: ignore, enabled: false, newScope: () => silent })

/** A stream to a peer that takes as many bytes as it has granted, like one with a window. */
class WindowedStream extends AbstractStream {
  #window = 0

  constructor() {
    super({ id: '1', direction: 'outbound', log: silent })
  }

  grant(bytes: number): void {
    this.#window += bytes
    this.safeDispatchEvent('drain')
  }

  override sendData(data: { byteLength: number }): { sentBytes: number; canSendMore: boolean } {
    const sentBytes = Math.min(this.#window, data.byteLength)
    this.#window -= sentBytes
    return { sentBytes, canSendMore: sentBytes === data.byteLength }
  }

  override sendReset(): void {}
  override async sendCloseWrite(): Promise<void> {}
  override async sendCloseRead(): Promise<void> {}
  override sendPause(): void {}
  override sendResume(): void {}
}

interface Bench {
  readonly channels: BitswapChannels
  readonly stream: WindowedStream
  readonly said: string[]
  send(order: number, bytes: number): Promise<void>
  grant(bytes: number): Promise<void>
}

/** After everything that follows without time passing. */
const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

function bench(): Bench {
  const said: string[] = []
  const stream = new WindowedStream()
  const channels = new BitswapChannels({
    open: async () => stream as unknown as Stream,
    now: () => 0,
    listener: { sent: (order) => said.push(`sent ${order}`), failed: (order) => said.push(`failed ${order}`) },
  })
  return {
    channels,
    stream,
    said,
    send: (order, bytes) => {
      channels.send(order as OrderId, peer, () => new Uint8Array(bytes))
      return settled()
    },
    grant: (bytes) => {
      stream.grant(bytes)
      return settled()
    },
  }
}

test('a message is sent when all of it has left, the first and every later one', async () => {
  const { send, grant, said } = bench()
  for (const order of [1, 2, 3]) {
    await send(order, 99)
    await grant(60)
    assert.deepEqual(said, [], 'only a part has left')
    await grant(40)
    assert.deepEqual(said.splice(0), [`sent ${order}`])
  }
})

test('a message that waits for room fails when its stream is reset, and when its peer goes', async () => {
  for (const end of [(made: Bench) => made.stream.onRemoteReset(), (made: Bench) => made.channels.closePeer(peer)]) {
    const made = bench()
    await made.send(1, 99)
    end(made)
    await settled()
    assert.deepEqual(made.said, ['failed 1'])
  }
})

test('a stream that opens after its peer has gone is not kept', async () => {
  const opened = Promise.withResolvers<Stream>()
  const said: string[] = []
  const channels = new BitswapChannels({
    open: () => opened.promise,
    now: () => 0,
    listener: { sent: (order) => said.push(`sent ${order}`), failed: (order) => said.push(`failed ${order}`) },
  })
  const stream = new WindowedStream()
  stream.grant(99)
  channels.send(1 as OrderId, peer, () => new Uint8Array(9))
  channels.closePeer(peer)
  opened.resolve(stream as unknown as Stream)
  await settled()
  assert.deepEqual([said, stream.status], [['failed 1'], 'aborted'])
})

test('a stream is used again while it is fresh, and replaced when the other side may be about to reset it', async () => {
  const streams: WindowedStream[] = []
  let now = 0
  const said: string[] = []
  const channels = new BitswapChannels({
    open: async () => {
      const stream = new WindowedStream()
      stream.grant(1_000)
      streams.push(stream)
      return stream as unknown as Stream
    },
    now: () => now,
    listener: { sent: (order) => said.push(`sent ${order}`), failed: (order) => said.push(`failed ${order}`) },
  })
  const sendAt = async (at: number, order: number): Promise<void> => {
    now = at
    channels.send(order as OrderId, peer, () => new Uint8Array(9))
    await settled()
  }
  const idle = limits.bitswapStreamIdleMs.value
  await sendAt(0, 1)
  await sendAt(idle - 1, 2)
  await sendAt(2 * idle - 2, 3)
  assert.equal(streams.length, 1)
  await sendAt(3 * idle, 4)
  assert.equal(streams.length, 2)
  assert.notEqual(streams[0]!.writeStatus, 'writable')
  assert.deepEqual(said, ['sent 1', 'sent 2', 'sent 3', 'sent 4'])
})
