import { randomFillSync } from 'node:crypto'
import { importBytes } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { flat } from 'ipfs-unixfs-importer/layout'
import type { CID } from 'multiformats/cid'
import type { Block, Content } from '../../demo/swarm/content.ts'

/** Random bytes, so that no two blocks are the same: only their sizes matter. */

export const leafBytes = 256 * 1024

/** One file: a root and leaves of 256 KiB. As of most DAGs, only the root is announced. */
export async function createFile(name: string, bytes: number, copies: number): Promise<Content> {
  const blocks: Block[] = []
  // A store that keeps whole CIDs: the root is dag-pb, its leaves are raw.
  const store = {
    put(cid: CID, content: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>): CID {
      if (!(content instanceof Uint8Array)) throw new Error('the importer hands over whole blocks')
      blocks.push({ cid, bytes: content })
      return cid
    },
  }
  const { cid } = await importBytes(randomFillSync(new Uint8Array(bytes)), store, {
    cidVersion: 1,
    rawLeaves: true,
    chunker: fixedSize({ chunkSize: leafBytes }),
    layout: flat(),
  })
  return { name, kind: 'unixfs', root: cid, size: bytes, copies, blocks, announced: 'root' }
}

/** Single blocks of 64 KiB. */
export async function createBlocks(count: number, copies: number): Promise<Content[]> {
  const files = Array.from({ length: count }, (_, index) => createFile(`request ${index}`, 64 * 1024, copies))
  return Promise.all(files)
}
