import type { ProbeOutcome } from '../../worker/engine/bitswap/contract.ts'

/** What one request cost and brought. */
export interface Measured {
  readonly isFound: boolean
  /** By peers that were connected, without the DHT. */
  readonly isByBitswap: boolean
  readonly latencyMs: number
  readonly messages: Messages
  /** Rank of the peer that sent it. */
  readonly servedBy: number | undefined
  readonly dhtMessages: number
  /** What the selfish checker found; undefined if there was nobody to check, or no reason to. */
  readonly checked: ProbeOutcome | undefined
}

/** As the report counts them: one for each CID in a message. */
export interface Messages {
  wantHave: number
  wantBlock: number
  cancel: number
  have: number
  dontHave: number
  block: number
}

export function noMessages(): Messages {
  return { wantHave: 0, wantBlock: 0, cancel: 0, have: 0, dontHave: 0, block: 0 }
}

export function totalOf(messages: Messages): number {
  return Object.values(messages).reduce((sum: number, count: number) => sum + count, 0)
}
