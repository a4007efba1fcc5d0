import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import { isDue, type Millis } from '../machine.ts'
import type { Address, Peer, PeerInfo } from '../peer.ts'
import { mergeAddresses } from '../addresses.ts'
import { compareRanks } from './ranks.ts'
import type { KadRecord } from './message.ts'

/**
 * What a server holds for others: provider records and values, each for 48 hours, the addresses of providers for 24.
 * Bounded in every way: the content provided longest ago goes first, and the value stored longest ago. In memory: who
 * provides does it again every 22 hours, and others hold the same records.
 */
export class RecordStore {
  readonly #contents = new BytesMap<BytesMap<Provider>>()
  readonly #values = new BytesMap<StoredValue>()
  #providers = 0

  /** Provider records, and values. */
  counts(): { providers: number; values: number } {
    return { providers: this.#providers, values: this.#values.size }
  }

  addProvider(multihash: Uint8Array, peer: Peer, addresses: readonly Address[], now: Millis): void {
    const providers = this.#contents.get(multihash) ?? new BytesMap<Provider>()
    // Deleted first, so that what the bounds push out is the oldest.
    this.#contents.delete(multihash)
    this.#contents.set(multihash, providers)
    if (providers.delete(peer.id)) this.#providers--
    providers.set(peer.id, { peer, addresses: mergeAddresses([], addresses), at: now })
    this.#providers++
    if (providers.size > limits.serverProvidersPerKeyMax.value && providers.shift() !== undefined) this.#providers--
    while (this.#providers > limits.serverProvidersMax.value) this.#forgetOldestContent()
  }

  providersOf(multihash: Uint8Array, now: Millis): PeerInfo[] {
    const found: PeerInfo[] = []
    for (const { peer, addresses, at } of this.#contents.get(multihash)?.values() ?? []) {
      if (isDue(at, limits.serverRecordAgeMs.value, now)) continue
      const isFresh = !isDue(at, limits.serverProviderAddressAgeMs.value, now)
      found.push({ peer, addresses: isFresh ? addresses : [] })
    }
    return found
  }

  value(key: Uint8Array, now: Millis): KadRecord | undefined {
    const stored = this.#values.get(key)
    return stored === undefined || isDue(stored.at, limits.serverRecordAgeMs.value, now) ? undefined : stored.record
  }

  /** A valid value. Returns whether it is held now: one that is older than what we have is not. */
  putValue(record: KadRecord, rank: readonly bigint[], now: Millis): boolean {
    const held = this.#values.get(record.key)
    const isCurrent = held !== undefined && this.value(record.key, now) !== undefined
    if (isCurrent && compareRanks(rank, held.rank) < 0) return false
    this.#values.delete(record.key)
    this.#values.set(record.key, { record, rank, at: now })
    if (this.#values.size > limits.serverValuesMax.value) this.#values.shift()
    return true
  }

  dropExpired(now: Millis): void {
    const isOver = ({ at }: { at: Millis }) => isDue(at, limits.serverRecordAgeMs.value, now)
    for (const [key, stored] of [...this.#values.entries()]) if (isOver(stored)) this.#values.delete(key)
    for (const [multihash, providers] of [...this.#contents.entries()]) {
      for (const [id, provider] of [...providers.entries()]) if (isOver(provider) && providers.delete(id)) this.#providers--
      if (providers.size === 0) this.#contents.delete(multihash)
    }
  }

  #forgetOldestContent(): void {
    this.#providers -= this.#contents.shift()?.[1].size ?? 0
  }
}

interface Provider {
  readonly peer: Peer
  readonly addresses: readonly Address[]
  readonly at: Millis
}

interface StoredValue {
  readonly record: KadRecord
  readonly rank: readonly bigint[]
  readonly at: Millis
}
