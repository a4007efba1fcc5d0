import type { Stream } from '@libp2p/interface'

/**
 * Resolves when the transport has taken what was sent. Not `onDrain`: that resolves when some of it has left, and from the
 * second time on at once, so that messages to a slow peer would pile up in memory.
 */
export async function allWritten(stream: Stream, signal: AbortSignal): Promise<void> {
  if (stream.writeBufferLength === 0) return
  const over = new AbortController()
  const listening = { signal: over.signal }
  try {
    await new Promise<void>((resolve, reject) => {
      // An aborted stream becomes idle as well, by throwing away what it holds.
      stream.addEventListener('idle', () => (stream.status === 'aborted' ? undefined : resolve()), listening)
      stream.addEventListener('close', ({ error }) => reject(error ?? new Error('closed')), listening)
      signal.addEventListener('abort', () => reject(signal.reason as Error), listening)
    })
  } finally {
    over.abort()
  }
}
