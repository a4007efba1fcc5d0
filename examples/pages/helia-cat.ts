import { unixfs } from '@helia/unixfs'
import { withAmino } from 'amino-worker/helia'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'
import { localSwarm, run, say } from './swarm.ts'

/** Helia without libp2p: a file of many blocks, read as it comes, and shown. */

await run(async () => {
  const { options, cidOf } = await localSwarm()
  const helia = await withAmino(createHeliaLight(), options).start()

  const parts: Uint8Array[] = []
  for await (const part of unixfs(helia).cat(CID.parse(cidOf('picture')), { signal: AbortSignal.timeout(30_000) })) {
    parts.push(part)
    say(`${part.length} bytes`)
  }
  const picture = new Image()
  picture.src = URL.createObjectURL(new Blob(parts as BlobPart[], { type: 'image/png' }))
  await picture.decode()
  document.body.append(picture)
  say(`A picture of ${picture.naturalWidth} × ${picture.naturalHeight} pixels.`)

  await helia.stop()
})
