import type { AminoClient } from 'amino-worker'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import type { ProvideResult } from './results.ts'
import { count, milliseconds } from './words.ts'

const rawCodec = 0x55

/** Keeps the text as a raw block, tells the network so, and says in words how far the record got. */
export async function provideText(
  client: AminoClient,
  text: string,
  signal: AbortSignal,
): Promise<{ result: ProvideResult; words: string }> {
  const block = new TextEncoder().encode(text)
  const cid = CID.createV1(rawCodec, await sha256.digest(block))
  const begunAt = performance.now()
  await client.putBlock(cid, block, { signal })
  const { targeted, stored, undialable, failed } = await client.provide(cid, { signal })
  const words = [`Stored with ${stored} of ${count(targeted, 'peer')} in ${milliseconds(performance.now() - begunAt)}.`]
  if (undialable > 0) words.push(`${undialable} cannot be reached from a browser.`)
  if (failed > 0) words.push(`${failed} did not answer.`)
  return { result: { cid: cid.toString(), targeted, stored, undialable, failed }, words: words.join(' ') }
}
