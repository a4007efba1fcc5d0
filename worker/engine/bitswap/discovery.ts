import { BytesMap, equalBytes } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import { earlier, type Millis } from '../machine.ts'
import type { Peer, PeerCache, PeerIdBytes, PeerInfo } from '../peer.ts'
import { DurationWindow } from '../resilience/duration-window.ts'
import type { DiscoveryMemory, DiscoveryOptions, StoredPeer } from './contract.ts'
import type { Link } from './link.ts'
import { Ranking } from './ranking.ts'
import { Registry, type Hearing, type Sign } from './registry.ts'
import { SearchDelay } from './search-delay.ts'

/**
 * What has been learned about whom to ask: ranking (in all, and by context), registry, latencies, who sent the last block. It also says
 * when which of them is due to be stored, and takes up what an earlier visit stored. It decides about no want.
 */
export class Discovery {
  readonly options: DiscoveryOptions
  readonly ranking: Ranking
  readonly registry = new Registry()
  readonly searchDelay: SearchDelay
  readonly #answers = new DurationWindow()
  readonly #searchTimes = new DurationWindow()
  readonly #searches = { all: 0, found: 0 }
  readonly #peers: PeerCache
  /** The one used longest ago is first. */
  readonly #contexts = new Map<string, Ranking>()
  /** Who sent the last block, and in which contexts it was wanted. */
  #latest: { readonly peer: Peer; readonly contexts: ReadonlySet<string>; readonly at: Millis } | undefined
  /** What is wanted at once is mostly of one file: a few misses do not say that it is not. */
  readonly #latestChance = { alone: 0.5, together: 0.75 }
  readonly #dueAt = new Map<DiscoveryMemory['part'], Millis>()

  constructor(options: DiscoveryOptions, peers: PeerCache) {
    this.options = options
    this.#peers = peers
    this.ranking = new Ranking(options.rankingWindowMs)
    this.searchDelay = new SearchDelay(options.searchDelay, options.latencyWindowMs)
  }

  /** A peer has what was wanted. `link` is undefined if it is gone already. */
  served(peer: Peer, info: PeerInfo | undefined, link: Link | undefined, contexts: Iterable<string>, now: Millis): void {
    this.ranking.served(peer, info, link?.askedInVain ?? 0, now)
    if (link !== undefined) link.askedInVain = 0
    for (const name of contexts) this.#context(name).served(peer, info, 0, now)
    this.#changed('ranking', limits.rankingPersistMs.value, now)
  }

  /** A peer was asked, and has it not, or does not say so in time. */
  missed(peer: Peer, link: Link | undefined, contexts: Iterable<string>, now: Millis): void {
    const isRanked = this.ranking.missed(peer, now)
    if (!isRanked && link !== undefined) link.askedInVain++
    for (const name of contexts) this.#contexts.get(name)?.missed(peer, now)
    if (isRanked) this.#changed('ranking', limits.rankingPersistMs.value, now)
  }

  /** A peer that was asked whether it has something has said so. */
  answered(tookMs: Millis): void {
    this.#answers.add(tookMs)
  }

  /** Which share of answers comes later than so long after the question, and how much later on average. */
  answersBeyond(ms: Millis): Later {
    return this.#answers.beyond(ms) ?? { share: 0, byMs: 0 }
  }

  /** A search has named the first provider, or has ended without. */
  searched(tookMs: Millis | undefined): void {
    this.#searches.all++
    if (tookMs === undefined) return
    this.#searches.found++
    this.#searchTimes.add(tookMs)
  }

  /** The same for the first provider that a search names, if it names one. */
  searchesBeyond(ms: Millis): Later {
    const later = this.#searchTimes.beyond(ms)
    if (later === undefined) return { share: 0, byMs: 0 }
    return { share: (later.share * this.#searches.found) / this.#searches.all, byMs: later.byMs }
  }

  /** By then three of four that have something have said so; a little more, so that the usual answer is not missed by a hair. */
  get answerMs(): Millis {
    const p75 = this.#answers.percentile(0.75)
    if (p75 === undefined) return limits.broadcastStepMs.value
    return Math.min(limits.broadcastStepMaxMs.value, Math.max(limits.broadcastStepMinMs.value, 1.25 * p75))
  }

  delivered(peer: Peer, contexts: Iterable<string>, now: Millis): void {
    this.#latest = { peer, contexts: new Set(contexts), at: now }
  }

  /** Returns whether it was this peer that sent the last block. */
  denied(peer: Peer): boolean {
    if (this.#latest === undefined || !equalBytes(this.#latest.peer.id, peer.id)) return false
    this.#latest = undefined
    return true
  }

  /**
   * Who sent the last block, while that was a moment ago and in the same context: what is read block by block is mostly in one
   * place. Nobody once that peer has denied something.
   */
  latestSource(contexts: readonly string[], now: Millis): Peer | undefined {
    if (this.#latest === undefined || now - this.#latest.at > limits.burstGapMs.value) return undefined
    const known = this.#latest.contexts
    const isSame = contexts.length === 0 ? known.size === 0 : contexts.some((name) => known.has(name))
    return isSame ? this.#latest.peer : undefined
  }

  /**
   * How likely such a peer has the next block, too: so often it had of late, of wants that came one by one or of several at once. What is
   * wanted at once is mostly of one file, whatever came before.
   */
  latestChance(isAlone: boolean): number {
    return this.#latestChance[isAlone ? 'alone' : 'together']
  }

  /** Whether what is wanted at once is mostly where the last of it came from, so that wants may rely on each other. */
  isOfOnePlace(): boolean {
    return this.#latestChance.together >= 0.5
  }

  judgeLatest(isAlone: boolean, had: boolean): void {
    const kind = isAlone ? 'alone' : 'together'
    this.#latestChance[kind] += latestWeight[kind] * (Number(had) - this.#latestChance[kind])
  }

  /** Undefined for a context in which nobody has served yet. */
  rankingOf(context: string): Ranking | undefined {
    return this.#contexts.get(context)
  }

  blockTook(latencyMs: number, now: Millis): void {
    this.searchDelay.note(latencyMs, now)
    this.#changed('latencies', limits.rankingPersistMs.value, now)
  }

  heardWant(key: Uint8Array, peer: Peer, info: PeerInfo | undefined, hearing: Hearing, now: Millis): void {
    if (!this.options.listenToWants) return
    this.registry.wanted(key, peer, info, hearing, now)
    this.#changed('registry', limits.registryPersistMs.value, now)
  }

  heardCancel(key: Uint8Array, peer: Peer, now: Millis): void {
    if (this.options.listenToWants) this.registry.cancelled(key, peer, now)
  }

  blockWentTo(key: Uint8Array, peer: Peer, info: PeerInfo | undefined, now: Millis): void {
    if (!this.options.listenToWants) return
    this.registry.served(key, peer, info, now)
    this.#changed('registry', limits.registryPersistMs.value, now)
  }

  get deadline(): Millis | undefined {
    let deadline: Millis | undefined
    for (const at of this.#dueAt.values()) deadline = earlier(deadline, at)
    return deadline
  }

  /** What is to be stored now; with `now` undefined all that has changed. */
  *takeDue(now: Millis | undefined, at: Millis): IterableIterator<DiscoveryMemory> {
    for (const [part, due] of this.#dueAt) {
      if (now !== undefined && due > now) continue
      this.#dueAt.delete(part)
      yield this.#memory(part, at)
    }
  }

  restore(memory: DiscoveryMemory, agoMs: number, now: Millis): void {
    switch (memory.part) {
      case 'latencies': {
        const samples = memory.samples.map(([age, latencyMs]) => ({ at: now - agoMs - age, latencyMs }))
        return this.searchDelay.restore(samples, now)
      }
      case 'ranking':
        this.ranking.restoreStrangers(memory.strangers, agoMs, now)
        for (const context of memory.contexts) this.#restoreRanking(context, memory.peers, agoMs, now)
        return
      case 'registry':
        if (!this.options.listenToWants) return
        this.registry.restoreCacheTime(memory.cacheTimeMs)
        for (const { key, signs } of memory.cids) {
          const restored = signs.flatMap(({ peer, grade, ageMs }): Sign[] => {
            const info = this.#info(memory.peers[peer])
            return info === undefined ? [] : [{ peer: info.peer, info: known(info), grade, at: now - agoMs - ageMs }]
          })
          if (restored.length > 0) this.registry.restore(key, restored)
        }
    }
  }

  #restoreRanking(
    { name, scores }: Extract<DiscoveryMemory, { part: 'ranking' }>['contexts'][number],
    peers: readonly (StoredPeer | undefined)[],
    agoMs: number,
    now: Millis,
  ): void {
    const ranking = name === undefined ? this.ranking : this.#context(name)
    for (const { peer, ...tally } of scores) {
      const info = this.#info(peers[peer])
      if (info !== undefined) ranking.restore(info.peer, known(info), tally, agoMs, now)
    }
  }

  #context(name: string): Ranking {
    const ranking = this.#contexts.get(name) ?? new Ranking(this.options.rankingWindowMs)
    this.#contexts.delete(name)
    this.#contexts.set(name, ranking)
    for (const oldest of this.#contexts.keys()) {
      if (this.#contexts.size <= limits.contextsMax.value) break
      this.#contexts.delete(oldest)
    }
    return ranking
  }

  #changed(part: DiscoveryMemory['part'], withinMs: number, now: Millis): void {
    if (!this.#dueAt.has(part)) this.#dueAt.set(part, now + withinMs)
  }

  #memory(part: DiscoveryMemory['part'], now: Millis): DiscoveryMemory {
    const table = new PeerTable()
    switch (part) {
      case 'latencies':
        return { part, samples: this.searchDelay.samples().map(({ at, latencyMs }) => [now - at, latencyMs] as const) }
      case 'ranking': {
        const scoresOf = (ranking: Ranking) =>
          ranking.ranked(now).map(({ peer, info, slices, asks, past }) => {
            return { peer: table.indexOf(peer, info), slices: [...slices], asks: [...asks], past }
          })
        const contexts = [...this.#contexts].map(([name, ranking]) => ({ name, scores: scoresOf(ranking) }))
        const { slices, asks, past } = this.ranking.strangers
        return {
          part,
          strangers: { slices: [...slices], asks: [...asks], past },
          contexts: [{ name: undefined, scores: scoresOf(this.ranking) }, ...contexts],
          peers: table.peers,
        }
      }
      case 'registry': {
        const cids = [...this.registry.entries()].slice(-limits.registryCidsStoredMax.value).map(([key, signs]) => ({
          key,
          signs: signs.map(({ peer, info, grade, at }) => ({ peer: table.indexOf(peer, info), grade, ageMs: now - at })),
        }))
        return { part, cacheTimeMs: this.registry.cacheTimeMs, cids, peers: table.peers }
      }
    }
  }

  #info(stored: StoredPeer | undefined): PeerInfo | undefined {
    return stored === undefined ? undefined : { peer: this.#peers.intern(stored.id as PeerIdBytes), addresses: stored.addresses }
  }
}

/** Of one want, in what is known of who sent the last block. */
const latestWeight = { alone: 0.25, together: 0.1 }

export interface Later {
  readonly share: number
  readonly byMs: Millis
}

/** Each peer once, however often it is mentioned. */
class PeerTable {
  readonly peers: StoredPeer[] = []
  readonly #indexes = new BytesMap<number>()

  indexOf(peer: Peer, info: PeerInfo | undefined): number {
    const known = this.#indexes.get(peer.id)
    if (known !== undefined) return known
    this.#indexes.set(peer.id, this.peers.length)
    this.peers.push({ id: peer.id, addresses: info?.addresses ?? [] })
    return this.peers.length - 1
  }
}

/** A peer of which no address is known cannot be dialed, and is worth its place only if it comes by itself. */
function known(info: PeerInfo): PeerInfo | undefined {
  return info.addresses.length > 0 ? info : undefined
}
