import { withAmino } from 'amino-worker/helia'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'
import { type Contestant, measure, type Task } from './measure.ts'

/** The same in Helia with our client: what a dapp would change. */

const task = JSON.parse(decodeURIComponent(location.hash.slice(1))) as Task

async function start(): Promise<Contestant> {
  const helia = await withAmino(createHeliaLight(), {
    bootstrap: task.bootstrap,
    storage: false,
    allowPrivateAddresses: true,
  }).start()
  return {
    async find(cid) {
      const startedAt = performance.now()
      let firstMs: number | undefined
      let providers = 0
      for await (const found of helia.routing.findProviders(CID.parse(cid), { signal: AbortSignal.timeout(60_000) })) {
        firstMs ??= performance.now() - startedAt
        if (found.multiaddrs.length > 0) providers++
      }
      return { firstMs, endMs: performance.now() - startedAt, providers }
    },
    async block(cid) {
      const startedAt = performance.now()
      for await (const part of helia.blockstore.get(CID.parse(cid), { signal: AbortSignal.timeout(60_000) })) void part
      return performance.now() - startedAt
    },
    stop: async () => void (await helia.stop()),
  }
}

Object.assign(globalThis, { measured: measure(start, task) })
