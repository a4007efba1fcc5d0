import type { Machine, Tick } from '../../worker/engine/machine.ts'

/**
 * A rival lookup: who is asked next, and when it ends, and nothing else. Peers are ranks of servers. `ask` means connect,
 * if necessary, and ask; it is settled by one `answered` or `failed`, unless `stop-asking` withdraws it.
 */
export interface LookupRule extends Machine<RuleEvent, RuleEffect> {
  readonly hasEnded: boolean
  /** The k nearest it would tell of, nearest first. */
  result(): readonly number[]
}

export type RuleEvent =
  | Tick
  | { readonly type: 'seeds'; readonly servers: readonly number[] }
  | { readonly type: 'answered'; readonly server: number; readonly closer: readonly number[] }
  | { readonly type: 'failed'; readonly server: number }

export type RuleEffect =
  | { readonly type: 'ask'; readonly server: number }
  | { readonly type: 'stop-asking'; readonly server: number }
  | { readonly type: 'ended' }

/** What a rule knows of the world: distances, and which addresses it could dial. */
export interface RuleWorld {
  /** Negative if `a` is nearer to the target. */
  compare(a: number, b: number): number
  isDialable(server: number): boolean
}
