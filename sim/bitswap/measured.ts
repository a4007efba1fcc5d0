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
