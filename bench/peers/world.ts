import { createCipheriv, createHash } from 'node:crypto'
import { importBytes } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Asset } from '../../demo/server.ts'
import { startStage, type Stage } from '../../demo/stage.ts'
import { createRandom, type Random } from '../../demo/swarm/random.ts'
import { type Block, type Holder, startHolder } from './holder.ts'

/** One swarm with what there is to find in it, and what arrives at its peers counted. */

export interface WorldOptions {
  readonly peers: number
  readonly dead: number
  readonly undialable: number
  readonly runs: number
  readonly searches: number
  readonly holders: number
  /** Of each of two files, one for plain gets and one for sessions; 0: none. */
  readonly bulkBytes: number
}

/** What arrived so far, at peers of the DHT and at holders. */
export interface Counts {
  readonly dials: number
  readonly requests: number
  readonly wants: number
  readonly blocks: number
}

export interface Bulk {
  readonly root: string
  readonly cids: readonly string[]
}

/** Three blocks of one holder, and how long a byte takes to it or from it. */
export interface Held {
  readonly cids: readonly [string, string, string]
  readonly oneWayMs: number
}

export interface World {
  readonly stage: Stage
  counts(): Counts
  /** Of one run: the same for every contestant, others in every run. */
  searches(run: number): readonly string[]
  /** Of each holder: the first is of a peer not yet connected, the others of a connected one. */
  blocks(run: number): readonly Held[]
  readonly bulk: { readonly plain: Bulk; readonly session: Bulk } | undefined
  stop(): Promise<void>
}

/** One-way delays of 10 to 150 ms. */
export const LATENCY_MS = 80
export const SPREAD = 0.875
const SEED = 'bench'
const BULK_HOLDERS = 3
const BLOCK_BYTES = 16 * 1024
const BULK_BLOCK_BYTES = 256 * 1024

export async function startWorld(options: WorldOptions, assets: ReadonlyMap<string, Asset>): Promise<World> {
  const counts = { dials: 0, requests: 0, wants: 0, blocks: 0 }
  const observer = {
    dialed: () => void counts.dials++,
    requested: () => void counts.requests++,
    wanted: (wants: number) => void (counts.wants += wants),
    blocksSent: (count: number) => void (counts.blocks += count),
  }
  const { peers, dead, undialable } = options
  const swarm = { peers, dead, undialable, seed: SEED, latencyMs: LATENCY_MS, spread: SPREAD, blockServers: peers }
  const stage = await startStage(swarm, 0, assets, observer)
  const closers: (() => Promise<unknown>)[] = [() => stage.stop()]
  const random = createRandom(`${SEED}/world`)
  const searches = await publishSearches(stage, options.runs * options.searches, random)
  const delays = () => LATENCY_MS * (1 + SPREAD * (2 * random.next() - 1))

  const hold = async (name: string, blocks: readonly Block[], delayMs: number): Promise<Holder> => {
    const holder = await startHolder({ name: `${SEED}/${name}`, blocks, delayMs, random, observer })
    closers.push(() => holder.stop())
    for (const { cid } of blocks) await stage.swarm.publish(cid, holder.id, holder.addresses)
    return holder
  }

  const pairs: Held[][] = Array.from({ length: options.runs }, () => [])
  for (let index = 0; index < options.holders; index++) {
    const blocks = await Promise.all(
      Array.from({ length: 3 * options.runs }, (_, block) => rawBlock(bytesOf(`${SEED}/block/${index}/${block}`, BLOCK_BYTES))),
    )
    const oneWayMs = delays()
    await hold(`holder/${index}`, blocks, oneWayMs)
    for (const [run, list] of pairs.entries())
      list.push({ cids: [0, 1, 2].map((block) => blocks[3 * run + block]!.cid.toString()) as unknown as Held['cids'], oneWayMs })
  }

  const file = async (name: string): Promise<Bulk> => {
    const { root, blocks } = await fileOf(`${SEED}/${name}`, options.bulkBytes)
    for (let index = 0; index < BULK_HOLDERS; index++) await hold(`${name}/${index}`, blocks, delays())
    return { root: root.toString(), cids: blocks.filter(({ cid }) => !cid.equals(root)).map(({ cid }) => cid.toString()) }
  }
  const bulk = options.bulkBytes === 0 ? undefined : { plain: await file('plain'), session: await file('session') }

  return {
    stage,
    counts: () => ({ ...counts }),
    searches: (run) => searches.slice(run * options.searches, (run + 1) * options.searches),
    blocks: (run) => pairs[run] ?? [],
    bulk,
    stop: async () => {
      for (const close of closers.toReversed()) await close()
    },
  }
}

/** Records of peers that run, as most are found: four in five with one provider, the others with two. */
async function publishSearches({ swarm }: Stage, count: number, random: Random): Promise<string[]> {
  const running = swarm.peers.filter(({ state }) => state === 'running')
  const cids: string[] = []
  for (let index = 0; index < count; index++) {
    const { cid } = await rawBlock(bytesOf(`${SEED}/search/${index}`, 64))
    for (const { id, addresses } of random.shuffled(running).slice(0, index % 5 === 4 ? 2 : 1)) {
      await swarm.publish(
        cid,
        peerIdFromString(id),
        addresses.map((address) => multiaddr(address)),
      )
    }
    cids.push(cid.toString())
  }
  return cids
}

async function fileOf(seed: string, size: number): Promise<{ root: CID; blocks: Block[] }> {
  const blocks: Block[] = []
  const store = {
    put(cid: CID, bytes: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>): CID {
      if (!(bytes instanceof Uint8Array)) throw new Error('the importer hands over whole blocks')
      blocks.push({ cid, bytes })
      return cid
    },
  }
  const { cid } = await importBytes(bytesOf(seed, size), store, {
    rawLeaves: true,
    chunker: fixedSize({ chunkSize: BULK_BLOCK_BYTES }),
    // One node above the leaves: what is asked for at once is all of the file.
    layout: balanced({ maxChildrenPerNode: 1024 }),
  })
  return { root: cid, blocks }
}

async function rawBlock(bytes: Uint8Array): Promise<Block> {
  return { cid: CID.createV1(raw.code, await sha256.digest(bytes)), bytes }
}

/** The same bytes for the same seed: a key stream. */
function bytesOf(seed: string, size: number): Uint8Array {
  const key = createHash('sha256').update(seed).digest()
  return new Uint8Array(createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16)).update(new Uint8Array(size)))
}
