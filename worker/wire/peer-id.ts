import { limits } from '../engine/limits.ts'
import type { PeerIdBytes } from '../engine/peer.ts'

/** Whether the bytes have the form of a peer id: an identity multihash (of a short key) or a sha2-256 one. */
export function isPeerId(bytes: Uint8Array): bytes is PeerIdBytes {
  const digestLength = bytes.length - 2
  if (digestLength !== bytes[1]) return false
  if (bytes[0] === 0x12) return digestLength === 32
  return bytes[0] === 0x00 && digestLength > 0 && digestLength <= limits.peerIdDigestBytesMax.value
}
