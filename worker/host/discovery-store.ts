import type { DiscoveryMemory, StoredPeer } from '../engine/bitswap/contract.ts'
import type { StoredTally } from '../engine/bitswap/ranking.ts'
import type { EngineEvent } from '../engine/contract.ts'
import { limits } from '../engine/limits.ts'
import type { Address } from '../engine/peer.ts'
import { isPeerId } from '../wire/peer-id.ts'
import type { AddressPolicy } from './addresses.ts'
import type { Store } from './store/store.ts'

/**
 * What Bitswap learned about whom to ask (ranking, latencies, registry), from one visit to the next. What comes back from a
 * disk is checked like what comes from the network: a row that has not the form it should have is left out, or all of it.
 */

/** Wall-clock milliseconds, for what has no meaning in a next visit's monotonic time. */
interface Stored {
  readonly savedAt: number
  readonly memory: DiscoveryMemory
}

const parts = ['ranking', 'latencies', 'registry'] as const satisfies readonly DiscoveryMemory['part'][]

export function persistDiscovery(store: Store, memory: DiscoveryMemory): void {
  const stored: Stored = { savedAt: Date.now(), memory }
  store.putLearned(memory.part, stored)
}

/**
 * Before the first want. What others wanted leaves the disk, too, after a day, and at once for who does not listen to wants
 * any more.
 */
export async function restoreDiscovery(
  store: Store,
  policy: AddressPolicy,
  listenToWants: boolean,
  dispatch: (event: EngineEvent) => void,
): Promise<void> {
  for (const part of parts) {
    const stored = (await store.learned(part)) as Partial<Stored> | undefined
    if (part === 'registry' && !listenToWants) {
      if (stored !== undefined) store.putLearned(part, undefined)
      continue
    }
    const parsed = parseMemory(stored?.memory, policy)
    const savedAt = stored?.savedAt
    if (parsed === undefined || !isCount(savedAt)) continue
    const agoMs = Math.max(0, Date.now() - savedAt)
    const memory = parsed.part === 'registry' ? withoutOldSigns(parsed, agoMs) : parsed
    if (memory !== parsed) store.putLearned(part, { savedAt, memory } satisfies Stored)
    dispatch({ type: 'discovery-restored', memory, agoMs })
  }
}

/** The same if none is too old. */
function withoutOldSigns(memory: RegistryMemory, agoMs: number): RegistryMemory {
  const isYoung = ({ ageMs }: { ageMs: number }): boolean => agoMs + ageMs <= limits.registryCacheTimeMaxMs.value
  if (memory.cids.every(({ signs }) => signs.every(isYoung))) return memory
  const cids = memory.cids.map(({ key, signs }) => ({ key, signs: signs.filter(isYoung) }))
  return { ...memory, cids: cids.filter(({ signs }) => signs.length > 0) }
}

type RegistryMemory = Extract<DiscoveryMemory, { part: 'registry' }>

/** Undefined for anything that is not what `persistDiscovery` wrote. */
export function parseMemory(value: unknown, policy: AddressPolicy): DiscoveryMemory | undefined {
  const memory = value as DiscoveryMemory | undefined
  switch (memory?.part) {
    case 'latencies': {
      const samples = listOf(memory.samples, limits.latencySamplesMax.value)
      const sound = samples.filter((pair) => Array.isArray(pair) && isCount(pair[0]) && isCount(pair[1]))
      return { part: 'latencies', samples: sound }
    }
    case 'ranking': {
      const contexts = listOf(memory.contexts, limits.contextsMax.value + 1).flatMap((context) => {
        if (context?.scores === undefined || !['undefined', 'string'].includes(typeof context.name)) return []
        const scores = listOf(context.scores, limits.rankedPeersMax.value)
        return [{ name: context.name, scores: scores.filter((score) => isCount(score?.peer) && isTally(score)) }]
      })
      if (!isTally(memory.strangers)) return undefined
      return { part: 'ranking', strangers: memory.strangers, contexts, peers: peersOf(memory.peers, policy) }
    }
    case 'registry': {
      const cids = listOf(memory.cids, limits.registryCidsStoredMax.value).flatMap((entry) => {
        if (!(entry?.key instanceof Uint8Array) || entry.key.length > limits.cidBytesMax.value) return []
        const signs = listOf(entry.signs, limits.registryPeersPerCidMax.value).filter(
          (sign) => isCount(sign?.peer) && isCount(sign.ageMs) && (sign.grade === 'weak' || sign.grade === 'strong'),
        )
        return [{ key: entry.key, signs }]
      })
      if (!isCount(memory.cacheTimeMs)) return undefined
      return { part: 'registry', cacheTimeMs: memory.cacheTimeMs, cids, peers: peersOf(memory.peers, policy) }
    }
    default:
      return undefined
  }
}

/** Peers are referred to by index, so a bad one leaves its place empty. What can be dialed is decided anew. */
function peersOf(value: unknown, policy: AddressPolicy): (StoredPeer | undefined)[] {
  const peersMax = (limits.contextsMax.value + 1) * limits.rankedPeersMax.value
  const peers = listOf(
    value as readonly StoredPeer[],
    Math.max(peersMax, limits.registryCidsStoredMax.value * limits.registryPeersPerCidMax.value),
  )
  return peers.map((peer) => {
    if (!(peer?.id instanceof Uint8Array) || !isPeerId(peer.id)) return undefined
    const addresses = listOf(peer.addresses, limits.addressesPerPeerMax.value).flatMap((address): Address[] => {
      if (!(address?.bytes instanceof Uint8Array)) return []
      const judged = policy(address.bytes)
      return judged === undefined ? [] : [judged]
    })
    return { id: peer.id, addresses }
  })
}

function listOf<T>(value: readonly T[] | undefined, max: number): readonly T[] {
  return Array.isArray(value) ? value.slice(0, max) : []
}

function isTally(value: StoredTally | undefined): value is StoredTally {
  const { past = { served: 0, asked: 0 } } = value ?? {}
  const areSlices = [value?.slices, value?.asks].every((slices) => Array.isArray(slices) && slices.every(isCount))
  return areSlices && isCount(past?.served) && isCount(past.asked)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}
