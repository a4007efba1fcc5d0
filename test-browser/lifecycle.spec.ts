import type { Page } from '@playwright/test'
import { expect, test as base } from './support/fixtures.ts'
import { type GatedNetwork, startGatedNetwork } from './support/gated-network.ts'
import type { GateState } from './support/gate.ts'

/** Networks that go and come back, and devices that sleep, with the browser's own events; dials are counted at the servers. */

const peers = 6

const test = base.extend<{ network: GatedNetwork }>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of the fixtures from this pattern
  network: async ({}, use) => {
    const network = await startGatedNetwork(peers)
    await use(network)
    await network.stop()
  },
})

test('Offline and online again: connections that died without a word are found and made anew', async ({
  lab,
  network,
  context,
}) => {
  await connect(lab, network)
  become(network, 'dead')
  const before = asked(network)
  await context.setOffline(true)
  become(network, 'open')
  await context.setOffline(false)
  await reconnected(lab, network, before)
  expect(await searches(lab, network)).toBe('ok')
})

test('Awake after an hour: the same', async ({ lab, network }) => {
  await connect(lab, network)
  become(network, 'dead')
  const before = asked(network)
  become(network, 'open')
  await lab.evaluate(() => window.lab.sleepWorker(3_600_000))
  await reconnected(lab, network, before)
  expect(await searches(lab, network)).toBe('ok')
})

test('A network that comes and goes, and leads nowhere, causes no storm of dials', async ({ lab, network, context }) => {
  test.setTimeout(60_000)
  await connect(lab, network)
  const before = asked(network)
  become(network, 'refusing')
  const flaps = 40
  for (let flap = 0; flap < flaps; flap++) {
    await context.setOffline(true)
    await context.setOffline(false)
  }
  // Told once it has settled; whatever is tried then is refused, and has its price.
  await expect.poll(() => asked(network) - before).toBeGreaterThan(0)
  become(network, 'open')
  await lab.evaluate(() => window.dispatchEvent(new Event('focus')))
  await context.setOffline(true)
  await context.setOffline(false)
  await expect.poll(() => connections(lab), { timeout: 40_000 }).toBe(peers)
  // Forty changes of network, two of them believed: a dial or two of each peer for each.
  expect(asked(network) - before).toBeLessThanOrEqual(4 * peers)
})

test('A page that the browser freezes and thaws has lost nothing', async ({ lab, network, context }) => {
  await connect(lab, network)
  const before = asked(network)
  const session = await context.newCDPSession(lab)
  await session.send('Page.setWebLifecycleState', { state: 'frozen' })
  await session.send('Page.setWebLifecycleState', { state: 'active' })
  expect(await searches(lab, network)).toBe('ok')
  expect(await connections(lab)).toBe(peers)
  expect(asked(network)).toBe(before)
})

async function connect(lab: Page, network: GatedNetwork): Promise<void> {
  await lab.evaluate(
    (bootstrap) => window.lab.start('one', { bootstrap, relay: false, worker: '/worker-watched.js' }).then(() => undefined),
    network.addresses,
  )
  await expect.poll(() => connections(lab)).toBe(peers)
}

function connections(lab: Page): Promise<number> {
  return lab.evaluate(async () => (await window.lab.client('one').status()).connections)
}

/** Every peer was dialed once more, hardly more often, and is there. */
async function reconnected(lab: Page, network: GatedNetwork, before: number): Promise<void> {
  await expect.poll(() => asked(network) - before, { timeout: 30_000 }).toBeGreaterThanOrEqual(peers)
  await expect.poll(() => connections(lab), { timeout: 30_000 }).toBe(peers)
  expect(asked(network) - before).toBeLessThanOrEqual(2 * peers)
}

async function searches(lab: Page, network: GatedNetwork): Promise<string> {
  const ended = await lab.evaluate(
    (id) => window.lab.outcome(window.lab.collect(window.lab.client('one').getClosestPeers(id))),
    network.ids[0] ?? '',
  )
  return ended.ok ? 'ok' : ended.code
}

function become(network: GatedNetwork, state: GateState): void {
  for (const gate of network.gates) gate.become(state)
}

function asked(network: GatedNetwork): number {
  return network.gates.reduce((sum, gate) => sum + gate.asked(), 0)
}
