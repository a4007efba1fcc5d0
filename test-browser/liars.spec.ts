import { randomBytes } from 'node:crypto'
import { expect, test } from './support/fixtures.ts'
import { blockMessage, frame, presenceMessage, wantMessage } from './support/bitswap-bytes.ts'
import { type Behaviour, startLiar } from './support/liar.ts'
import { distinctBytes, startNodeHost } from './support/node-host.ts'

/** A peer that lies costs one bounded delay and no memory: the real client in Chromium, a real js-libp2p liar. */

const entries = 100_000
const entriesPerMessage = 4_000
const randomCid = () => Buffer.concat([Uint8Array.of(1, 0x55, 0x12, 0x20), randomBytes(32)])

/** At the first question only. */
function once(behave: Behaviour): Behaviour {
  let isDone = false
  return async (wants, say) => {
    if (isDone) return
    isDone = true
    await behave(wants, say)
  }
}

const liars: readonly { readonly name: string; readonly behave: Behaviour }[] = [
  {
    name: 'sends other bytes than it is asked for',
    behave: async (wants, say) => {
      for (const { cid } of wants) await say(frame(blockMessage(cid, randomBytes(1_000))))
    },
  },
  {
    name: 'says HAVE and sends nothing',
    behave: async (wants, say) => {
      const cids = wants.map(({ cid }) => cid)
      await say(frame(presenceMessage(cids, 'have')))
    },
  },
  { name: 'says nothing', behave: async () => undefined },
  {
    name: 'says DONT_HAVE without end',
    behave: async (wants, say) => {
      const repeated = Array.from({ length: 4_000 }, () => wants[0]!.cid)
      for (let round = 0; round < 10; round++) await say(frame(presenceMessage(repeated, 'dont-have')))
    },
  },
  {
    name: `wants ${entries.toLocaleString('en')} blocks`,
    behave: once(async (_wants, say) => {
      for (let sent = 0; sent < entries; sent += entriesPerMessage) {
        await say(frame(wantMessage(Array.from({ length: entriesPerMessage }, randomCid))))
      }
    }),
  },
  {
    name: 'sends messages of 10 MB',
    behave: once(async (_wants, say) => {
      for (let round = 0; round < 3; round++) await say(frame(randomBytes(10_000_000))).catch(() => undefined)
    }),
  },
]

for (const { name, behave } of liars) {
  test(`A peer that ${name} is passed over, and nothing grows`, async ({ lab }) => {
    const host = await startNodeHost(distinctBytes(50_000))
    const liar = await startLiar(behave)
    try {
      const [honest] = host.addresses
      const [address, id] = honest!.split('/p2p/') as [string, string]
      await lab.evaluate(async ({ liarAddress }) => void (await window.lab.start('one', { bootstrap: [liarAddress] })), {
        liarAddress: `${liar.multiaddrs[0]}/p2p/${liar.id}`,
      })
      const bitswap = async () => (await lab.evaluate(() => window.lab.client('one').status())).bitswap
      await expect.poll(async () => (await bitswap()).peers).toBe(1)
      const got = await lab.evaluate(
        async ({ text, providers }) => {
          const client = window.lab.client('one')
          const block = await client.getBlock(text, { providers })
          return { from: block.from, length: block.bytes.length }
        },
        {
          text: host.cid,
          providers: [
            { id: liar.id, multiaddrs: [...liar.multiaddrs] },
            { id, multiaddrs: [address] },
          ],
        },
      )
      expect(got).toEqual({ from: id, length: 50_000 })
      // Each want is denied or refused; none is kept beyond a full wantlist.
      const settled = async () => {
        const { wantsReceived = 0, presencesSent = 0, refusedWants = 0 } = (await bitswap()).counters
        return [wantsReceived, presencesSent + refusedWants]
      }
      if (name.startsWith('wants')) await expect.poll(settled).toEqual([entries, entries])
      else expect(await settled()).toEqual([0, 0])
      const status = await lab.evaluate(() => window.lab.client('one').status())
      expect(liar.askedForBlock()).toBeLessThanOrEqual(3)
      const { counters, wants, registryCids } = status.bitswap
      expect(wants).toBe(0)
      // A full wantlist, and 16 a second for as long as a test may take.
      expect(registryCids).toBeLessThanOrEqual(1_024 + 16 * 40)
      expect(counters['blocksSent']).toBe(0)
      expect(status.storage).toMatchObject({ blocks: 1, blockBytes: 50_000 })
      if (name.startsWith('sends messages')) expect(status.dropped['bitswap-oversized']).toBeGreaterThan(0)
      if (name.startsWith('sends other')) expect(counters['unwantedBlocksReceived']).toBeGreaterThan(0)
    } finally {
      await liar.stop()
      await host.stop()
    }
  })
}
