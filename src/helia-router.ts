import type { Peer, Provider, Router, RoutingOptions } from 'helia'
import type { CID } from 'multiformats/cid'
import { closestPeers, peerCid, reachableProviders, requireNetwork, toMultiaddrs } from './foreign.ts'
import { AminoError, type ErrorCode } from './index.ts'
import { requireStored } from './store-result.ts'
import type { AminoClient, PeerInfo } from './types.ts'

/** One search gives no more: Helia names no limit, and nobody walks through more. */
const providersMax = 256
const withoutClient: ReadonlySet<ErrorCode> = new Set(['not-started', 'stopped', 'worker-died'])

/** The client as Helia's `Router`. Progress events of routers are Helia's own. Docs: `aminoRouter`. */
export class HeliaRouter implements Router {
  readonly name = 'amino'
  readonly #running: () => AminoClient

  constructor(running: () => AminoClient) {
    this.#running = running
  }

  async *findProviders(cid: CID, options: RoutingOptions = {}): AsyncGenerator<Provider> {
    if (options.useNetwork === false) return
    for await (const found of reachableProviders(this.#running(), cid, { limit: providersMax, signal: options.signal })) {
      const provider = { ...this.#peer(found), fallback: false }
      if (provider.multiaddrs.length > 0) yield provider
    }
  }

  async provide(cid: CID, options: RoutingOptions = {}): Promise<void> {
    requireNetwork(options, 'to provide')
    requireStored(await this.#running().provide(cid, { signal: options.signal }), 'provider record')
  }

  /** Helia waits for it before it deletes a block, which has to go also while no client runs. */
  async cancelReprovide(cid: CID, options: RoutingOptions = {}): Promise<void> {
    try {
      await this.#running().cancelProvide(cid, { signal: options.signal })
    } catch (error) {
      if (!(error instanceof AminoError && withoutClient.has(error.code))) throw error
    }
  }

  async put(key: Uint8Array, value: Uint8Array, options: RoutingOptions = {}): Promise<void> {
    requireNetwork(options, 'to publish')
    requireStored(await this.#running().putValue(key, value, { signal: options.signal }), 'value')
  }

  async get(key: Uint8Array, options: RoutingOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    requireNetwork(options, 'to look for values')
    const { value } = await this.#running().getValue(key, { signal: options.signal })
    // Came through a structured clone: a buffer of its own, and no shared one.
    return value as Uint8Array<ArrayBuffer>
  }

  async findPeer(id: CID, options: RoutingOptions = {}): Promise<Peer> {
    requireNetwork(options, 'to look for peers')
    return this.#peer(await this.#running().findPeer(id, { signal: options.signal }))
  }

  async *getClosestPeers(key: Uint8Array, options: RoutingOptions = {}): AsyncGenerator<Peer> {
    if (options.useNetwork === false) return
    for await (const peer of closestPeers(this.#running(), key, options.signal)) yield this.#peer(peer)
  }

  toString(): string {
    return 'AminoRouter()'
  }

  #peer({ id, multiaddrs }: PeerInfo): Peer {
    return { id: peerCid(id), multiaddrs: toMultiaddrs(multiaddrs), router: this.name }
  }
}
