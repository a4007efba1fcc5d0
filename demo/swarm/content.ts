import { importBytes } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { paintPicture } from './picture.ts'
import { createRandom } from './random.ts'

/** What the swarm has to offer: some single raw blocks, and one picture of several. */

export interface Block {
  readonly cid: CID
  readonly bytes: Uint8Array
}

export interface Content {
  readonly name: string
  readonly kind: 'raw' | 'unixfs'
  readonly root: CID
  /** Size of what the user gets, in bytes. */
  readonly size: number
  /** How many peers have it. */
  readonly copies: number
  /** All blocks, the root among them. */
  readonly blocks: readonly Block[]
  /** What the DHT knows of it: all blocks, or the root alone, as of most DAGs out there. */
  readonly announced?: 'root'
}

const CHUNK_BYTES = 128 * 1024

/** Sizes around the edges that matter: small enough to ride in place of a HAVE (≤ 1024), one frame, the 2 MiB limit. */
const RAW_BLOCKS = [
  { name: 'note', size: 0, copies: 3 },
  { name: 'pebble', size: 700, copies: 1 },
  { name: 'brick', size: 64 * 1024, copies: 2 },
  { name: 'slab', size: 256 * 1024, copies: 3 },
  { name: 'boulder', size: 1024 * 1024, copies: 1 },
] as const

export async function createContent(seed: string): Promise<Content[]> {
  const contents: Content[] = []
  for (const { name, size, copies } of RAW_BLOCKS) {
    const bytes = size === 0 ? noteOf(seed) : bytesOf(`${seed}/${name}`, size)
    const block = await rawBlock(bytes)
    contents.push({ name, kind: 'raw', root: block.cid, size: bytes.length, copies, blocks: [block] })
  }
  contents.push(await pictureOf(seed))
  return contents
}

async function pictureOf(seed: string): Promise<Content> {
  const png = paintPicture(seed)
  const blocks: Block[] = []
  // A store that keeps whole CIDs: `MemoryBlockstore` forgets the codec, and the root is dag-pb.
  const store = {
    put(cid: CID, bytes: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>): CID {
      if (!(bytes instanceof Uint8Array)) throw new Error('the importer hands over whole blocks')
      blocks.push({ cid, bytes })
      return cid
    },
  }
  const { cid } = await importBytes(png, store, {
    cidVersion: 1,
    rawLeaves: true,
    chunker: fixedSize({ chunkSize: CHUNK_BYTES }),
    layout: balanced({ maxChildrenPerNode: 174 }),
  })
  return { name: 'picture', kind: 'unixfs', root: cid, size: png.length, copies: 2, blocks }
}

async function rawBlock(bytes: Uint8Array): Promise<Block> {
  return { cid: CID.createV1(raw.code, await sha256.digest(bytes)), bytes }
}

function noteOf(seed: string): Uint8Array {
  return new TextEncoder().encode(`A note from the local swarm "${seed}": this block came over Bitswap from a js-libp2p peer.\n`)
}

function bytesOf(seed: string, size: number): Uint8Array {
  const random = createRandom(seed)
  return Uint8Array.from({ length: size }, () => random.integer(256))
}
