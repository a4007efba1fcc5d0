import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import type { Address, PeerIdBytes } from '../engine/peer.ts'
import type { AddressPolicy } from './addresses.ts'
import { ServiceError } from './service-error.ts'

/** Addresses that the page gave as text. What is wrong with one is told as `invalid-argument`. */

export function parseBootstrap(text: string, policy: AddressPolicy): { id: PeerIdBytes; address: Address } {
  const parsed = parseAddress(text)
  const last = parsed.getComponents().at(-1)
  if (last?.name !== 'p2p' || last.value === undefined) {
    throw new ServiceError('invalid-argument', `The bootstrap address ${text} does not end in /p2p/<peer id>. Add the peer id.`)
  }
  const id = parsePeerId(last.value)
  if (id === undefined) {
    throw new ServiceError('invalid-argument', `The bootstrap address ${text} ends in something that is no peer id.`)
  }
  const address = policy(parsed.decapsulate(`/p2p/${last.value}`).bytes)
  if (address === undefined) {
    throw new ServiceError('invalid-argument', `The bootstrap address ${text} is of no form that this client knows.`)
  }
  return { id, address }
}

function parsePeerId(text: string): PeerIdBytes | undefined {
  try {
    return peerIdFromString(text).toMultihash().bytes as PeerIdBytes
  } catch {
    return undefined
  }
}

export function parseAnnounced(text: string, policy: AddressPolicy): void {
  if (policy(parseAddress(text).bytes) === undefined) {
    throw new ServiceError('invalid-argument', `The announced address ${text} is of no form that this client knows.`)
  }
}

export function parseAddress(text: string): Multiaddr {
  try {
    return multiaddr(text)
  } catch {
    throw new ServiceError(
      'invalid-argument',
      `${text} is not a multiaddr. It should read like /dns4/example.com/tcp/443/wss/p2p/12D3KooW….`,
    )
  }
}
