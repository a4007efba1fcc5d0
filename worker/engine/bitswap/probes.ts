import { BytesMap } from '../bytes-map.ts'
import { limits } from '../limits.ts'
import type { Millis } from '../machine.ts'
import type { Peer, PeerInfo } from '../peer.ts'
import type { BitswapContext } from './context.ts'
import type { ConnectionNeeds } from './connection-needs.ts'
import type { ProbeOutcome, WantId } from './contract.ts'
import type { Link } from './link.ts'

/**
 * Probes: one peer, one block, nothing else. No store, no search, no other peer, and nothing is stored or learned: the
 * selfish checker of the 2022 study.
 *
 *   connecting ──connected──▶ waiting ──room for a want──▶ asked ──block, DONT_HAVE, time up──▶ ended
 *        └──failed, time up──▶ ended unreachable ◀──time up──┘
 */
export class Probes {
  readonly #context: BitswapContext
  readonly #links: BytesMap<Link>
  readonly #needs: ConnectionNeeds
  readonly #probes = new Map<WantId, Probe>()
  /** By peer: few, and each peer has few. */
  readonly #byPeer = new BytesMap<Set<Probe>>()
  readonly #waiting = new Set<Probe>()

  constructor(context: BitswapContext, links: BytesMap<Link>, needs: ConnectionNeeds) {
    this.#context = context
    this.#links = links
    this.#needs = needs
  }

  get size(): number {
    return this.#probes.size
  }

  start(id: WantId, cid: Uint8Array, key: Uint8Array, info: PeerInfo, now: Millis): void {
    const probe = new Probe({ id, cid, key, info, now })
    this.#probes.set(id, probe)
    const others = this.#byPeer.get(info.peer.id) ?? new Set()
    this.#byPeer.set(info.peer.id, others.add(probe))
    this.#context.deadlines.set(probe, now + limits.probeTimeoutMs.value)
    const link = this.#links.get(info.peer.id)
    if (link !== undefined) this.#ask(probe, link, now)
    else this.#needs.need(probe, info)
  }

  /** Returns whether the id was that of a probe. */
  cancel(id: WantId, now: Millis): boolean {
    const probe = this.#probes.get(id)
    if (probe !== undefined) this.#forget(probe, now)
    return probe !== undefined
  }

  /** Whether a want must leave the peer its question. */
  isAsking(key: Uint8Array, peer: Peer): boolean {
    return this.#of(peer, key).some((probe) => probe.link !== undefined)
  }

  peerConnected(link: Link, now: Millis): void {
    for (const probe of this.#of(link.peer)) if (probe.link === undefined) this.#ask(probe, link, now)
  }

  /** Asks those for whose question there was no room, and is now. */
  settle(now: Millis): void {
    for (const probe of this.#waiting) this.#ask(probe, this.#links.get(probe.peer.id)!, now)
  }

  /** The question has not left: it is asked once more, until the peer counts as lost. */
  messageFailed(key: Uint8Array, link: Link, now: Millis): void {
    for (const probe of this.#of(link.peer, key)) if (probe.link !== undefined) this.#ask(probe, link, now)
  }

  connectionFailed(probe: Probe, now: Millis): void {
    this.#end(probe, 'unreachable', undefined, now)
  }

  peerDisconnected(peer: Peer, now: Millis): void {
    for (const probe of this.#of(peer)) this.#end(probe, 'unreachable', undefined, now)
  }

  /** Returns whether the block was what a probe waited for. */
  blockReceived(key: Uint8Array, bytes: Uint8Array, peer: Peer, now: Millis): boolean {
    const asked = this.#of(peer, key)
    for (const probe of asked) this.#end(probe, 'block', bytes, now)
    return asked.length > 0
  }

  denied(key: Uint8Array, peer: Peer, now: Millis): void {
    for (const probe of this.#of(peer, key)) {
      probe.link?.outbox.denied(key)
      this.#end(probe, 'dont-have', undefined, now)
    }
  }

  timeCame(probe: Probe, now: Millis): void {
    this.#end(probe, probe.link?.outbox.awaitsBlock(probe.key) ? 'silent' : 'unreachable', undefined, now)
  }

  #of(peer: Peer, key?: Uint8Array): Probe[] {
    const probes = [...(this.#byPeer.get(peer.id) ?? [])]
    return key === undefined ? probes : probes.filter((probe) => sameBytes(probe.key, key))
  }

  #ask(probe: Probe, link: Link, now: Millis): void {
    if (!link.outbox.canTake(probe.key)) {
      probe.link = undefined
      this.#waiting.add(probe)
      return
    }
    this.#waiting.delete(probe)
    probe.link = link
    probe.askedAt = now
    const { cid, key } = probe
    link.outbox.want(key, { cid, priority: 1, cancel: false, wantType: 'block', sendDontHave: true })
    this.#context.touched.add(link)
  }

  #end(probe: Probe, outcome: ProbeOutcome, bytes: Uint8Array | undefined, now: Millis): void {
    this.#forget(probe, now)
    const elapsedMs = now - (probe.askedAt ?? probe.startedAt)
    this.#context.counters[outcome === 'block' ? 'probesSuccess' : 'probesFailed']++
    this.#context.effects.push({ type: 'probe-ended', want: probe.id, outcome, bytes, elapsedMs })
  }

  #forget(probe: Probe, now: Millis): void {
    const { id, key, peer, link } = probe
    this.#probes.delete(id)
    this.#waiting.delete(probe)
    const others = this.#byPeer.get(peer.id)
    others?.delete(probe)
    if (others?.size === 0) this.#byPeer.delete(peer.id)
    this.#context.deadlines.set(probe, undefined)
    this.#needs.drop(probe, peer)
    if (link === undefined || this.isAsking(key, peer) || this.#context.isWantAsking(key, peer)) return
    link.outbox.cancel(key, now)
    this.#context.touched.add(link)
  }
}

export class Probe {
  readonly id: WantId
  readonly cid: Uint8Array
  readonly key: Uint8Array
  readonly peer: Peer
  readonly startedAt: Millis
  link: Link | undefined
  askedAt: Millis | undefined

  constructor({ id, cid, key, info, now }: { id: WantId; cid: Uint8Array; key: Uint8Array; info: PeerInfo; now: Millis }) {
    this.id = id
    this.cid = cid
    this.key = key
    this.peer = info.peer
    this.startedAt = now
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}
