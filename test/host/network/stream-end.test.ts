import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import type { Stream } from '@libp2p/interface'
import { endStream } from '../../../worker/host/network/stream-end.ts'

/** A stream whose `close` ends when the other side has taken note of it, like libp2p's over WebRTC. */
class ClosingStream {
  status = 'open'
  signal: AbortSignal | undefined
  taken: () => void = () => undefined

  close({ signal }: { signal: AbortSignal }): Promise<void> {
    this.signal = signal
    return new Promise((resolve, reject) => {
      this.taken = resolve
      signal.addEventListener('abort', () => reject(signal.reason as Error))
    })
  }

  abort(): void {
    this.status = 'aborted'
  }
}

function ending(): { stream: ClosingStream; patience: AbortController } {
  const patience = new AbortController()
  const timeout = mock.method(AbortSignal, 'timeout', () => patience.signal)
  const stream = new ClosingStream()
  endStream(stream as unknown as Stream)
  timeout.mock.restore()
  return { stream, patience }
}

const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

test('a stream whose end the other side never takes is given up', async () => {
  const { stream, patience } = ending()
  await settled()
  assert.equal(stream.status, 'open')
  patience.abort()
  await settled()
  assert.equal(stream.status, 'aborted')
})

test('a stream whose end was taken is not reset afterwards, and one that is over is left alone', async () => {
  const { stream, patience } = ending()
  stream.taken()
  await settled()
  patience.abort()
  await settled()
  assert.equal(stream.status, 'open')
  const over = Object.assign(new ClosingStream(), { status: 'reset' })
  endStream(over as unknown as Stream)
  assert.equal(over.signal, undefined)
})
