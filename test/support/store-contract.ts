import type { StoredTableEntry } from '../../worker/engine/kad/contract.ts'
import type { PeerIdBytes } from '../../worker/engine/peer.ts'
import type { Store } from '../../worker/host/store/store.ts'

/**
 * What every store does, whatever it keeps things in. It needs no test runner, so that it can run in a browser as well:
 * a case throws if the store breaks its contract.
 */
export interface StoreCase {
  readonly title: string
  run(open: OpenStore): Promise<void>
}

/** A fresh and empty store with this ceiling. The case closes it. */
export type OpenStore = (blockBytesMax: number) => Promise<Store>

export const storeCases: readonly StoreCase[] = [
  {
    title: 'a block is found as it was put, and not after it was deleted',
    async run(open) {
      const store = await open(1_000)
      const cid = testCid(1)
      equal(await store.getBlock(cid), undefined)
      equal(await store.blockSize(cid), undefined)
      await store.putBlock(cid, Uint8Array.of(1, 2, 3))
      equal(await store.getBlock(cid.slice()), Uint8Array.of(1, 2, 3))
      equal(await store.blockSize(cid.slice()), 3)
      equal(usage(store), { blocks: 1, blockBytes: 3 })
      await store.deleteBlock(cid)
      equal(await store.getBlock(cid), undefined)
      equal(await store.blockSize(cid), undefined)
      equal(usage(store), { blocks: 0, blockBytes: 0 })
      await store.deleteBlock(cid)
      equal(usage(store), { blocks: 0, blockBytes: 0 })
      await store.close()
    },
  },
  {
    title: 'a block is one block however its CID is written, and its multihash is what tells it from others (S6)',
    async run(open) {
      const digest = new Uint8Array(32).fill(5)
      const multihashes = [
        [0x12, 32, ...digest],
        [0x13, 32, ...digest],
        [0xa0, 0xe4, 2, 32, ...digest],
        [0, 32, ...digest],
      ]
      const heads: number[][] = [[1, 0x55], [1, 0x70], [1, 0xa9, 2], []]
      const store = await open(700)
      for (const [index, multihash] of multihashes.entries()) {
        // Only of sha2-256 there is a version 0: the bare multihash.
        const cids = heads.slice(0, index === 0 ? 4 : 3).map((head) => Uint8Array.from([...head, ...multihash]))
        for (const cid of cids) equal(await store.blockSize(cid), undefined)
        for (const cid of cids.toReversed()) await store.putBlock(cid, new Uint8Array(100).fill(index))
        for (const cid of cids) equal(await store.getBlock(cid), new Uint8Array(100).fill(index))
        for (const cid of cids) equal(await store.blockSize(cid), 100)
        equal(usage(store), { blocks: index + 1, blockBytes: 100 * (index + 1) })
      }
      const written = (head: number[], index: number) => Uint8Array.from([...head, ...multihashes[index]!])
      await store.getBlock(written([1, 0x71], 0))
      for (const number of [1, 2, 3, 4]) await store.putBlock(testCid(number), new Uint8Array(100))
      equal(await store.blockSize(written([], 0)), 100)
      equal(await store.blockSize(written([1, 0x55], 1)), undefined)
      await store.deleteBlock(written([1, 0x71], 0))
      equal(await store.blockSize(written([], 0)), undefined)
      equal(usage(store), { blocks: 6, blockBytes: 600 })
      await store.close()
    },
  },
  {
    title: 'an empty block is a block',
    async run(open) {
      const store = await open(1_000)
      await store.putBlock(testCid(1), new Uint8Array(0))
      equal(await store.getBlock(testCid(1)), new Uint8Array(0))
      equal(usage(store), { blocks: 1, blockBytes: 0 })
      await store.close()
    },
  },
  {
    title: 'what was learned is found by its name, as it was put last',
    async run(open) {
      const store = await open(1_000)
      equal(await store.learned('ranking'), undefined)
      store.putLearned('ranking', { savedAt: 1, rows: [[1, 2]] })
      store.putLearned('latencies', [3])
      store.putLearned('ranking', { savedAt: 2, rows: [] })
      equal(await store.learned('ranking'), { savedAt: 2, rows: [] })
      equal(await store.learned('latencies'), [3])
      await store.close()
    },
  },
  {
    title: 'a block that is put twice is counted once',
    async run(open) {
      const store = await open(1_000)
      await Promise.all([1, 2, 1].map((number) => store.putBlock(testCid(number), new Uint8Array(100))))
      equal(usage(store), { blocks: 2, blockBytes: 200 })
      await store.close()
    },
  },
  {
    title: 'the store shares no buffer with those who put and get',
    async run(open) {
      const store = await open(1_000)
      const frame = Uint8Array.of(9, 9, 1, 2, 3, 9)
      const view = frame.subarray(2, 5)
      const key = testCid(1)
      await store.putBlock(key, view)
      frame.fill(0)
      key.fill(0)
      const first = await store.getBlock(testCid(1))
      equal(first, Uint8Array.of(1, 2, 3))
      equal(first?.buffer.byteLength, 3)
      first?.fill(7)
      equal(await store.getBlock(testCid(1)), Uint8Array.of(1, 2, 3))
      await store.close()
    },
  },
  {
    title: 'above the ceiling the least recently used blocks go, and a read is a use',
    async run(open) {
      const store = await open(300)
      for (const number of [1, 2, 3]) await store.putBlock(testCid(number), new Uint8Array(100))
      await store.getBlock(testCid(1))
      await store.putBlock(testCid(4), new Uint8Array(100))
      equal(await present(store, [1, 2, 3, 4]), [1, 3, 4])
      await store.putBlock(testCid(3), new Uint8Array(100))
      await store.putBlock(testCid(5), new Uint8Array(150))
      equal(await present(store, [1, 3, 4, 5]), [3, 5])
      equal(usage(store), { blocks: 2, blockBytes: 250 })
      await store.close()
    },
  },
  {
    title: 'a block as large as the ceiling fits alone, and a larger one is refused and costs nothing',
    async run(open) {
      const store = await open(300)
      await store.putBlock(testCid(1), new Uint8Array(100))
      const refusal = await store.putBlock(testCid(2), new Uint8Array(301)).then(
        () => 'stored',
        (error: { plain?: { code?: string } }) => error.plain?.code,
      )
      equal(refusal, 'too-large')
      equal(await present(store, [1, 2]), [1])
      await store.putBlock(testCid(3), new Uint8Array(300))
      equal(await present(store, [1, 3]), [3])
      equal(usage(store), { blocks: 1, blockBytes: 300 })
      await store.close()
    },
  },
  {
    title: 'many blocks at once keep the sum right',
    async run(open) {
      const store = await open(1_000)
      const numbers = Array.from({ length: 40 }, (_, index) => index)
      await Promise.all(numbers.map((number) => store.putBlock(testCid(number), new Uint8Array(10 + number))))
      await Promise.all(numbers.slice(0, 20).map((number) => store.deleteBlock(testCid(number))))
      const left = await present(store, numbers)
      equal(usage(store), { blocks: left.length, blockBytes: left.reduce((sum, number) => sum + 10 + number, 0) })
      equal(usage(store).blockBytes <= 1_000, true)
      await store.close()
    },
  },
  {
    title: 'of a table entry the last word counts, and a deleted one is gone',
    async run(open) {
      const store = await open(1_000)
      store.putTableEntry(testEntry(1, 100))
      store.putTableEntry(testEntry(2, 200))
      store.putTableEntry(testEntry(3, 300))
      await store.flush()
      store.putTableEntry(testEntry(1, 400))
      store.deleteTableEntry(testEntry(2, 0).id)
      store.deleteTableEntry(testEntry(9, 0).id)
      const entries = await store.tableEntries()
      const times = entries.map(({ id, lastUsefulAt }) => `${id[2]} at ${lastUsefulAt}`).sort()
      equal(times, ['1 at 400', '3 at 300'])
      equal(
        entries.map(({ addresses }) => addresses.map(({ bytes }) => bytes)),
        entries.map(() => [Uint8Array.of(4, 1, 1, 1, 1, 6, 0, 80)]),
      )
      await store.close()
    },
  },
  {
    title: 'the identity is kept',
    async run(open) {
      const store = await open(1_000)
      equal(await store.identity(), undefined)
      await store.putIdentity(Uint8Array.of(1, 2))
      equal(await store.identity(), Uint8Array.of(1, 2))
      await store.putIdentity(Uint8Array.of(3))
      equal(await store.identity(), Uint8Array.of(3))
      await store.close()
    },
  },
  {
    title: 'the size of the network is kept',
    async run(open) {
      const store = await open(1_000)
      equal(await store.networkSize(), undefined)
      await store.putNetworkSize(400)
      await store.putNetworkSize(500)
      equal(await store.networkSize(), 500)
      await store.close()
    },
  },
  {
    title: 'after it was closed a store answers that it has nothing, and closing twice does no harm',
    async run(open) {
      const store = await open(1_000)
      await store.putBlock(testCid(1), new Uint8Array(10))
      await store.close()
      await store.close()
      store.putTableEntry(testEntry(1, 1))
      await store.putBlock(testCid(2), new Uint8Array(10))
      equal(await store.getBlock(testCid(1)), undefined)
      equal(await store.blockSize(testCid(2)), undefined)
      equal(await store.tableEntries(), [])
    },
  },
]

export function testCid(number: number): Uint8Array {
  const cid = new Uint8Array(36).fill(number)
  cid.set([1, 0x55, 0x12, 32])
  return cid
}

export function testEntry(number: number, lastUsefulAt: number): StoredTableEntry {
  const id = new Uint8Array(34).fill(number) as PeerIdBytes
  id.set([0x12, 32])
  return { id, addresses: [{ bytes: Uint8Array.of(4, 1, 1, 1, 1, 6, 0, 80), dialable: true }], lastUsefulAt }
}

export async function present(store: Store, numbers: readonly number[]): Promise<number[]> {
  const found: number[] = []
  for (const number of numbers) if ((await store.blockSize(testCid(number))) !== undefined) found.push(number)
  return found
}

function usage(store: Store): { blocks: number; blockBytes: number } {
  const { blocks, blockBytes } = store.status()
  return { blocks, blockBytes }
}

function equal(actual: unknown, expected: unknown): void {
  const [is, should] = [text(actual), text(expected)]
  if (is !== should) throw new Error(`expected ${should}, got ${is}`)
}

function text(value: unknown): string {
  return JSON.stringify(value, (_, inner) => (inner instanceof Uint8Array ? `bytes ${[...inner].join()}` : inner)) ?? 'undefined'
}
