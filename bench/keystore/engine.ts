import { performance } from 'node:perf_hooks'
import type { Key } from '../../worker/engine/peer.ts'
import { Trie } from '../../worker/engine/provide/trie.ts'
import { MemoryKeyTable } from '../../worker/host/store/key-table.ts'
import { prefixRange, providedKeys } from './keys.ts'

/** The part without a disk, in Node: the binary trie, and the keystore of a client without storage. */

export interface EngineFigures {
  readonly keys: number
  readonly trieAddsPerSecond: number
  readonly prefixCountMs: number
  readonly differing: number
  readonly trieBytesPerKey: number
  readonly tableBytesPerKey: number
  readonly tableAddsPerSecond: number
}

const portion = 512

export async function engineFigures(count: number): Promise<EngineFigures> {
  const keys = providedKeys(0, count)
  const [trie, trieBytes, trieMs] = await measured(() => {
    const made = new Trie<true>()
    for (const { key } of keys) made.set(key, true)
    return made
  })
  const counts = prefixCounts(trie, keys)
  const [table, tableBytes, tableMs] = await measured(async () => {
    const made = new MemoryKeyTable()
    for (let at = 0; at < count; at += portion) await made.admit(keys.slice(at, at + portion), 1)
    return made
  })
  if ((await table.cells()).reduce((sum, { provided }) => sum + provided, 0) !== trie.size) throw new Error('Keys were lost.')
  return {
    keys: count,
    trieAddsPerSecond: (1_000 * count) / trieMs,
    ...counts,
    trieBytesPerKey: trieBytes / count,
    tableBytesPerKey: tableBytes / count,
    tableAddsPerSecond: (1_000 * count) / tableMs,
  }
}

/** By the sizes that the nodes know, against going through all keys. */
function prefixCounts(trie: Trie<true>, keys: readonly { readonly key: Key }[]): { prefixCountMs: number; differing: number } {
  const prefixes = Array.from({ length: 200 }, (_, index) => ({ bits: 1 + (index % 16), prefix: index * 2_654_435_761 }))
  let [ms, differing] = [0, 0]
  for (const { bits, prefix } of prefixes) {
    const { from, to } = prefixRange(prefix % 2 ** bits, bits)
    const startedAt = performance.now()
    const counted = trie.below(from, bits)?.size ?? 0
    ms += performance.now() - startedAt
    if (counted !== keys.filter(({ key }) => key[0]! >= from[0]! && key[0]! <= to[0]!).length) differing++
  }
  return { prefixCountMs: ms / prefixes.length, differing }
}

async function measured<Made>(make: () => Made | Promise<Made>): Promise<[made: Made, bytes: number, ms: number]> {
  const before = held()
  const startedAt = performance.now()
  const made = await make()
  const ms = performance.now() - startedAt
  return [made, held() - before, ms]
}

function held(): number {
  globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
