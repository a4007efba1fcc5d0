import type { ErrorCode } from '../../contract/errors.ts'
import { limits } from '../../engine/limits.ts'
import type { PeerInfo } from '../../engine/peer.ts'
import type { CallContext } from '../amino-service.ts'
import { ServiceError } from '../service-error.ts'
import type { Sources } from './sources.ts'

export interface RoutedWant<Result> {
  readonly sources: Sources
  readonly multihash: Uint8Array
  readonly providers: readonly PeerInfo[]
  readonly context: CallContext
  /** Wants of one block share a search: another one, which is a part of the first, only brings further peers into it. */
  readonly want: (providers: readonly PeerInfo[], context: CallContext, isPart?: boolean) => Promise<Result>
}

/**
 * A want whose providers are looked for at the routers too: in a race after a moment, in which blocks of peers that we
 * know mostly arrive; as a fallback when the want has failed.
 */
export async function wantWithRouters<Result>(init: RoutedWant<Result>): Promise<Result> {
  const { sources, multihash, providers, context, want } = init
  if (sources.mode === 'race') return raced(init)
  try {
    return await want(providers, context)
  } catch (error) {
    if (!(error instanceof ServiceError) || !unfound.has(error.plain.code)) throw error
    const found: PeerInfo[] = []
    for await (const info of sources.providersToAsk(multihash, context.signal)) found.push(info)
    if (found.length === 0) throw error
    return want(found, context)
  }
}

/** Whatever else has ended the want would end another one, too. */
const unfound: ReadonlySet<ErrorCode> = new Set(['not-found', 'no-peers', 'timeout'])

async function raced<Result>({ sources, multihash, providers, context, want }: RoutedWant<Result>): Promise<Result> {
  const ended = new AbortController()
  const joining: CallContext = { signal: AbortSignal.any([context.signal, ended.signal]), onProgress: undefined }
  const join = async (): Promise<void> => {
    // Each may fail alone: the want itself tells.
    for await (const info of sources.providersToAsk(multihash, joining.signal)) want([info], joining, true).catch(() => {})
  }
  const timer = setTimeout(() => void join(), limits.delegatedWantDelayMs.value)
  try {
    return await want(providers, context)
  } finally {
    clearTimeout(timer)
    ended.abort()
  }
}
