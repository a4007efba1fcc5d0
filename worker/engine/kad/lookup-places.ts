import { limits } from '../limits.ts'
import { type Candidate, isPromptDial } from './candidates.ts'

/** Dials and requests that a lookup may begin now. */
export interface Places {
  dials: number
  requests: number
}

/**
 * No dial is begun for a peer that would then only wait for a request place. A connected peer that nearer ones have pushed out of the
 * k nearest waits for none: it must not keep those from being dialed. `topical`: those that the lookup works on.
 */
export function freePlaces(topical: readonly Candidate[], inFlight: Iterable<Candidate>, requestsMax: number): Places {
  const ready = topical.filter(({ state }) => state.type === 'ready').length
  let [prompt, dialing, waiting, slow] = [0, 0, 0, 0]
  for (const { state } of inFlight) {
    if (state.type === 'dialing') dialing++
    if (isPromptDial(state)) prompt++
    else if (state.type === 'waiting') waiting++
    else if (state.type === 'slow') slow++
  }
  const requests = slow >= limits.lookupSlowMax.value ? 0 : requestsMax - waiting
  const dials = Math.min(limits.lookupDialsMax.value - prompt, limits.lookupDialsTotalMax.value - dialing)
  return { requests, dials: ready < requests ? dials : 0 }
}
