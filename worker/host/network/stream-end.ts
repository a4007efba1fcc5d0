import type { Stream } from '@libp2p/interface'
import { limits } from '../../engine/limits.ts'

/**
 * Ends our side of a stream on which the other has said all. Over WebRTC libp2p waits for it to take note of that, for 10 s; Go does
 * not, and its data channel may never close. A stream that is only on its way out must not take the place of one with a message.
 */
export function endStream(stream: Stream): void {
  if (stream.status !== 'open') return
  const patience = AbortSignal.timeout(limits.streamEndMs.value)
  stream.close({ signal: patience }).catch(() => stream.abort(new Error('its end was not taken')))
}
