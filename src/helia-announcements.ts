import type { CID } from 'multiformats/cid'
import type { AminoClient } from './types.ts'

/** The slice of a blockstore that is read from; it must not ask the network. */
export interface BlockReader {
  get(
    cid: CID,
    options: { readonly signal: AbortSignal },
  ): AsyncIterable<Uint8Array> | Iterable<Uint8Array> | Promise<Uint8Array> | Uint8Array
}

/** Handed to the Worker at once; a block in each hand costs its size twice. */
const parallelMax = 4
/** CIDs that wait; later ones are not served. An import of 64 GiB in blocks of 1 MiB has as many. */
const waitingMax = 65_536
/** Helia announces a block just before it stores it: how long to wait before each look, in milliseconds. */
const looksMs = [0, 20, 200, 2_000] as const
const identityHash = 0

/**
 * Carries blocks that Helia announces to the Worker, on the side: Helia waits for an announcement before it stores the
 * block, so that it must not take time. What fails here (too large for Bitswap, a hash that the Worker cannot check, not
 * stored after all) is not served, and nobody is told: the block is safe with Helia.
 */
export class AnnouncedBlocks {
  readonly #running: () => AminoClient
  readonly #reader: BlockReader
  readonly #waiting: CID[] = []
  #active = 0
  #stopping = new AbortController()

  constructor(running: () => AminoClient, reader: BlockReader) {
    this.#running = running
    this.#reader = reader
  }

  add(cid: CID): void {
    if (this.#stopping.signal.aborted || cid.multihash.code === identityHash || this.#waiting.length >= waitingMax) return
    this.#waiting.push(cid)
    this.#next()
  }

  start(): void {
    if (this.#stopping.signal.aborted) this.#stopping = new AbortController()
  }

  stop(): void {
    this.#waiting.length = 0
    this.#stopping.abort()
  }

  #next(): void {
    if (this.#active >= parallelMax) return
    const cid = this.#waiting.shift()
    if (cid === undefined) return
    this.#active++
    void this.#carry(cid, this.#stopping.signal)
      .catch(() => {})
      .finally(() => {
        this.#active--
        this.#next()
      })
  }

  async #carry(cid: CID, signal: AbortSignal): Promise<void> {
    // Most announcements are of blocks that came from the Worker just now.
    if (await this.#running().hasBlock(cid, { signal })) return
    for (const lookMs of looksMs) {
      await pause(lookMs, signal)
      const bytes = await this.#read(cid, signal)
      if (bytes !== undefined) return this.#running().putBlock(cid, bytes, { signal })
    }
  }

  async #read(cid: CID, signal: AbortSignal): Promise<Uint8Array | undefined> {
    try {
      const found = await this.#reader.get(cid, { signal })
      return found instanceof Uint8Array ? found : await joined(found)
    } catch {
      return undefined
    }
  }
}

async function joined(parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const part of parts) chunks.push(part)
  if (chunks.length === 1) return chunks[0]!
  const bytes = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0))
  let offset = 0
  for (const chunk of chunks) {
    bytes.set(chunk, offset)
    offset += chunk.length
  }
  return bytes
}

/** Also for no time at all: a macrotask, so that Helia has gone on by then. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
  })
}
