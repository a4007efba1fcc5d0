import type { BlockBroker, Helia, Router } from 'helia'
import { AnnouncedBlocks, type BlockReader } from './helia-announcements.ts'
import { HeliaBlockBroker } from './helia-broker.ts'
import { HeliaRouter } from './helia-router.ts'
import { type AminoClient, type AminoClientOptions, AminoError, createAminoClient } from './index.ts'

/**
 * The door to Helia 7: {@link withAmino} for the common case, {@link aminoRouter} and {@link aminoBlockBroker} to be put
 * together by hand. Nothing of Helia is bundled here, and nothing of libp2p is needed on the page.
 */

export interface AminoHeliaOptions extends AminoClientOptions {
  /** A client that runs already, and that stays the caller's: Helia does not stop it. Default: one of Helia's own. */
  readonly client?: AminoClient | undefined
}

/** A Helia that finds and fetches through a client. */
export type HeliaWithAmino<Node extends Helia = Helia> = Node & {
  /** The client, while Helia is started. Throws an {@link AminoError} with code `not-started` before and after. */
  readonly amino: AminoClient
}

/**
 * Plugs a client into a Helia that has not been started: `start()` starts the client too (and rejects as
 * `createAminoClient` does, and with `stopped` when `stop()` comes meanwhile), `stop()` stops it.
 *
 * @example
 * import { createHeliaLight } from 'helia'
 * import { withAmino } from 'amino-worker/helia'
 *
 * const helia = await withAmino(createHeliaLight(), { storage: 'my-dapp' }).start()
 */
export function withAmino<Node extends Helia>(helia: Node, options: AminoHeliaOptions = {}): HeliaWithAmino<Node> {
  const { client: given, ...clientOptions } = options
  let starting: Promise<AminoClient> | undefined
  let client: AminoClient | undefined
  const running = (): AminoClient => {
    if (client !== undefined) return client
    throw new AminoError('not-started', 'This Helia is not started. Call start() and wait for it first.')
  }
  // The networked store, told not to use the network: it is the only one that a Helia shows.
  const reader: BlockReader = { get: (cid, { signal }) => helia.blockstore.get(cid, { signal, offline: true }) }
  helia.addRouter(new HeliaRouter(running))
  helia.addBlockBroker(new HeliaBlockBroker(running, new AnnouncedBlocks(running, reader)))
  helia.addMixin({
    name: 'amino',
    start: async () => {
      const mine = (starting ??= given === undefined ? createAminoClient(clientOptions) : Promise.resolve(given))
      try {
        const started = await mine
        if (starting === mine) client = started
      } catch (error) {
        if (starting === mine) starting = undefined
        throw error
      }
      if (starting !== mine) throw new AminoError('stopped', 'This Helia was stopped while it started.')
    },
    // One that is still starting is waited for: what comes of it would run on otherwise.
    stop: async () => {
      const ended = starting
      starting = client = undefined
      if (given === undefined) await (await ended?.catch(() => undefined))?.stop()
    },
  })
  return Object.defineProperty(helia, 'amino', { get: running, enumerable: false }) as HeliaWithAmino<Node>
}

/**
 * A router for `createHeliaLight({ routers: [aminoRouter(client)] })`: providers (always with addresses), peers, closest
 * peers, IPNS records, provide.
 *
 * `provide` and `put` reject with code `no-peers` when not a single peer took the record.
 */
export function aminoRouter(client: AminoClient): Router {
  return new HeliaRouter(() => client)
}

/** What a broker needs of Helia's components. */
export interface BlockBrokerComponents {
  readonly blockstore: BlockReader
}

/**
 * A block broker for `createHeliaLight({ blockBrokers: [aminoBlockBroker(client)] })`: blocks come over the Worker's
 * Bitswap, and blocks that Helia stores are handed to the Worker, which serves them to others. They stay in the Worker's
 * store, up to its ceiling, when they are deleted in Helia: `client.deleteBlock(cid)` removes them there.
 */
export function aminoBlockBroker(client: AminoClient): (components: BlockBrokerComponents) => BlockBroker {
  const running = (): AminoClient => client
  return ({ blockstore }) => new HeliaBlockBroker(running, new AnnouncedBlocks(running, blockstore))
}

export type { BlockReader }
