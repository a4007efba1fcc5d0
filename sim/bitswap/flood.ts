import type { Rng } from '../../worker/engine/rng.ts'
import type { Request } from './traffic.ts'
import { noMessages, type Measured } from './measured.ts'

/**
 * The baseline, as Kubo did in 2022: WANT_HAVE to everybody connected, WANT_BLOCK to the first that says HAVE, CANCEL to all
 * that were asked and did not send it. Nothing is learned.
 *
 * Three parameters are fitted to the report's message table, since its text does not explain them: peers with a protocol before
 * 1.2 get a WANT_BLOCK in place of a WANT_HAVE (7.2 a request, 0.73 of which hold the block), and 0.18 of those that said
 * HAVE have the block no more when they are asked for it.
 */
export function flood(request: Request, connected: ReadonlySet<number>, rng: Rng): Measured {
  const messages = noMessages()
  const scale = connected.size / 856
  const holders = [...request.holders].filter(([rank]) => connected.has(rank)).sort((a, b) => a[1] - b[1])
  const legacy = poisson(rng, 7.1 * scale)
  messages.wantHave = connected.size
  messages.wantBlock = legacy
  const [servedBy, tripMs] = holders[0] ?? [undefined, Infinity]
  if (2 * tripMs >= givenUpMs) return failed(messages)
  messages.have = holders.length
  const legacyBlocks = poisson(rng, 0.74)
  const isStale = rng.unit() < 0.18
  if (isStale) messages.dontHave = 1
  messages.wantBlock += isStale ? 2 : 1
  messages.block = 1 + legacyBlocks
  // Who sent the block, and who is on its way to say something, is not told to stop.
  messages.cancel = connected.size - messages.block - messages.have - 0.64
  return { isFound: true, isByBitswap: true, latencyMs: 2 * tripMs, messages, servedBy, dhtMessages: 0, checked: undefined }
}

/** Then the study searched the DHT. */
const givenUpMs = 15_000

function failed(messages: Measured['messages']): Measured {
  messages.cancel = messages.wantHave
  return {
    isFound: false,
    isByBitswap: false,
    latencyMs: givenUpMs,
    messages,
    servedBy: undefined,
    dhtMessages: 0,
    checked: undefined,
  }
}

function poisson(rng: Rng, mean: number): number {
  let count = 0
  for (let left = Math.exp(-mean), product = rng.unit(); product > left; product *= rng.unit()) count++
  return count
}
