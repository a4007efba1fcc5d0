import { decode as decodeMultihash } from 'multiformats/hashes/digest'
import type { ClosestPeerItem, DelegatedMode, PeerData, ProviderItem, StatsData, ValueData } from '../../contract/service.ts'
import { comparePeersTo } from '../../engine/kad/distance.ts'
import type { RecordVerdict } from '../../engine/kad/contract.ts'
import { limits } from '../../engine/limits.ts'
import type { PeerCache, PeerIdBytes, PeerInfo } from '../../engine/peer.ts'
import { peerData } from '../plain-data.ts'
import { bestAnswer, combinedItems, firstAnswer, type Producer } from './combined.ts'
import type { DelegatedPeer, DelegatedRouting } from './delegated-routing.ts'

/**
 * What the page asks, from the DHT and the delegated routers. What routers say is looked at as what peers say: addresses
 * that this host cannot dial are left out, records are validated.
 */

export interface SourcesInit {
  readonly mode: Exclude<DelegatedMode, 'off'>
  readonly routing: DelegatedRouting
  readonly peers: PeerCache
  /** The peer with those of its addresses that are any, each with whether it can be dialed. */
  readonly review: (id: Uint8Array, addresses: readonly Uint8Array[]) => PeerInfo
  readonly judge: (key: Uint8Array, value: Uint8Array) => Promise<RecordVerdict>
  /** Peers that a router tells of as servers of the DHT, or that were looked for: candidates for the routing table. */
  readonly onServersNamed: (infos: readonly PeerInfo[]) => void
}

const ipnsPrefix = new TextEncoder().encode('/ipns/')
const noStats: StatsData = { requests: 0, responses: 0, dials: 0, failures: 0, undialable: 0, durationMs: 0 }
const closestMax = 20

export class Sources {
  readonly #init: SourcesInit

  constructor(init: SourcesInit) {
    this.#init = init
  }

  findProviders(
    multihash: Uint8Array,
    limit: number,
    signal: AbortSignal,
    dht: Producer<ProviderItem>,
  ): AsyncIterable<ProviderItem> {
    const startedAt = performance.now()
    return combinedItems<ProviderItem>({
      mode: this.#init.mode,
      signal,
      limit,
      dht,
      routers: async (stop, push) => {
        for await (const { info, router } of this.#dialable(this.#init.routing.providers(multihash, stop))) {
          push({ ...peerData(info), from: router, elapsedMs: performance.now() - startedAt })
        }
      },
    })
  }

  findPeer(id: Uint8Array, signal: AbortSignal, dht: (signal: AbortSignal) => Promise<PeerData>): Promise<PeerData> {
    return firstAnswer({
      mode: this.#init.mode,
      signal,
      dht,
      routers: async (stop) => {
        for await (const { info } of this.#dialable(this.#init.routing.peer(id, stop))) {
          if (!sameBytes(info.peer.id, id)) continue
          this.#init.onServersNamed([info])
          return peerData(info)
        }
        return undefined
      },
    })
  }

  /** Only IPNS names can be asked for. */
  getValue(key: Uint8Array, signal: AbortSignal, dht: (signal: AbortSignal) => Promise<ValueData>): Promise<ValueData> {
    const { mode, routing } = this.#init
    if (!startsWith(key, ipnsPrefix)) return dht(signal)
    return bestAnswer<ValueData>({
      mode,
      signal,
      dht,
      graceMs: limits.delegatedIpnsGraceMs.value,
      best: (one, other) => this.#newer(key, one, other),
      routers: async (stop) => {
        let newest: ValueData | undefined
        for await (const value of routing.ipns(key.subarray(ipnsPrefix.length), stop)) {
          if (!(await this.#init.judge(key, value)).valid) continue
          const told = { value, confirmations: 0, stats: noStats }
          newest = newest === undefined ? told : await this.#newer(key, newest, told)
        }
        // A copy: the routers' answer is remembered, and the page's bytes may be transferred.
        return newest === undefined ? undefined : { ...newest, value: newest.value.slice() }
      },
    })
  }

  /** The nearest of both. A key that is no multihash cannot be asked for over HTTP. */
  async *closestPeers(key: Uint8Array, signal: AbortSignal, dht: Producer<ClosestPeerItem>): AsyncGenerator<ClosestPeerItem> {
    const found: ClosestPeerItem[] = []
    const { peers, mode, routing } = this.#init
    let walked: Promise<unknown> | undefined
    const items = combinedItems<ClosestPeerItem>({
      mode,
      signal,
      limit: Number.MAX_SAFE_INTEGER,
      dht: (stop, push) => (walked = dht(stop, push)),
      routers: async (stop, push) => {
        if (!isMultihash(key)) return
        const told: ClosestPeerItem[] = []
        for await (const { info } of this.#dialable(routing.closestPeers(key, stop))) {
          this.#init.onServersNamed([info])
          told.push({ ...peerData(info), outcome: 'unasked' })
        }
        // What the DHT says of a peer is worth more, so it comes first.
        await walked?.catch(() => {})
        for (const item of told) push(item)
      },
    })
    for await (const item of items) found.push(item)
    const target = peers.keyOf(key)
    const near = found.map((item) => ({ item, peer: peers.intern(item.id as PeerIdBytes) }))
    near.sort((one, other) => comparePeersTo(target, one.peer, other.peer))
    for (const { item } of near.slice(0, closestMax)) yield item
  }

  /** Providers for a block that is wanted. */
  async *providersToAsk(multihash: Uint8Array, signal: AbortSignal): AsyncGenerator<PeerInfo> {
    let count = 0
    for await (const { info } of this.#dialable(this.#init.routing.providers(multihash, signal))) {
      yield info
      if (++count >= limits.searchedProvidersMax.value) return
    }
  }

  get mode(): Exclude<DelegatedMode, 'off'> {
    return this.#init.mode
  }

  async *#dialable(found: AsyncIterable<DelegatedPeer>): AsyncGenerator<{ readonly info: PeerInfo; readonly router: string }> {
    for await (const { id, addresses, router } of found) {
      const info = this.#init.review(id, addresses)
      if (info.addresses.some(({ dialable }) => dialable)) yield { info, router }
    }
  }

  async #newer(key: Uint8Array, one: ValueData, other: ValueData): Promise<ValueData> {
    const [ofOne, ofOther] = await Promise.all([this.#init.judge(key, one.value), this.#init.judge(key, other.value)])
    if (!ofOther.valid) return one
    return ofOne.valid && compareRanks(ofOne.rank, ofOther.rank) >= 0 ? one : other
  }
}

function compareRanks(one: readonly bigint[], other: readonly bigint[]): number {
  for (let index = 0; index < Math.max(one.length, other.length); index++) {
    const difference = (one[index] ?? 0n) - (other[index] ?? 0n)
    if (difference !== 0n) return difference < 0n ? -1 : 1
  }
  return 0
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytes.length > prefix.length && prefix.every((byte, index) => bytes[index] === byte)
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => other[index] === byte)
}

function isMultihash(bytes: Uint8Array): boolean {
  try {
    decodeMultihash(bytes)
    return true
  } catch {
    return false
  }
}
