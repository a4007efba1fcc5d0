import type { BitswapMessage, WantlistEntry } from '../../worker/engine/bitswap/message.ts'
import { BytesMap } from '../../worker/engine/bytes-map.ts'
import type { Peer } from '../../worker/engine/peer.ts'
import { MeshNode } from './mesh-node.ts'
import type { Mesh } from './mesh.ts'

/**
 * The rules of the want-inspection prototype (BBL-104, 2020) on the sessions of go-bitswap of that time, with its faults:
 *
 * - a want-have to all connected peers, without DONT_HAVE; the first that says HAVE gets the want-block, and is of the session;
 * - with peers in the session: a want-block to one of them, a want-have to the others; all gone, a broadcast;
 * - inspection: the ten latest wanters of each CID are kept, the three latest get the want-block, and nobody else is asked.
 *   Nothing is ever forgotten, CANCELs say nothing, the three are not of the session, so that one DONT_HAVE means that the
 *   want is broadcast, and what is wanted of them is heard by nobody else.
 * - a batch is looked up until the first CID without candidates; from there on all is broadcast.
 */
export interface PrototypeRules {
  /** Latest wanters kept for each CID, and how many of them are asked; 0 for the baseline without inspection. */
  readonly kept: number
  readonly asked: number
}

export class PrototypeNode extends MeshNode {
  readonly #rules: PrototypeRules
  readonly #peers: Peer[] = []
  readonly #session: Peer[] = []
  readonly #wants = new BytesMap<PrototypeWant>()
  /** Wanters of each CID, the latest first. */
  readonly #registry = new BytesMap<Peer[]>()
  /** What others want and did not get yet. */
  readonly #ledgers = new BytesMap<Map<Peer, WantlistEntry>>()
  /** Wants of this moment: they are one batch. */
  #batch: PrototypeWant[] = []
  readonly #outbox = new Map<Peer, { wantlist: WantlistEntry[]; presences: BitswapMessage['presences'][number][] }>()
  #turn = 0
  override duplicates = 0

  constructor(mesh: Mesh, peer: Peer, rules: PrototypeRules) {
    super(mesh, peer)
    this.#rules = rules
  }

  override connected(peer: Peer): void {
    this.#peers.push(peer)
  }

  override want(id: number, cid: Uint8Array, isAlone = false): void {
    if (isAlone) this.#session.length = 0
    const want: PrototypeWant = { id, cid, asked: new Map(), haves: [], holder: undefined, isBroadcast: false }
    this.#wants.set(cid, want)
    if (this.#batch.push(want) === 1) this.mesh.agenda.plan(0, () => this.#lookUp())
  }

  override receive(from: Peer, message: BitswapMessage): void {
    for (const { cid, bytes } of message.blocks) this.#got(cid, bytes, from)
    for (const { cid, type } of message.presences) {
      const want = this.#wants.get(cid)
      if (want !== undefined) this.#answered(want, from, type)
    }
    for (const entry of message.wantlist) this.#wanted(entry, from)
    this.#flush()
  }

  #lookUp(): void {
    const batch = this.#batch
    this.#batch = []
    let isStopped = this.#rules.asked === 0
    for (const want of batch) {
      const candidates = isStopped ? [] : (this.#registry.get(want.cid) ?? []).slice(0, this.#rules.asked)
      isStopped ||= candidates.length === 0
      for (const peer of candidates) this.#ask(want, peer, 'block', true)
      if (candidates.length === 0) this.#discover(want)
    }
    this.#flush()
  }

  #discover(want: PrototypeWant): void {
    if (this.#session.length === 0) return this.#broadcast(want)
    const best = this.#session[this.#turn++ % this.#session.length]!
    want.holder = best
    this.#ask(want, best, 'block', true)
    for (const peer of this.#session) if (peer !== best) this.#ask(want, peer, 'have', true)
  }

  #broadcast(want: PrototypeWant): void {
    want.isBroadcast = true
    for (const peer of this.#peers) if (!want.asked.has(peer)) this.#ask(want, peer, 'have', false)
  }

  #ask(want: PrototypeWant, peer: Peer, wantType: 'block' | 'have', sendDontHave: boolean): void {
    want.asked.set(peer, wantType)
    this.#to(peer).wantlist.push({ cid: want.cid, priority: 1, cancel: false, wantType, sendDontHave })
  }

  #answered(want: PrototypeWant, from: Peer, type: 'have' | 'dont-have'): void {
    if (type === 'have') {
      if (!this.#session.includes(from)) this.#session.push(from)
      want.haves.push(from)
    } else if (want.holder === from) want.holder = undefined
    if (want.holder === undefined && want.haves.length > 0) {
      want.holder = want.haves.shift()!
      this.#ask(want, want.holder, 'block', true)
    } else if (type === 'dont-have' && want.holder === undefined && !want.isBroadcast) this.#broadcast(want)
  }

  #got(cid: Uint8Array, bytes: Uint8Array, from: Peer): void {
    const want = this.#wants.get(cid)
    if (want === undefined) {
      this.duplicates++
      return
    }
    this.#wants.delete(cid)
    if (!this.#session.includes(from)) this.#session.push(from)
    this.store.set(cid, bytes)
    for (const peer of want.asked.keys()) {
      if (peer !== from) this.#to(peer).wantlist.push({ cid, priority: 0, cancel: true, wantType: 'block', sendDontHave: false })
    }
    const waiting = this.#ledgers.get(cid)
    this.#ledgers.delete(cid)
    for (const [peer, entry] of waiting ?? []) this.#serve(entry, peer)
    this.mesh.agenda.plan(0, () => this.ended(want.id))
  }

  #wanted(entry: WantlistEntry, from: Peer): void {
    const { cid, cancel, sendDontHave } = entry
    const ledger = this.#ledgers.get(cid) ?? new Map<Peer, WantlistEntry>()
    if (cancel) return void ledger.delete(from)
    const wanters = (this.#registry.get(cid) ?? []).filter((peer) => peer !== from)
    if (this.#rules.kept > 0) this.#registry.set(cid, [from, ...wanters].slice(0, this.#rules.kept))
    if (this.store.has(cid)) return this.#serve(entry, from)
    ledger.set(from, entry)
    this.#ledgers.set(cid, ledger)
    if (sendDontHave) this.#to(from).presences.push({ cid, type: 'dont-have' })
  }

  #serve({ cid, wantType }: WantlistEntry, to: Peer): void {
    const bytes = this.store.get(cid)!
    this.mesh.agenda.plan(this.mesh.options.storeMs, () => {
      const message = { wantlist: [], full: false, blocks: [], presences: [], pendingBytes: 0 }
      if (wantType === 'block') this.mesh.carry(this, to, { ...message, blocks: [{ cid, bytes }] })
      else this.mesh.carry(this, to, { ...message, presences: [{ cid, type: 'have' }] })
    })
  }

  #to(peer: Peer) {
    const out = this.#outbox.get(peer) ?? { wantlist: [], presences: [] }
    this.#outbox.set(peer, out)
    return out
  }

  #flush(): void {
    for (const [peer, out] of this.#outbox) this.mesh.carry(this, peer, { full: false, blocks: [], pendingBytes: 0, ...out })
    this.#outbox.clear()
  }
}

interface PrototypeWant {
  readonly id: number
  readonly cid: Uint8Array
  readonly asked: Map<Peer, 'block' | 'have'>
  /** Who said HAVE and was not asked for the block. */
  readonly haves: Peer[]
  /** Who has the want-block, candidates of the registry apart. */
  holder: Peer | undefined
  isBroadcast: boolean
}
