import { AminoError } from './index.ts'
import type { StoreResult } from './types.ts'

/** Helia and libp2p have no word for "nobody took it": a call that did nothing must not look like one that did. */
export function requireStored({ stored, targeted, undialable, failed }: StoreResult, what: string): void {
  if (stored > 0) return
  const message = `No peer took the ${what}: of ${targeted} a browser cannot dial ${undialable}, and ${failed} failed. Try again later.`
  throw new AminoError('no-peers', message, { targeted, undialable, failed })
}
