import {
  RtcCertificate,
  type RtcConfiguration,
  RtcIceCandidate,
  RtcPeerConnection,
  RtcSessionDescription,
} from './peer-connection.ts'
import type { RtcLink } from './rtc-link.ts'

/**
 * Puts the shim where `@libp2p/webrtc` looks for WebRTC. It looks when its module is evaluated, so that must come after:
 * import it dynamically.
 */
export function installRtc(link: RtcLink, scope: object): void {
  class RTCPeerConnection extends RtcPeerConnection {
    /** Rejects with the page's error. */
    static async generateCertificate(algorithm: Readonly<Record<string, unknown>>): Promise<RtcCertificate> {
      const certificate = link.nextId()
      const { fault } = await link.ask({ ask: 'generate-certificate', certificate, algorithm })
      if (fault !== undefined) throw new DOMException(fault.message, fault.name)
      return new RtcCertificate(certificate)
    }

    constructor(configuration?: RtcConfiguration) {
      super(link, configuration)
    }
  }
  Object.assign(scope, { RTCPeerConnection, RTCIceCandidate: RtcIceCandidate, RTCSessionDescription: RtcSessionDescription })
}
