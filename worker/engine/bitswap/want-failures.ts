import { limits } from '../limits.ts'
import type { Failure } from '../query.ts'
import type { Want } from './want.ts'

/** Why a want failed, in sentences for the page. */

export const sessionNotOpen: Failure = {
  code: 'invalid-argument',
  message: `The session is not open, or more than ${limits.sessionsMax.value} were. Open a session first, close those not needed.`,
}
export const sessionClosed: Failure = { code: 'aborted', message: 'The session of this want was closed.' }
export const tooManyWants: Failure = {
  code: 'too-many-queries',
  message: `More than ${limits.wantsMax.value} blocks are wanted at once. Wait for some of them, or cancel some.`,
}

/** Where nobody could be asked at all, "not found" would say more than we know: then the search's own failure is told. */
export function notFound(want: Want): Failure {
  const { connected, providers } = tally(want)
  if (connected + providers > 0) {
    const message = `None of the ${connected} connected peers asked has this block; ${providers} peers were said to provide it. Try again later.`
    return { code: 'not-found', message }
  }
  if (want.searchFailure?.code === 'no-peers') return want.searchFailure
  return { code: 'not-found', message: 'No peer is connected, and the search found nobody who provides this block.' }
}

export function timedOut(want: Want): Failure {
  const { connected } = tally(want)
  const message = `No block arrived for ${limits.wantOverallTimeoutMs.value / 1000} s; ${connected} peers were asked. Try again later.`
  return { code: 'timeout', message }
}

/** How many connected peers and how many providers the want knew. */
export function tally(want: Want): { readonly connected: number; readonly providers: number } {
  let connected = 0
  let providers = 0
  for (const { link, isProvider } of want.peers.values()) {
    if (link !== undefined) connected++
    if (isProvider) providers++
  }
  return { connected, providers }
}
