import { createHash } from 'node:crypto'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'

/** Content and peers made from a name: the same in every run, and nobody in the swarm knows them. */

const rawCodec = 0x55
const sha256Code = 0x12

export function blockOf(name: string): { cid: string; bytes: Uint8Array } {
  const bytes = new TextEncoder().encode(name)
  const digest = createDigest(sha256Code, createHash('sha256').update(bytes).digest())
  return { cid: CID.createV1(rawCodec, digest).toString(), bytes }
}

export async function peerIdOf(name: string): Promise<string> {
  const key = await generateKeyPairFromSeed('Ed25519', createHash('sha256').update(name).digest())
  return peerIdFromPrivateKey(key).toString()
}
