import { randomBytes } from 'node:crypto'
import type { Status } from 'amino-worker'
import { blockMessage, emptyWantsMessage, frame, presenceMessage, wantMessage } from './support/bitswap-bytes.ts'
import { expect, test } from './support/fixtures.ts'
import { watchHeaps } from './support/heaps.ts'
import { type Behaviour, startLiar } from './support/liar.ts'
import { distinctBytes, startNodeHost } from './support/node-host.ts'

/** A peer that lies costs one bounded delay and no memory: the real client in Chromium, a real js-libp2p liar. */

const entries = 100_000
const entriesPerMessage = 4_000
/** As many as fit into 4 MiB, and the part of them that is read. */
const entriesOfOneMessage = 85_000
const entriesRead = 4_096
const emptyEntries = 2_000_000
const presences = 4_000
const randomCid = () => Buffer.concat([Uint8Array.of(1, 0x55, 0x12, 0x20), randomBytes(32)])
/** A full wantlist with its answers, the registry's part of it, and what code there is the first time; of lies that weigh 30 MB. */
const growthMax = 3_000_000

/** At the first question only. */
function once(behave: Behaviour): Behaviour {
  let isDone = false
  return async (wants, say) => {
    if (isDone) return
    isDone = true
    await behave(wants, say)
  }
}

interface Lie {
  readonly name: string
  readonly behave: Behaviour
  /** What shows that all of it has come, and what became of it. `told`: what progress was told of the liar. */
  readonly seen: (status: Pick<Status, 'bitswap' | 'dropped'>, told: readonly string[]) => object
  readonly expected: object
}

const noWants = { answered: 0, received: 0 }
/** Each want is denied or refused; none is kept beyond a full wantlist. */
const wantsOf = ({ wantsReceived = 0, presencesSent = 0, refusedWants = 0 }: Status['bitswap']['counters']) => {
  return { received: wantsReceived, answered: presencesSent + refusedWants }
}

const lies: readonly Lie[] = [
  {
    name: 'sends other bytes than it is asked for',
    behave: async (wants, say) => {
      for (const { cid } of wants) await say(frame(blockMessage(cid, randomBytes(1_000))))
    },
    seen: ({ bitswap: { counters } }) => ({ unwanted: counters['unwantedBlocksReceived']! > 0, ...wantsOf(counters) }),
    expected: { unwanted: true, ...noWants },
  },
  {
    name: 'says HAVE and sends nothing',
    behave: async (wants, say) => {
      const cids = wants.map(({ cid }) => cid)
      await say(frame(presenceMessage(cids, 'have')))
    },
    seen: ({ bitswap: { counters } }, told) => ({ heard: told.includes('have'), ...wantsOf(counters) }),
    expected: { heard: true, ...noWants },
  },
  {
    name: 'says nothing',
    behave: async () => undefined,
    seen: ({ bitswap: { counters } }, told) => ({ told: [...new Set(told)], ...wantsOf(counters) }),
    expected: { told: ['asking'], ...noWants },
  },
  {
    name: 'says DONT_HAVE without end',
    behave: async (wants, say) => {
      const repeated = Array.from({ length: presences }, () => wants[0]!.cid)
      for (let round = 0; round < 10; round++) await say(frame(presenceMessage(repeated, 'dont-have')))
    },
    seen: ({ bitswap: { counters } }) => ({ heard: counters['dontHavesReceived']! >= 10 * presences, ...wantsOf(counters) }),
    expected: { heard: true, ...noWants },
  },
  {
    name: `wants ${entries.toLocaleString('en')} blocks`,
    behave: once(async (_wants, say) => {
      for (let sent = 0; sent < entries; sent += entriesPerMessage) {
        await say(frame(wantMessage(Array.from({ length: entriesPerMessage }, randomCid))))
      }
    }),
    seen: ({ bitswap: { counters } }) => wantsOf(counters),
    expected: { received: entries, answered: entries },
  },
  {
    name: `wants ${entriesOfOneMessage.toLocaleString('en')} blocks in one message`,
    behave: once(async (_wants, say) => {
      await say(frame(wantMessage(Array.from({ length: entriesOfOneMessage }, randomCid))))
    }),
    seen: ({ bitswap: { counters } }) => wantsOf(counters),
    expected: { received: entriesRead, answered: entriesRead },
  },
  {
    // Each is looked at, until so many were in vain: all of them would keep the Worker for a minute.
    name: 'sends wantlists of two million entries that say nothing',
    behave: once(async (_wants, say) => {
      for (let round = 0; round < 3; round++) await say(frame(emptyWantsMessage(emptyEntries)))
    }),
    seen: ({ bitswap: { counters }, dropped }) => ({ parts: dropped['bitswap-parts'], ...wantsOf(counters) }),
    expected: { parts: 3 * emptyEntries, ...noWants },
  },
  {
    name: 'sends messages of 10 MB',
    behave: once(async (_wants, say) => {
      for (let round = 0; round < 3; round++) await say(frame(randomBytes(10_000_000))).catch(() => undefined)
    }),
    seen: ({ bitswap: { counters }, dropped }) => ({ dropped: dropped['bitswap-oversized']! > 0, ...wantsOf(counters) }),
    expected: { dropped: true, ...noWants },
  },
]

for (const { name, behave, seen, expected } of lies) {
  test(`A peer that ${name} is passed over, and nothing grows`, async ({ lab }) => {
    // Code is compiled by what an honest peer sends, while the liar still says the truth.
    const [early, honest] = [await startNodeHost(distinctBytes(40_000)), await startNodeHost(distinctBytes(50_000))]
    let asked = 0
    let lying = false
    const liar = await startLiar(async (wants, say) => {
      if (lying) asked++
      if (lying) await behave(wants, say)
      else await say(frame(presenceMessage([wants[0]!.cid], 'dont-have')))
    })
    const providerAt = (address: string) => ({ id: address.split('/p2p/')[1]!, multiaddrs: [address] })
    const status = () => lab.evaluate(() => window.lab.client('one').status())
    const bitswapPeers = async () => (await status()).bitswap.peers
    const get = (text: string, addresses: readonly string[]) =>
      lab.evaluate(
        async ({ cid, providers, liarId }) => {
          const told: string[] = []
          const onProgress = (progress: { type: string; peer?: string }): void => {
            if (progress.peer === liarId) told.push(progress.type)
          }
          const { from, bytes } = await window.lab.client('one').getBlock(cid, { providers, onProgress })
          return { block: { from, length: bytes.length }, told }
        },
        { cid: text, providers: addresses.map(providerAt), liarId: liar.id },
      )
    const liarAddress = `${liar.multiaddrs[0]}/p2p/${liar.id}`
    try {
      await lab.evaluate(async (address) => void (await window.lab.start('one', { bootstrap: [address] })), liarAddress)
      await expect.poll(bitswapPeers).toBe(1)
      await get(early.cid, early.addresses)
      await early.stop()
      await expect.poll(bitswapPeers).toBe(1)
      const toldBefore = liar.askedForBlock()
      const usedHeaps = await watchHeaps(lab, true)
      const before = await usedHeaps()
      lying = true
      const [address] = honest.addresses
      const { block, told } = await get(honest.cid, [liarAddress, address!])
      expect(block).toEqual({ from: providerAt(address!).id, length: 50_000 })
      expect(asked).toBeGreaterThan(0)
      await expect.poll(async () => seen(await status(), told)).toEqual(expected)
      const { bitswap, storage } = await status()
      expect(liar.askedForBlock() - toldBefore).toBeLessThanOrEqual(3)
      expect(bitswap.wants).toBe(0)
      // A full wantlist, and 16 a second for as long as a test may take.
      expect(bitswap.registryCids).toBeLessThanOrEqual(1_024 + 16 * 40)
      expect(bitswap.counters['blocksSent']).toBe(0)
      expect(storage).toMatchObject({ blocks: 2, blockBytes: 90_000 })
      const after = await usedHeaps()
      expect(after.page - before.page).toBeLessThan(growthMax)
      expect(after.worker - before.worker).toBeLessThan(growthMax)
    } finally {
      await liar.stop()
      await honest.stop()
      await early.stop()
    }
  })
}
