import type { Key } from '../../worker/engine/peer.ts'
import { bytesOfKey, successorOf } from '../../worker/engine/provide/bits.ts'
import { cellBits } from '../../worker/engine/provide/contract.ts'
import { Schedule } from '../../worker/engine/provide/schedule.ts'
import { IdbKeyTable } from '../../worker/host/store/idb-key-table.ts'
import { type Database, openDatabase } from '../../worker/host/store/idb-schema.ts'
import { firstKey, lastKey, prefixRange, providedKeys } from './keys.ts'

/** The keystore in a Worker of its own, as in the client; each request is one figure of `npm run bench:keystore`. */

const portion = 512
const page = 1_024

let database: Database | undefined
let table: IdbKeyTable | undefined

const tasks = {
  /** As a start of the client does it: open, read the cells, make the schedule. */
  async open(name: string): Promise<{ ms: number; keys: number }> {
    const startedAt = performance.now()
    database = await openDatabase(indexedDB, name, new AbortController().signal)
    table = new IdbKeyTable(database)
    const cells = await table.cells()
    const schedule = new Schedule({ self: firstKey, intervalMs: 79_200_000 })
    for (const cell of cells) schedule.set(cell, 0)
    return { ms: performance.now() - startedAt, keys: schedule.counts(Date.now()).provided }
  },

  async close(): Promise<void> {
    database?.close()
  },

  /** Adds as `provideMany` does, portion by portion; milliseconds, the making of the keys apart. */
  async add(from: number, count: number, generation: number): Promise<{ ms: number; added: number }> {
    let [ms, added] = [0, 0]
    for (let at = from; at < from + count; at += portion) {
      const keys = providedKeys(at, Math.min(portion, from + count - at))
      const startedAt = performance.now()
      added += (await table!.admit(keys, generation)).added
      ms += performance.now() - startedAt
    }
    return { ms, added }
  },

  /** Reads a page of a region whose prefix has so many bits, here and there. */
  async regions(bits: number, times: number): Promise<{ ms: number[]; keys: number }> {
    const ms: number[] = []
    let keys = 0
    for (let time = 0; time < times; time++) {
      const range = prefixRange((time * 2_654_435_761) % 2 ** bits, bits)
      const startedAt = performance.now()
      keys += (await table!.load({ source: 'provided', ...range, limit: page })).length
      ms.push(performance.now() - startedAt)
    }
    return { ms, keys }
  },

  /** Every key once, in order, page by page. */
  async walk(): Promise<{ ms: number; keys: number; isOrdered: boolean }> {
    const startedAt = performance.now()
    let [keys, isOrdered, last] = [0, true, '']
    for (let from: Key | undefined = firstKey; from !== undefined; ) {
      const loaded = await table!.load({ source: 'provided', from, to: lastKey, limit: page })
      for (const { key } of loaded) {
        const name = String.fromCharCode(...bytesOfKey(key))
        isOrdered &&= last < name
        last = name
      }
      keys += loaded.length
      from = loaded.length < page ? undefined : successorOf(loaded.at(-1)!.key)
    }
    return { ms: performance.now() - startedAt, keys, isOrdered }
  },

  /** Counts by prefix from the cells, and by loading all that is there: how many prefixes differ. */
  async count(bits: number, times: number): Promise<{ ms: number; differing: number }> {
    const cells = await table!.cells()
    let [ms, differing] = [0, 0]
    for (let time = 0; time < times; time++) {
      const prefix = (time * 2_654_435_761) % 2 ** bits
      const startedAt = performance.now()
      const shift = cellBits - bits
      const counted = cells.filter(({ cell }) => cell >> shift === prefix).reduce((sum, { provided }) => sum + provided, 0)
      ms += performance.now() - startedAt
      const loaded = await table!.load({ source: 'provided', ...prefixRange(prefix, bits), limit: 2 ** 31 - 1 })
      if (loaded.length !== counted) differing++
    }
    return { ms: ms / times, differing }
  },

  /** As the sweep does it: 64 keys leave the queue, their cells get a time. */
  async sent(from: number, count: number): Promise<{ ms: number }> {
    let ms = 0
    for (let at = from; at < from + count; at += 64) {
      const keys = providedKeys(at, 64)
      const startedAt = performance.now()
      await table!.change({ sent: keys, swept: keys.map(({ key }) => ({ cell: key[0]! >>> (32 - cellBits), at: 1 })) })
      ms += performance.now() - startedAt
    }
    return { ms }
  },

  /** The end of a replacement: what was not added again goes. */
  async removeOlder(generation: number): Promise<{ ms: number; removed: number }> {
    const startedAt = performance.now()
    let removed = 0
    for (let from: Key | undefined = firstKey; from !== undefined; ) {
      const done: Awaited<ReturnType<IdbKeyTable['removeOlder']>> = await table!.removeOlder(generation, from)
      removed += done.removed
      from = done.next
      postMessage({ removed })
    }
    return { ms: performance.now() - startedAt, removed }
  },

  /** How many of these are kept. */
  async kept(from: number, count: number): Promise<number> {
    const found = await Promise.all(
      providedKeys(from, count).map(({ key }) => table!.load({ source: 'provided', from: key, to: key, limit: 1 })),
    )
    return found.filter(({ length }) => length > 0).length
  },
}

export type Tasks = typeof tasks

addEventListener('message', ({ data }: MessageEvent<{ id: number; name: keyof Tasks; args: never[] }>) => {
  const task = tasks[data.name] as (...args: never[]) => Promise<unknown>
  void task(...data.args).then(
    (result) => postMessage({ id: data.id, result }),
    (error: unknown) => postMessage({ id: data.id, error: String(error) }),
  )
})
