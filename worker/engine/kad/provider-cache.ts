import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import { isDue, type Millis } from '../machine.ts'
import type { Peer, PeerInfo } from '../peer.ts'

/**
 * Providers that searches found lately, so that the next search for the same content has them at once. Bounded: the
 * content that was found longest ago goes first, at the latest when all of it is too old, and of one content only the
 * latest providers are kept. A search that
 * follows right after one that the cache alone has answered finds nothing here: its caller needs others.
 */
export class ProviderCache {
  readonly #entries = new BytesMap<Entry>()

  get size(): number {
    return this.#entries.size
  }

  /** A search has found it. Providers without addresses are not worth a place. */
  add(multihash: Uint8Array, provider: PeerInfo, from: Peer, now: Millis): void {
    if (provider.addresses.length === 0) return
    const entry = this.#entries.get(multihash) ?? { providers: new BytesMap(), addedAt: now, sufficedAt: undefined }
    entry.addedAt = now
    // Deleted first, so that what the bounds push out is the oldest.
    this.#entries.delete(multihash)
    this.#entries.set(multihash, entry)
    entry.providers.delete(provider.peer.id)
    entry.providers.set(provider.peer.id, { provider, from, at: now })
    if (entry.providers.size > limits.cachedProvidersPerKeyMax.value) entry.providers.shift()
    if (this.#entries.size > limits.providerCacheMax.value) this.#entries.shift()
    this.#dropOld(now)
  }

  #dropOld(now: Millis): void {
    for (const { addedAt } of this.#entries.values()) {
      if (now - addedAt < limits.providerCacheAgeMs.value) return
      this.#entries.shift()
    }
  }

  find(multihash: Uint8Array, now: Millis): readonly CachedProvider[] {
    const entry = this.#entries.get(multihash)
    if (entry === undefined) return []
    if (entry.sufficedAt !== undefined && !isDue(entry.sufficedAt, limits.providerCacheRestMs.value, now)) return []
    return [...entry.providers.values()].filter(({ at }) => !isDue(at, limits.providerCacheAgeMs.value, now))
  }

  /** What `find` gave was all that a search needed. */
  sufficed(multihash: Uint8Array, now: Millis): void {
    const entry = this.#entries.get(multihash)
    if (entry !== undefined) entry.sufficedAt = now
  }
}

export interface CachedProvider {
  readonly provider: PeerInfo
  /** Who named it. */
  readonly from: Peer
  readonly at: Millis
}

interface Entry {
  readonly providers: BytesMap<CachedProvider>
  /** The latest of them. */
  addedAt: Millis
  /** When it last answered a search alone. */
  sufficedAt: Millis | undefined
}
