import type { Stream } from '@libp2p/interface'
import { FrameReader } from '../../wire/frame.ts'

/**
 * Reads length-prefixed frames from a libp2p stream. libp2p's own async iterator of a stream buffers without end when
 * its reader is slow, so this listens to `message` and pauses the stream while a frame is being worked on: the
 * muxer's window then holds the sender back.
 */

export type FrameEnd =
  | { readonly type: 'closed' }
  | { readonly type: 'reset' }
  | { readonly type: 'bad-frame'; readonly reason: string }

export interface FrameListener {
  /** A promise returned delays the next frame until it settles; it must not reject. */
  onFrame(frame: Uint8Array): void | Promise<void>
  /** Once, when no further frame will come. */
  onEnd(end: FrameEnd): void
}

export function readFrames(stream: Stream, frameBytesMax: number, listener: FrameListener): void {
  const reader = new FrameReader(frameBytesMax)
  const waiting: Uint8Array[] = []
  let busy = false
  let end: FrameEnd | undefined
  let ended = false

  const pump = (): void => {
    while (!busy && waiting.length > 0) {
      const work = listener.onFrame(waiting.shift()!)
      if (work === undefined) continue
      busy = true
      pauseReading(stream)
      void work.then(() => {
        busy = false
        pump()
        if (!busy) resumeReading(stream)
      })
    }
    if (!busy && end !== undefined && !ended) {
      ended = true
      listener.onEnd(end)
    }
  }

  const finish = (how: FrameEnd): void => {
    end ??= how
    pump()
  }
  const closed = (): void => finish(reader.midFrame ? { type: 'bad-frame', reason: 'truncated' } : { type: 'closed' })

  stream.addEventListener('message', (event) => {
    if (end !== undefined) return
    const result = reader.push(event.data)
    waiting.push(...result.frames)
    if (result.error !== undefined) {
      finish({ type: 'bad-frame', reason: result.error })
      stream.abort(new Error(`frame refused: ${result.error}`))
      return
    }
    pump()
  })
  stream.addEventListener('remoteCloseWrite', closed)
  stream.addEventListener('close', (event) => (event.error === undefined ? closed() : finish({ type: 'reset' })))
  if (stream.status !== 'open') closed()
}

/** A stream that is closing can neither be paused nor resumed; then there is nothing to hold back either. */
function pauseReading(stream: Stream): void {
  if (stream.readStatus === 'readable') stream.pause()
}

function resumeReading(stream: Stream): void {
  if (stream.readStatus === 'paused') stream.resume()
}
