import type { CallOptions, QueryOptions } from './types.ts'

/** What the calls that provide take and give. */

export interface ProvideManyOptions extends CallOptions {
  /** What was kept before and is not among these goes, when all of them have come. Until then nothing is missing. Default: `false`. */
  readonly replace?: boolean | undefined
  /** After each portion. */
  readonly onProgress?: ((progress: Omit<ProvideManyResult, 'removed'>) => void) | undefined
}

export interface ProvideManyResult {
  /** CIDs that were taken from the iterable. */
  readonly given: number
  /** Those of them that were not kept before. */
  readonly added: number
  /** Those with the identity hash: their content is in them, so that nobody is told, and they are not kept. */
  readonly skipped: number
  /** What a replacement has removed. */
  readonly removed: number
}

export interface ProvideOptions extends QueryOptions {
  /**
   * `classic`: search, then store with the 20 nearest peers. `optimistic`: store while searching, stop as soon as peers are
   * as near as the size of the network lets expect, and answer when three quarters are done; much faster, and what is
   * `pending` then is still stored. Without an estimate of the size (`status().kad.networkSize`) it works as `classic`.
   * Default: `classic`.
   */
  readonly mode?: 'classic' | 'optimistic' | undefined
}
