import { Mesh, type MeshOptions } from '../bitswap/mesh.ts'
import { Rng } from '../../worker/engine/rng.ts'

/**
 * D7: peers throw a block away sooner than anybody wants it again, so that who wanted it lately has it no more. How many
 * want-blocks to such peers are sent, a want, in each ten minutes.
 */
export function staleAsks(options: Omit<MeshOptions, 'nodes'>): number[] {
  const mesh = new Mesh({ ...options, nodes: 1 + leechers })
  const rng = new Rng(options.seed)
  const bytes = new Uint8Array(20_000)
  const cids = Array.from({ length: blocks }, () => new Uint8Array([0x01, 0x55, 0x12, 0x20, ...rng.bytes(32)]))
  const [seeder, ...others] = mesh.nodes
  for (const cid of cids) seeder!.store.set(cid, bytes)
  const asks: number[] = []
  let [wants, sent, got] = [0, 0, 0]
  for (let now = 0; now < staleRun.minutes * 60_000; now += staleRun.everyMs) {
    const cid = cids[wants % blocks]!
    const leecher = others[wants % leechers]!
    leecher.onEnded = () => mesh.agenda.plan(staleRun.keptMs, () => leecher.forget(cid))
    leecher.want(wants++, cid, true)
    mesh.agenda.run(now + staleRun.everyMs)
    if ((now + staleRun.everyMs) % 600_000 !== 0) continue
    const { wantBlock, block } = mesh.messages
    asks.push((wantBlock - sent - (block - got)) / (600_000 / staleRun.everyMs))
    sent = wantBlock
    got = block
  }
  return asks
}

/** Each block is wanted every 97.5 s, by another peer each time, and kept for 60 s. */
export const staleRun = { minutes: 60, everyMs: 2_500, keptMs: 60_000 }
const blocks = 39
const leechers = 30
