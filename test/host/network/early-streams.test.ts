import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { Connection, Stream } from '@libp2p/interface'
import { webSockets } from '@libp2p/websockets'
import { createLibp2p } from 'libp2p'
import { afterAgreement, withEarlyStreams } from '../../../worker/host/network/early-streams.ts'
import { type FrameEnd, readFrames } from '../../../worker/host/network/stream-frames.ts'
import { encodeFrame } from '../../../worker/wire/frame.ts'

const [spoken, unknown] = ['/test/spoken/1.0.0', '/test/unknown/1.0.0']

/** A peer that sends everything back on a protocol that it speaks, and one that speaks early. */
async function connect(t: TestContext): Promise<{ connection: Connection; heard: Stream[] }> {
  const common = { transports: [webSockets()], connectionEncrypters: [noise()] }
  const server = await createLibp2p({
    ...common,
    streamMuxers: [yamux()],
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws'] },
  })
  t.after(() => server.stop())
  const heard: Stream[] = []
  await server.handle(spoken, (stream) => {
    heard.push(stream)
    stream.addEventListener('message', ({ data }) => void stream.send(data))
  })
  const client = await createLibp2p({ ...common, streamMuxers: [withEarlyStreams([spoken, unknown], yamux())] })
  t.after(() => client.stop())
  return { connection: await client.dial(server.getMultiaddrs()), heard }
}

function read(stream: Stream): Promise<{ agreed: boolean; frame: string | undefined; end: FrameEnd | undefined }> {
  return new Promise((resolve) => {
    let agreed = false
    const listener = {
      onFrame: (frame: Uint8Array) => resolve({ agreed, frame: new TextDecoder().decode(frame), end: undefined }),
      onEnd: (end: FrameEnd) => resolve({ agreed, frame: undefined, end }),
    }
    readFrames(
      stream,
      1024,
      afterAgreement(stream, listener, () => (agreed = true)),
    )
  })
}

test('a stream is there before the peer has said a word, and what is sent on it is answered after the agreement', async (t) => {
  const { connection, heard } = await connect(t)
  const stream = await connection.newStream(spoken)
  assert.equal(heard.length, 0, 'the peer has not even heard of it')
  stream.send(encodeFrame(new TextEncoder().encode('hello')))
  assert.deepEqual(await read(stream), { agreed: true, frame: 'hello', end: undefined })
  assert.equal(heard.length, 1)
})

test('a peer that does not speak the protocol ends the stream as refused, whatever was sent behind it', async (t) => {
  const { connection } = await connect(t)
  const stream = await connection.newStream(unknown)
  stream.send(encodeFrame(new TextEncoder().encode('hello')))
  const closed = once(stream, 'close')
  assert.deepEqual(await read(stream), { agreed: false, frame: undefined, end: { type: 'refused' } })
  await closed
  assert.equal(stream.status, 'aborted')
})

test('protocols that are not named are agreed on first, as libp2p does', async (t) => {
  const { connection } = await connect(t)
  await assert.rejects(connection.newStream('/test/other/1.0.0'), { name: 'UnsupportedProtocolError' })
  const stream = await connection.newStream([spoken, unknown])
  stream.send(encodeFrame(new TextEncoder().encode('hello')))
  assert.deepEqual(await read(stream), { agreed: true, frame: 'hello', end: undefined })
})
