import { createAminoClient } from 'amino-worker'
import { aminoContentRouting, aminoPeerRouting } from 'amino-worker/libp2p'
import { peerIdFromString } from '@libp2p/peer-id'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'

/** A page with a libp2p of its own, which asks the client where things are. */

export const libp2pLab = { search }

declare global {
  interface Window {
    libp2pLab: typeof libp2pLab
  }
}

window.libp2pLab = libp2pLab

async function search(bootstrap: readonly string[], content: string, peer: string) {
  const client = await createAminoClient({ bootstrap, storage: false, allowPrivateAddresses: true })
  const errors: string[] = []
  const options = { onError: (error: unknown) => void errors.push(String(error)) }
  const libp2p = await createLibp2p({
    addresses: { listen: [] },
    contentRouters: [aminoContentRouting(client, options)],
    peerRouters: [aminoPeerRouting(client, options)],
  })
  const providers: string[] = []
  for await (const { id, multiaddrs } of libp2p.contentRouting.findProviders(CID.parse(content))) {
    if (multiaddrs.length > 0) providers.push(id.toString())
  }
  const found = await libp2p.peerRouting.findPeer(peerIdFromString(peer))
  let closest = 0
  for await (const { id } of libp2p.peerRouting.getClosestPeers(new TextEncoder().encode('any key'))) if (id) closest++
  await libp2p.stop()
  await client.stop()
  return { providers, addresses: found.multiaddrs.map(String), closest, errors }
}
