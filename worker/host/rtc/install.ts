import {
  RtcCertificate,
  type RtcConfiguration,
  RtcIceCandidate,
  RtcPeerConnection,
  RtcSessionDescription,
} from './peer-connection.ts'
import type { RtcLink } from './rtc-link.ts'

/**
 * Puts the shim where `@libp2p/webrtc` looks for WebRTC, and returns what gives its classes the link to the page. It looks when its
 * module is evaluated, which is before any page has asked for a client: so the classes come first, and the link when there is one.
 */
export function installRtc(scope: object): (link: RtcLink) => void {
  let current: RtcLink | undefined
  const open = (): RtcLink => {
    if (current === undefined) throw new DOMException('The page has not opened WebRTC to this Worker.', 'InvalidStateError')
    return current
  }
  class RTCPeerConnection extends RtcPeerConnection {
    /** Rejects with the page's error. */
    static async generateCertificate(algorithm: Readonly<Record<string, unknown>>): Promise<RtcCertificate> {
      const link = open()
      const certificate = link.nextId()
      const { fault } = await link.ask({ ask: 'generate-certificate', certificate, algorithm })
      if (fault !== undefined) throw new DOMException(fault.message, fault.name)
      return new RtcCertificate(certificate)
    }

    constructor(configuration?: RtcConfiguration) {
      super(open(), configuration)
    }
  }
  Object.assign(scope, { RTCPeerConnection, RTCIceCandidate: RtcIceCandidate, RTCSessionDescription: RtcSessionDescription })
  return (link) => {
    current = link
  }
}
