import type { Multiaddr } from '@multiformats/multiaddr'
import type { TransportName } from '../../contract/service.ts'

/** Which transport an address, or an open connection's far end, is of; undefined for a name that must be resolved first. */
export function transportOf(address: Multiaddr): TransportName | undefined {
  const names = address.getComponents().map(({ name }) => name)
  // A connection that was accepted has no relay in its address: `/webrtc/p2p/…`.
  if (names.includes('webrtc')) return 'webrtc'
  if (names.includes('p2p-circuit')) return 'relay'
  if (names.includes('webtransport')) return 'webtransport'
  if (names.includes('webrtc-direct')) return 'webrtc-direct'
  return names.includes('ws') || names.includes('wss') ? 'websocket' : undefined
}
