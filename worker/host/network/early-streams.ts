import type { Stream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import { encodeFrame } from '../../wire/frame.ts'
import type { FrameListener } from './stream-frames.ts'

/**
 * Streams on which we speak before the peer has agreed to the protocol: a round trip less for each. multistream-select
 * allows it, and go-libp2p and rust-libp2p do it; js-libp2p waits. Its muxers may agree on a stream's one protocol
 * themselves, so the muxer is where it is done:
 *
 *   createStream(kad) ──▶ "/multistream/1.0.0", "/ipfs/kad/1.0.0", and the first request behind them
 *   the answer ──▶ the same two lines, which `afterAgreement` takes off, and then the response
 *
 * Only for protocols whose first bytes do no harm where they are not understood.
 */
export function withEarlyStreams<Components>(
  protocols: readonly string[],
  create: (components: Components) => StreamMuxerFactory,
): (components: Components) => StreamMuxerFactory {
  return (components) => {
    const factory = create(components)
    const createStreamMuxer = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = (connection) => openingEarly(createStreamMuxer(connection), protocols)
    return factory
  }
}

/**
 * A listener of a stream's frames that hands on what follows the peer's agreement, of which it tells once: at once where
 * it was reached before. A peer that does not agree ends the stream with `refused`.
 */
export function afterAgreement(stream: Stream, listener: FrameListener, onAgreed: () => void = () => {}): FrameListener {
  const awaited = awaitedLines.get(stream)
  if (awaited === undefined) {
    onAgreed()
    return listener
  }
  let refused = false
  return {
    onFrame(frame) {
      if (refused) return undefined
      const line = awaited.shift()
      if (line === undefined) return listener.onFrame(frame)
      if (new TextDecoder().decode(frame) === line) {
        if (awaited.length === 0) onAgreed()
        return undefined
      }
      refused = true
      stream.abort(new Error('protocol refused'))
      listener.onEnd({ type: 'refused' })
      return undefined
    },
    onEnd(end) {
      if (!refused) listener.onEnd(end)
    },
  }
}

/** What the peer has yet to repeat, by stream. */
const awaitedLines = new WeakMap<Stream, string[]>()

function openingEarly(muxer: StreamMuxer, protocols: readonly string[]): StreamMuxer {
  const createStream = muxer.createStream.bind(muxer)
  muxer.createStream = async (options) => {
    const stream = await createStream(options)
    const protocol = options?.protocol
    if (protocol === undefined || !protocols.includes(protocol)) return stream
    const lines = ['/multistream/1.0.0\n', `${protocol}\n`]
    for (const line of lines) stream.send(encodeFrame(new TextEncoder().encode(line)))
    // libp2p negotiates no more on a stream that has its protocol.
    stream.protocol = protocol
    awaitedLines.set(stream, lines)
    return stream
  }
  return muxer
}
