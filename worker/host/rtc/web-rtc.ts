// First: the module after it takes the classes from the globals when it is evaluated. Imported dynamically instead, all that it
// shares with the rest of the Worker would be wrapped for that: 5 KB gzip more.
import { useRtcLink } from './globals.ts'
import { webRTC, webRTCDirect } from '@libp2p/webrtc'
import type { WebRtc } from '../network/transports.ts'

/** WebRTC for libp2p in a Worker of a browser. */
export const webRtc: WebRtc = { use: useRtcLink, webRTC, webRTCDirect }
