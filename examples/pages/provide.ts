import { type AminoClient, createAminoClient } from 'amino-worker'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { localSwarm, run, say } from './swarm.ts'

/** Content that is born in a page: stored there, provided to the network, and fetched by somebody else from this very page. */

await run(async () => {
  const { options } = await localSwarm()
  const author = await createAminoClient(options)
  const bytes = new TextEncoder().encode(`Written in a browser at ${new Date().toISOString()}`)
  const cid = CID.createV1(raw.code, await sha256.digest(bytes))
  await author.putBlock(cid, bytes)

  // A relay lends this page an address at which others can reach it.
  say(`Others reach this page at ${await firstAddress(author)}`)
  const { stored, targeted, undialable } = await author.provide(cid)
  say(`${stored} of ${targeted} peers hold the record now (${undialable} cannot be dialed from a browser).`)

  const reader = await createAminoClient(options)
  for await (const provider of reader.findProviders(cid, { limit: 1 })) {
    const block = await reader.getBlock(cid, { providers: [provider], signal: AbortSignal.timeout(30_000) })
    say(`Fetched from ${provider.id === author.peerId ? 'the author' : provider.id}: ${new TextDecoder().decode(block.bytes)}`)
  }

  await Promise.all([author.stop(), reader.stop()])
})

async function firstAddress(client: AminoClient): Promise<string> {
  for (;;) {
    const [address] = (await client.status()).addresses
    if (address !== undefined) return address
    await new Promise((wake) => client.addEventListener('addresses', wake, { once: true }))
  }
}
