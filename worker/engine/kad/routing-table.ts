import { equalBytes } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import { isDue, type Millis } from '../machine.ts'
import type { Address, Key, Peer, PeerInfo } from '../peer.ts'
import { mergeAddresses } from '../addresses.ts'
import type { KadEffect } from './contract.ts'
import { bitAt, commonPrefixLength, compareBytes, comparePeersTo, distanceBetween, keyBits } from './distance.ts'
import { GroupCounts, groupsOf } from './diversity.ts'
import type { Outbox } from './outbox.ts'
import { TopK } from './top-k.ts'

/**
 * The k-buckets: bucket i holds up to k peers whose keys share exactly i leading bits with ours.
 *
 *   (not here) ──answered a lookup, passed a check──▶ alive ──failed──▶ doubtful ──failed again and again──▶ (gone)
 *       └──restored from storage──▶ doubtful ──answered──▶ alive ◀──answered──┘
 *
 * A doubtful entry is used like any other, but gives its place in a full bucket to a peer that has proven itself. So
 * is one that has not answered for `tableLivenessGraceMs`. Our own outage is no evidence: an entry goes only if
 * some other peer has answered since it began to fail.
 *
 * Peers of one group of IP addresses get few places, in a bucket and in the whole table (`diversity.ts`).
 *
 * It does not know who is connected, nor how peers prove themselves; it pings nobody.
 */
export class RoutingTable {
  readonly #self: Peer
  readonly #k: number
  readonly #outbox: Outbox<KadEffect>
  readonly #buckets: Entry[][] = []
  readonly #groups = new GroupCounts()
  #size = 0
  #additions = 0
  #lastAnswerAt: Millis = Number.NEGATIVE_INFINITY

  constructor(init: { self: Peer; k: number; outbox: Outbox<KadEffect> }) {
    this.#self = init.self
    this.#k = init.k
    this.#outbox = init.outbox
  }

  get size(): number {
    return this.#size
  }

  /** Grows with each new entry: whoever waits for one compares it. */
  get additions(): number {
    return this.#additions
  }

  /** Entries per bucket, without trailing empty ones. */
  bucketSizes(): number[] {
    const sizes = this.#buckets.map((bucket) => bucket.length)
    while (sizes.at(-1) === 0) sizes.pop()
    return sizes
  }

  bucketSize(cpl: number): number {
    return this.#buckets[cpl]?.length ?? 0
  }

  get(peer: Peer): PeerInfo | undefined {
    const entry = this.#find(peer)
    return entry && { peer: entry.peer, addresses: entry.addresses }
  }

  /**
   * Takes in what was kept from an earlier visit, most recently useful first. The engine has no wall clock, so it
   * does not know how long ago that was: such entries are doubtful until they answer.
   */
  restore(entries: readonly { info: PeerInfo; lastUsefulAt: number }[], now: Millis): void {
    const newest = entries.reduce((latest, entry) => Math.max(latest, entry.lastUsefulAt), 0)
    const ordered = [...entries].sort((a, b) => b.lastUsefulAt - a.lastUsefulAt || compareBytes(a.info.peer.id, b.info.peer.id))
    const before = this.#size
    for (const { info, lastUsefulAt } of ordered) {
      const bucket = this.#bucketOf(info.peer)
      if (bucket === undefined || bucket.length >= this.#k || this.#find(info.peer) !== undefined) continue
      if (!this.#isDiverse(bucket, info.addresses)) continue
      const entry: Entry = {
        ...newEntry(info, now),
        lastUsefulAt: now - (newest - lastUsefulAt),
        liveness: { type: 'doubtful', failures: 0, since: now },
      }
      this.#add(bucket, entry)
    }
    if (this.#size !== before) this.#outbox.push({ type: 'table-changed', size: this.#size })
  }

  /** Whether a proven peer would be let in (or is in already). */
  wouldAdmit(info: PeerInfo, now: Millis): boolean {
    const bucket = this.#bucketOf(info.peer)
    if (bucket === undefined) return false
    if (this.#find(info.peer) !== undefined) return true
    const replaced = bucket.length < this.#k ? undefined : this.#mostReplaceable(bucket, now)
    return (bucket.length < this.#k || replaced !== undefined) && this.#isDiverse(bucket, info.addresses, replaced)
  }

  /** The peer has just answered a query of ours. Returns whether it is in the table now. */
  admit(info: PeerInfo, now: Millis): boolean {
    this.#lastAnswerAt = now
    const bucket = this.#bucketOf(info.peer)
    if (bucket === undefined) return false
    const known = this.#find(info.peer)
    if (known !== undefined) {
      this.#learn(bucket, known, info.addresses, 'hearsay')
      known.lastUsefulAt = now
      known.liveness = { type: 'alive' }
      if (isDue(known.persistedAt, limits.tablePersistIntervalMs.value, now)) this.#persist(known, now)
      return true
    }
    const sizeBefore = this.#size
    const replaced = bucket.length < this.#k ? undefined : this.#mostReplaceable(bucket, now)
    if (bucket.length >= this.#k && replaced === undefined) return false
    if (!this.#isDiverse(bucket, info.addresses, replaced)) return false
    if (replaced !== undefined) this.#drop(bucket, replaced)
    const entry = newEntry(info, now)
    this.#add(bucket, entry)
    this.#persist(entry, now)
    if (this.#size !== sizeBefore) this.#outbox.push({ type: 'table-changed', size: this.#size })
    return true
  }

  /** Identify told more addresses of an entry; no proof of anything else. */
  learnAddresses(info: PeerInfo): void {
    const bucket = this.#bucketOf(info.peer)
    const entry = this.#find(info.peer)
    if (bucket !== undefined && entry !== undefined) this.#learn(bucket, entry, info.addresses, 'own word')
  }

  /** A dial or a request to the peer has failed. */
  failed(peer: Peer, now: Millis): void {
    const entry = this.#find(peer)
    if (entry === undefined) return
    const doubt = doubtAfterFailure(entry.liveness, now)
    entry.liveness = doubt
    if (doubt.failures >= limits.tableFailuresMax.value && this.#lastAnswerAt > doubt.since) this.remove(peer)
  }

  remove(peer: Peer): void {
    const bucket = this.#bucketOf(peer)
    const entry = this.#find(peer)
    if (bucket === undefined || entry === undefined) return
    this.#drop(bucket, entry)
    this.#outbox.push({ type: 'table-changed', size: this.#size })
  }

  /**
   * The `count` entries nearest to `target`, nearest first. Buckets are visited in the exact order of their distance
   * from the target, so that none beyond the last one needed is looked at.
   *
   * With d = target XOR self, a peer in bucket i differs from us first at bit i. Where d has a one at i, such a peer
   * agrees with the target there and all later buckets do not; where d has a zero, it is the other way round.
   * So: buckets at ones of d, ascending, then buckets at zeros, descending.
   */
  nearest(target: Key, count: number): PeerInfo[] {
    const direction = distanceBetween(target, this.#self.key)
    const found: PeerInfo[] = []
    const last = this.#buckets.length - 1
    for (let index = 0; index <= last && found.length < count; index++) {
      if (bitAt(direction, index) === 1) this.#takeNearest(index, target, count, found)
    }
    for (let index = last; index >= 0 && found.length < count; index--) {
      if (bitAt(direction, index) === 0) this.#takeNearest(index, target, count, found)
    }
    return found
  }

  #takeNearest(index: number, target: Key, count: number, found: PeerInfo[]): void {
    const bucket = this.#buckets[index]!
    if (bucket.length === 0) return
    const nearest = new TopK<Entry>(count - found.length, (a, b) => comparePeersTo(target, a.peer, b.peer))
    for (const entry of bucket) nearest.offer(entry)
    for (const { peer, addresses } of nearest.sorted()) found.push({ peer, addresses })
  }

  /** Undefined for ourselves. */
  #bucketOf(peer: Peer): Entry[] | undefined {
    const index = commonPrefixLength(this.#self.key, peer.key)
    if (index === keyBits) return undefined
    while (this.#buckets.length <= index) this.#buckets.push([])
    return this.#buckets[index]
  }

  #find(peer: Peer): Entry | undefined {
    const bucket = this.#buckets[commonPrefixLength(this.#self.key, peer.key)]
    return bucket?.find((entry) => equalBytes(entry.peer.id, peer.id))
  }

  /** The entry that has the least claim to its place, if any may be replaced. */
  #mostReplaceable(bucket: readonly Entry[], now: Millis): Entry | undefined {
    let worst: Entry | undefined
    for (const entry of bucket) {
      const isStale = isDue(entry.lastUsefulAt, limits.tableLivenessGraceMs.value, now)
      if (entry.liveness.type === 'alive' && !isStale) continue
      if (worst === undefined || compareClaims(entry, worst) < 0) worst = entry
    }
    return worst
  }

  /** Whether a peer with these addresses may enter the bucket when `leaving` has left it. */
  #isDiverse(bucket: readonly Entry[], addresses: readonly Address[], leaving?: Entry): boolean {
    return groupsOf(addresses).every((group) => this.#hasPlace(bucket, group, leaving))
  }

  #hasPlace(bucket: readonly Entry[], group: number, leaving?: Entry): boolean {
    const isIn = (entry: Entry | undefined) => entry?.groups.includes(group) === true
    const inTable = this.#groups.of(group) - (isIn(leaving) ? 1 : 0)
    if (inTable >= limits.tableGroupMax.value) return false
    return bucket.filter((entry) => entry !== leaving && isIn(entry)).length < limits.tableGroupPerBucketMax.value
  }

  /**
   * What the peer itself told comes first. Hearsay comes last, and pushes out nothing: it may be lies. Addresses of a group that has
   * its places already are left out: nobody gets in by this door.
   */
  #learn(bucket: readonly Entry[], entry: Entry, addresses: readonly Address[], source: 'own word' | 'hearsay'): void {
    const welcome = addresses.filter(({ group }) => group === undefined || this.#hasPlace(bucket, group, entry))
    const isHearsay = source === 'hearsay'
    entry.addresses = isHearsay ? mergeAddresses(entry.addresses, welcome) : mergeAddresses(welcome, entry.addresses)
    this.#groups.change(entry.groups, -1)
    entry.groups = groupsOf(entry.addresses)
    this.#groups.change(entry.groups, 1)
  }

  #add(bucket: Entry[], entry: Entry): void {
    bucket.push(entry)
    this.#groups.change(entry.groups, 1)
    this.#size++
    this.#additions++
  }

  #drop(bucket: Entry[], entry: Entry): void {
    bucket.splice(bucket.indexOf(entry), 1)
    this.#groups.change(entry.groups, -1)
    this.#size--
    this.#outbox.push({ type: 'forget-table-entry', peer: entry.peer })
  }

  #persist(entry: Entry, now: Millis): void {
    entry.persistedAt = now
    const info: PeerInfo = { peer: entry.peer, addresses: entry.addresses }
    this.#outbox.push({ type: 'persist-table-entry', info, agoMs: now - entry.lastUsefulAt })
  }
}

interface Entry {
  readonly peer: Peer
  addresses: readonly Address[]
  /** Of the addresses. */
  groups: readonly number[]
  lastUsefulAt: Millis
  persistedAt: Millis
  liveness: Liveness
}

type Liveness = { readonly type: 'alive' } | Doubt

/** `failures` in a row; `since`: when the doubt began. */
interface Doubt {
  readonly type: 'doubtful'
  readonly failures: number
  readonly since: Millis
}

function newEntry({ peer, addresses }: PeerInfo, now: Millis): Entry {
  const own = mergeAddresses([], addresses)
  return { peer, addresses: own, groups: groupsOf(own), lastUsefulAt: now, persistedAt: now, liveness: { type: 'alive' } }
}

function doubtAfterFailure(liveness: Liveness, now: Millis): Doubt {
  if (liveness.type === 'alive') return { type: 'doubtful', failures: 1, since: now }
  return { type: 'doubtful', failures: liveness.failures + 1, since: liveness.since }
}

function failuresOf(entry: Entry): number {
  return entry.liveness.type === 'alive' ? 0 : entry.liveness.failures
}

/** Less claim first: more failures, then longer without an answer, then by id. */
function compareClaims(a: Entry, b: Entry): number {
  return failuresOf(b) - failuresOf(a) || a.lastUsefulAt - b.lastUsefulAt || compareBytes(a.peer.id, b.peer.id)
}
