import { type Key, keyFromDigest, type Peer, PeerCache, type PeerIdBytes, type PeerInfo } from '../../worker/engine/peer.ts'

/** Peers with keys of eight bits, so that distances can be checked by eye: the peer 0x81 has the key 0x81000…. */

export const eightBitCache = () => new PeerCache(keyFromDigest)

export function key8(bits: number): Key {
  return keyFromDigest(Uint8Array.of(bits))
}

/** `tail`: further id bytes, for several peers of one key. */
export function peer8(bits: number, ...tail: number[]): Peer {
  return { id: Uint8Array.of(bits, ...tail) as PeerIdBytes, key: key8(bits) }
}

export function info8(bits: number, options: { dialable?: boolean; addresses?: number } = {}): PeerInfo {
  const { dialable = true, addresses = 1 } = options
  const list = Array.from({ length: addresses }, (_, index) => ({ bytes: Uint8Array.of(bits, index), dialable }))
  return { peer: peer8(bits), addresses: list }
}

export function bitsOf(peer: Peer): number {
  return peer.id[0]!
}

/** Drains a machine. */
export function drain<T>(machine: { poll(): T | undefined }): T[] {
  const effects: T[] = []
  for (let effect = machine.poll(); effect !== undefined; effect = machine.poll()) effects.push(effect)
  return effects
}
