import { Rng } from '../../worker/engine/rng.ts'
import { Mesh, type MeshOptions } from '../bitswap/mesh.ts'

/** One who sends fast and three who do not have all of a file. The root comes first, then everything is wanted, at most `ahead` at a time. */
export function fetchUnevenly(options: UnevenOptions): Uneven {
  const { seed, uplinks, ahead } = options
  const mesh = new Mesh({ ...options, nodes: uplinks.length + 1 })
  const rng = new Rng(seed)
  const bytes = new Uint8Array(unevenFile.blockBytes)
  const cids = Array.from({ length: unevenFile.blocks }, () => new Uint8Array([0x01, 0x55, 0x12, 0x20, ...rng.bytes(32)]))
  const leecher = mesh.nodes.at(-1)!
  for (const cid of cids) for (const holder of mesh.nodes.slice(0, -1)) holder.store.set(cid, bytes)
  let next = 0
  leecher.onEnded = () => {
    while (next < cids.length && next - leecher.endedAt.size < ahead) leecher.want(next, cids[next++]!)
  }
  leecher.want(next, cids[next++]!)
  mesh.agenda.run(600_000)
  const { size } = leecher.endedAt
  const tookMs = size === cids.length ? Math.max(...leecher.endedAt.values()) - leecher.endedAt.get(0)! : Number.NaN
  return { tookMs, leastMs: leastMs(options), duplicates: leecher.duplicates }
}

/** After a round trip all of them send, as fast as they can, until the file is there. */
function leastMs({ latencyMs, storeMs, uplinks }: UnevenOptions): number {
  const rest = (unevenFile.blocks - 1) * unevenFile.blockBytes
  return 2 * latencyMs + storeMs + rest / uplinks.reduce((sum, bytesPerMs) => sum + bytesPerMs)
}

export const unevenFile = { blocks: 191, blockBytes: 262_144 }

export interface UnevenOptions extends Omit<MeshOptions, 'nodes'> {
  /** Bytes in a millisecond, of each holder. */
  readonly uplinks: readonly number[]
  readonly ahead: number
}

export interface Uneven {
  /** From the root on. */
  readonly tookMs: number
  readonly leastMs: number
  readonly duplicates: number
}
