import type { Page } from '@playwright/test'
import { expect, test } from './support/fixtures.ts'
import { openSilentHost } from './support/silent-host.ts'
import { sampleNamed } from './support/stage-info.ts'
import { blockOf, peerIdOf } from './support/strangers.ts'

/** Nobody has it: a want for it waits. */
const unknownCid = blockOf('a block that nobody has').cid

test('When the Worker is killed every pending call rejects with a code, and the next client works on the same storage', async ({
  lab,
  stage,
}) => {
  const silent = await openSilentHost()
  try {
    await lab.evaluate(
      async ({ address }) => {
        const worker = new Worker('/worker.js', { type: 'module' })
        const client = await window.lab.start('one', { bootstrap: [address], storage: 'killed', worker })
        client.addEventListener('died', (event) => Object.assign(window, { died: event.detail.error.code }))
        Object.assign(window, { worker })
      },
      { address: silent.address },
    )
    await startEverything(lab)
    const outcomes = await lab.evaluate(() => {
      const { worker, pending } = window as unknown as { worker: Worker; pending: Promise<{ code?: string }>[] }
      worker.terminate()
      return Promise.all(pending)
    })
    expect(outcomes.map((outcome) => outcome.code)).toEqual(outcomes.map(() => 'worker-died'))
    await expect.poll(() => lab.evaluate(() => (window as unknown as { died?: string }).died)).toBe('worker-died')
    expect(await lab.evaluate(() => window.lab.outcome(window.lab.client('one').status()))).toMatchObject({ code: 'worker-died' })

    const { cid, providerIds } = sampleNamed(stage, 'note')
    const providers = await lab.evaluate(
      async ({ bootstrap, text }) => {
        const next = await window.lab.start('two', { bootstrap, storage: 'killed' })
        return window.lab.collect(next.findProviders(text))
      },
      { bootstrap: stage.bootstrap, text: cid },
    )
    expect(providers.map((provider) => provider.id).toSorted()).toEqual([...providerIds].toSorted())
  } finally {
    await silent.close()
  }
})

test('stop() rejects every pending call, later calls too, and a second stop does no harm', async ({ lab }) => {
  const silent = await openSilentHost()
  try {
    await lab.evaluate(async (address) => void (await window.lab.start('one', { bootstrap: [address] })), silent.address)
    await startEverything(lab)
    const outcomes = await lab.evaluate(async () => {
      const client = window.lab.client('one')
      const { pending } = window as unknown as { pending: Promise<{ code?: string }>[] }
      await client.stop()
      await client.stop()
      return [...(await Promise.all(pending)), await window.lab.outcome(client.status())]
    })
    expect(outcomes.map((outcome) => (outcome as { code?: string }).code)).toEqual(outcomes.map(() => 'stopped'))
  } finally {
    await silent.close()
  }
})

/** One call of every kind that waits for the network; the outcomes are left in `window.pending`. */
async function startEverything(lab: Page): Promise<void> {
  const stranger = await peerIdOf('a stranger')
  await lab.evaluate(
    ({ cid, id }) => {
      const client = window.lab.client('one')
      const { outcome, collect } = window.lab
      const pending = [
        outcome(collect(client.findProviders(cid))),
        outcome(collect(client.getClosestPeers(cid))),
        outcome(client.findPeer(id)),
        outcome(client.getValue(`/ipns/${id}`)),
        outcome(client.getBlock(cid)),
      ]
      Object.assign(window, { pending })
    },
    { cid: unknownCid, id: stranger },
  )
  const active = () => lab.evaluate(async () => (await window.lab.client('one').status()).kad.activeQueries)
  await expect.poll(active).toBeGreaterThanOrEqual(4)
}
