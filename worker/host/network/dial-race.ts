import type { TransportName } from '../../contract/service.ts'
import { limits } from '../../engine/limits.ts'
import type { DialStep } from './dial-plan.ts'

export interface DialRaceInit<Target, Result> {
  readonly steps: readonly DialStep<Target>[]
  readonly signal: AbortSignal
  readonly dial: (target: Target, signal: AbortSignal) => Promise<Result>
  /** A connection that was made although another had won. */
  readonly discard: (result: Result) => void
  readonly onFailed: (transport: TransportName) => void
  /** Whether one more attempt may run beside those under way, in all races. */
  readonly mayOverlap: () => boolean
  /** Resolves after a time, or when the signal fires. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>
}

/**
 * Happy eyeballs between transports: the likeliest begins; when it has failed, or has not come within its head start,
 * the next begins beside it. The first connection wins and the others are given up. Rejects when all have failed, with
 * the error of the likeliest, or with the signal's reason.
 *
 *   step 0 ──failed | head start over──▶ step 1 beside it ──…──▶ first success ends all
 */
export async function raceDials<Target, Result>(init: DialRaceInit<Target, Result>): Promise<Won<Result>> {
  const { steps, signal } = init
  const ended = new AbortController()
  const all = AbortSignal.any([signal, ended.signal])
  const errors: unknown[] = []
  const running: Promise<Won<Result> | undefined>[] = []
  let won = false
  try {
    for (const [index, step] of steps.entries()) {
      const attempt = runStep(init, step, all, () => won).then(
        (result) => {
          won = true
          return { transport: step.transport, result }
        },
        (error: unknown) => {
          errors[index] = error
          if (!all.aborted) init.onFailed(step.transport)
          return undefined
        },
      )
      running.push(attempt)
      const next = steps[index + 1]
      const first = next === undefined ? undefined : await firstOf(running, headStart(init, next, all, attempt))
      if (first !== undefined) return first
      if (signal.aborted) break
    }
    const last = await firstOf(running, undefined)
    if (last !== undefined) return last
    signal.throwIfAborted()
    throw errors.find((error) => error !== undefined) ?? new Error('no address')
  } finally {
    ended.abort(new Error('another transport was faster'))
  }
}

export interface Won<Result> {
  readonly transport: TransportName
  readonly result: Result
}

async function runStep<Target, Result>(
  init: DialRaceInit<Target, Result>,
  step: DialStep<Target>,
  signal: AbortSignal,
  isOver: () => boolean,
): Promise<Result> {
  let failure: unknown
  for (const target of step.targets) {
    signal.throwIfAborted()
    try {
      const result = await init.dial(target, signal)
      if (!isOver() && !signal.aborted) return result
      init.discard(result)
    } catch (error) {
      failure ??= error
    }
  }
  throw failure ?? signal.reason
}

/** Until the next may begin: the attempt has failed, or its time is over and there is room for another beside it. */
async function headStart<Target, Result>(
  init: DialRaceInit<Target, Result>,
  next: DialStep<Target>,
  signal: AbortSignal,
  attempt: Promise<unknown>,
): Promise<undefined> {
  const ms = next.transport === 'relay' ? limits.relayStaggerMs.value : limits.dialStaggerMs.value
  const failed = new AbortController()
  const over = attempt.then(() => failed.abort())
  const wait = async (): Promise<void> => {
    do await init.wait(ms, AbortSignal.any([signal, failed.signal]))
    while (!signal.aborted && !failed.signal.aborted && !init.mayOverlap())
  }
  await Promise.race([wait(), over])
  failed.abort()
  return undefined
}

/** The first that gives something; undefined when all have given nothing, or `until` has come before. */
function firstOf<Result>(
  running: readonly Promise<Result | undefined>[],
  until: Promise<undefined> | undefined,
): Promise<Result | undefined> {
  return new Promise((resolve) => {
    let left = running.length
    for (const attempt of running) {
      void attempt.then((result) => {
        left--
        if (result !== undefined || left === 0) resolve(result)
      })
    }
    void until?.then(resolve)
  })
}
