import assert from 'node:assert/strict'
import { openTransports, type Transports } from '../../worker/host/network/transports.ts'

/** WebSockets alone: what Node has of a browser's transports. */
export function openWebSocketTransports(): Transports {
  return openTransports({
    webSocket: true,
    webTransport: false,
    webRtc: undefined,
    relay: false,
    iceServers: [],
    openRtcPort: () => assert.fail('no WebRTC was asked for'),
  })
}
