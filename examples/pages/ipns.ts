import { ipns } from '@helia/ipns'
import { withAmino } from 'amino-worker/helia'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'
import { localSwarm, run, say } from './swarm.ts'

/** A name: published by one, resolved by another who knows nothing but the name. */

await run(async () => {
  const { options, cidOf } = await localSwarm()
  const author = await withAmino(createHeliaLight(), options).start()
  const reader = await withAmino(createHeliaLight(), options).start()

  const { publicKey } = await ipns(author).publish('my-page', CID.parse(cidOf('note')))
  const name = publicKey.toCID()
  say(`Published /ipns/${name}`)

  for await (const { value } of ipns(reader).resolve(name, { nocache: true })) {
    say(`Resolved to ${value}`)
    break
  }

  await Promise.all([author.stop(), reader.stop()])
})
