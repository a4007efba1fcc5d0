import { type AminoClient, createAminoClient } from 'amino-worker'
import { offer } from './contestant.ts'

let client: AminoClient

offer({
  async start(bootstrap) {
    client = await createAminoClient({ bootstrap, storage: 'bench', allowPrivateAddresses: true })
  },
  async connect(peers) {
    // An empty raw block: everybody denies it.
    const nothing = 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'
    await Promise.all(peers.map((peer) => client.probe(nothing, { id: peer.id, multiaddrs: [...peer.multiaddrs] })))
  },
  async request(cid) {
    await client.getBlock(cid)
  },
  async fetch(way, root, leaves, got) {
    if (way === 'getBlocks') {
      await client.getBlock(root)
      for await (const block of client.getBlocks(leaves)) if (block.bytes.length > 0) got()
      return
    }
    const session = way === 'session' ? await client.createSession(root) : undefined
    const get = (cid: string) => (session === undefined ? client.getBlock(cid) : session.getBlock(cid))
    await get(root)
    await Promise.all(leaves.map((cid) => get(cid).then(got)))
    await session?.close()
  },
})
