import type { ContentRouting, PeerId, PeerInfo as Libp2pPeerInfo, PeerRouting, Provider, RoutingOptions } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { CID } from 'multiformats/cid'
import { closestPeers, reachableProviders, requireNetwork, toMultiaddrs } from './foreign.ts'
import { requireStored } from './store-result.ts'
import type { AminoClient, PeerInfo } from './types.ts'

/**
 * The door to a page's own libp2p: {@link aminoContentRouting} and {@link aminoPeerRouting} instead of a DHT on the main
 * thread. Needs `@libp2p/peer-id`, which comes with libp2p. Nothing of libp2p is bundled here.
 */

export interface AminoRoutingOptions {
  /**
   * Told why a search ended early. libp2p merges its routers, and one that throws would end the search of all others; so
   * ours only ends.
   */
  readonly onError?: ((error: unknown) => void) | undefined
}

/** libp2p names no limit, and nobody walks through more. */
const providersMax = 256

/**
 * For `createLibp2p({ contentRouters: [aminoContentRouting(client)] })`. `provide` and `put` reject with code `no-peers`
 * when not a single peer took the record. Mind that `provide` names the client in the Worker, with its peer id and its
 * addresses, and not the page's libp2p: what it provides should be in the client's store (`client.putBlock`).
 */
export function aminoContentRouting(client: AminoClient, options: AminoRoutingOptions = {}): () => ContentRouting {
  return () => new ClientContentRouting(client, options)
}

/** For `createLibp2p({ peerRouters: [aminoPeerRouting(client)] })`. */
export function aminoPeerRouting(client: AminoClient, options: AminoRoutingOptions = {}): () => PeerRouting {
  return () => new ClientPeerRouting(client, options)
}

class ClientContentRouting implements ContentRouting {
  readonly #client: AminoClient
  readonly #options: AminoRoutingOptions

  constructor(client: AminoClient, options: AminoRoutingOptions) {
    this.#client = client
    this.#options = options
  }

  findProviders(cid: CID, options: RoutingOptions = {}): AsyncIterable<Provider> {
    if (options.useNetwork === false) return quiet([], this.#options)
    const found = reachableProviders(this.#client, cid, { limit: providersMax, signal: options.signal })
    return quiet(
      mapped(found, (peer) => ({ ...libp2pPeer(peer), routing: 'amino' })),
      this.#options,
    )
  }

  async provide(cid: CID, options: RoutingOptions = {}): Promise<void> {
    requireNetwork(options, 'to provide')
    requireStored(await this.#client.provide(cid, { signal: options.signal }), 'provider record')
  }

  async cancelReprovide(cid: CID, options: RoutingOptions = {}): Promise<void> {
    await this.#client.cancelProvide(cid, { signal: options.signal })
  }

  async put(key: Uint8Array, value: Uint8Array, options: RoutingOptions = {}): Promise<void> {
    requireNetwork(options, 'to publish')
    requireStored(await this.#client.putValue(key, value, { signal: options.signal }), 'value')
  }

  async get(key: Uint8Array, options: RoutingOptions = {}): Promise<Uint8Array> {
    requireNetwork(options, 'to look for values')
    return (await this.#client.getValue(key, { signal: options.signal })).value
  }
}

class ClientPeerRouting implements PeerRouting {
  readonly #client: AminoClient
  readonly #options: AminoRoutingOptions

  constructor(client: AminoClient, options: AminoRoutingOptions) {
    this.#client = client
    this.#options = options
  }

  async findPeer(id: PeerId, options: RoutingOptions = {}): Promise<Libp2pPeerInfo> {
    requireNetwork(options, 'to look for peers')
    return libp2pPeer(await this.#client.findPeer(id, { signal: options.signal }))
  }

  getClosestPeers(key: Uint8Array, options: RoutingOptions = {}): AsyncIterable<Libp2pPeerInfo> {
    if (options.useNetwork === false) return quiet([], this.#options)
    return quiet(mapped(closestPeers(this.#client, key, options.signal), libp2pPeer), this.#options)
  }
}

function libp2pPeer({ id, multiaddrs }: PeerInfo): Libp2pPeerInfo {
  return { id: peerIdFromString(id), multiaddrs: toMultiaddrs(multiaddrs) }
}

async function* mapped<From, To>(source: AsyncIterable<From>, change: (item: From) => To): AsyncGenerator<To> {
  for await (const item of source) yield change(item)
}

/** Ends where the source throws. */
async function* quiet<Item>(source: AsyncIterable<Item> | Iterable<Item>, options: AminoRoutingOptions): AsyncGenerator<Item> {
  try {
    yield* source
  } catch (error) {
    options.onError?.(error)
  }
}
