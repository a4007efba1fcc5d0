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
  /** The peer does not speak the protocol (`early-streams.ts`). */
  | { readonly type: 'refused' }

export interface FrameListener {
  /** A promise returned delays the next frame until it settles; it must not reject. */
  onFrame(frame: Uint8Array): void | Promise<void>
  /** The unfinished frame has grown to so many bytes. */
  onPart?(filledBytes: number): void
  /** Once, when no further frame will come. */
  onEnd(end: FrameEnd): void
}

/** Bounds what the unfinished frames of several streams hold together: those of one peer, say. */
export class FrameBudget {
  readonly #bytesMax: number
  #held = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get held(): number {
    return this.#held
  }

  /** Returns whether it is still within the bound. */
  change(bytes: number): boolean {
    this.#held += bytes
    return this.#held <= this.#bytesMax
  }
}

export function readFrames(stream: Stream, frameBytesMax: number, listener: FrameListener, budget?: FrameBudget): void {
  const reader = new FrameReader(frameBytesMax)
  let held = 0
  const waiting: Uint8Array[] = []
  let busy = false
  /** `resume` hands over what came in the pause, and must not be paused on the way: the muxer would go on receiving. */
  let resuming = false
  let end: FrameEnd | undefined
  let ended = false

  const pump = (): void => {
    while (!busy && !resuming && waiting.length > 0) {
      const work = listener.onFrame(waiting.shift()!)
      if (work === undefined) continue
      busy = true
      pauseReading(stream)
      void work.then(workDone)
    }
    if (!busy && !resuming && end !== undefined && !ended) {
      ended = true
      listener.onEnd(end)
    }
  }

  const workDone = (): void => {
    busy = false
    pump()
    if (busy) return
    resuming = true
    resumeReading(stream)
    resuming = false
    pump()
  }

  const hold = (bytes: number): boolean => {
    const within = budget?.change(bytes - held) ?? true
    held = bytes
    return within
  }

  const finish = (how: FrameEnd): void => {
    end ??= how
    hold(0)
    pump()
  }
  /** The sender has closed; what it sent before may still wait in the stream's buffer, while it is paused or not yet heard. */
  const finishIfRead = (): void => {
    if (stream.remoteWriteStatus !== 'closed' || stream.readBufferLength > 0) return
    finish(reader.midFrame ? { type: 'bad-frame', reason: 'truncated' } : { type: 'closed' })
  }

  stream.addEventListener('message', (event) => {
    if (end !== undefined) return
    const result = reader.push(event.data)
    waiting.push(...result.frames)
    const refused = result.error ?? (hold(reader.heldBytes) ? undefined : 'too-many-at-once')
    if (refused !== undefined) {
      finish({ type: 'bad-frame', reason: refused })
      stream.abort(new Error(`frame refused: ${refused}`))
      return
    }
    if (reader.filledBytes > 0) listener.onPart?.(reader.filledBytes)
    pump()
    finishIfRead()
  })
  stream.addEventListener('remoteCloseWrite', finishIfRead)
  stream.addEventListener('close', (event) => (event.error === undefined ? finishIfRead() : finish({ type: 'reset' })))
  if (stream.status === 'aborted' || stream.status === 'reset') finish({ type: 'reset' })
  else finishIfRead()
}

/** A stream that is closing can neither be paused nor resumed; then there is nothing to hold back either. */
function pauseReading(stream: Stream): void {
  if (stream.readStatus === 'readable') stream.pause()
}

/** Hands over what is buffered, and then asks the sender for more: a connection that has closed meanwhile throws at that. */
function resumeReading(stream: Stream): void {
  try {
    if (stream.readStatus === 'paused') stream.resume()
  } catch {}
}
