import { limits } from '../engine/limits.ts'
import type { ReadBlock } from './amino-service.ts'
import { verifyBlock } from './block-hash.ts'
import type { Store } from './store/store.ts'

/** What the engine is told of a block. */
export interface LoadedBlock {
  readonly bytes: Uint8Array | undefined
  /** Alone, where that is enough. */
  readonly size?: number
}

/**
 * From the store here, else from what the page offers, which is believed only if it hashes to the CID. Of a block in the
 * store with more than `bytesMax` bytes the size will do. A store that fails has nothing.
 */
export async function loadBlock(
  store: Store,
  readOffered: ReadBlock | undefined,
  cid: Uint8Array,
  bytesMax = Number.POSITIVE_INFINITY,
): Promise<LoadedBlock> {
  const size = bytesMax === Number.POSITIVE_INFINITY ? 0 : await store.blockSize(cid).catch(() => undefined)
  if (size !== undefined && size > bytesMax) return { bytes: undefined, size }
  const stored = await store.getBlock(cid).catch(() => undefined)
  if (stored !== undefined) return { bytes: stored }
  const offered = await readOffered?.(cid).catch(() => undefined)
  const isSound = offered !== undefined && offered.length <= limits.blockBytesMax.value && (await verifyBlock(cid, offered))
  return { bytes: isSound ? offered : undefined }
}
