import { withAmino } from 'amino-worker/helia'
import { createHeliaLight } from 'helia'
import { arrival, begin, type Contestant } from './visit.ts'

/** The same in Helia with our client: what a dapp would change. */

const { bootstrap, storage, first } = arrival()

async function start(): Promise<Contestant> {
  const helia = await withAmino(createHeliaLight(), { bootstrap, storage, allowPrivateAddresses: true }).start()
  return {
    findProviders: (cid, signal) => helia.routing.findProviders(cid, { signal }),
    blocks: helia.blockstore,
    session: (root) => helia.blockstore.createSession(root),
    stop: async () => void (await helia.stop()),
  }
}

begin(start, first)
