import 'fake-indexeddb/auto'
import { test } from 'node:test'
import { IDBFactory } from 'fake-indexeddb'
import { createStore } from '../../../worker/host/store/store.ts'
import { type OpenStore, storeCases } from '../../support/store-contract.ts'
import { ManualPlatform } from '../../support/store-platform.ts'

const onLost = (reason: string): void => {
  throw new Error(`nothing should have been lost: ${reason}`)
}

const inMemory: OpenStore = (blockBytesMax) =>
  createStore({ name: undefined, blockBytesMax, onLost, platform: new ManualPlatform(undefined) })

const onDisk: OpenStore = (blockBytesMax) =>
  createStore({ name: 'contract', blockBytesMax, onLost, platform: new ManualPlatform(new IDBFactory()) })

for (const { title, run } of storeCases) {
  test(`in memory: ${title}`, () => run(inMemory))
  test(`in IndexedDB: ${title}`, () => run(onDisk))
}
