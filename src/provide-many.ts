import type { ProvidingReply, ProvidingRequest } from '../worker/contract/service.ts'
import { cidBytes } from './arguments.ts'
import { abortedError } from './errors.ts'
import type { CidInput, ProvideManyOptions } from './types.ts'

/** CIDs in one message to the Worker: some 20 KB, and one transaction. */
const portionMax = 512

/** Hands CIDs to the Worker by portions, each when the last one is stored. */
export async function provideMany(
  cids: Iterable<CidInput> | AsyncIterable<CidInput>,
  options: ProvideManyOptions,
  send: (request: ProvidingRequest) => Promise<ProvidingReply>,
): Promise<{ given: number; added: number; removed: number }> {
  const { signal, onProgress } = options
  const replacement = options.replace === true ? Date.now() : undefined
  const counts = { given: 0, added: 0, removed: 0 }
  let portion: Uint8Array[] = []
  const sendPortion = async (): Promise<void> => {
    const { changed } = await send({ type: 'add', cids: portion, replacement })
    counts.given += portion.length
    counts.added += changed
    portion = []
    onProgress?.({ given: counts.given, added: counts.added })
  }
  for await (const cid of cids) {
    if (signal?.aborted === true) throw abortedError(signal)
    portion.push(cidBytes(cid))
    if (portion.length === portionMax) await sendPortion()
  }
  if (portion.length > 0) await sendPortion()
  if (replacement !== undefined) counts.removed = (await send({ type: 'replaced', replacement })).changed
  return counts
}
