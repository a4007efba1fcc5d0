import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import { backoffMs } from './breakers.ts'

/**
 * Failures after which the same peer is worth another try within the same query, by what went wrong. A fixed delay for
 * all would be too long for a stream that broke and too short for a crowd to go.
 *
 * `stream`: it was reset, the connection stands. `connection`: it is gone and must be dialed. `congestion`: we ourselves
 * had no place. All else (refused, silent, malformed, unsupported) will not be better in a moment: for that are breakers.
 */
export type TransientFailure = 'stream' | 'connection' | 'congestion'

/** How long to wait before try number `tries` + 1, 1 to 100 ms; `undefined` when it was tried often enough. */
export function retryDelayMs(failure: TransientFailure, tries: number): Millis | undefined {
  const { firstMs, triesMax } = rules[failure]
  return tries >= triesMax ? undefined : backoffMs(tries, firstMs, limits.retryDelayMaxMs.value)
}

const rules: Readonly<Record<TransientFailure, { readonly firstMs: Millis; readonly triesMax: number }>> = {
  stream: { firstMs: limits.streamRetryMs.value, triesMax: limits.transientRetriesMax.value },
  connection: { firstMs: limits.connectionRetryMs.value, triesMax: limits.transientRetriesMax.value },
  congestion: { firstMs: limits.congestionRetryMs.value, triesMax: limits.congestionRetriesMax.value },
}
