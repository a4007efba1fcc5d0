import { Bitswap, defaultDiscoveryOptions } from '../../worker/engine/bitswap/bitswap.ts'
import type {
  BitswapEffect,
  BitswapEvent,
  DiscoveryMemory,
  DiscoveryOptions,
  SessionId,
  WantId,
  WantProgress,
} from '../../worker/engine/bitswap/contract.ts'
import type { BitswapMessage } from '../../worker/engine/bitswap/message.ts'
import { BytesMap } from '../../worker/engine/bytes-map.ts'
import { OrderIds, type Millis, type OrderId } from '../../worker/engine/machine.ts'
import { PeerCache, type Address, type Peer, type PeerIdBytes, type PeerInfo } from '../../worker/engine/peer.ts'
import { Rng } from '../../worker/engine/rng.ts'
import type { Failure } from '../../worker/engine/query.ts'
import { ByMultihash } from './by-multihash.ts'

/**
 * A small network in virtual time for tests of Bitswap: several machines wired to each other with latency, beside
 * them peers that follow a script. Everything is drawn from one seed. It plays the host, the connections and the DHT.
 */
export class BitswapNetwork {
  readonly rng: Rng
  readonly peers = new PeerCache()
  readonly nodes: BitswapNode[] = []
  readonly options: NetworkOptions
  now: Millis = 0
  readonly #parties = new BytesMap<Party>()
  readonly #links = new Set<string>()
  readonly #providers = new ByMultihash<Peer[]>()
  readonly #agenda: Appointment[] = []
  #sequence = 0

  constructor(options: Partial<NetworkOptions> = {}) {
    this.options = { seed: 1, latencyMs: [5, 20], searchMs: 50, dialMs: 20, messageFailure: 0, messageLoss: 0, ...options }
    this.rng = new Rng(this.options.seed)
  }

  node(blocks: readonly TestBlock[] = [], discovery: Partial<DiscoveryOptions> = {}): BitswapNode {
    const node = new BitswapNode(this, this.#newPeer(), { ...defaultDiscoveryOptions, ...discovery })
    for (const { cid, bytes } of blocks) node.store.set(cid, bytes)
    this.nodes.push(node)
    this.#parties.set(node.peer.id, node)
    return node
  }

  /** A peer that answers each message as the script says; `undefined` for nothing. */
  scripted(answer: Script): ScriptedPeer {
    const scripted = new ScriptedPeer(this, this.#newPeer(), answer)
    this.#parties.set(scripted.peer.id, scripted)
    return scripted
  }

  provide(cid: Uint8Array, ...by: Party[]): void {
    this.#providers.set(cid, [...this.providersOf(cid), ...by.map(({ peer }) => peer)])
  }

  connect(a: Party, b: Party): void {
    if (this.isConnected(a.peer, b.peer)) return
    this.link(a, b)
    this.identify(a, b)
  }

  /** Connected, and what the other speaks is not known yet. */
  link(a: Party, b: Party): void {
    this.#links.add(linkName(a.peer, b.peer))
  }

  identify(a: Party, b: Party): void {
    if (!this.isConnected(a.peer, b.peer)) return
    a.hears({ type: 'bitswap-peer-connected', ...infoOf(b.peer) })
    b.hears({ type: 'bitswap-peer-connected', ...infoOf(a.peer) })
  }

  disconnect(a: Party, b: Party): void {
    if (!this.#links.delete(linkName(a.peer, b.peer))) return
    a.hears({ type: 'bitswap-peer-disconnected', peer: b.peer })
    b.hears({ type: 'bitswap-peer-disconnected', peer: a.peer })
  }

  isConnected(a: Peer, b: Peer): boolean {
    return this.#links.has(linkName(a, b))
  }

  party(peer: Peer): Party | undefined {
    return this.#parties.get(peer.id)
  }

  providersOf(cid: Uint8Array): readonly Peer[] {
    return this.#providers.get(cid) ?? []
  }

  /** Does `action` after `delayMs`; those due at one moment in the order in which they were agreed. */
  after(delayMs: number, action: () => void): void {
    this.#agenda.push({ at: this.now + delayMs, sequence: this.#sequence++, action })
  }

  latency(): number {
    const [from, to] = this.options.latencyMs
    return from + this.rng.below(to - from + 1)
  }

  /** Lets time pass until nothing is left to happen, or until the moment comes. Returns the number of happenings. */
  run(until = 10 * 60_000): number {
    let happenings = 0
    for (;;) {
      const next = this.#takeNext(until)
      if (next === undefined) break
      this.now = Math.max(this.now, next.at)
      next.action()
      if (++happenings > 2_000_000) throw new Error(`the network of seed ${this.options.seed} does not come to rest`)
    }
    this.now = Math.max(this.now, Math.min(until, this.now))
    return happenings
  }

  #takeNext(until: Millis): Appointment | undefined {
    let best = -1
    for (let index = 0; index < this.#agenda.length; index++) {
      if (best < 0 || isEarlier(this.#agenda[index]!, this.#agenda[best]!)) best = index
    }
    const timed = this.nodes
      .map((node) => ({ node, at: node.machine.nextDeadline() }))
      .reduce<{ node: BitswapNode; at: Millis } | undefined>(
        (first, { node, at }) => (at !== undefined && (first === undefined || at < first.at) ? { node, at } : first),
        undefined,
      )
    const agreed = best < 0 ? undefined : this.#agenda[best]!
    if (timed !== undefined && (agreed === undefined || timed.at < agreed.at)) {
      return timed.at > until ? undefined : { at: timed.at, sequence: 0, action: () => timed.node.hears({ type: 'tick' }) }
    }
    if (agreed === undefined || agreed.at > until) return undefined
    this.#agenda.splice(best, 1)
    return agreed
  }

  #newPeer(): Peer {
    return this.peers.intern(new Uint8Array([0x12, 0x20, ...this.rng.bytes(32)]) as PeerIdBytes)
  }
}

export interface NetworkOptions {
  readonly seed: number
  readonly latencyMs: readonly [number, number]
  readonly searchMs: number
  readonly dialMs: number
  /** Share of messages that fail to leave. */
  readonly messageFailure: number
  /** Share of messages that leave and never arrive. */
  readonly messageLoss: number
}

export interface Party {
  readonly peer: Peer
  readonly isDialable: boolean
  hears(event: BitswapEvent): void
}

export type Script = (message: BitswapMessage, from: Peer, self: ScriptedPeer) => Partial<BitswapMessage> | undefined

/** One Bitswap machine and the world around it. */
export class BitswapNode implements Party {
  readonly peer: Peer
  readonly machine: Bitswap
  readonly store = new ByMultihash<Uint8Array>()
  isDialable = true
  isStoreBroken = false
  /** Every effect, for assertions. */
  readonly effects: { readonly at: Millis; readonly effect: BitswapEffect }[] = []
  readonly ended = new Map<WantId, { bytes: Uint8Array; from: Peer | undefined; at: Millis }>()
  readonly failed = new Map<WantId, Failure & { at: Millis }>()
  readonly progress: WantProgress[] = []
  /** What it would find at its next visit. */
  readonly remembered = new Map<DiscoveryMemory['part'], { memory: DiscoveryMemory; at: Millis }>()
  /** Sees every event before and every effect after it, and is told when all of them were seen. */
  watcher: BitswapWatcher | undefined
  readonly #network: BitswapNetwork
  readonly #searches = new Set<OrderId>()
  readonly #needs = new BytesMap<true>()
  readonly #arrivals = new BytesMap<Millis>()
  #nextWant = 1

  constructor(network: BitswapNetwork, peer: Peer, discovery: DiscoveryOptions) {
    this.#network = network
    this.peer = peer
    this.machine = new Bitswap({ rng: network.rng.child(), peers: network.peers, orders: new OrderIds(), discovery })
  }

  want(cid: Uint8Array, options: { session?: number; providers?: readonly Party[]; context?: string } = {}): WantId {
    const want = this.#nextWant++ as WantId
    const session = options.session as SessionId | undefined
    this.hears({
      type: 'want-block',
      want,
      cid,
      session,
      providers: (options.providers ?? []).map(({ peer }) => infoOf(peer)),
      context: options.context,
    })
    return want
  }

  hears(event: BitswapEvent): void {
    this.watcher?.event(event)
    this.machine.handle(event, this.#network.now)
    for (let effect = this.machine.poll(); effect !== undefined; effect = this.machine.poll()) {
      this.effects.push({ at: this.#network.now, effect })
      this.watcher?.effect(effect)
      this.#perform(effect)
    }
    this.watcher?.drained()
  }

  sentMessages(): { at: Millis; peer: Peer; message: BitswapMessage }[] {
    return this.effects.flatMap(({ at, effect }) =>
      effect.type === 'send-message' ? [{ at, peer: effect.peer, message: effect.message }] : [],
    )
  }

  #perform(effect: BitswapEffect): void {
    const network = this.#network
    switch (effect.type) {
      case 'want-ended':
        this.ended.set(effect.want, { bytes: effect.bytes, from: effect.from, at: network.now })
        break
      case 'want-failed':
        this.failed.set(effect.want, { ...effect.failure, at: network.now })
        break
      case 'probe-ended':
        break
      case 'want-progress':
        this.progress.push(effect.progress)
        break
      case 'send-message':
        this.#send(effect.order, effect.peer, effect.message)
        break
      case 'load-block':
        network.after(1, () => this.hears({ type: 'block-loaded', order: effect.order, ...this.#load(effect) }))
        break
      case 'store-block':
        if (!this.isStoreBroken) this.store.set(effect.cid, effect.bytes)
        network.after(1, () =>
          this.hears(
            this.isStoreBroken
              ? { type: 'block-store-failed', order: effect.order, reason: 'full' }
              : { type: 'block-stored', order: effect.order },
          ),
        )
        break
      case 'search-providers':
        this.#search(effect.search, effect.cid)
        break
      case 'stop-provider-search':
        this.#searches.delete(effect.search)
        break
      case 'need-connection':
        this.#dial(effect.info.peer)
        break
      case 'drop-connection-need':
        this.#needs.delete(effect.peer.id)
        break
      case 'persist-discovery':
        this.remembered.set(effect.memory.part, { memory: effect.memory, at: network.now })
        break
    }
  }

  /** Of a block that is larger than what is asked for, its size, as the host does. */
  #load({ cid, bytesMax }: { cid: Uint8Array; bytesMax?: number | undefined }): { bytes: Uint8Array | undefined; size?: number } {
    const bytes = this.store.get(cid)
    const isLarger = bytes !== undefined && bytesMax !== undefined && bytes.length > bytesMax
    return isLarger ? { bytes: undefined, size: bytes.length } : { bytes }
  }

  #send(order: OrderId, peer: Peer, message: BitswapMessage): void {
    const network = this.#network
    const fails = !network.isConnected(this.peer, peer) || network.rng.unit() < network.options.messageFailure
    if (fails) {
      network.after(0, () => this.hears({ type: 'message-failed', order, reason: 'reset' }))
      return
    }
    network.after(0, () => this.hears({ type: 'message-sent', order }))
    if (network.rng.unit() < network.options.messageLoss) return
    // Messages to one peer go over one stream: none overtakes another.
    const arrival = Math.max(network.now + network.latency(), this.#arrivals.get(peer.id) ?? 0)
    this.#arrivals.set(peer.id, arrival)
    network.after(arrival - network.now, () => {
      if (network.isConnected(this.peer, peer)) network.party(peer)?.hears({ type: 'message-received', peer: this.peer, message })
    })
  }

  #search(search: OrderId, cid: Uint8Array): void {
    const network = this.#network
    this.#searches.add(search)
    network.after(network.options.searchMs, () => {
      for (const provider of network.providersOf(cid)) {
        if (this.#searches.has(search)) this.hears({ type: 'providers-found', search, providers: [infoOf(provider)] })
      }
    })
    network.after(2 * network.options.searchMs, () => {
      if (this.#searches.delete(search)) this.hears({ type: 'provider-search-ended', search })
    })
  }

  #dial(peer: Peer): void {
    const network = this.#network
    this.#needs.set(peer.id, true)
    network.after(network.options.dialMs, () => {
      const party = network.party(peer)
      if (!this.#needs.delete(peer.id)) return
      if (party === undefined || !party.isDialable) {
        this.hears({ type: 'connection-failed', peer, reason: 'refused' })
        return
      }
      network.link(this, party)
      this.hears({ type: 'connection-ready', peer })
      network.after(1, () => network.identify(this, party))
    })
  }
}

export interface BitswapWatcher {
  event(event: BitswapEvent): void
  effect(effect: BitswapEffect): void
  drained(): void
}

/** Speaks the protocol by script only: liars, silent ones, and such as have exactly what a test needs. */
export class ScriptedPeer implements Party {
  readonly peer: Peer
  isDialable = true
  readonly received: { readonly at: Millis; readonly message: BitswapMessage }[] = []
  readonly #network: BitswapNetwork
  readonly #answer: Script

  constructor(network: BitswapNetwork, peer: Peer, answer: Script) {
    this.#network = network
    this.peer = peer
    this.#answer = answer
  }

  hears(event: BitswapEvent): void {
    if (event.type !== 'message-received') return
    this.received.push({ at: this.#network.now, message: event.message })
    const answer = this.#answer(event.message, event.peer, this)
    if (answer !== undefined) this.send(event.peer, answer)
  }

  send(to: Peer, message: Partial<BitswapMessage>, delayMs = this.#network.latency()): void {
    this.#network.after(delayMs, () => {
      if (!this.#network.isConnected(this.peer, to)) return
      this.#network.party(to)?.hears({ type: 'message-received', peer: this.peer, message: messageOf(message) })
    })
  }
}

export interface TestBlock {
  readonly cid: Uint8Array
  readonly bytes: Uint8Array
}

/** A raw CIDv1 whose digest is random: the engine never hashes blocks, the host does. */
export function testBlock(rng: Rng, size = 2_000): TestBlock {
  return { cid: new Uint8Array([0x01, 0x55, 0x12, 0x20, ...rng.bytes(32)]), bytes: new Uint8Array(size).fill(rng.below(256)) }
}

export function messageOf(message: Partial<BitswapMessage>): BitswapMessage {
  return { wantlist: [], full: false, blocks: [], presences: [], pendingBytes: 0, ...message }
}

export function infoOf(peer: Peer): PeerInfo {
  const address: Address = { bytes: peer.id.subarray(0, 8), dialable: true }
  return { peer, addresses: [address] }
}

/** Counts wantlist entries of one kind that a node sent. */
export function countSent(node: BitswapNode, kind: 'have' | 'block' | 'cancel', cid?: Uint8Array): number {
  return node
    .sentMessages()
    .flatMap(({ message }) => message.wantlist)
    .filter((entry) => (cid === undefined || entry.cid === cid) && (entry.cancel ? kind === 'cancel' : entry.wantType === kind))
    .length
}

interface Appointment {
  readonly at: Millis
  readonly sequence: number
  readonly action: () => void
}

function isEarlier(a: Appointment, b: Appointment): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence)
}

function linkName(a: Peer, b: Peer): string {
  return [a.id.join(), b.id.join()].sort().join('-')
}
