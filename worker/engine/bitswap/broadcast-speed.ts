import type { BytesMap } from '../bytes-map.ts'
import type { Millis } from '../machine.ts'
import type { Discovery, Later } from './discovery.ts'
import type { WantPeer } from './want-peer.ts'

/**
 * How fast to ask around while answers are awaited. Either a peer that was asked has the block and is only late, or the
 * search is about to name one: then all that is asked meanwhile is in vain. Or somebody has it who was not asked yet: then
 * asking slowly costs time. With v peers a second, late answers that come after m seconds with chance a, and a chance of b
 * that it is among n others, that is
 *
 *   a · v · m  peers asked in vain, and  b · n / (2 · v)  seconds, each worth `peersPerSecond`
 *
 * whose sum is least where v² = peersPerSecond · n · b / (2 · a · m).
 */
export function worthwhileSpeed(
  late: readonly Later[],
  open: { readonly peers: number; readonly share: number },
  peersPerSecond: number,
): number {
  const wasted = late.reduce((sum, { share, byMs }) => sum + (share * byMs) / 1_000, 0)
  return wasted === 0 ? Number.POSITIVE_INFINITY : Math.sqrt((peersPerSecond * open.peers * open.share) / (2 * wasted))
}

/** `among`: the chance that any of those who were asked has it; `late`: that one has, and has not said so yet. */
export function awaitedAnswers(
  asked: BytesMap<WantPeer>,
  discovery: Discovery,
  now: Millis,
): { readonly among: number; readonly late: Later } {
  const chances: { chance: number }[] = []
  let sum = 0
  let silent = 0
  let restMs = 0
  for (const { peer, source, state, askedAt, link } of asked.values()) {
    if (askedAt === undefined || state.type === 'gone' || (state.type === 'denied' && state.by !== 'silence')) continue
    const { ranking } = discovery
    const chance = source === 'provider' ? providerChance : ranking.chance(ranking.get(peer), link?.askedInVain)
    const { share, byMs } = discovery.answersBeyond(now - askedAt)
    chances.push({ chance })
    sum += chance
    silent += chance * share
    restMs += chance * share * byMs
  }
  const among = anyOf(chances)
  if (silent === 0) return { among, late: { share: 0, byMs: 0 } }
  return { among, late: { share: (among * silent) / sum, byMs: restMs / silent } }
}

/** The chance that at least one of them has it. */
export function anyOf(peers: readonly { readonly chance: number }[]): number {
  return 1 - peers.reduce((none, { chance }) => none * (1 - Math.min(chance, chanceMax)), 1)
}

/** Of a peer that the DHT names. */
const providerChance = 0.9
/** Nobody has everything. */
const chanceMax = 0.99
