import { assert, unreachable } from '../assert.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'

/**
 * Where a want stands.
 *
 *   loading ──missed, time up──▶ seeking ──exhausted──▶ waning ──time up──▶ failed not-found
 *      │                            ▲  └──stalled──▶ failed timeout │
 *      │                            └───────── revived ─────────────┘
 *      └──────────── block, from any stage ──▶ done
 */
export type WantStage =
  /** The store is asked first. */
  | { readonly type: 'loading'; readonly until: Millis }
  /** Somebody is being asked, dialed or searched for. */
  | { readonly type: 'seeking' }
  /** Nobody is left; late answers and new connections still count. */
  | { readonly type: 'waning'; readonly until: Millis }
  | { readonly type: 'failed'; readonly code: 'not-found' | 'timeout' }
  /** The block came, or nobody wants it any more. */
  | { readonly type: 'done' }

export type WantStageEvent = 'missed' | 'time-up' | 'exhausted' | 'revived' | 'stalled' | 'ended'

export function nextStage(stage: WantStage, event: WantStageEvent, now: Millis): WantStage {
  switch (stage.type) {
    case 'loading':
      assert(event !== 'exhausted' && event !== 'revived', 'nobody is asked before the store')
      if (event === 'ended') return { type: 'done' }
      return event === 'stalled' ? { type: 'failed', code: 'timeout' } : { type: 'seeking' }
    case 'seeking':
      if (event === 'ended') return { type: 'done' }
      if (event === 'stalled') return { type: 'failed', code: 'timeout' }
      return event === 'exhausted' ? { type: 'waning', until: now + limits.notFoundGraceMs.value } : stage
    case 'waning':
      if (event === 'ended') return { type: 'done' }
      if (event === 'stalled') return { type: 'failed', code: 'timeout' }
      if (event === 'revived') return { type: 'seeking' }
      return event === 'time-up' ? { type: 'failed', code: 'not-found' } : stage
    case 'failed':
    case 'done':
      return stage
    default:
      return unreachable(stage)
  }
}
