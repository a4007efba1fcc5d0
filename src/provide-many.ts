import { CID } from 'multiformats/cid'
import type { ProvidingReply, ProvidingRequest } from '../worker/contract/service.ts'
import { cidBytes, require } from './arguments.ts'
import { tellCaller } from './errors.ts'
import type { AminoClient, CidInput, ProvideManyOptions } from './types.ts'

/** CIDs in one message to the Worker: some 20 KB, and one transaction. */
const portionMax = 512
const identityHash = 0

/** What it needs of the link to the Worker. */
export interface ProvidingLink {
  send(request: ProvidingRequest): Promise<ProvidingReply>
  /** Resolves when the promise has settled; rejects if the call ends before. */
  settled(work: Promise<unknown>): Promise<void>
}

/** Hands CIDs to the Worker by portions, each when the last one is stored. */
export async function provideMany(
  cids: Iterable<CidInput> | AsyncIterable<CidInput>,
  { replace, onProgress }: ProvideManyOptions,
  link: ProvidingLink,
): ReturnType<AminoClient['provideMany']> {
  const replacement = replace === true ? Date.now() : undefined
  const counts = { given: 0, added: 0, skipped: 0, removed: 0 }
  let portion: Uint8Array[] = []
  const sendPortion = async (): Promise<void> => {
    const { changed } = await link.send({ type: 'add', cids: portion, replacement })
    counts.given += portion.length
    counts.added += changed
    portion = []
    const { given, added, skipped } = counts
    tellCaller(() => onProgress?.({ given, added, skipped }))
  }
  const source = iteratorOf(cids)
  let isOver = false
  try {
    for (;;) {
      const next = source.next()
      // A list does not hang, and may have a million: only what comes later is raced.
      if ('then' in next) await link.settled(next)
      const { done, value } = await next
      isOver = done === true
      if (done === true) break
      const cid = cidBytes(value)
      if (CID.decode(cid).multihash.code === identityHash) {
        counts.given++
        counts.skipped++
      } else portion.push(cid)
      if (portion.length === portionMax) await sendPortion()
    }
  } finally {
    // Not waited for: a source that hangs would hang here too.
    if (!isOver) void (async () => source.return?.())().catch(() => {})
  }
  if (portion.length > 0) await sendPortion()
  if (replacement !== undefined) counts.removed = (await link.send({ type: 'replaced', replacement })).changed
  return counts
}

function iteratorOf(cids: Iterable<CidInput> | AsyncIterable<CidInput>): AsyncIterator<CidInput> | Iterator<CidInput> {
  const { [Symbol.asyncIterator]: asynchronous, [Symbol.iterator]: synchronous } = (cids ?? {}) as Iterable<CidInput> &
    AsyncIterable<CidInput>
  require(typeof (asynchronous ?? synchronous) === 'function', 'cids must be an iterable of CIDs.')
  return (asynchronous ?? synchronous).call(cids)
}
