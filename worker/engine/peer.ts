import { sha256 } from '@noble/hashes/sha2.js'
import { BytesMap } from './bytes-map.ts'
import { limits } from './limits.ts'

/**
 * Peers as the engine knows them: raw id, 256-bit Kademlia key (computed once), addresses with what the host can say
 * of them.
 */

/** A peer id as its multihash bytes. */
export type PeerIdBytes = Uint8Array & { readonly PeerIdBytes: unique symbol }

/** A Kademlia identifier: sha-256 as eight big-endian 32-bit words, most significant first. */
export type Key = Uint32Array & { readonly Key: unique symbol }

export interface Peer {
  readonly id: PeerIdBytes
  readonly key: Key
}

/** A multiaddr, with what the host decided about it when it came in. */
export interface Address {
  /** Binary multiaddr, without a trailing `/p2p/<the peer itself>`. */
  readonly bytes: Uint8Array
  /** Whether a transport of this host, under its policy on private addresses, can try it. */
  readonly dialable: boolean
  /** Set if it leads through a relay, whatever replaces the relay afterwards. */
  readonly relayed?: true | undefined
  /** Set if nothing is seen of a dial before it is connected: WebRTC, and lists of addresses that libp2p resolves. */
  readonly quiet?: true | undefined
  /** Of IP addresses, as a number that means nothing else; none for private ones and names (`host/ip-groups.ts`). */
  readonly group?: number | undefined
}

export interface PeerInfo {
  readonly peer: Peer
  readonly addresses: readonly Address[]
}

/** The better of two for dialing the peer: what was known first, if it is any good. */
export function betterInfo(known: PeerInfo | undefined, other: PeerInfo | undefined): PeerInfo | undefined {
  const isDialable = (info: PeerInfo) => info.addresses.some(({ dialable }) => dialable)
  return known === undefined || (other !== undefined && !isDialable(known) && isDialable(other)) ? other : known
}

/** Whether no address that can be tried leads to the peer itself. */
export function isBehindRelays({ addresses }: PeerInfo): boolean {
  return addresses.every(({ dialable, relayed }) => !dialable || relayed === true)
}

/** Whether a dial that the peer answers shows nothing of it before it is connected. */
export function isQuiet({ addresses }: PeerInfo): boolean {
  return addresses.every(({ dialable, relayed, quiet }) => !dialable || relayed === true || quiet === true)
}

/** Dials of one kind take similar times: whole handshakes take longer than answers, and those through relays longest. */
export type DialKind = 'general' | 'relayed' | 'quiet'

export function dialKindOf(info: PeerInfo): DialKind {
  if (isBehindRelays(info)) return 'relayed'
  return isQuiet(info) ? 'quiet' : 'general'
}

/** The Kademlia key of any bytes: a peer id's, a multihash's, a record key's. */
export function keyOf(bytes: Uint8Array): Key {
  unused._cloneInto(hasher)
  hasher.update(bytes).digestInto(digest)
  return keyFromDigest(digest)
}

// One hasher, set back before each key: to make one took nearly as long as to hash, and a table refresh takes 65,000 keys.
const unused = sha256.create()
const hasher = sha256.create()
const digest = new Uint8Array(32)

/** The first 32 bytes as a key; shorter input is padded with zeros (8-bit keys in tests). */
export function keyFromDigest(digest: Uint8Array): Key {
  const key = new Uint32Array(8)
  for (let index = 0; index < Math.min(32, digest.length); index++) {
    key[index >> 2] = (key[index >> 2]! | (digest[index]! << (24 - 8 * (index & 3)))) >>> 0
  }
  return key as Key
}

/**
 * Remembers the `Peer` of an id, so that its key is hashed once however often the peer is mentioned. Bounded: the
 * oldest is forgotten, which costs one more hash and nothing else. Peers are equal when their ids are, never by
 * reference.
 */
export class PeerCache {
  readonly #peers = new BytesMap<Peer>()
  readonly #keyOf: (bytes: Uint8Array) => Key
  #hashed = 0

  /** `keyOfId` is replaced only by table and lookup tests, where keys of eight bits are checked by eye. */
  constructor(keyOfId: (bytes: Uint8Array) => Key = keyOf) {
    this.#keyOf = keyOfId
  }

  get size(): number {
    return this.#peers.size
  }

  /** How many keys were computed so far. */
  get hashed(): number {
    return this.#hashed
  }

  /** The key of other bytes (a multihash, a record key) by the same function; nothing is remembered. */
  keyOf(bytes: Uint8Array): Key {
    this.#hashed++
    return this.#keyOf(bytes)
  }

  intern(id: PeerIdBytes): Peer {
    const known = this.#peers.get(id)
    if (known !== undefined) return known
    const peer: Peer = { id, key: this.keyOf(id) }
    this.#peers.set(id, peer)
    if (this.#peers.size > limits.cachedPeersMax.value) this.#peers.shift()
    return peer
  }
}
