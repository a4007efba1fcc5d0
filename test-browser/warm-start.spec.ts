import type { Page } from '@playwright/test'
import { expect, labReady, test } from './support/fixtures.ts'
import { closedAddress, openSilentHost } from './support/silent-host.ts'
import { sampleNamed, type StageInfo } from './support/stage-info.ts'
import { blockOf } from './support/strangers.ts'

const storage = 'warm-start'

test('A second visit without any bootstrapper starts warm and finds providers through the kept routing table', async ({
  lab,
  stage,
}) => {
  const first = await visit(lab, stage, stage.bootstrap)
  expect(first).toMatchObject({ start: 'cold', mode: 'indexeddb' })
  await learned(lab)
  await comeBack(lab)
  const second = await visit(lab, stage, [])
  expect(second).toMatchObject({ start: 'warm', mode: 'indexeddb' })
  expect(second.providers).toEqual(first.providers)
})

test('A second visit whose bootstrapper never answers uses the kept routing table meanwhile', async ({ lab, stage }) => {
  await visit(lab, stage, stage.bootstrap)
  await learned(lab)
  await comeBack(lab)
  const silent = await openSilentHost()
  try {
    const second = await visit(lab, stage, [silent.address, await closedAddress()])
    expect(second.start).toBe('warm')
    expect(second.providers).toEqual([...sampleNamed(stage, 'note').providerIds].toSorted())
  } finally {
    await silent.close()
  }
})

test('A reload without stopping starts warm too', async ({ lab, stage }) => {
  await visit(lab, stage, stage.bootstrap)
  await learned(lab)
  await expect.poll(() => storedEntries(lab)).toBeGreaterThan(0)
  await lab.reload()
  await labReady(lab)
  expect(await visit(lab, stage, [])).toMatchObject({ start: 'warm' })
})

test('A kept identity and kept blocks are there after a reload; a fresh identity is another one', async ({ lab }) => {
  const { cid, bytes } = blockOf('kept over a reload')
  const first = await identityAndBlock(lab, 'kept', cid, bytes)
  await comeBack(lab)
  expect(await identityAndBlock(lab, 'kept', cid)).toEqual({ ...first, had: true })
  await comeBack(lab)
  expect((await identityAndBlock(lab, 'fresh', cid)).peerId).not.toBe(first.peerId)
})

async function identityAndBlock(lab: Page, identity: 'kept' | 'fresh', cid: string, put?: Uint8Array) {
  return lab.evaluate(
    async (given) => {
      const client = await window.lab.start('one', { bootstrap: [], storage: given.name, identity: given.identity })
      const had = await client.hasBlock(given.cid)
      if (given.put !== undefined) await client.putBlock(given.cid, Uint8Array.from(given.put))
      return { peerId: client.peerId, had }
    },
    { name: storage, identity, cid, put: put === undefined ? undefined : Array.from(put) },
  )
}

async function visit(lab: Page, stage: StageInfo, bootstrap: readonly string[]) {
  return lab.evaluate(
    async ({ name, addresses, cid }) => {
      const client = await window.lab.start('one', { bootstrap: addresses, storage: name })
      const providers = await window.lab.collect(client.findProviders(cid))
      const { storage: kept } = await client.status()
      return { start: client.start, mode: kept.mode, providers: providers.map((provider) => provider.id).toSorted() }
    },
    { name: storage, addresses: bootstrap, cid: sampleNamed(stage, 'note').cid },
  )
}

/** Until the table holds enough of the swarm to go on with. */
async function learned(lab: Page): Promise<void> {
  const size = () => lab.evaluate(async () => (await window.lab.client('one').status()).kad.tableSize)
  await expect.poll(size).toBeGreaterThanOrEqual(10)
}

async function comeBack(lab: Page): Promise<void> {
  await lab.evaluate(() => window.lab.client('one').stop())
  await lab.reload()
  await labReady(lab)
}

/** What the client has written so far, in all object stores of its database. */
function storedEntries(lab: Page): Promise<number> {
  return lab.evaluate(async (name) => {
    const settled = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result)
        request.onerror = () => reject(request.error)
      })
    const database = await settled(indexedDB.open(name))
    const table = [...database.objectStoreNames].find((store) => store.includes('table')) ?? ''
    const entries = await settled(database.transaction(table).objectStore(table).count())
    database.close()
    return entries
  }, storage)
}
