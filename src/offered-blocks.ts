import { CID } from 'multiformats/cid'
import { offeredBlockTimeoutMs } from '../worker/contract/limits.ts'
import type { OfferedBlockstore } from './types.ts'

/** One block of a blockstore of the page: undefined if it is not there, or cannot be read for whatever reason. */
export async function readOffered(store: OfferedBlockstore, cid: Uint8Array): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    const found = await store.get(CID.decode(cid), { offline: true, signal: AbortSignal.timeout(offeredBlockTimeoutMs) })
    // A copy, since the bytes are transferred and the store may hold these. Not by `slice`: of a Buffer that is a view.
    if (found === undefined || found instanceof Uint8Array) return found && new Uint8Array(found)
    const parts: Uint8Array[] = []
    for await (const part of found) parts.push(part)
    const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
    let offset = 0
    for (const part of parts) {
      whole.set(part, offset)
      offset += part.length
    }
    return whole
  } catch {
    // Stores throw for what they do not have.
    return undefined
  }
}
