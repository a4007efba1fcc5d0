import { createAminoClient } from 'amino-worker'
import { localSwarm, run, say } from './swarm.ts'

/** The client alone: who has it, and then the block itself. */

await run(async () => {
  const { options, cidOf } = await localSwarm()
  const client = await createAminoClient(options)
  const cid = cidOf('note')

  for await (const provider of client.findProviders(cid, { limit: 5 })) {
    say(`${provider.id} has it, said ${provider.from} after ${Math.round(provider.elapsedMs)} ms`)
  }
  const { bytes, from } = await client.getBlock(cid, { signal: AbortSignal.timeout(30_000) })
  say(`From ${from}: ${new TextDecoder().decode(bytes)}`)

  await client.stop()
})
