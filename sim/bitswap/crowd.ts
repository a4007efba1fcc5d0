import { Bitswap, defaultDiscoveryOptions } from '../../worker/engine/bitswap/bitswap.ts'
import type {
  BitswapCounters,
  BitswapEffect,
  BitswapEvent,
  DiscoveryMemory,
  DiscoveryOptions,
  ProbeOutcome,
  WantId,
} from '../../worker/engine/bitswap/contract.ts'
import type { BitswapMessage, WantlistEntry } from '../../worker/engine/bitswap/message.ts'
import { BytesMap } from '../../worker/engine/bytes-map.ts'
import { OrderIds, type OrderId } from '../../worker/engine/machine.ts'
import { PeerCache, type Peer, type PeerIdBytes, type PeerInfo } from '../../worker/engine/peer.ts'
import { Rng } from '../../worker/engine/rng.ts'
import { Agenda } from '../core/agenda.ts'
import { hashOf } from '../core/draws.ts'
import { noMessages, type Measured, type Messages } from './measured.ts'
import { lognormal, type Request } from './traffic.ts'

/**
 * Our engine's Bitswap among many peers that only answer: HAVE and block if they hold it, DONT_HAVE if they were asked to say
 * so. The DHT is a delay and a name; a dial is a delay. Who is connected beyond the bound and has not served goes.
 */
export class Crowd {
  readonly agenda = new Agenda()
  #machine: Bitswap
  readonly #options: CrowdOptions
  readonly #rng: Rng
  readonly #peers = new PeerCache()
  readonly #rankOf = new BytesMap<number>()
  /** By rank, from when on it was first heard of: in a large network most never are. */
  readonly #heard = new Map<number, { readonly peer: Peer; readonly tripMs: number }>()
  /** Since when. The one connected for longest is first. */
  readonly #connected = new Map<number, number>()
  readonly #requests = new BytesMap<Running>()
  readonly #wants = new Map<WantId, Running>()
  readonly #probes = new Map<WantId, Running>()
  readonly #searches = new Map<OrderId, { running: Running; at: number }>()
  readonly #memories = new Map<DiscoveryMemory['part'], DiscoveryMemory>()
  /** How much longer all round trips take than at first. */
  tripFactor = 1
  #nextWant = 1
  #ticksAt = Infinity

  constructor(options: CrowdOptions) {
    this.#options = options
    this.#rng = new Rng(options.seed)
    this.#machine = this.#newMachine()
    const ranks = this.#rng.shuffle(Array.from({ length: options.peers }, (_, rank) => rank))
    for (const rank of ranks.slice(0, options.connections)) this.#connect(rank)
  }

  get searchDelayMs(): number {
    return this.#machine.status().searchDelayMs
  }

  get counters(): BitswapCounters {
    return this.#machine.status().counters
  }

  /** As after a reload of the page: another machine, the same connections, and what was kept, so long ago, if it was kept. */
  restart(keptAgoMs: number | undefined): void {
    this.#handle({ type: 'stopping' })
    this.#machine = this.#newMachine()
    this.#ticksAt = Infinity
    if (keptAgoMs !== undefined) {
      for (const memory of this.#memories.values()) this.#handle({ type: 'discovery-restored', memory, agoMs: keptAgoMs })
    }
    for (const rank of this.#connected.keys()) this.#handle({ type: 'bitswap-peer-connected', ...infoOf(this.#peer(rank).peer) })
  }

  /** A connected peer wants what will be requested, and says so to everybody, as peers did in 2022. */
  hear({ cid }: Request, rank: number): void {
    if (!this.#connected.has(rank)) return
    const wish: WantlistEntry = { cid, priority: 1, cancel: false, wantType: 'have', sendDontHave: false }
    const message = { wantlist: [wish], full: false, pendingBytes: 0, blocks: [], presences: [] }
    this.#handle({ type: 'message-received', peer: this.#peer(rank).peer, message })
  }

  /** Starts a request; what came of it is there when time has passed. */
  request(request: Request): Running {
    const running: Running = {
      request,
      messages: noMessages(),
      startedAt: this.agenda.now,
      result: undefined,
      dhtMessages: 0,
      checked: undefined,
    }
    const want = this.#nextWant++ as WantId
    this.#requests.set(request.cid, running)
    this.#wants.set(want, running)
    const context = request.isInContext && this.#options.usesContext === true ? 'nft' : undefined
    this.#handle({ type: 'want-block', want, cid: request.cid, session: undefined, providers: [], context })
    // The study gave each request 15 seconds.
    this.agenda.plan(15_000, () => {
      if (running.result?.isFound === true) return
      this.#settle(running, undefined)
      this.#handle({ type: 'cancel-want', want })
      if (this.#options.checks === true) this.#check(running)
    })
    return running
  }

  #handle(event: BitswapEvent): void {
    this.#machine.handle(event, this.agenda.now)
    for (let effect = this.#machine.poll(); effect !== undefined; effect = this.#machine.poll()) this.#perform(effect)
    const deadline = this.#machine.nextDeadline()
    if (deadline === undefined || deadline >= this.#ticksAt) return
    this.#ticksAt = deadline
    this.agenda.planAt(deadline, () => {
      if (this.#ticksAt !== deadline) return
      this.#ticksAt = Infinity
      this.#handle({ type: 'tick' })
    })
  }

  #perform(effect: BitswapEffect): void {
    switch (effect.type) {
      case 'load-block':
        return this.agenda.plan(0, () => this.#handle({ type: 'block-loaded', order: effect.order, bytes: undefined }))
      case 'store-block':
        return this.agenda.plan(0, () => this.#handle({ type: 'block-stored', order: effect.order }))
      case 'want-ended':
        return this.#settle(this.#wants.get(effect.want)!, effect.from)
      case 'want-failed':
        return this.#settle(this.#wants.get(effect.want)!, undefined)
      case 'send-message':
        this.agenda.plan(0, () => this.#handle({ type: 'message-sent', order: effect.order }))
        return this.#deliver(effect.peer, effect.message)
      case 'search-providers':
        return this.#search(effect.search, this.#requests.get(effect.cid)!)
      case 'stop-provider-search':
        return this.#stopSearch(effect.search)
      case 'need-connection':
        return this.#dial(effect.info.peer)
      case 'probe-ended':
        this.#probes.get(effect.want)!.checked = effect.outcome
        return
      case 'persist-discovery':
        this.#memories.set(effect.memory.part, effect.memory)
        return
      default:
    }
  }

  #settle(running: Running, from: Peer | undefined): void {
    if (running.result !== undefined) return
    const servedBy = from === undefined ? undefined : this.#rankOf.get(from.id)
    const connectedSince = this.#connected.get(servedBy ?? -1) ?? Infinity
    running.result = {
      isFound: from !== undefined,
      isByBitswap: connectedSince <= running.startedAt,
      latencyMs: this.agenda.now - running.startedAt,
      servedBy,
    }
  }

  /** The study's selfish checker: the DHT is asked after all, and who it names is asked for that one block. */
  #check(running: Running): void {
    const { request } = running
    if (!request.isPublished) return
    const want = this.#nextWant++ as WantId
    this.#probes.set(want, running)
    this.agenda.plan(request.walkMs, () =>
      this.#handle({ type: 'probe', want, cid: request.cid, provider: infoOf(this.#providerOf(request)) }),
    )
  }

  #deliver(to: Peer, message: BitswapMessage): void {
    const rank = this.#rankOf.get(to.id)
    for (const entry of message.wantlist) {
      const running = this.#requests.get(entry.cid)
      if (running === undefined) continue
      if (entry.cancel) running.messages.cancel++
      else if (entry.wantType === 'block') running.messages.wantBlock++
      else running.messages.wantHave++
      if (!entry.cancel) this.#answer(to, rank, running, entry)
    }
  }

  #answer(to: Peer, rank: number | undefined, running: Running, { cid, wantType, sendDontHave }: WantlistEntry): void {
    const isExtra = rank === undefined && running.request.kind === 'only-by-dht'
    const tripMs = rank === undefined ? (isExtra ? 120 : undefined) : running.request.holders.get(rank)
    if (tripMs === undefined && !sendDontHave) return
    const delayMs = tripMs ?? (rank === undefined ? 100 : this.#peer(rank).tripMs)
    this.agenda.plan(this.tripFactor * delayMs, () => {
      if (rank !== undefined && !this.#connected.has(rank)) return
      const empty = { wantlist: [], full: false, pendingBytes: 0, blocks: [], presences: [] }
      if (tripMs !== undefined && wantType === 'block') {
        running.messages.block++
        return this.#handle({ type: 'message-received', peer: to, message: { ...empty, blocks: [{ cid, bytes: blockBytes }] } })
      }
      const type = tripMs === undefined ? 'dont-have' : 'have'
      running.messages[tripMs === undefined ? 'dontHave' : 'have']++
      this.#handle({ type: 'message-received', peer: to, message: { ...empty, presences: [{ cid, type }] } })
    })
  }

  #search(search: OrderId, running: Running): void {
    this.#searches.set(search, { running, at: this.agenda.now })
    const { request } = running
    if (request.isPublished && this.#options.dht) {
      this.agenda.plan(request.walkMs, () => {
        if (!this.#searches.has(search)) return
        this.#handle({ type: 'providers-found', search, providers: [infoOf(this.#providerOf(request))] })
      })
    }
    this.agenda.plan(this.#options.dht ? 3 * request.walkMs : 0, () => {
      if (!this.#searches.has(search)) return
      this.#stopSearch(search)
      this.#handle({ type: 'provider-search-ended', search })
    })
  }

  /** Three requests for each round trip of 100 ms, as the report reckons. */
  #stopSearch(search: OrderId): void {
    const found = this.#searches.get(search)
    this.#searches.delete(search)
    if (found !== undefined && this.#options.dht) {
      found.running.dhtMessages += Math.min(60, 3 * Math.ceil((this.agenda.now - found.at) / 100))
    }
  }

  /** One of its holders; for what only the DHT knows, a peer of its own. */
  #providerOf(request: Request): Peer {
    const [rank] = request.holders.keys()
    if (rank !== undefined) return this.#peer(rank).peer
    return this.#peers.intern(new Uint8Array([0x12, 0x20, ...request.cid.subarray(4)]) as PeerIdBytes)
  }

  #dial(peer: Peer): void {
    const rank = this.#rankOf.get(peer.id)
    this.agenda.plan(400, () => {
      this.#handle({ type: 'connection-ready', peer })
      if (rank !== undefined) this.#connect(rank)
      else this.#handle({ type: 'bitswap-peer-connected', ...infoOf(peer) })
      if (rank === undefined) this.agenda.plan(30_000, () => this.#handle({ type: 'bitswap-peer-disconnected', peer }))
    })
  }

  #peer(rank: number): { readonly peer: Peer; readonly tripMs: number } {
    const known = this.#heard.get(rank)
    if (known !== undefined) return known
    const rng = new Rng(hashOf(this.#options.seed, rank))
    const peer = this.#peers.intern(new Uint8Array([0x12, 0x20, ...rng.bytes(32)]) as PeerIdBytes)
    const heard = { peer, tripMs: lognormal(rng, 80, 0.7) }
    this.#heard.set(rank, heard)
    this.#rankOf.set(peer.id, rank)
    return heard
  }

  #newMachine(): Bitswap {
    const discovery = { ...defaultDiscoveryOptions, ...this.#options.discovery }
    return new Bitswap({ rng: this.#rng.child(), peers: this.#peers, orders: new OrderIds(), discovery })
  }

  #connect(rank: number): void {
    if (!this.#connected.has(rank)) this.#connected.set(rank, this.agenda.now)
    this.#handle({ type: 'bitswap-peer-connected', ...infoOf(this.#peer(rank).peer) })
    if (this.#connected.size <= this.#options.connections) return
    // The oldest connection goes, as a connection manager does that knows nothing of who serves.
    const [oldest] = this.#connected.keys()
    this.#connected.delete(oldest!)
    this.#handle({ type: 'bitswap-peer-disconnected', peer: this.#peer(oldest!).peer })
  }

  /** Done with a request: late messages are counted no more. */
  measured(running: Running): Measured {
    this.#requests.delete(running.request.cid)
    const { messages, dhtMessages, result, checked } = running
    return {
      checked,
      ...(result ?? { isFound: false, isByBitswap: false, latencyMs: 15_000, servedBy: undefined }),
      messages,
      dhtMessages,
    }
  }
}

export interface CrowdOptions {
  readonly seed: number
  readonly peers: number
  readonly connections: number
  readonly dht: boolean
  readonly usesContext?: boolean
  /** Whether what was not found is checked as in the study. */
  readonly checks?: boolean
  readonly discovery: Partial<DiscoveryOptions>
}

export interface Running {
  readonly request: Request
  readonly messages: Messages
  readonly startedAt: number
  result: Omit<Measured, 'messages' | 'dhtMessages' | 'checked'> | undefined
  dhtMessages: number
  checked: ProbeOutcome | undefined
}

/** The engine never looks into a block; its size is that of the prototype's picture. */
const blockBytes = new Uint8Array(49_000)

function infoOf(peer: Peer): PeerInfo {
  return { peer, addresses: [{ bytes: peer.id.subarray(0, 8), dialable: true }] }
}
