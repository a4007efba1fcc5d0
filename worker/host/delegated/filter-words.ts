import type { AddressPolicyOptions } from '../addresses.ts'

type Transports = AddressPolicyOptions['transports']

/** Protocols in addresses that a transport dials, in the words of IPIP-484. A new transport is a new row. */
const words: Readonly<Record<keyof Transports, readonly string[]>> = {
  webSockets: ['wss', 'tls'],
  circuitRelay: ['p2p-circuit'],
  webTransport: ['webtransport'],
  webRtc: ['webrtc', 'webrtc-direct'],
}

/** What a router is asked to filter addresses by, so that it sends none that we cannot dial. */
export function filterWords(transports: Transports, allowPrivateAddresses: boolean): string[] {
  const names = Object.keys(words) as (keyof Transports)[]
  const wanted = names.flatMap((name) => (transports[name] ? words[name] : []))
  return transports.webSockets && allowPrivateAddresses ? [...wanted, 'ws'] : wanted
}
