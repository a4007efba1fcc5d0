import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import { decode as decodeMultihash } from 'multiformats/hashes/digest'
import { AminoError } from './index.ts'
import type { AminoClient, PeerInfo } from './types.ts'

/** Values of Helia and libp2p made from ours, and the other way round; and what both routers do alike. */

const libp2pKeyCodec = 0x72

/** Helia names peers by CID. `id`: base58, as the client gives it. */
export function peerCid(id: string): CID {
  return CID.createV1(libp2pKeyCodec, decodeMultihash(base58btc.baseDecode(id)))
}

/** Without those that the library on this page does not know: one odd address must not cost the others. */
export function toMultiaddrs(texts: readonly string[]): Multiaddr[] {
  return texts.flatMap((text) => {
    try {
      return [multiaddr(text)]
    } catch {
      return []
    }
  })
}

export interface GivenPeer {
  readonly id: string
  readonly multiaddrs: readonly string[]
}

/** A peer as Helia's callers name it: by CID, by an address that ends in `/p2p/…`, or by several of those. */
export function givenPeer(peer: CID | Multiaddr | readonly Multiaddr[]): GivenPeer | undefined {
  const cid = CID.asCID(peer)
  if (cid !== null) {
    return cid.code === libp2pKeyCodec ? { id: base58btc.baseEncode(cid.multihash.bytes), multiaddrs: [] } : undefined
  }
  const texts = (Array.isArray(peer) ? (peer as readonly Multiaddr[]) : [peer as Multiaddr]).map(String)
  const id = texts.map((text) => /\/p2p\/([^/]+)$/.exec(text)?.[1]).find((found) => found !== undefined)
  // `/p2p/…` alone says who, not where.
  return id === undefined ? undefined : { id, multiaddrs: texts.filter((text) => !/^\/p2p\/[^/]+$/.test(text)) }
}

/** The peers nearest to a key, but those that were asked and did not answer. */
export async function* closestPeers(client: AminoClient, key: Uint8Array, signal?: AbortSignal): AsyncGenerator<PeerInfo> {
  for await (const peer of client.getClosestPeers(key, { signal })) if (peer.outcome !== 'failed') yield peer
}

/** What cannot be done without the network fails with `not-found` where it may not be used. */
export function requireNetwork(options: { readonly useNetwork?: boolean | undefined }, what: string): void {
  if (options.useNetwork !== false) return
  throw new AminoError('not-found', `The network is needed ${what}, and useNetwork is false.`)
}

export interface SearchOptions {
  readonly signal?: AbortSignal | undefined
  /** Ends after that many. */
  readonly limit: number
}

/** Searches for addresses that run at once, beside the search for providers. */
const addressSearchesMax = 4

type Step =
  | { readonly type: 'provider'; readonly result: IteratorResult<PeerInfo> }
  | { readonly type: 'addresses'; readonly id: string; readonly info: PeerInfo | undefined }

/**
 * Providers, each with addresses: those that came without are looked up on the side and left out if nobody knows where
 * they are. Whoever gets a provider without addresses walks the DHT a second time for nothing.
 */
export async function* reachableProviders(client: AminoClient, cid: CID, options: SearchOptions): AsyncGenerator<PeerInfo> {
  const left = new AbortController()
  const leave = (): void => left.abort(options.signal?.reason)
  options.signal?.addEventListener('abort', leave, { once: true })
  if (options.signal?.aborted === true) leave()
  const { signal } = left
  const source = client.findProviders(cid, { limit: options.limit, signal })
  const take = (): Promise<Step> => {
    const step = source.next().then((result): Step => ({ type: 'provider', result }))
    // When the reader leaves, nobody waits for this one any more.
    step.catch(() => {})
    return step
  }
  const lookUp = async ({ id }: PeerInfo): Promise<Step> => {
    const info = await client.findPeer(id, { signal }).catch(() => undefined)
    return { type: 'addresses', id, info }
  }
  try {
    yield* merged(take, lookUp)
  } finally {
    options.signal?.removeEventListener('abort', leave)
    left.abort()
    await source.return?.()
  }
}

async function* merged(take: () => Promise<Step>, lookUp: (peer: PeerInfo) => Promise<Step>): AsyncGenerator<PeerInfo> {
  const waiting: PeerInfo[] = []
  const searches = new Map<string, Promise<Step>>()
  let next: Promise<Step> | undefined = take()
  while (next !== undefined || searches.size > 0) {
    const step: Step = await Promise.race([...(next === undefined ? [] : [next]), ...searches.values()])
    if (step.type === 'addresses') {
      searches.delete(step.id)
      if (step.info !== undefined && step.info.multiaddrs.length > 0) yield step.info
    } else if (step.result.done === true) {
      next = undefined
    } else {
      next = take()
      if (step.result.value.multiaddrs.length > 0) yield step.result.value
      else waiting.push(step.result.value)
    }
    while (searches.size < addressSearchesMax && waiting.length > 0) {
      const peer = waiting.shift()!
      searches.set(peer.id, lookUp(peer))
    }
  }
}
