import { createHash } from 'node:crypto'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { PeerId, PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { countOf, type SwarmOptions } from './options.ts'
import type { Random } from './random.ts'

/**
 * Who is in the network: identities from the seed, what each peer is good for, and whom it knows. Peer n is the same
 * peer for a seed whatever the other options say; running ones come first, then the dead, then the undialable.
 */

/** Peers in a k-bucket, and holders of a record: the network's k. */
export const K = 20

export type PeerState = 'running' | 'refusing' | 'silent' | 'undialable'

export interface Member {
  readonly index: number
  readonly id: PeerId
  readonly privateKey: PrivateKey
  /** sha-256 of the peer id's bytes: its place in the DHT. */
  readonly kadId: Uint8Array
  readonly state: PeerState
  readonly relay: boolean
  readonly bitswap: boolean
}

const RELAYS = 3

export async function populate(options: SwarmOptions): Promise<Member[]> {
  const dead = countOf(options.dead, options.peers)
  const undialable = countOf(options.undialable, options.peers)
  const running = options.peers - dead - undialable
  const firstBlockServer = Math.max(0, running - options.blockServers)
  const members: Member[] = []
  for (let index = 0; index < options.peers; index++) {
    const seed = createHash('sha256').update(`amino-worker/swarm/${options.seed}/${index}`).digest()
    const privateKey = await generateKeyPairFromSeed('Ed25519', new Uint8Array(seed))
    const id = peerIdFromPrivateKey(privateKey)
    const isRunning = index < running
    members.push({
      index,
      id,
      privateKey,
      kadId: kadIdOf(id.toMultihash().bytes),
      state: stateOf(index, running, dead),
      relay: isRunning && index < RELAYS,
      bitswap: isRunning && index >= firstBlockServer,
    })
  }
  return members
}

function stateOf(index: number, running: number, dead: number): PeerState {
  if (index < running) return 'running'
  if (index >= running + dead) return 'undialable'
  return (index - running) % 2 === 0 ? 'silent' : 'refusing'
}

export function kadIdOf(key: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(key).digest())
}

/** The `count` members nearest to a place in the DHT, nearest first. */
export function nearestTo(kadId: Uint8Array, members: readonly Member[], count: number): Member[] {
  return [...members].sort((a, b) => compareDistance(kadId, a.kadId, b.kadId)).slice(0, count)
}

/**
 * Whom a member knows: at most k peers of each common prefix length, as a Kademlia table holds them. In small networks
 * that is everyone; in large ones lookups need several hops.
 */
export function acquaintancesOf(member: Member, members: readonly Member[], random: Random): Member[] {
  const buckets = new Map<number, Member[]>()
  for (const other of members) {
    if (other === member) continue
    const length = commonPrefixLength(member.kadId, other.kadId)
    const bucket = buckets.get(length)
    if (bucket === undefined) buckets.set(length, [other])
    else bucket.push(other)
  }
  return [...buckets.values()].flatMap((bucket) => random.shuffled(bucket).slice(0, K))
}

function compareDistance(target: Uint8Array, a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < target.length; i++) {
    const wanted = target[i] as number
    const difference = (wanted ^ (a[i] as number)) - (wanted ^ (b[i] as number))
    if (difference !== 0) return difference
  }
  return 0
}

function commonPrefixLength(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] as number) ^ (b[i] as number)
    if (difference !== 0) return i * 8 + Math.clz32(difference) - 24
  }
  return a.length * 8
}
