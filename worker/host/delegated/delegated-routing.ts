import { CID } from 'multiformats/cid'
import { decode as decodeMultihash } from 'multiformats/hashes/digest'
import type { DelegatedStatusData } from '../../contract/service.ts'
import { limits } from '../../engine/limits.ts'
import { Breaker } from './breaker.ts'
import { type Fetch, HttpRouter, RouterError, type RouterPeer } from './http-router.ts'
import { SharedSearch } from './shared-search.ts'

/**
 * All delegated routers as one source: asks those that answer, side by side, and remembers what they said, that they
 * knew nothing too. One question is asked once, however many ask it at the same time. Never throws; where every router
 * fails, nothing is found and nothing remembered.
 */

export interface DelegatedInit {
  readonly urls: readonly string[]
  readonly filterAddrs: readonly string[]
  readonly fetch: Fetch
  /** Milliseconds, monotonic. */
  readonly now: () => number
}

export interface DelegatedPeer extends RouterPeer {
  /** URL of the router that named it. */
  readonly router: string
}

interface Source {
  readonly router: HttpRouter
  readonly breaker: Breaker
  running: number
  requests: number
  failures: number
}

interface Kept {
  readonly search: SharedSearch<unknown>
  expiresAt: number
}

const libp2pKeyCodec = 0x72
const rawCodec = 0x55

export class DelegatedRouting {
  readonly #sources: readonly Source[]
  readonly #now: () => number
  /** By question, the least recently asked first. */
  readonly #kept = new Map<string, Kept>()
  #answeredFromCache = 0

  constructor(init: DelegatedInit) {
    this.#now = init.now
    this.#sources = init.urls.map((url) => ({
      router: new HttpRouter(url, init.filterAddrs, init.fetch),
      breaker: new Breaker(),
      running: 0,
      requests: 0,
      failures: 0,
    }))
  }

  providers(multihash: Uint8Array, signal: AbortSignal): AsyncGenerator<DelegatedPeer> {
    return this.#peers(`providers/${cidText(rawCodec, multihash)}`, signal)
  }

  /** The peer itself, with its addresses. */
  peer(id: Uint8Array, signal: AbortSignal): AsyncGenerator<DelegatedPeer> {
    return this.#peers(`peers/${cidText(libp2pKeyCodec, id)}`, signal)
  }

  /** `key`: a multihash. The API has no way to ask for other bytes. */
  closestPeers(key: Uint8Array, signal: AbortSignal): AsyncGenerator<DelegatedPeer> {
    return this.#peers(`dht/closest/peers/${cidText(rawCodec, key)}`, signal)
  }

  /** Records of a name as the routers have them, not yet validated. `id`: multihash bytes. */
  ipns(id: Uint8Array, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const name = cidText(libp2pKeyCodec, id)
    return this.#ask<Uint8Array>(`ipns/${name}`, signal, async (router, stop, found) => {
      const record = await router.ipns(name, stop)
      if (record !== undefined) found(record)
    })
  }

  status(): DelegatedStatusData {
    const now = this.#now()
    return {
      routers: this.#sources.map(({ router, breaker, requests, failures }) => ({
        url: router.url,
        state: breaker.isOpen(now) ? 'paused' : 'asked',
        requests,
        failures,
      })),
      answeredFromCache: this.#answeredFromCache,
    }
  }

  #peers(path: string, signal: AbortSignal): AsyncGenerator<DelegatedPeer> {
    return this.#ask<DelegatedPeer>(path, signal, async (router, stop, found) => {
      for await (const peer of router.peers(path, stop)) found({ ...peer, router: router.url })
    })
  }

  #ask<Item>(question: string, signal: AbortSignal, ask: Ask<Item>): AsyncGenerator<Item> {
    const kept = this.#kept.get(question)
    this.#kept.delete(question)
    if (kept !== undefined && !kept.search.isLeft && this.#now() < kept.expiresAt) {
      this.#answeredFromCache++
      this.#kept.set(question, kept)
      return (kept.search as SharedSearch<Item>).read(signal)
    }
    let answered = 0
    const entry = {
      expiresAt: Infinity,
      search: new SharedSearch<Item>(
        async (stop, found) => {
          const outcomes = await Promise.all(this.#sources.map((source) => this.#askOne(source, stop, found, ask)))
          answered = outcomes.filter((hasAnswered) => hasAnswered).length
        },
        (items) => {
          const keepMs = items.length > 0 ? limits.delegatedCacheMs.value : limits.delegatedNegativeCacheMs.value
          entry.expiresAt = answered > 0 ? this.#now() + keepMs : -Infinity
        },
      ),
    }
    this.#kept.set(question, entry)
    if (this.#kept.size > limits.delegatedCacheMax.value) this.#kept.delete(this.#kept.keys().next().value!)
    return entry.search.read(signal)
  }

  /** Whether the router has answered. */
  async #askOne<Item>(source: Source, left: AbortSignal, found: (item: Item) => void, ask: Ask<Item>): Promise<boolean> {
    const { router, breaker } = source
    if (source.running >= limits.delegatedRequestsMax.value || !breaker.admits(this.#now())) return false
    source.running++
    source.requests++
    const stop = new AbortController()
    const leave = (): void => stop.abort(left.reason)
    left.addEventListener('abort', leave)
    const timer = setTimeout(() => stop.abort(new RouterError('The router was too slow.')), limits.delegatedTimeoutMs.value)
    try {
      await ask(router, stop.signal, found)
      breaker.succeeded()
      return true
    } catch (error) {
      if (left.aborted) breaker.withdrawn()
      else {
        source.failures++
        breaker.failed(this.#now(), error instanceof RouterError ? error.retryAfterMs : undefined)
      }
      return false
    } finally {
      clearTimeout(timer)
      left.removeEventListener('abort', leave)
      source.running--
    }
  }
}

type Ask<Item> = (router: HttpRouter, stop: AbortSignal, found: (item: Item) => void) => Promise<void>

function cidText(codec: number, multihash: Uint8Array): string {
  return CID.createV1(codec, decodeMultihash(multihash)).toString()
}
