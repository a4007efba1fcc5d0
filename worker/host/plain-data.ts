import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import type { PeerData } from '../contract/service.ts'
import { limits } from '../engine/limits.ts'
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

/** The multihash under which the network finds who provides a CID. Servers reset the stream of a longer one, with all that is on it. */
export function providersKeyOf(cid: Uint8Array): Uint8Array {
  const decoded = decodeCid(cid)
  const { bytes } = decoded.multihash
  const bytesMax = limits.providersKeyBytesMax.value
  if (bytes.length <= bytesMax) return bytes
  const text = `${decoded.toString().slice(0, 60)}…`
  const message = `The multihash of ${text} has ${bytes.length} bytes; the network takes ${bytesMax} at most. Use a shorter hash, like sha2-256.`
  throw new ServiceError('invalid-cid', message, { bytes: bytes.length, bytesMax })
}

export function requireKeyLength(key: Uint8Array): void {
  const bytesMax = limits.kadKeyBytesMax.value
  if (key.length <= bytesMax) return
  const message = `The key has ${key.length} bytes; ${bytesMax} are taken at most. Give a hash of it.`
  throw new ServiceError('invalid-key', message, { bytes: key.length, bytesMax })
}
