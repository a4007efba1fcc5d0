import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import type { PeerData } from '../contract/service.ts'
import type { PeerInfo } from '../engine/peer.ts'
import { ServiceError } from './service-error.ts'

/** Values of the engine as the plain data that crosses to the page, and back. */

export function peerData(info: PeerInfo): PeerData {
  return { id: info.peer.id, addresses: info.addresses.map((address) => addressText(address.bytes)) }
}

export function addressText(bytes: Uint8Array): string {
  return multiaddr(bytes).toString()
}

export function decodeCid(bytes: Uint8Array): CID {
  try {
    return CID.decode(bytes)
  } catch {
    throw new ServiceError(
      'invalid-cid',
      'These bytes are not a CID. Make it with CID.parse or CID.create of the package multiformats.',
    )
  }
}
