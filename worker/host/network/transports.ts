import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import type { Connection, Transport } from '@libp2p/interface'
import type { webRTC, webRTCDirect } from '@libp2p/webrtc'
import { webTransport } from '@libp2p/webtransport'
import type { Libp2pInit } from 'libp2p'
import type { RtcIceServer } from '../../contract/rtc.ts'
import type { StatusData, TransportName, TransportStatusData } from '../../contract/service.ts'
import { limits } from '../../engine/limits.ts'
import type { DialableTransports } from '../addresses.ts'
import { RtcLink } from '../rtc/rtc-link.ts'
import { withEarlySecurity } from './early-security.ts'
import { transportOf } from './transport-name.ts'
import { closingWebSockets } from './web-sockets.ts'

/** What the Worker reaches peers with, and why not with the rest. */

export type TransportFactory = NonNullable<Libp2pInit['transports']>[number]

/** What there is of WebRTC where this runs; see `rtc/web-rtc.ts`. */
export interface WebRtc {
  /** By this link the page is spoken to from now on. */
  use(link: RtcLink): void
  readonly webRTC: typeof webRTC
  readonly webRTCDirect: typeof webRTCDirect
}

export interface TransportsInit {
  readonly webSocket: boolean
  readonly webTransport: boolean
  /** Present if the page has WebRTC, too, and it is not switched off. */
  readonly webRtc: WebRtc | undefined
  readonly relay: boolean
  readonly iceServers: readonly RtcIceServer[] | undefined
  readonly openRtcPort: () => MessagePort
}

export interface Transports {
  /** Changes when WebRTC goes. */
  readonly dialable: DialableTransports
  readonly factories: readonly TransportFactory[]
  readonly listen: readonly string[]
  /** Whether there is such a transport, and if not, why. */
  availability(name: TransportName): { readonly available: boolean; readonly problem: string | undefined }
  /** Hangs up every WebRTC connection of the page. */
  close(): void
}

export function openTransports(init: TransportsInit): Transports {
  const factories: TransportFactory[] = []
  const listen: string[] = []
  const hasWebTransport = 'WebTransport' in globalThis
  const dialable = {
    webSockets: init.webSocket,
    circuitRelay: init.relay,
    webTransport: init.webTransport && hasWebTransport,
    webRtc: init.webRtc !== undefined,
  }
  if (dialable.webSockets) factories.push(withEarlySecurity(closingWebSockets()))
  if (dialable.webTransport) factories.push(cappedWebTransport())
  if (dialable.circuitRelay) {
    factories.push(circuitRelayTransport())
    listen.push('/p2p-circuit')
  }
  let link: RtcLink | undefined
  if (init.webRtc !== undefined) {
    const { use, webRTC, webRTCDirect } = init.webRtc
    link = new RtcLink({
      port: init.openRtcPort(),
      connectionsMax: limits.rtcConnectionsMax.value,
      onUnavailable: () => {
        dialable.webRtc = false
      },
    })
    use(link)
    const rtcConfiguration = init.iceServers === undefined ? {} : { iceServers: mutable(init.iceServers) }
    // A server is dialed at its address: nobody has to be asked for ours.
    factories.push(webRTCDirect({ rtcConfiguration: { iceServers: [] } }))
    if (dialable.circuitRelay) {
      factories.push(webRTC({ rtcConfiguration }))
      listen.push('/webrtc')
    }
  }
  return {
    dialable,
    factories,
    listen,
    availability(name) {
      const problem = problemOf(name, link?.problem, init.webTransport && !hasWebTransport)
      return { available: isAvailable(name, dialable), problem }
    },
    close: () => link?.close(),
  }
}

/** With how many of the connections go over each. */
export function transportStatus(transports: Transports, connections: readonly Connection[]): StatusData['transports'] {
  const names = connections.map((connection) => transportOf(connection.remoteAddr))
  const status = (name: TransportName): TransportStatusData => ({
    ...transports.availability(name),
    connections: names.filter((other) => other === name).length,
  })
  return {
    websocket: status('websocket'),
    webtransport: status('webtransport'),
    'webrtc-direct': status('webrtc-direct'),
    webrtc: status('webrtc'),
    relay: status('relay'),
  }
}

function isAvailable(name: TransportName, dialable: DialableTransports): boolean {
  switch (name) {
    case 'websocket':
      return dialable.webSockets
    case 'webtransport':
      return dialable.webTransport
    case 'webrtc-direct':
      return dialable.webRtc
    case 'webrtc':
      return dialable.webRtc && dialable.circuitRelay
    case 'relay':
      return dialable.circuitRelay
  }
}

function problemOf(name: TransportName, rtc: string | undefined, lacksWebTransport: boolean): string | undefined {
  if (name === 'webtransport' && lacksWebTransport) return 'This browser has no WebTransport.'
  return name === 'webrtc' || name === 'webrtc-direct' ? rtc : undefined
}

/** Browsers slow down, or refuse, when too many sessions are being opened: then another transport may try. */
function cappedWebTransport(): TransportFactory {
  const create = webTransport()
  return (components) => {
    const transport = create(components) as Transport
    const dial = transport.dial.bind(transport)
    let pending = 0
    transport.dial = async (...args) => {
      if (pending >= limits.webTransportPendingMax.value) throw new Error('too many WebTransport sessions are being opened')
      pending++
      try {
        return await dial(...args)
      } finally {
        pending--
      }
    }
    return transport
  }
}

/** libp2p's types are of the page's library, which wants lists that may change. */
function mutable(servers: readonly RtcIceServer[]): (Omit<RtcIceServer, 'urls'> & { urls: string | string[] })[] {
  return servers.map((server) => ({ ...server, urls: typeof server.urls === 'string' ? server.urls : [...server.urls] }))
}
