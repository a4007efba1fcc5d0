import { startClient } from './client.ts'
import type { AminoClient, AminoClientOptions } from './types.ts'

/** The door of the page part: {@link createAminoClient} and the types around it. */

export { aminoBootstrappers } from './options.ts'
export { AminoError, type ErrorCode } from './errors.ts'
export type {
  AminoClient,
  AminoClientEventMap,
  AminoClientOptions,
  Block,
  CallOptions,
  CidInput,
  ClientLimits,
  DiscoveryOptions,
  ClosestPeer,
  DelegatedRoutingOptions,
  FindProvidersOptions,
  GetBlockOptions,
  GetValueOptions,
  KeyInput,
  OfferedBlockstore,
  PeerIdInput,
  PeerInfo,
  Progress,
  ProvidedRegion,
  ProvideManyOptions,
  ProvideManyResult,
  ProvideOptions,
  Probe,
  ProvideStatus,
  Provider,
  ProviderInput,
  QueryOptions,
  QueryStats,
  RecordKeyInput,
  Session,
  SessionOptions,
  Status,
  StoreResult,
  ValueResult,
} from './types.ts'

/**
 * Starts a client of Amino, the public IPFS DHT, and of Bitswap. The engine runs in a dedicated Worker; the page holds
 * only this handle. Resolves when the Worker can take calls, which is before the network has answered.
 *
 * Rejects with an {@link AminoError}: `invalid-argument` (an option), `worker-load-failed` (`detail.url`),
 * `version-mismatch`, `storage-in-use` (another client, perhaps in another tab, has the storage name), `not-started`,
 * `timeout`, `worker-died`, `aborted`. The Worker is terminated then.
 *
 * @example
 * await using client = await createAminoClient()
 * for await (const provider of client.findProviders('bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi')) {
 *   console.log(provider.id, `${provider.elapsedMs} ms`)
 * }
 */
export async function createAminoClient(options: AminoClientOptions = {}): Promise<AminoClient> {
  return startClient(options)
}
